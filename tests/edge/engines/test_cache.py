"""What a machine built is loaded by that machine for that model, and by and for no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.engines.cache import NO_CACHE, EngineCache, Key, processor

KEY = Key("a" * 64, "somert 1.0", "x86_64 thing 0123", "int8", (1, 224, 224, 3), {"threads": "2"})


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "engines")


def test_what_was_stored_is_loaded(cache: EngineCache) -> None:
    cache.store(KEY, ".engine", b"built")
    assert cache.load(KEY, ".engine") == b"built"


@pytest.mark.parametrize(
    "change",
    [
        {"model_sha256": "b" * 64}, {"runtime": "somert 1.1"}, {"device": "aarch64 other 0123"}, {"precision": "fp16"},
        {"shape": (1, 192, 192, 3)}, {"options": {"threads": "4"}}, {"options": {}},
    ],
)  # fmt: skip
def test_any_difference_in_the_key_means_that_nothing_is_there(cache: EngineCache, change: dict[str, Any]) -> None:
    cache.store(KEY, ".engine", b"built")
    assert cache.load(replace(KEY, **change), ".engine") is None


def test_an_engine_under_another_engines_name_is_not_loaded(cache: EngineCache) -> None:
    """As when a folder of engines is copied from another bin and renamed until it fits."""
    other = replace(KEY, device="aarch64 other 0123")
    stored, wanted = cache.store(other, ".engine", b"foreign"), cache.path(KEY, ".engine")
    assert stored is not None and wanted is not None
    stored.rename(wanted)
    stored.with_name(stored.name + ".json").rename(wanted.with_name(wanted.name + ".json"))
    assert cache.load(KEY, ".engine") is None


@pytest.mark.parametrize("file", ["", ".json"])
def test_every_changed_byte_of_engine_and_note_is_noticed(cache: EngineCache, file: str) -> None:
    stored = cache.store(KEY, ".engine", b"built on this machine")
    assert stored is not None
    path = stored.with_name(stored.name + file)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x04]) + whole[place + 1 :])
        assert cache.load(KEY, ".engine") is None, f"byte {place} of {path.name}"
    path.write_bytes(whole[:-1])
    assert cache.load(KEY, ".engine") is None


def test_storing_again_replaces_and_leaves_nothing_half_written(cache: EngineCache, tmp_path: Path) -> None:
    cache.store(KEY, ".engine", b"first")
    cache.store(KEY, ".engine", b"second")
    assert cache.load(KEY, ".engine") == b"second"
    assert len(list((tmp_path / "engines").iterdir())) == 2, "the engine and its note"


def test_without_a_folder_nothing_is_kept() -> None:
    assert NO_CACHE.store(KEY, ".engine", b"built") is None
    assert NO_CACHE.load(KEY, ".engine") is None


def test_this_processor_is_named_the_same_each_time() -> None:
    assert processor() == processor()
    assert len(processor().split()) >= 3, "architecture, model, instruction sets"
