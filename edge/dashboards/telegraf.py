"""The part of a Telegraf config that puts what all bins say into tables, one for each topic.

PostgreSQL (with or without TimescaleDB) is what the Grafana dashboard reads; any other of Telegraf's outputs takes the
same measurements.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from edge.mqtt.catalogue import CHANNELS, Channel, scalar_type

HEAD = """\
# Made by: python -m edge mqtt export --for telegraf
# For Telegraf 1.24 or later: /etc/telegraf/telegraf.d/smartbin.conf. A table for each topic of all bins, with the tags
# `bin`, and `compartment` or `code` where the topic names one. Set in the environment (/etc/default/telegraf):
#   SMARTBIN_BROKER    ssl://broker.example.org:8883
#   SMARTBIN_USER, SMARTBIN_PASSWORD    a user that may read smartbin/#
#   SMARTBIN_DATABASE  host=db.example.org user=telegraf dbname=smartbin; the password in PGPASSWORD

[[outputs.postgresql]]
  connection = "${SMARTBIN_DATABASE}"
  namepass = ["smartbin_*"]
  create_templates = [
    '''CREATE TABLE {{ .table }} ({{ .columns }})''',
    '''CREATE INDEX ON {{ .table }} (bin, time DESC)''',
  ]
"""

INPUT = """
[[inputs.mqtt_consumer]]
  name_override = "{table}"
  servers = ["${{SMARTBIN_BROKER}}"]
  username = "${{SMARTBIN_USER}}"
  password = "${{SMARTBIN_PASSWORD}}"
  client_id = "telegraf-{table}"
  persistent_session = true
  qos = {qos}
  topics = ["{pattern}"]
  topic_tag = ""
  tagexclude = ["host"]
  data_format = "{data_format}"
"""

TOPIC_TAGS = """\
  [[inputs.mqtt_consumer.topic_parsing]]
    topic = "{pattern}"
    tags = "{tags}"
"""

FIELD = """\
    [[inputs.mqtt_consumer.json_v2.field]]
      path = "{path}"
      rename = "{column}"
      type = "{type}"
      optional = true
"""

TIME = """\
    timestamp_path = "ts"
    timestamp_format = "2006-01-02T15:04:05Z07:00"
"""


class Column(NamedTuple):
    """A value of a JSON payload. path: as GJSON writes it. type: as Telegraf names it."""

    name: str
    path: str
    type: str


SPECIAL: dict[str, tuple[Column, ...]] = {
    "state": (Column("faults", "faults.#", "int"),),
    "classification": (
        Column("p", "top3.0.p", "float"),
        *(
            Column(f"{stage}_ms", f"latency_ms.{stage}", "float")
            for stage in ("capture", "preprocess", "infer", "decide")
        ),
        Column("actuate_ms", "latency_ms.actuate", "float"),
    ),
}
"""Values within lists and dictionaries, which a schema does not name."""

TYPES = {"string": "string", "integer": "int", "number": "float", "boolean": "bool"}
TABLES = {channel.path: channel for channel in CHANNELS if channel.path not in ("classification/last", "image/last")}
"""What is kept. The newest event is among the events; pictures are not for a table."""


def telegraf() -> str:
    return HEAD + "".join(_input(channel) for channel in TABLES.values())


def table_of(channel: Channel) -> str:
    return "smartbin_" + re.sub(r"\W+", "_", re.sub(r"<\w+>|compartment/", "", channel.path)).strip("_")


def tags_of(channel: Channel) -> list[str]:
    names = {"c": "compartment"}
    return ["bin", *(names.get(name, name) for name in re.findall(r"<(\w+)>", channel.path))]


def as_text(channel: Channel) -> bool:
    """Bare values; and alerts, whose empty message, which ends one, is not JSON."""
    return channel.bare or channel.path == "alert/<code>"


def columns_of(channel: Channel) -> list[Column]:
    """The columns of a channel's table, beside `time` and the tags."""
    if as_text(channel):
        kind = channel.payload.model_json_schema()["type"] if channel.bare else "string"
        return [Column("value", "", TYPES[kind])]
    return [*_columns(channel.payload.model_json_schema()), *SPECIAL.get(channel.path, ())]


def _columns(schema: dict[str, Any], defs: dict[str, Any] | None = None, path: str = "") -> list[Column]:
    defs = defs or schema.get("$defs", {})
    found = []
    for name, node in schema["properties"].items():
        if name == "schema" or (name == "ts" and not path):
            continue  # the version says nothing over time; ts is the row's time
        node = defs[node["$ref"].rpartition("/")[2]] if "$ref" in node else node
        kind = scalar_type(node)
        if "properties" in node:
            found += _columns(node, defs, f"{path}{name}.")
        elif kind is not None:
            found.append(Column(f"{path}{name}".replace(".", "_"), f"{path}{name}", TYPES[kind]))
    return found


def _input(channel: Channel) -> str:
    tags = iter(tags_of(channel)[1:])
    levels = [next(tags) if part.startswith("<") else "_" for part in channel.path.split("/")]
    text = INPUT.format(
        table=table_of(channel),
        pattern=channel.pattern,
        qos=channel.qos,
        data_format="value" if as_text(channel) else "json_v2",
    )
    topic_tags = TOPIC_TAGS.format(pattern=channel.pattern, tags="/".join(["_", "bin", *levels]))
    columns = columns_of(channel)
    if as_text(channel):
        return f'{text}  data_type = "{columns[0].type.replace("int", "integer")}"\n{topic_tags}'
    time = TIME if "ts" in channel.payload.model_fields else ""
    fields = "".join(FIELD.format(path=c.path, column=c.name, type=c.type) for c in columns)
    return f"{text}{topic_tags}  [[inputs.mqtt_consumer.json_v2]]\n{time}{fields}"
