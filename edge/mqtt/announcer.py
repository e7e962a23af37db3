"""Keeps in mind which discovery messages a broker may hold, so that those of entities that are gone are taken back."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

_LOG = logging.getLogger(__name__)


class Announcer:
    """For the mqtt thread. messages: topic → payload, all retained. path: where their topics are kept.

    births: the topic on which Home Assistant says `online` when it has started.

    What cannot be read or written there is no fault: at worst an entity that is gone stays to be seen.
    """

    def __init__(self, messages: Mapping[str, str], path: Path, births: str = "homeassistant/status") -> None:
        self.births = births
        self._messages = dict(messages)
        self._path = path
        self._stale: set[str] = set()

    def to_publish(self) -> dict[str, str]:
        """Topic → payload: first what is gone, empty, then all that there is."""
        known = self._read()
        self._stale = known - self._messages.keys()
        self._write(known | self._messages.keys())  # before it is published: a power cut forgets none
        return {**dict.fromkeys(sorted(self._stale), ""), **self._messages}

    def settled(self, topic: str) -> None:
        """The broker has the newest message on this topic. What was taken back needs no more thought."""
        if topic in self._stale:
            self._stale.discard(topic)
            if not self._stale:
                self._write(set(self._messages))

    def _read(self) -> set[str]:
        try:
            topics = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return set()
        except (OSError, ValueError) as error:
            _LOG.warning("%s: not readable (%s); entities that are gone may stay in Home Assistant", self._path, error)
            return set()
        return {topic for topic in topics if isinstance(topic, str)} if isinstance(topics, list) else set()

    def _write(self, topics: set[str]) -> None:
        if topics == self._read():
            return
        unfinished = self._path.with_suffix(".new")
        try:
            with unfinished.open("w", encoding="utf-8") as file:
                json.dump(sorted(topics), file, indent=0)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self._path)
        except OSError as error:
            _LOG.warning("%s: not written (%s); entities that go may stay in Home Assistant", self._path, error)
