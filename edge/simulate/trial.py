"""Causes one fault while items arrive, watches what the bin makes of it, mends it, and judges."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.config import Config
from edge.fault_table import BY_CODE
from edge.simulate.arrange import Document
from edge.simulate.bin import HOST, JUMP_S, SimulatedBin, Site
from edge.simulate.scenarios import SCENARIOS, Scenario

DELIVERED_S = 120.0
"""After so long the broker must have every event."""
SETTLING_JUMPS = 20
"""In so many jumps at most the time passes until a bin that was mended is believed again."""
HEARD_S = 60.0
"""Within so long a bin has found a broker that is back."""


@dataclass
class Result:
    """What became of one fault. *_s: simulated seconds. problems: what should not have been; none is a success.

    published: the alert was heard, and heard to be over. restarted: it stands until the next start.
    """

    code: str
    published: bool = False
    noticed_s: float | None = None
    recovered_s: float | None = None
    restarted: bool = False
    items: int = 0
    lost: int = 0
    forbidden_pulses: int = 0
    problems: list[str] = field(default_factory=list)


def try_fault(config: Config, code: str) -> Result:
    """Cause the fault of this code in a bin of this config; never raises for what the bin does wrong."""
    result = Result(code)
    with tempfile.TemporaryDirectory() as folder, Site(Path(folder), config.bin_id) as site:
        _Trial(config, site, SCENARIOS[code], result).run()
    return result


class _Trial:
    def __init__(self, config: Config, site: Site, scenario: Scenario, result: Result) -> None:
        self._site, self._scenario, self._result = site, scenario, result
        self._document: Document = config.model_dump(mode="json", by_alias=True)
        self._document["state_dir"] = str(site.folder / "state")
        self._document["mqtt"] |= {"host": HOST, "port": site.port, "embedded_broker": False}
        scenario.arrange(self._document, site)
        self._ids: list[Any] = []

    def run(self) -> None:
        code, scenario, result = self._result.code, self._scenario, self._result
        with self._bin() as bin_:
            if not bin_.sort(1):
                self._problem("sorted nothing before")
            self._deliver(bin_)
            self._cause_and_mend(bin_)
            if scenario.ends is not None:
                self._recover(bin_)
            elif self._can_be_heard(bin_):  # where the broker was away it is back, for alerts before the next start
                bin_.run(HEARD_S, lambda: True in self._site.alerts.get(code, []))
            self._ids += [event.event_id for event in bin_.events]
            dropped = bin_.daemon.journal.dropped
        if scenario.ends is None:
            self._restart()
        if BY_CODE[code].acknowledge and result.recovered_s is None:
            self._problem("an acknowledgement did not end it")
        self._site.hears(lambda: len(set(self._ids) - set(self._site.arrived)) <= dropped)
        result.items = len(self._ids)
        result.lost = len(set(self._ids) - set(self._site.arrived))
        if result.lost != dropped:
            self._problem(f"{result.lost} events never arrived, and the journal says that it dropped {dropped}")
        self._judge_alerts()

    def _deliver(self, bin_: SimulatedBin) -> None:
        """What the broker took, the subscriber has: it would be gone with this broker, which keeps nothing."""
        if not self._can_be_heard(bin_) or any(code.startswith("broker_") for code in bin_.standing()):
            return
        bin_.run(DELIVERED_S, lambda: not bin_.daemon.journal.depth())
        ids = {event.event_id for event in bin_.events}
        self._site.hears(lambda: ids <= set(self._site.arrived))

    def _can_be_heard(self, bin_: SimulatedBin) -> bool:
        """The site's own broker has no TLS."""
        return bin_.config.mqtt.tls is None

    def _cause_and_mend(self, bin_: SimulatedBin) -> None:
        code, scenario, result = self._result.code, self._scenario, self._result
        with ExitStack() as cause:
            cause.enter_context(scenario.cause(bin_))
            taken_s = bin_.run(scenario.within_s, lambda: code in bin_.standing())
            if code not in bin_.standing():
                self._problem(f"not noticed in {scenario.within_s:g} s; there stand {sorted(bin_.standing())}")
                return
            result.noticed_s = taken_s
            items, pulses = len(bin_.events), bin_.pulses
            bin_.run(scenario.watched_s)
            if scenario.heard and not self._site.hears(lambda: True in self._site.alerts.get(code, [])):
                self._problem("not published")
            if scenario.sorts_on and not bin_.sort(1):
                self._problem("did not sort on")
            if not scenario.sorts_on:
                result.forbidden_pulses = bin_.pulses - pulses
                if result.forbidden_pulses or len(bin_.events) > items:
                    self._problem("moved while it stood")

    def _recover(self, bin_: SimulatedBin) -> None:
        code, scenario, result = self._result.code, self._scenario, self._result
        assert scenario.ends is not None
        from_s = bin_.clock.monotonic_s()
        if BY_CODE[code].acknowledge:
            bin_.daemon.guard.acknowledge()
            bin_.daemon.faults.clear(code)
        bin_.hurry(scenario.settle_s, max(JUMP_S, scenario.settle_s / SETTLING_JUMPS))
        bin_.run(scenario.ends, lambda: code not in bin_.standing())
        if code in bin_.standing():
            self._problem("not over after it was mended")
            return
        result.recovered_s = bin_.clock.monotonic_s() - from_s
        if not bin_.sort(1):
            self._problem(f"sorted nothing afterwards; there stand {sorted(bin_.standing())}")
        bin_.run(DELIVERED_S, lambda: not bin_.daemon.journal.depth())

    def _restart(self) -> None:
        self._result.restarted = True
        self._scenario.mend(self._document)
        with self._bin() as bin_:
            if not bin_.sort(1) or self._result.code in bin_.standing():
                self._problem("not over after the next start")
            bin_.run(DELIVERED_S, lambda: not bin_.daemon.journal.depth())
            self._ids += [event.event_id for event in bin_.events]

    def _judge_alerts(self) -> None:
        alerts = self._site.alerts
        code = self._result.code
        if not self._site.hears(lambda: bool(alerts.get(code)) and not alerts[code][-1]):
            self._problem("its alert was not cleared")
        self._result.published = True in alerts.get(code, [])

    def _bin(self) -> SimulatedBin:
        config = Config.model_validate({k: v for k, v in self._document.items() if k != "signed_bundle"})
        return SimulatedBin(config, self._site, engine_command=self._scenario.engine_command(self._site))

    def _problem(self, what: str) -> None:
        self._result.problems.append(what)


def try_faults(config: Config, codes: list[str], tell: Callable[[str], None] = lambda code: None) -> list[Result]:
    """Each fault in a bin of its own."""
    results = []
    for code in codes:
        tell(code)
        results.append(try_fault(config, code))
    return results
