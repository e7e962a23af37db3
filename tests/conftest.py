"""What every test may use, and what every run obeys.

SMARTBIN_DATA names the folder with the photographs and weights; where it is unset, tests that need it skip and say so.
SMARTBIN_NO_SKIP=1 turns every skip into a failure: for runs where everything a test may need is there.
HYPOTHESIS_PROFILE chooses a profile below; CI takes `ci` by itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

pytest_plugins = ["tests.brokers", "tests.browser"]

ROOT = Path(__file__).resolve().parents[1]

# No deadline: the first example of a test pays for imports, and a busy machine is not a fault.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, print_blob=True)
# For tests/test_rules_bite.py: that a rule was broken is enough, the smallest case is not looked for.
settings.register_profile("bite", settings.get_profile("ci"), phases=[Phase.explicit, Phase.generate], print_blob=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(scope="session")
def bundle_path() -> Path:
    """The bundle that ships."""
    return ROOT / "models" / "resnet50-trashnet"


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder with the photographs and weights. Mark the test `data`."""
    folder = os.environ.get("SMARTBIN_DATA")
    if not folder:
        pytest.skip("SMARTBIN_DATA is not set: no photographs")
    return Path(folder)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """The passwords of one test are ordinary words in the next."""
    if (scrub := sys.modules.get("edge.scrub")) is not None:
        scrub._secrets.clear()


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """A skip becomes a failure that says so; an expected failure (xfail) stays what it is."""
    if not report.skipped or hasattr(report, "wasxfail") or os.environ.get("SMARTBIN_NO_SKIP", "") in ("", "0"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"{reason}; nothing may be skipped in this run (SMARTBIN_NO_SKIP is set)"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report
