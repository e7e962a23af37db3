"""The page's passwords, one for each role: made here, shown once, kept as argon2id hashes.

Parameters: OWASP Password Storage Cheat Sheet, argon2id with 19 MiB and two passes: a small computer has little memory.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from edge.errors import ConfigError

Role = Literal["viewer", "technician"]
ROLES: tuple[Role, ...] = get_args(Role)
"""A viewer looks; a technician may also ask the bin to do something."""

LONGEST = 256
"""Characters of a password that are looked at: hashing more costs time, which is what an attacker may want."""

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that looks like another
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class Passwords:
    """The hashes in `file`. Read anew each time: a password that was changed holds at once."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def missing(self) -> tuple[Role, ...]:
        """The roles that have no password, and so cannot log in.

        Raises:
            ConfigError: the file cannot be read, or holds something else.
        """
        known = self._hashes()
        return tuple(role for role in ROLES if role not in known)

    def make_missing(self) -> dict[Role, str]:
        """New passwords for the roles that have none, by role: the only time that they can be seen.

        Raises:
            ConfigError: the file cannot be read or written, or holds something else.
        """
        return self._renewed(self.missing())

    def renew(self, role: Role) -> str:
        """A new password for a role; the old one holds no longer. Raises as `make_missing` does."""
        return self._renewed([role])[role]

    def right(self, role: str, password: str) -> bool:
        """Whether this is the role's password. Takes some ten milliseconds, also for a role that there is not."""
        if len(password) > LONGEST:
            return False
        known = self._hashes()
        kept = known.get(role) or next(iter(known.values()), "")
        try:
            return _HASHER.verify(kept, password) and role in known
        except (VerificationError, InvalidHashError):
            return False

    def _hashes(self) -> dict[str, str]:
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ConfigError(f"{self._file}: {error}; delete it, and the console makes new passwords") from None
        if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
            raise ConfigError(f"{self._file}: not a file of passwords; delete it, and the console makes new ones")
        return content

    def _renewed(self, roles: Iterable[Role]) -> dict[Role, str]:
        made: dict[Role, str] = {role: _new_password() for role in roles}
        if made:
            hashes = self._hashes() | {role: _HASHER.hash(password) for role, password in made.items()}
            self._write(json.dumps(hashes, indent=1) + "\n")
        return made

    def _write(self, text: str) -> None:
        """For the eyes of the folder's owner only, also where root makes it, and whole or not at all."""
        temporary = self._file.with_name(self._file.name + ".tmp")
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            owner = self._file.parent.stat()
            if os.geteuid() == 0:
                os.chown(temporary, owner.st_uid, owner.st_gid)
            temporary.replace(self._file)
        except OSError as error:
            raise ConfigError(f"{self._file}: {error.strerror}; the console keeps its passwords there") from None


def _new_password() -> str:
    """Four groups of five: 99 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))
