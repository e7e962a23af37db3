"""Every error the edge raises on purpose, with the exit code its command ends with.

    SmartbinError                       1
    ├── ConfigError (ValueError)        3   a config file that cannot be used
    ├── BundleError (ValueError)        4   a model bundle that must not be used
    │   ├── GoldenMismatch                  an engine does not reproduce the reference logits
    │   └── UpdateError                     a new model cannot be had, or is not to be taken
    ├── EngineAway (RuntimeError)       4   the engine gives no answer now; it is being started anew
    ├── CameraError (OSError)           5   the camera cannot be opened, or gave up
    │   ├── WrongCamera                     it cannot do what the config asks, however often it is tried
    │   ├── StaleFrame                      no frame young enough; the cycle is skipped
    │   ├── UnfitFrame                      a fresh frame that shows nothing to go by; the cycle is skipped
    │   └── CameraEnded                     a finite source (a clip, a folder) has no more frames
    ├── BrokerError (ConnectionError)   6   the broker cannot be reached, refused us, or did not take the events
    ├── HardwareError (RuntimeError)    7   pins, servos, switches
    │   ├── MotionRefused                   the guard said no; nothing moved
    │   ├── MotionStalled                   a movement did not finish in its time
    │   ├── HomeLost                        a reference switch is not where it should be
    │   └── MotionInterrupted               a condition changed while it moved (lid, e-stop)
    ├── JournalError (OSError)          8   the journal cannot be read or written
    │   ├── DamagedJournal                  its file is damaged; a new one is needed
    │   └── ForeignJournal                  its file is another program's, or of a newer version
    ├── ControlError (ConnectionError)  9   the daemon does not answer on its control socket
    │   ├── ControlSocketAway               the disk takes no socket, or not now
    │   └── CommandError                    it answered, and did not do what was asked
    ├── RecordingError (ValueError)    10   a recording that cannot be written, read or replayed
    ├── CaptureMissing (LookupError)    1   there is no capture of that item, or not any more
    └── UnreadablePicture (ValueError)  1   a file that is not a picture

Exit code 0 is success, 2 is a wrong command line (Typer's), and 75 a restart that was asked for (edge/restart.py).
Anything else is a bug: it ends with a traceback and a non-zero code, so that a supervisor restarts the program.
"""

from __future__ import annotations

from typing import ClassVar


class SmartbinError(Exception):
    """Base of all errors below: the message says what was found, what was expected and what to do."""

    exit_code: ClassVar[int] = 1


class ConfigError(SmartbinError, ValueError):
    """A config file is missing, not YAML, or holds a key or value that is not allowed."""

    exit_code = 3


class BundleError(SmartbinError, ValueError):
    """A bundle is incomplete, tampered with, mislabelled, or of a schema this program does not know."""

    exit_code = 4


class GoldenMismatch(BundleError):
    """An engine's logits on the golden inputs are further from the reference than its precision allows."""


class UpdateError(BundleError):
    """A model update cannot be fetched, is not what it should be, or did not pass its trial."""


class EngineAway(SmartbinError, RuntimeError):
    """The engine hangs, died or was wrong, and is being started anew; what was asked is asked again later."""

    exit_code = 4


class CameraError(SmartbinError, OSError):
    """The camera cannot be opened or has stopped giving frames."""

    exit_code = 5


class WrongCamera(CameraError):
    """What the config asks for is not to be had here: a size, a file, a library. Another try does not mend it."""


class StaleFrame(CameraError):
    """There is no frame as young as asked for; an older one must not be classified."""


class UnfitFrame(CameraError):
    """The newest frame is frozen, dark, overexposed, blurred, garbled or of another view; it must not be classified."""


class CameraEnded(CameraError):
    """A finite source has given its last frame."""


class BrokerError(SmartbinError, ConnectionError):
    """The MQTT broker is unreachable, refused the connection, or did not acknowledge."""

    exit_code = 6


class HardwareError(SmartbinError, RuntimeError):
    """Pins, servos or switches cannot be used as configured."""

    exit_code = 7


class MotionRefused(HardwareError):
    """The guard refused the movement; nothing moved."""


class MotionStalled(HardwareError):
    """A movement did not finish within its time limit."""


class HomeLost(HardwareError):
    """A reference switch closed or opened where it should not, or never: the mechanism is not where it was sent."""


class MotionInterrupted(HardwareError):
    """A condition of the guard failed while the mechanism moved; it went to neutral."""


class JournalError(SmartbinError, OSError):
    """The journal cannot be opened, read or written."""

    exit_code = 8


class DamagedJournal(JournalError):
    """The journal's file is not a sound database."""


class ForeignJournal(JournalError):
    """The journal's file belongs to another program or a newer version; it must not be touched."""


class ControlError(SmartbinError, ConnectionError):
    """The daemon does not answer on its control socket, or refused a request."""

    exit_code = 9


class ControlSocketAway(ControlError):
    """The control socket cannot be made because the disk fails; it is tried again."""


class CommandError(ControlError):
    """The daemon answers, and says that it did not do what was asked."""


class RecordingError(SmartbinError, ValueError):
    """A recording cannot be written; or a file is none, or does not fit what it is replayed with."""

    exit_code = 10


class CaptureMissing(SmartbinError, LookupError):
    """There is no capture of that item, or not any more."""


class UnreadablePicture(SmartbinError, ValueError):
    """A file is missing, unreadable, or not a picture."""

    exit_code = 1
