"""What the Grafana dashboard asks of PostgreSQL. `$site` and `$bin` are the choices above it."""

from __future__ import annotations

from typing import NamedTuple

NOW = """\
WITH now AS (
  SELECT DISTINCT ON (bin) bin, coalesce(site, '-') AS site, phase, mode, faults, residual
  FROM smartbin_state ORDER BY bin, time DESC
), chosen AS (
  SELECT * FROM now WHERE bin IN (${bin:sqlstring}) AND site IN (${site:sqlstring})
)"""
"""The newest state of each bin; `chosen`: those of the sites and bins chosen."""

ONLINE = "SELECT DISTINCT ON (bin) bin, value FROM smartbin_availability ORDER BY bin, time DESC"
ALERTS = """\
SELECT DISTINCT ON (bin, code) bin, code, value FROM smartbin_alert ORDER BY bin, code, time DESC"""
"""The newest word on each fault; empty when it is over."""
FILL = """\
SELECT DISTINCT ON (bin, compartment) bin, compartment, value FROM smartbin_fill
ORDER BY bin, compartment, time DESC"""

ITEMS = """\
SELECT DISTINCT ON (event_id) time, event_id, c.bin, c.site, c.residual, decision_label AS label,
  decision_compartment AS compartment, decision_reason AS reason, decision_p_right AS p_right,
  actuation_outcome AS outcome, infer_ms, actuate_ms
FROM smartbin_classification JOIN chosen c USING (bin) WHERE $__timeFilter(time)"""
"""Each item of the time shown once, however often its event was sent."""

BY_BIN = "SELECT $__timeGroupAlias(time, $__interval), bin AS metric"
TELEMETRY = """\
FROM smartbin_telemetry JOIN chosen USING (bin) WHERE $__timeFilter(time) GROUP BY 1, 2 ORDER BY 1"""
SORTED = f"{NOW}, items AS (\n{ITEMS}\n)"
CONTAMINATION = "100 * avg(1 - p_right) FILTER (WHERE outcome = 'CONFIRMED' AND compartment IS DISTINCT FROM residual)"
"""The share of what was sorted into a compartment other than the residual one that is expected not to belong there."""

GOOD_TO_BAD = ((0.0, "green"), (5.0, "orange"), (15.0, "red"))
NONE_IS_GOOD = ((0.0, "green"), (1.0, "red"))
LEVELS = ((0.0, "green"), (70.0, "orange"), (90.0, "red"))

VARIABLES = {
    "site": "SELECT DISTINCT coalesce(site, '-') FROM smartbin_state ORDER BY 1",
    "bin": "SELECT DISTINCT bin FROM smartbin_state WHERE coalesce(site, '-') IN (${site:sqlstring}) ORDER BY 1",
}


class Panel(NamedTuple):
    """limits: value → colour from there on, in Grafana's names; empty: a colour for each series."""

    title: str
    kind: str
    width: int
    height: int
    sql: str
    description: str = ""
    unit: str = ""
    limits: tuple[tuple[float, str], ...] = ()


PANELS = (
    Panel("Bins", "stat", 4, 4, f"{NOW}\nSELECT count(*) FROM chosen"),
    Panel(
        "Off line",
        "stat",
        4,
        4,
        f"{NOW}\nSELECT count(*) FILTER (WHERE value <> 'online') FROM ({ONLINE}) a JOIN chosen USING (bin)",
        limits=NONE_IS_GOOD,
    ),
    Panel(
        "In fault", "stat", 4, 4, f"{NOW}\nSELECT count(*) FILTER (WHERE faults > 0) FROM chosen", limits=NONE_IS_GOOD
    ),
    Panel(
        "Full",
        "stat",
        4,
        4,
        f"{NOW}\nSELECT count(DISTINCT bin) FROM ({ALERTS}) a JOIN chosen USING (bin)\n"
        "WHERE code = 'compartment_full' AND value <> ''",
        "Bins with a full compartment, by switch or level.",
        limits=NONE_IS_GOOD,
    ),
    Panel("Items", "stat", 4, 4, f"{SORTED}\nSELECT count(*) FROM items"),
    Panel(
        "Contamination",
        "stat",
        4,
        4,
        f"{SORTED}\nSELECT {CONTAMINATION} FROM items",
        "Expected share of wrong items in the compartments other than the residual one, by calibrated probability.",
        unit="percent",
        limits=GOOD_TO_BAD,
    ),
    Panel(
        "Bins",
        "table",
        24,
        9,
        f"{SORTED}, online AS ({ONLINE}), fill AS ({FILL})\n"
        "SELECT c.site, c.bin, o.value AS online, c.phase, c.mode, c.faults,\n"
        "  (SELECT max(value) FROM fill f WHERE f.bin = c.bin) AS fullest,\n"
        f"  count(i.event_id) AS items, {CONTAMINATION.replace('residual)', 'i.residual)')} AS contamination,\n"
        "  max(i.time) AS last_item\n"
        "FROM chosen c LEFT JOIN online o USING (bin) LEFT JOIN items i ON i.bin = c.bin\n"
        "GROUP BY c.site, c.bin, o.value, c.phase, c.mode, c.faults ORDER BY c.faults DESC, c.site, c.bin",
        "Those with faults first. fullest and contamination in %.",
    ),
    Panel(
        "Faults",
        "table",
        24,
        7,
        f"{NOW}\nSELECT site, bin, code, value::json->>'since' AS since, value::json->>'message' AS message,\n"
        f"  value::json->>'remedy' AS remedy\nFROM ({ALERTS}) a JOIN chosen USING (bin) WHERE value <> ''\n"
        "ORDER BY since",
        "What stands now, and what a person does.",
    ),
    Panel(
        "Fill",
        "bargauge",
        8,
        9,
        f"{NOW}\nSELECT bin || ' ' || compartment AS metric, value FROM ({FILL}) f JOIN chosen USING (bin)\n"
        "ORDER BY value DESC LIMIT 30",
        "The fullest thirty compartments.",
        unit="percent",
        limits=LEVELS,
    ),
    Panel(
        "Items by compartment",
        "timeseries",
        16,
        9,
        f"{SORTED}\nSELECT $__timeGroupAlias(time, $__interval), compartment AS metric, count(*) AS items FROM items\n"
        "GROUP BY 1, 2 ORDER BY 1",
    ),
    Panel(
        "Contamination by site",
        "timeseries",
        12,
        8,
        f"{SORTED}\nSELECT $__timeGroupAlias(time, $__interval), site AS metric, {CONTAMINATION} AS contamination\n"
        "FROM items GROUP BY 1, 2 ORDER BY 1",
        unit="percent",
    ),
    Panel(
        "How sorting ended",
        "timeseries",
        12,
        8,
        f"{SORTED}\nSELECT $__timeGroupAlias(time, $__interval), outcome AS metric, count(*) AS items FROM items\n"
        "GROUP BY 1, 2 ORDER BY 1",
    ),
    Panel(
        "Time to classify, 95 % take no longer",
        "timeseries",
        8,
        8,
        f"{NOW}\n{BY_BIN}, avg(infer_p95_ms) AS ms\n{TELEMETRY}",
        unit="ms",
    ),
    Panel(
        "Temperature",
        "timeseries",
        8,
        8,
        f"{NOW}\n{BY_BIN}, max(temperature_c) AS celsius\n{TELEMETRY}",
        unit="celsius",
    ),
    Panel(
        "Events that wait for the broker",
        "timeseries",
        8,
        8,
        f"{NOW}\n{BY_BIN}, max(outbox_depth) AS events\n{TELEMETRY}",
    ),
)
