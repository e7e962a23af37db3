"""Every question of the Grafana dashboard, asked of a real PostgreSQL with tables as Telegraf makes them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from edge.bundle import load_bundle
from edge.config import load_config
from edge.dashboards.queries import PANELS, VARIABLES, Panel
from edge.dashboards.telegraf import TABLES, columns_of, table_of, tags_of
from edge.payloads import StatePayload, TelemetryPayload, VersionsPayload, event_payload
from edge.simulate.fleet.document import ROW_BYTES
from edge.simulate.fleet.items import Items

pytestmark = pytest.mark.needs_postgresql

SIM = Path(__file__).parents[3] / "configs/edge/sim.yaml"
SQL_TYPES = {"string": "text", "int": "bigint", "float": "double precision", "bool": "boolean"}
"""What Telegraf's output makes of its own types."""
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


class Database:
    """A PostgreSQL server of its own, on a socket in a folder."""

    def __init__(self, folder: Path) -> None:
        if not PROGRAMS:
            pytest.skip("PostgreSQL is not installed (Debian package postgresql)")
        self._folder = folder
        # Its server refuses to run as root.
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as_user:
            shutil.chown(folder, "postgres")
        self._run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        self._run("pg_ctl", "-D", str(folder / "data"), "-w", "-l", str(folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-m", "immediate", "stop")

    def ask(self, sql: str) -> list[list[str]]:
        """The rows of the answer, as text."""
        command = ["psql", "-h", str(self._folder), "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-X", "-q", "-t", "-A"]
        done = subprocess.run([*command, "-F", "\t"], input=sql, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stderr}\n{sql}"
        return [line.split("\t") for line in done.stdout.splitlines() if line]

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(PROGRAMS[-1] / program), *arguments]
        subprocess.run(command, cwd=self._folder, stdout=subprocess.DEVNULL, check=True)


def literal(value: Any) -> str:
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


def row(table: str, **values: Any) -> str:
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(map(literal, values.values()))});"


def event(time: str, bin_: str, event_id: str, p_right: float | None, compartment: str = "glass") -> str:
    return row(
        "smartbin_classification",
        time=time,
        bin=bin_,
        event_id=event_id,
        decision_label=compartment,
        decision_compartment=compartment,
        decision_p_right=p_right,
        actuation_outcome="CONFIRMED",
        infer_ms=18.0,
        actuate_ms=800.0,
    )


def filled() -> str:
    """The tables, and in them: two bins at a station, of which one is jammed and off line, and one on a campus."""
    statements = []
    for channel in TABLES.values():
        columns = ["time timestamp", *(f"{tag} text" for tag in tags_of(channel))]
        columns += [f'"{column.name}" {SQL_TYPES[column.type]}' for column in columns_of(channel)]
        statements.append(f"CREATE TABLE {table_of(channel)} ({', '.join(columns)});")
    for bin_, site, faults in (("hall-1", "station", 0), ("hall-2", "station", 1), ("canteen", None, 0)):
        state = {"bin": bin_, "site": site, "phase": "waiting", "mode": "auto", "residual": "residual"}
        statements.append(row("smartbin_state", time="2026-03-01 08:00", **state, faults=3))
        statements.append(row("smartbin_state", time="2026-03-01 09:00", **state, faults=faults))
        statements.append(row("smartbin_availability", time="2026-03-01 08:00", bin=bin_, value="online"))
        numbers = {"infer_p95_ms": 21.5, "temperature_c": 48.0, "outbox_depth": 2}
        statements.append(row("smartbin_telemetry", time="2026-03-01 10:00", bin=bin_, **numbers))
    statements.append(row("smartbin_availability", time="2026-03-01 11:00", bin="hall-2", value="offline"))
    jam = json.dumps({"since": "2026-03-01T10:00:00Z", "message": "it sticks", "remedy": "take it out"})
    for time, bin_, code, value in (
        ("09:00", "hall-1", "jam", jam),
        ("10:00", "hall-1", "jam", ""),
        ("10:00", "hall-2", "jam", jam),
        ("10:00", "canteen", "compartment_full", jam),
    ):
        statements.append(row("smartbin_alert", time=f"2026-03-01 {time}", bin=bin_, code=code, value=value))
    statements.append(row("smartbin_fill", time="2026-03-01 09:00", bin="canteen", compartment="glass", value=20))
    statements.append(row("smartbin_fill", time="2026-03-01 10:00", bin="canteen", compartment="glass", value=95))
    statements += [
        event("2026-03-01 09:10", "hall-1", "a", 0.9),
        event("2026-03-01 09:10", "hall-1", "a", 0.9),  # sent twice
        event("2026-03-01 09:20", "hall-1", "b", 0.7, "paper"),
        event("2026-03-01 09:30", "hall-1", "c", 0.1, "residual"),
        event("2026-03-01 09:40", "canteen", "d", 1.0),
        event("2026-02-01 09:40", "canteen", "long ago", 0.0),
    ]
    return "\n".join(statements)


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    # Not in pytest's own folder, which no other user may enter.
    with tempfile.TemporaryDirectory(prefix="smartbin-postgresql-", ignore_cleanup_errors=True) as folder:
        running = Database(Path(folder))
        try:
            running.ask(filled())
            yield running
        finally:
            running.stop()


def as_grafana_sends_it(sql: str, sites: tuple[str, ...] = ("station", "-")) -> str:
    """What Grafana makes of its macros and variables."""
    sql = sql.replace("$__timeFilter(time)", "time BETWEEN '2026-03-01T00:00:00Z' AND '2026-03-02T00:00:00Z'")
    sql = sql.replace("$__timeGroupAlias(time, $__interval)", 'floor(extract(epoch FROM time) / 3600) * 3600 AS "time"')
    sql = sql.replace("${bin:sqlstring}", "'hall-1', 'hall-2', 'canteen'")
    sql = sql.replace("${site:sqlstring}", ", ".join(map(literal, sites)))
    assert "$" not in sql, re.findall(r"\S*\$\S*", sql)
    return sql


def panel(title: str, kind: str = "stat") -> Panel:
    return next(panel for panel in PANELS if panel.title == title and panel.kind == kind)


def test_every_panel_and_every_choice_gets_rows(database: Database) -> None:
    for found in PANELS:
        assert database.ask(as_grafana_sends_it(found.sql)), found.title
    for name, sql in VARIABLES.items():
        assert database.ask(as_grafana_sends_it(sql)), name


@pytest.mark.parametrize(
    ("title", "number"),
    [("Bins", 3.0), ("Off line", 1.0), ("In fault", 1.0), ("Full", 1.0), ("Items", 4.0), ("Contamination", 40 / 3)],
)
def test_the_figures_are_those_of_now_and_of_each_item_once(database: Database, title: str, number: float) -> None:
    ((found,),) = database.ask(as_grafana_sends_it(panel(title).sql))
    assert float(found) == pytest.approx(number)


def test_the_table_tells_of_each_bin_those_in_fault_first(database: Database) -> None:
    rows = database.ask(as_grafana_sends_it(panel("Bins", "table").sql))
    assert [found[:9] for found in rows] == [
        ["station", "hall-2", "offline", "waiting", "auto", "1", "", "0", ""],
        ["-", "canteen", "online", "waiting", "auto", "0", "95", "1", "0"],
        ["station", "hall-1", "online", "waiting", "auto", "0", "", "3", "20"],
    ]


def test_a_fault_that_is_over_is_not_shown_and_one_that_stands_is_with_its_remedy(database: Database) -> None:
    rows = database.ask(as_grafana_sends_it(panel("Faults", "table").sql))
    assert {(bin_, code, remedy) for _, bin_, code, _, _, remedy in rows} == {
        ("hall-2", "jam", "take it out"),
        ("canteen", "compartment_full", "take it out"),
    }


def test_contamination_is_told_by_site(database: Database) -> None:
    rows = database.ask(as_grafana_sends_it(panel("Contamination by site", "timeseries").sql))
    assert {site: round(float(share), 6) for _, site, share in rows} == {"station": 20.0, "-": 0.0}


def test_the_choice_of_a_site_leaves_the_others_out(database: Database) -> None:
    ((found,),) = database.ask(as_grafana_sends_it(panel("Bins").sql, sites=("station",)))
    assert found == "2"


def field(payload: Any, path: str) -> Any:
    """What GJSON finds there, as far as Telegraf's file asks for it."""
    for step in path.split("."):
        if payload is None:
            return None
        if step == "#":
            return len(payload)
        payload = payload[int(step)] if isinstance(payload, list) else payload.get(step)
    return payload


def said(rows: int, bundle_path: Path) -> Iterator[tuple[str, datetime, Any]]:
    """Channel, time and payload of so many items and minutes of a hundred bins."""
    config, chance = load_config(SIM), Random(1)
    items, boot_id = Items(config, load_bundle(bundle_path), chance), uuid4()
    state = StatePayload(
        phase="waiting", mode="auto", faults=[], versions=VersionsPayload(program="0.1.0", model="0.3.0"),
        engine="onnxruntime-int8", site="station hall", residual="residual",
    )  # fmt: skip
    for seq in range(1, rows + 1):
        at = datetime(2026, 3, 1, tzinfo=timezone.utc) + timedelta(seconds=seq)
        event = items.next(boot_id, seq, at, clock_synced=True)
        yield "classification", at, json.loads(event_payload(event).to_json())
        yield "state", at, json.loads(state.to_json())
        yield "compartment/<c>/count", at, seq
        yield "compartment/<c>/purity", at, round(chance.uniform(80, 99), 1)
        numbers = {
            name: round(chance.uniform(1, 60), 2)
            for name in TelemetryPayload.model_fields
            if name.endswith(("_ms", "_c", "_mib"))
        }
        telemetry = TelemetryPayload(ts=at, uptime_s=seq, fps=29.8, fault_count=0, outbox_depth=0, **numbers)
        yield "telemetry", at, json.loads(telemetry.to_json())


def test_a_row_takes_as_many_bytes_as_the_paper_on_scale_says(database: Database, bundle_path: Path) -> None:
    rows = 2000
    statements = ["CREATE SCHEMA sized; SET search_path TO sized; BEGIN;"]
    channels = {path: TABLES[path] for path in dict.fromkeys(path for path, _, _ in said(1, bundle_path))}
    values_of = {path: columns_of(channel) for path, channel in channels.items()}
    for path, channel in channels.items():
        columns = ["time timestamp", *(f"{tag} text" for tag in tags_of(channel))]
        columns += [f'"{column.name}" {SQL_TYPES[column.type]}' for column in values_of[path]]
        table = table_of(channel)
        statements.append(f"CREATE TABLE {table} ({', '.join(columns)}); CREATE INDEX ON {table} (bin, time DESC);")
    for at, (path, time, payload) in enumerate(said(rows, bundle_path)):
        values = {column.name: field(payload, column.path) if column.path else payload for column in values_of[path]}
        tags = dict.fromkeys(tags_of(channels[path]), "residual") | {"bin": f"station-hall-{at % 100}"}
        statements.append(row(table_of(channels[path]), time=time.replace(tzinfo=None), **tags, **values))
    statements.append("COMMIT;")
    tables = [table_of(channel) for channel in channels.values()]
    statements += [f"SELECT '{table}', pg_total_relation_size('{table}') / {rows}.0;" for table in tables]
    found = {table.removeprefix("smartbin_"): float(size) for table, size in database.ask("\n".join(statements))}
    assert found == {name: pytest.approx(size, rel=0.1) for name, size in ROW_BYTES.items()}
