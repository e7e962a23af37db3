"""What may run the network, by name. Imports no runtime, so that the daemon's own process stays without one."""

from __future__ import annotations

from dataclasses import dataclass

from edge.errors import BundleError


@dataclass(frozen=True)
class Candidate:
    """A kind of engine and how many threads it may use; 0: as many as it likes."""

    kind: str
    threads: int = 0

    def __str__(self) -> str:
        return f"{self.kind}, {self.threads} thread{'s' if self.threads > 1 else ''}" if self.threads else self.kind


class NoEngine(BundleError):
    """Not one engine of this machine may sort with this bundle."""
