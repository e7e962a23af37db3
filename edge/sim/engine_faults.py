"""An engine that fails on request: for `simulate --faults` and for tests.

The failures are real ones. A process that is stopped hangs, one that is killed is dead, and one that adds to its logits
is wrong; what finds them out is what does so on a bin.
"""

from __future__ import annotations

import os
import signal
import sys
from enum import Enum

from edge.engines.supervised import SupervisedEngine

COMMAND = (sys.executable, "-m", "edge.sim.worker")
"""Starts an engine's process that can be made to answer wrongly; see `edge.build.open_daemon(engine_command=…)`."""


class EngineFault(Enum):
    """What can be wrong with it, and the signal that its process gets."""

    HANG = signal.SIGSTOP
    DIE = signal.SIGKILL
    WRONG = signal.SIGUSR1


def cause(fault: EngineFault, engine: SupervisedEngine) -> None:
    """Let the running engine fail. It has no answer, or wrong ones, until it is started anew.

    Raises:
        ProcessLookupError: there is no engine that could fail.
    """
    if engine.pid is None:
        raise ProcessLookupError("no engine runs")
    os.kill(engine.pid, fault.value)
