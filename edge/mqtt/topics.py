"""The names of a bin's topics. docs/mqtt.md says what is on them."""

from __future__ import annotations

import re
from dataclasses import dataclass

ONLINE = "online"
OFFLINE = "offline"


@dataclass(frozen=True)
class Topics:
    """Every topic of the bin `bin_id`, all under `smartbin/<bin_id>/`."""

    bin_id: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9-]{1,40}", self.bin_id):
            raise ValueError(f"a bin_id is 1 to 40 of a-z, 0-9 and -, found {self.bin_id!r}")

    @property
    def base(self) -> str:
        return f"smartbin/{self.bin_id}"

    @property
    def client_id(self) -> str:
        """The bin's name at the broker."""
        return f"smartbin-{self.bin_id}"

    @property
    def availability(self) -> str:
        return f"{self.base}/availability"

    @property
    def state(self) -> str:
        return f"{self.base}/state"

    @property
    def classification(self) -> str:
        return f"{self.base}/classification"

    @property
    def last_classification(self) -> str:
        return f"{self.base}/classification/last"

    @property
    def last_image(self) -> str:
        return f"{self.base}/image/last"

    @property
    def telemetry(self) -> str:
        return f"{self.base}/telemetry"

    def alert(self, code: str) -> str:
        return f"{self.base}/alert/{code}"

    def fill(self, compartment: str) -> str:
        return f"{self.base}/compartment/{compartment}/fill"

    def purity(self, compartment: str) -> str:
        return f"{self.base}/compartment/{compartment}/purity"

    def count(self, compartment: str) -> str:
        return f"{self.base}/compartment/{compartment}/count"

    @property
    def update(self) -> str:
        return f"{self.base}/update"

    @property
    def requests(self) -> str:
        """A filter: every `request/<cmd>`."""
        return f"{self.base}/request/+"

    def request(self, cmd: str) -> str:
        return f"{self.base}/request/{cmd}"

    def response(self, cmd: str) -> str:
        return f"{self.base}/response/{cmd}"
