"""The flight recorder: what it keeps, when it writes, and that a stranger's file does no harm."""

from __future__ import annotations

import io
import json
import logging
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from edge.__main__ import app
from edge.clock import ManualClock
from edge.config import Recorder as Limits
from edge.config import load_config
from edge.errors import RecordingError
from edge.fault_table import BY_CODE, STOPPING
from edge.faults import Faults
from edge.observers import Observers
from edge.recording import Recorder, read_recording
from edge.recording.file import DOCUMENT
from edge.recording.recorder import PAUSE_S
from edge.simulate.scenarios import SCENARIOS
from tests.recordings import POLICY, sorted_item

SIM = Path(__file__).parents[2] / "configs/edge/sim.yaml"


class Rig:
    """A recorder, and a bin that is not there."""

    def __init__(self, folder: Path, **limits: Any) -> None:
        self.clock = ManualClock()
        self.faults = Faults(self.clock)
        self.folder = folder / "recordings"
        self.config = load_config(SIM).model_copy(update={"state_dir": folder})
        self.observers = Observers(self.faults)
        self.recorder = Recorder(
            self.config, Limits(**limits), self.observers, self.faults, self.clock, lambda: {"glass": 41.5}
        )

    def sorts(self, *items: Any) -> None:
        for item in items:
            self.observers.offer(item)
            self.rest()

    def rest(self) -> None:
        """Until the observer's thread has done what it was given."""
        assert self.recorder._observer.settle(20.0)

    def fault(self, code: str) -> None:
        self.faults.report(code, "it happened", "mend it")
        self.tend()

    def tend(self) -> None:
        self.recorder.tend()
        self.rest()

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []


@contextmanager
def rig_in(folder: Path, **limits: Any) -> Iterator[Rig]:
    rig = Rig(folder, **limits)
    with rig.recorder, rig.observers:
        yield rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rig_in(tmp_path) as rig:
        yield rig


def test_what_is_written_is_read_back_bit_for_bit(rig: Rig) -> None:
    items = [sorted_item(1), sorted_item(2)]
    rig.sorts(*items)
    rig.faults.report("journal_failed", "No space left on device", "make room")
    path, count = rig.recorder.record("asked for")
    assert (path.name, count) == ("recording-000000002.zip", 2)
    with read_recording(path) as recording:
        assert [fault.code for fault in recording.record.faults] == ["journal_failed"]
        assert recording.record.sorting == rig.config.sorting
        for item, read in zip(items, recording.record.items, strict=True):
            assert read.event.event_id == item.event.event_id
            assert np.array_equal(np.float32(list(read.probabilities.values())), item.prediction.probabilities)
            assert read.novelty == item.prediction.novelty
            assert read.policy.policy() == POLICY
            assert read.sensors.full == ["paper"] and read.sensors.active == ["full of paper (pin 5)"]
            assert read.sensors.fill_percent == {"glass": 41.5}
            assert read.event.latency_ms == {"infer": 31.4}
            for look, written, pixels in zip(item.looks, read.looks, recording.pictures(read), strict=True):
                assert written.crop == tuple(look.crop) and written.frame_seq == look.frame.seq
                np.testing.assert_array_equal(pixels, look.pixels)


def test_no_more_items_are_kept_than_the_config_allows_and_the_oldest_go_first(tmp_path: Path) -> None:
    with rig_in(tmp_path, max_items=3) as rig:
        rig.sorts(*(sorted_item(seq) for seq in range(1, 6)))
        path, _ = rig.recorder.record("asked for")
        with read_recording(path) as recording:
            assert [item.event.seq for item in recording.record.items] == [3, 4, 5]


def test_pictures_take_no_more_memory_than_the_config_allows_but_the_newest_item_is_always_there(
    tmp_path: Path,
) -> None:
    with rig_in(tmp_path, memory_mib=0.03) as rig:  # an item of noise takes about 10 kB
        rig.sorts(*(sorted_item(seq) for seq in range(1, 8)))
        path, count = rig.recorder.record("asked for")
        assert 1 < count < 7 and path.stat().st_size < 0.03 * 2**20 + 20_000
    with rig_in(tmp_path, memory_mib=0.0001) as rig:
        rig.sorts(sorted_item(8), sorted_item(9))
        assert rig.recorder.record("asked for")[1] == 1


def test_a_fault_that_stops_the_bin_is_written_with_the_item_that_failed(rig: Rig) -> None:
    rig.sorts(sorted_item(1))
    jammed = sorted_item(2)
    rig.observers.offer(jammed)  # its pictures are not packed yet when the fault is seen
    rig.fault("jam")
    assert rig.files() == ["recording-000000002.zip"]
    with read_recording(rig.folder / rig.files()[0]) as recording:
        assert recording.record.why == "fault jam"
        assert recording.record.items[-1].event.event_id == jammed.event.event_id


def test_a_bin_that_sorts_on_writes_nothing(rig: Rig) -> None:
    rig.sorts(sorted_item(1))
    rig.fault("journal_failed")
    rig.fault("motion_refused")
    assert rig.files() == []


def test_a_fault_without_a_new_item_is_not_written_again(rig: Rig) -> None:
    rig.fault("stall")
    assert rig.files() == [], "nothing was sorted yet"
    rig.sorts(sorted_item(1))
    rig.faults.clear("stall")
    rig.tend()
    rig.fault("stall")
    assert rig.files() == ["recording-000000001.zip"]
    (rig.folder / "recording-000000001.zip").unlink()
    rig.fault("home_lost")
    assert rig.files() == []


def test_a_fault_that_comes_and_goes_is_written_now_and_then_and_a_jam_at_once(rig: Rig) -> None:
    for seq in range(1, 4):
        rig.sorts(sorted_item(seq))
        rig.fault("camera_stale")
        rig.faults.clear("camera_stale")
        rig.tend()
    assert rig.files() == ["recording-000000001.zip"]
    rig.clock.advance(PAUSE_S + 1)
    rig.tend()
    assert rig.files() == ["recording-000000001.zip", "recording-000000003.zip"], "put off, not forgotten"
    rig.sorts(sorted_item(4))
    rig.fault("jam")
    assert rig.files()[-1] == "recording-000000004.zip"


def test_what_was_not_written_yet_is_written_when_the_program_ends(tmp_path: Path) -> None:
    with rig_in(tmp_path) as rig:
        rig.observers.offer(sorted_item(1))
    assert rig.files() == ["recording-000000001.zip"]
    with rig_in(tmp_path) as nothing_new:
        pass
    assert nothing_new.files() == ["recording-000000001.zip"]


def test_the_newest_files_are_kept_and_other_files_are_left_alone(tmp_path: Path) -> None:
    with rig_in(tmp_path, max_files=2) as rig:
        rig.folder.mkdir()
        (rig.folder / "my notes.zip").touch()
        for seq in (9, 10, 11):
            rig.sorts(sorted_item(seq))
            rig.recorder.record("asked for")
        assert rig.files() == ["my notes.zip", "recording-000000010.zip", "recording-000000011.zip"]


def test_before_the_first_item_there_is_nothing_to_record(rig: Rig) -> None:
    with pytest.raises(RecordingError, match="nothing was sorted since the start"):
        rig.recorder.record("asked for")


def test_a_disk_that_takes_nothing_is_told_and_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with rig_in(tmp_path) as rig:
        rig.sorts(sorted_item(1))

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("edge.recording.file.os.fsync", full)
        rig.fault("jam")
        rig.observers.tend()
        [message] = [fault.message for fault in rig.faults.standing() if fault.code == "observer_failed"]
        assert message.startswith("flight recorder: ") and message.endswith("not written: No space left on device")
        assert rig.files() == []
        with pytest.raises(RecordingError, match="No space left on device"):
            rig.recorder.record("asked for")
        caplog.clear()
    assert [record.levelno for record in caplog.records] == [logging.WARNING], "at the end it is logged, no more"


def test_no_recording_is_taken_from_the_space_that_is_left_free(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.sorts(sorted_item(1))
    monkeypatch.setattr("edge.recording.recorder.free_bytes", lambda folder: 150 * 10**6)
    with pytest.raises(RecordingError, match="150 MB are left on the disk"):
        rig.recorder.record("asked for")
    assert rig.files() == []


def test_the_faults_that_are_recorded_are_those_that_stop_the_bin() -> None:
    stop = {code for code, scenario in SCENARIOS.items() if not scenario.sorts_on}
    # A condition that a person made, and a switch that counts as such.
    assert stop - STOPPING == {"motion_refused", "sensor_unsteady", "lamp_dead"}
    assert stop >= STOPPING and BY_CODE.keys() >= STOPPING


def test_the_schema_of_a_recording_is_printed() -> None:
    done = CliRunner().invoke(app, ["schema", "recording"])
    assert done.exit_code == 0
    assert json.loads(done.output)["properties"]["format"]["const"] == "smartbin-recording"


# -- a stranger's file ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    with rig_in(tmp_path_factory.mktemp("state")) as rig:
        rig.sorts(sorted_item(1))
        return rig.recorder.record("asked for")[0].read_bytes()


Entries = dict[str, bytes]


def _unzipped(sound: bytes) -> Entries:
    with zipfile.ZipFile(io.BytesIO(sound)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zipped(entries: list[tuple[str, bytes]]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of a name that stands twice
        for name, content in entries:
            archive.writestr(name, content)
    return packed.getvalue()


def _changed(**changes: Any) -> Callable[[Entries], Entries]:
    return lambda entries: {**entries, DOCUMENT: json.dumps({**json.loads(entries[DOCUMENT]), **changes}).encode()}


def _item(change: Callable[[dict[str, Any]], object]) -> Callable[[Entries], Entries]:
    def changed(entries: Entries) -> Entries:
        document = json.loads(entries[DOCUMENT])
        change(document["items"][0])
        return {**entries, DOCUMENT: json.dumps(document).encode()}

    return changed


def _pictures(change: Callable[[bytes], bytes]) -> Callable[[Entries], Entries]:
    return lambda entries: {n: change(c) if n.endswith(".png") else c for n, c in entries.items()}


def _huge_png(png: bytes) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return png[:12] + head + struct.pack(">I", zlib.crc32(head)) + png[33:]


def _deep(entries: Entries) -> Entries:
    return {**entries, DOCUMENT: b"[" * 200_000}


HOSTILE: dict[str, tuple[Callable[[Entries], Entries], str]] = {
    "a path that leads out": (lambda e: {**e, "../../etc/cron.d/x": b"x"}, "which no recording does"),
    "an absolute path": (lambda e: {**e, "/etc/passwd": b"x"}, "which no recording does"),
    "another file in it": (lambda e: {**e, "items/1/run.py": b"x"}, "which no recording does"),
    "no document": (lambda e: {n: c for n, c in e.items() if n != DOCUMENT}, "recording.json is missing"),
    "a document that unpacks to 40 MB": (lambda e: {**e, DOCUMENT: b" " * (40 << 20)}, "unpacks to more than"),
    "a document that is not JSON": (lambda e: {**e, DOCUMENT: b"\x80\x04."}, "Invalid JSON"),
    "a document nested without end": (_deep, "Invalid JSON"),
    "another format": (_changed(format="diary"), "format: "),
    "a newer schema": (_changed(schema=2), "schema: "),
    "an unknown key": (_changed(run="rm"), "run: Extra inputs"),
    "a key that would steer the terminal": (
        _item(lambda i: i["policy"]["costs"]["glass"].update({"\x1b[2J": "x"})), "policy.costs.glass.�[2J",
    ),
    "no items": (_changed(items=[]), "items: "),
    "a probability not a number": (_item(lambda i: i["probabilities"].update(glass=float("nan"))), "JSON|finite"),
    "a picture outside": (_item(lambda i: i["looks"][0].update(picture="../x.png")), "picture: "),
    "one picture for two looks": (
        _item(lambda i: i["looks"][1].update(picture=i["looks"][0]["picture"])), "name the same picture",
    ),
    "a crop outside the frame": (_item(lambda i: i["looks"][0].update(crop=[0, 0, 900, 5])), "no part of a frame"),
    "costs without a compartment": (_item(lambda i: i["policy"]["costs"]["glass"].pop("paper")), "one for each"),
    "a missing picture": (lambda e: {n: c for n, c in e.items() if not n.endswith("-1.png")}, "look-1.png is missing"),
    "a picture that decodes to gigabytes": (_pictures(_huge_png), "not a PNG of 40 x 40"),
    "a picture that is none": (_pictures(lambda png: b"GIF89a" * 9), "not a PNG of 40 x 40"),
    "an empty picture": (_pictures(lambda png: b""), "not a PNG of 40 x 40"),
}  # fmt: skip


def _read_all(path: Path) -> tuple[object, list[bytes]]:
    """The record, and the pixels of each picture."""
    with read_recording(path) as recording:
        pictures = [picture for item in recording.record.items for picture in recording.pictures(item)]
        return recording.record, [picture.tobytes() for picture in pictures]


def _refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(RecordingError) as caught:
        _read_all(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_no_recording_is_refused_and_says_why(name: str, sound: bytes, tmp_path: Path) -> None:
    change, said = HOSTILE[name]
    message = _refusal(tmp_path / "r.zip", _zipped(list(change(_unzipped(sound)).items())))
    assert any(part in message for part in said.split("|")), message
    assert len(message) < 600


def test_a_name_that_stands_twice_is_refused(sound: bytes, tmp_path: Path) -> None:
    entries = list(_unzipped(sound).items())
    assert "twice" in _refusal(tmp_path / "r.zip", _zipped([*entries, entries[0]]))


def test_a_file_that_is_packed_in_another_way_is_refused(sound: bytes, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_LZMA) as archive:
        for name, content in _unzipped(sound).items():
            archive.writestr(name, content)
    assert "packed in a way" in _refusal(tmp_path / "r.zip", packed.getvalue())


def test_what_is_no_zip_or_not_there_is_refused(tmp_path: Path) -> None:
    assert "not a recording" in _refusal(tmp_path / "r.zip", b"")
    assert "not a recording" in _refusal(tmp_path / "r.zip", b"PK\x03\x04 and so on")
    for path in (tmp_path / "missing.zip", tmp_path):
        with pytest.raises(RecordingError, match=str(path)):
            _read_all(path)


def test_a_file_that_was_cut_anywhere_is_refused(sound: bytes, tmp_path: Path) -> None:
    for length in range(0, len(sound), len(sound) // 40):
        _refusal(tmp_path / "r.zip", sound[:length])


def test_whatever_is_damaged_the_answer_is_a_recording_error_or_the_same_recording(
    sound: bytes, tmp_path: Path
) -> None:
    path, chance = tmp_path / "r.zip", random.Random(7)
    path.write_bytes(sound)
    whole, refused = _read_all(path), 0
    assert whole[1], "it has pictures"
    for _ in range(300):
        damaged = bytearray(sound)
        for _ in range(chance.choice((1, 1, 8))):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            assert _read_all(path) == whole
        except RecordingError:
            refused += 1
    assert refused > 250, "the rest are bits that mean nothing: dates, attributes"
