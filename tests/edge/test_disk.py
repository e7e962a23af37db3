"""A disk that fails is told from a config that is wrong: with the first a bin starts, with the second it does not."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edge.config import Config, load_config
from edge.errors import JournalError
from edge.readiness import check_before_start, make_state_dir

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    sim = load_config(ROOT / "configs/edge/sim.yaml")
    classify = sim.classify.model_copy(update={"bundle": ROOT / "models/resnet50-trashnet"})
    return sim.model_copy(update={"state_dir": tmp_path / "state", "classify": classify})


@pytest.mark.parametrize("reason", [errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_takes_no_folder_does_not_stop_a_start(
    config: Config, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(Path, "mkdir", refuse)
    make_state_dir(config)
    check_before_start(config)
    assert not config.state_dir.exists()


def test_a_state_dir_that_is_a_file_stops_it(config: Config) -> None:
    config.state_dir.touch()
    with pytest.raises(JournalError, match="name a folder that this user may write"):
        make_state_dir(config)


@pytest.mark.parametrize(("read_only", "starts"), [(True, True), (False, False)])
def test_a_folder_that_may_not_be_written_stops_it_unless_its_disk_is_read_only(
    config: Config, monkeypatch: pytest.MonkeyPatch, read_only: bool, starts: bool
) -> None:
    make_state_dir(config)
    flags = os.ST_RDONLY if read_only else 0
    found = os.statvfs(config.state_dir)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result((*found[:8], flags, found[9])))
    if starts:
        check_before_start(config)
    else:
        with pytest.raises(JournalError, match="not writable"):
            check_before_start(config)
