"""`setup.yaml` and `setup.previous.yaml` in state_dir: what was set up, and what was before."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from edge.config.commented import commented
from edge.config.explain import explain
from edge.config.setup import Setup
from edge.errors import ConfigError, JournalError
from edge.settings import write_whole

HEADING = (
    "What was set up in the console's Setup tab. It goes before the bin's config file, section by section.\n"
    "Written {when} for {who}. Delete this file and start the bin again: the config file alone holds."
)


class SetupFile:
    """Not for several threads at once. A power cut leaves the old file or the new one."""

    def __init__(self, state_dir: Path) -> None:
        self.path, self._previous = state_dir / "setup.yaml", state_dir / "setup.previous.yaml"

    def read(self) -> Setup:
        """What is set up; nothing where there is no file.

        Raises:
            ConfigError: the file cannot be read, or is none.
        """
        return self._read(self.path)

    def write(self, setup: Setup, when: str, who: str) -> None:
        """Replace it; what was there can be had again by `undo`.

        Raises:
            JournalError: the disk does not take it; nothing has changed.
        """
        heading = HEADING.format(when=when, who=who)
        self._replace(commented(setup, heading).encode())

    @property
    def undoable(self) -> bool:
        return self._previous.exists()

    def previous(self) -> Setup:
        """What `undo` would bring back. Raises ConfigError: it cannot be read."""
        return self._read(self._previous)

    def undo(self) -> None:
        """What was before is again; what was now is before: a second undo takes the first one back.

        Raises:
            JournalError: the disk fails, or there is nothing to undo.
        """
        try:
            self._replace(self._previous.read_bytes())
        except OSError as error:
            raise JournalError(f"{self._previous}: {error.strerror or error}; there is nothing to undo") from None

    def _replace(self, content: bytes) -> None:
        try:
            before = self.path.read_bytes() if self.path.exists() else commented(Setup(), "Nothing set up.").encode()
            write_whole(self._previous, before)
            write_whole(self.path, content)
        except OSError as error:
            raise JournalError(
                f"{self.path}: {error.strerror or error}; make room, or see that the folder is writable"
            ) from None

    def _read(self, path: Path) -> Setup:
        try:
            text = path.read_text()
            tree = yaml.compose(text, Loader=yaml.SafeLoader)
            return Setup.model_validate(yaml.safe_load(text) or {})
        except FileNotFoundError:
            return Setup()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a text file"
            raise ConfigError(f"{path}: {reason}") from None
        except yaml.YAMLError as error:
            raise ConfigError(f"{path}: not YAML: {error}") from None
        except ValidationError as error:
            raise ConfigError("; ".join(explain(path, tree, each, Setup) for each in error.errors())) from None
