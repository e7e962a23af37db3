"""An update from its beginning to its end, or to wherever it fails: the bin always has one whole model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.actuators.guard import Safety
from edge.bundle.signature import SIGNATURE, sign
from edge.decide import Policy
from edge.domain import Box, Frame, Outcome, Prediction
from edge.errors import BundleError, UpdateError
from edge.observers import Look, SortedItem
from edge.payloads import SwitchModelArguments, UpdateArguments
from edge.update.asked import ATTEMPTS, Asked
from edge.update.fetch import UPLOAD
from edge.update.updater import Step
from tests.brokers import sample_event
from tests.patience import PATIENCE
from tests.updates import Bin, loaded, packed, versioned

ROOT = Path(__file__).parents[3]
POLICY = Policy({}, "glass", {}, {}, 0.0)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """Version 1.1.0 as an archive."""
    return packed(versioned(tmp_path / "new", "1.1.0", seed=1), tmp_path / "new.tar.gz")


def item(compartment: str) -> SortedItem:
    """A finished item that the old model put there."""
    look = Look(Frame(np.zeros((40, 40, 3), np.uint8), 0.0, 1), Box(0, 0, 40, 40), Box(0, 0, 40, 40), 0.0)
    prediction = Prediction(
        ("glass", "metal"), np.full(2, 0.5, np.float32), np.ones((2, 4, 4), np.float32), 0.0, "x", 0.0
    )
    return SortedItem(sample_event(1, compartment, Outcome.PENDING), (look,), prediction, POLICY, Safety())


def test_a_newer_signed_model_sorts_from_then_on_and_after_a_restart(tmp_path: Path, new: Path) -> None:
    bin_ = Bin(tmp_path)
    assert bin_.update(new) is None
    assert bin_.version == "1.1.0"
    assert bin_.engine.bundle is not None and bin_.engine.bundle.path == tmp_path / "models/a"
    assert bin_.slots.pointer.model_dump() == {"current": "a", "previous": "config", "confirmed": True}
    assert len(bin_.policies) == 1
    assert bin_.standing() == ""
    assert Bin(tmp_path).version == "1.1.0"
    last = bin_.published[-1]
    assert (last.installed_version, last.latest_version, last.in_progress) == ("1.1.0", "1.1.0", False)
    under_way = [told for told in bin_.published if told.in_progress]
    percents = [told.update_percentage for told in under_way]
    assert percents == sorted(percents, key=lambda percent: percent or 0)
    assert {told.installed_version for told in under_way[:-1]} == {"1.0.0"}
    assert not list((tmp_path / "models").glob("*.new")) and not (tmp_path / "models/asked.json").exists()


def test_a_new_model_waits_for_an_item_that_is_looked_at(tmp_path: Path, new: Path) -> None:
    bin_ = Bin(tmp_path)
    bin_.live.update(phase="looking")
    with bin_.updater as updater:
        updater.update(UpdateArguments(url=new.as_uri()))
        bin_.until(lambda: updater._to_use is not None)
        updater.tend()
        assert (bin_.version, updater.told.step) == ("1.0.0", "switch")
        bin_.live.update(phase="waiting")
        bin_.finish()
    assert bin_.version == "1.1.0"


def test_the_next_one_goes_into_the_other_slot_and_rollback_brings_the_one_before(tmp_path: Path, new: Path) -> None:
    Bin(tmp_path).update(new)
    newer = packed(versioned(tmp_path / "newer", "1.2.0", seed=2), tmp_path / "newer.tar")
    bin_ = Bin(tmp_path)
    assert bin_.update(newer) is None
    assert bin_.slots.pointer.model_dump() == {"current": "b", "previous": "a", "confirmed": True}
    with bin_.updater:
        assert bin_.updater.rollback() == {"version": "1.1.0"}
        bin_.finish()
    assert (bin_.version, Bin(tmp_path).version) == ("1.1.0", "1.1.0")


def test_a_model_on_the_bin_is_tried_and_switched_to(tmp_path: Path, new: Path) -> None:
    Bin(tmp_path).update(new)
    bin_ = Bin(tmp_path)
    with bin_.updater:
        assert bin_.updater.switch(SwitchModelArguments(slot="config")) == {"version": "1.0.0"}
        bin_.finish()
    assert (bin_.version, Bin(tmp_path).version, bin_.updater.outcome) == ("1.0.0", "1.0.0", "sorts")
    assert bin_.slots.pointer.model_dump() == {"current": "config", "previous": "a", "confirmed": True}
    assert next(told.step for told in bin_.published if told.in_progress) == "golden"


@pytest.mark.parametrize(("slot", "reason"), [("config", "sorts already"), ("b", "manifest.json")])
def test_what_sorts_and_what_is_not_there_is_not_switched_to(tmp_path: Path, slot: Any, reason: str) -> None:
    bin_ = Bin(tmp_path)
    with bin_.updater, pytest.raises((UpdateError, BundleError), match=reason):
        bin_.updater.switch(SwitchModelArguments(slot=slot))


def test_a_model_on_the_bin_that_disagrees_in_shadow_is_not_switched_to(tmp_path: Path, new: Path) -> None:
    Bin(tmp_path).update(new)
    bin_ = Bin(tmp_path)
    bin_.candidate.logits = (0.0, 9.0)
    with bin_.updater:
        bin_.updater.switch(SwitchModelArguments(slot="config", shadow_items=2))
        while bin_.updater.shadow is None or bin_.updater.shadow.seen < 2:
            bin_.updater.take(item("glass"))
        bin_.finish()
    assert (bin_.version, bin_.updater.outcome, bin_.updater.failed_at) == ("1.1.0", "failed", "shadow")
    assert "2 of 2 items elsewhere" in bin_.standing()


def test_a_bundle_that_is_refused_leaves_the_one_before_in_its_slot(tmp_path: Path, new: Path) -> None:
    Bin(tmp_path).update(new)
    Bin(tmp_path).update(packed(versioned(tmp_path / "newer", "1.2.0", seed=2), tmp_path / "newer.tar"))
    bin_ = Bin(tmp_path)
    assert "not newer" in str(bin_.update(new))
    assert bin_.updater.failed_at == "verify"
    with bin_.updater:
        assert bin_.updater.rollback() == {"version": "1.1.0"}
        bin_.finish()


def test_what_was_uploaded_is_gone_after_the_update_and_after_a_restart(tmp_path: Path, new: Path) -> None:
    bin_ = Bin(tmp_path)
    with bin_.updater:
        bin_.slots.folder.mkdir()
        uploaded = new.rename(bin_.slots.folder / UPLOAD)
        bin_.updater.update(UpdateArguments(url=uploaded.as_uri()))
        bin_.finish()
    assert bin_.version == "1.1.0" and not uploaded.exists()
    uploaded.write_bytes(b"half of one")
    with Bin(tmp_path).updater:
        assert not uploaded.exists()


def test_the_bundle_that_sorts_already_changes_nothing(tmp_path: Path, new: Path) -> None:
    Bin(tmp_path).update(new)
    bin_ = Bin(tmp_path)
    assert bin_.update(new) is None and bin_.updater.outcome == "same"
    assert bin_.slots.pointer.current == "a" and not list(bin_.slots.folder.glob("*.new"))


def test_without_a_model_before_there_is_no_rollback(tmp_path: Path) -> None:
    with pytest.raises(UpdateError, match="no model before"):
        Bin(tmp_path).updater.rollback()


def refused(folder: Path, archive: Path, **arguments: Any) -> str:
    """The reason why it was not taken; the old model sorts, whole, and nothing is left of the other."""
    bin_ = Bin(folder)
    error = bin_.update(archive, **arguments)
    assert error is not None and error in bin_.standing()
    assert bin_.version == Bin(folder).version == "1.0.0"
    assert not list((folder / "models").glob("*.new")) and not (folder / "models/asked.json").exists()
    return error


def test_an_old_bundle_is_not_taken_again_unless_that_is_really_wanted(tmp_path: Path) -> None:
    old = packed(versioned(tmp_path / "old", "0.9.0", seed=1), tmp_path / "old.tar.gz")
    assert "0.9.0 is not newer than 1.0.0" in refused(tmp_path, old)
    bin_ = Bin(tmp_path)
    assert bin_.update(old, force=True) is None and bin_.version == "0.9.0"


def test_a_bundle_of_a_key_that_is_not_trusted_is_not_taken(tmp_path: Path) -> None:
    folder = versioned(tmp_path / "new", "1.1.0")
    content = (folder / "manifest.json").read_bytes()
    (folder / SIGNATURE).write_bytes(sign(content, Ed25519PrivateKey.generate()))
    assert "is not trusted here" in refused(tmp_path, packed(folder, tmp_path / "new.tar.gz"))


def test_a_bundle_without_a_signature_or_with_a_changed_file_is_not_taken(tmp_path: Path) -> None:
    folder = versioned(tmp_path / "new", "1.1.0")
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:-1] + b"x")
    assert "sha256" in refused(tmp_path, packed(folder, tmp_path / "changed.tar.gz"))
    (folder / SIGNATURE).unlink()
    assert "nobody vouches" in refused(tmp_path, packed(folder, tmp_path / "unsigned.tar.gz"))


def test_an_archive_that_is_none_is_not_taken(tmp_path: Path, new: Path) -> None:
    new.write_bytes(new.read_bytes()[:500])
    assert "not a .tar" in refused(tmp_path, new)


def test_the_archive_must_be_the_one_that_was_meant(tmp_path: Path, new: Path) -> None:
    assert "sha256" in refused(tmp_path, new, sha256="0" * 64)


def test_a_bundle_that_does_not_fit_the_site_is_not_taken(tmp_path: Path, new: Path) -> None:
    bin_ = Bin(tmp_path)
    bin_.sorting = bin_.sorting.model_copy(update={"routes": {"glass": "glass", "metal": "metal", "wood": "glass"}})
    assert "wood" in str(bin_.update(new))
    assert bin_.version == "1.0.0"


def test_a_model_that_fails_its_golden_test_is_not_taken(tmp_path: Path, new: Path) -> None:
    bin_ = Bin(tmp_path)
    bin_.candidate.may_run = lambda bundle: False
    assert "golden logits" in str(bin_.update(new))
    assert (bin_.version, bin_.slots.pointer.current) == ("1.0.0", "config")


@pytest.mark.parametrize(("logits", "version"), [((9.0, 0.0), "1.1.0"), ((0.0, 9.0), "1.0.0")])
def test_a_model_is_switched_to_only_when_it_agrees_in_shadow(
    tmp_path: Path, new: Path, logits: tuple[float, float], version: str
) -> None:
    bin_ = Bin(tmp_path, shadow_items=4)
    bin_.candidate.logits = logits
    with bin_.updater:
        bin_.updater.update(UpdateArguments(url=new.as_uri()))
        while not any(told.step == "shadow" for told in bin_.published):
            bin_.updater.tend()
        while bin_.updater.shadow is None or bin_.updater.shadow.seen < 4:  # the first may come before it looks
            assert bin_.version == "1.0.0"
            bin_.updater.take(item("glass"))
        bin_.finish()
    assert bin_.version == version
    if version == "1.0.0":
        assert "would have put 4 of 4 items elsewhere" in bin_.standing()
    assert [(other.version, other.label) for _, other in bin_.disputed] == 4 * [("1.1.0", "metal")] * (
        version == "1.0.0"
    )


def test_a_model_that_no_engine_runs_once_it_is_switched_to_is_gone_back_from(tmp_path: Path, new: Path) -> None:
    bin_ = Bin(tmp_path)
    bin_.engine.may_run = lambda bundle: bundle.manifest.version == "1.0.0"
    assert "no engine of this machine could run it; went back" in str(bin_.update(new))
    assert bin_.version == Bin(tmp_path).version == "1.0.0"
    assert bin_.engine.bundle is not None and bin_.engine.bundle.manifest.version == "1.0.0"


def test_one_update_at_a_time(tmp_path: Path, new: Path) -> None:
    bin_ = Bin(tmp_path, shadow_items=5)
    with bin_.updater:
        bin_.updater.update(UpdateArguments(url=new.as_uri()))
        with pytest.raises(UpdateError, match="under way already"):
            bin_.updater.update(UpdateArguments(url=new.as_uri()))


def test_a_full_disk_leaves_the_old_model(tmp_path: Path, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import edge.update.unpack as module

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_copy", full)
    assert "No space left" in refused(tmp_path, new)


@pytest.mark.parametrize("step", get_args(Step))
def test_a_bin_that_is_killed_at_any_step_has_one_whole_model_and_goes_on(tmp_path: Path, new: Path, step: str) -> None:
    command = [sys.executable, "-m", "tests.updates", str(tmp_path), new.as_uri(), step]
    assert subprocess.run(command, cwd=ROOT, check=False, timeout=60 * PATIENCE).returncode == 9
    bin_ = Bin(tmp_path)
    assert bin_.version == ("1.1.0" if step in ("switch", "confirm") else "1.0.0")
    assert loaded(bin_.slots).manifest.version == bin_.version
    with bin_.updater:
        bin_.finish()
    assert bin_.version == loaded(bin_.slots).manifest.version == "1.1.0"
    assert bin_.slots.pointer.confirmed and bin_.standing() == ""


def test_an_update_that_ends_the_program_each_time_is_given_up(tmp_path: Path, new: Path) -> None:
    Bin(tmp_path).updater._asked.write(Asked(url=new.as_uri(), attempts=ATTEMPTS))
    bin_ = Bin(tmp_path)
    with bin_.updater:
        bin_.finish()
    assert "given up" in bin_.standing() and bin_.version == "1.0.0"


def test_a_slot_that_went_bad_is_gone_back_from_and_so_is_the_one_before(tmp_path: Path, new: Path) -> None:
    Bin(tmp_path).update(new)
    Bin(tmp_path).update(packed(versioned(tmp_path / "newer", "1.2.0", seed=2), tmp_path / "newer.tar"))
    (tmp_path / "models/b/model.onnx").write_bytes(b"bad")
    bin_ = Bin(tmp_path)
    assert bin_.version == "1.1.0" and "went back to the model before" in bin_.standing()
    (tmp_path / "models/a/manifest.json").unlink()
    assert Bin(tmp_path).version == "1.0.0"
    (tmp_path / "models/current.json").write_bytes(b"\0" * 80)
    assert Bin(tmp_path).version == "1.0.0"
