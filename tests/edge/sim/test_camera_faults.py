"""A camera that fails in the simulated bin: what the bin says, and that nothing is classified or moved meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge import config
from edge.build import open_daemon
from edge.clock import ManualClock
from edge.config import Config, load_config
from edge.domain import Camera, SortEvent
from edge.errors import StaleFrame
from edge.sim import stand_in
from edge.sim.camera_faults import CameraFault, FaultyCamera
from edge.sim.tray import FootageCamera
from tests.brokers import free_port

SIM = Path(__file__).parents[3] / "configs/edge/sim.yaml"


class FaultyBin:
    """The simulated bin with a camera that fails on request, in simulated time. Its network does not matter here."""

    def __init__(self, stack: ExitStack, settings: Config) -> None:
        self.stop, self.clock = threading.Event(), ManualClock()
        self.daemon = stack.enter_context(
            open_daemon(
                settings, self.clock, stop=self.stop, around_camera=self._with_faults, engine_command=stand_in.COMMAND
            )
        )
        self.classified = 0
        self._cycle, self._predict = self.daemon.sorter.cycle, self.daemon.classifier.predict
        self.daemon.sorter.cycle = self._before_cycle  # type: ignore[method-assign]
        self.daemon.classifier.predict = self._counted  # type: ignore[method-assign]
        self._until: Callable[[], bool] = lambda: False

    def _with_faults(self, camera: Camera) -> FaultyCamera:
        self.camera = FaultyCamera(camera)
        return self.camera

    def _before_cycle(self) -> SortEvent | None:
        if self._until():
            self.stop.set()
        return self._cycle()

    def _counted(self, images: Any) -> Any:
        self.classified += 1
        return self._predict(images)

    def sort(self, items: int = 1) -> None:
        assert self.daemon.run(max_items=items) == items

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> float:
        """Until the condition is true, or so many seconds have passed; gives how many did."""
        from_s = self.clock.monotonic_s()
        self._until = lambda: until() or self.clock.monotonic_s() - from_s >= seconds
        self.stop.clear()
        self.daemon.run()
        self._until = lambda: False
        self.stop.clear()
        return self.clock.monotonic_s() - from_s

    def codes(self) -> set[str]:
        return {fault.code for fault in self.daemon.faults.standing()} - {"broker_unreachable"}

    def pulses(self) -> int:
        """How many pulses the flap's servo was told so far."""
        actuator: Any = self.daemon.guard._actuator
        tilt = actuator._servos._pin_factory.pin(self.daemon.config.actuator.tilt_pin)
        return sum(state.state > 0 for state in tilt.states)


@pytest.fixture
def faulty_bin(tmp_path: Path) -> Iterator[FaultyBin]:
    plain = load_config(SIM)
    mqtt = plain.mqtt.model_copy(update={"embedded_broker": False, "port": free_port()})
    with ExitStack() as stack:
        yield FaultyBin(stack, plain.model_copy(update={"state_dir": tmp_path, "mqtt": mqtt}))


@pytest.mark.parametrize(
    ("fault", "code", "within_s"),
    [
        (CameraFault.FREEZE, "camera_frozen", 11),
        (CameraFault.DARKEN, "camera_dark", 1),
        (CameraFault.OVEREXPOSE, "camera_overexposed", 1),
        (CameraFault.BLUR, "camera_blurred", 4),
        (CameraFault.MOVE, "camera_moved", 4),
        (CameraFault.UNPLUG, "camera_stale", 1),
        (CameraFault.CORRUPT, "camera_garbled", 4),
    ],
)
def test_a_failing_camera_is_named_nothing_is_classified_or_moved_and_sorting_goes_on_afterwards(
    faulty_bin: FaultyBin, fault: CameraFault, code: str, within_s: float
) -> None:
    bin_ = faulty_bin
    bin_.sort(2)
    assert bin_.codes() == set()
    classified, pulses = bin_.classified, bin_.pulses()
    bin_.camera.fault = fault
    assert bin_.run(120, lambda: code in bin_.codes()) <= within_s
    bin_.run(30)
    assert bin_.codes() == {code}
    assert (bin_.classified, bin_.pulses()) == (classified, pulses)
    assert not bin_.daemon.safety().tray_still, "the guard does not let it move either"
    assert [fault.code for fault in bin_.daemon.state().faults if fault.code.startswith("camera")] == [code]
    bin_.camera.fault = None
    bin_.run(5, lambda: not bin_.codes())
    assert bin_.codes() == set()
    bin_.sort(2)


def test_a_camera_that_goes_dark_while_an_item_waits_does_not_lose_it(faulty_bin: FaultyBin) -> None:
    faulty_bin.sort(1)
    faulty_bin.run(20, lambda: faulty_bin.daemon.live.snapshot().phase == "looking")
    faulty_bin.camera.fault = CameraFault.DARKEN
    faulty_bin.run(10)
    assert faulty_bin.codes() == {"camera_dark"}
    faulty_bin.camera.fault = None
    faulty_bin.sort(1)
    assert faulty_bin.codes() == set()


def test_a_moved_camera_is_taken_as_it_is_on_request(faulty_bin: FaultyBin) -> None:
    faulty_bin.sort(1)
    faulty_bin.camera.fault = CameraFault.MOVE
    faulty_bin.run(10, lambda: "camera_moved" in faulty_bin.codes())
    faulty_bin.daemon.sorter.learn_empty()
    faulty_bin.run(0.5)
    assert faulty_bin.codes() == set()


def test_a_run_of_the_whole_footage_has_no_fault(faulty_bin: FaultyBin) -> None:
    seen: set[str] = set()

    def look() -> bool:
        seen.update(faulty_bin.codes())
        return False

    faulty_bin._until = look
    faulty_bin.sort(14)
    assert seen == set()
    assert faulty_bin.daemon.sorter._lookout._watch._model._reference is not None, "the empty tray was learnt"


def test_the_camera_itself_works_as_ever_and_raises_what_a_real_one_does(drawn_footage: Path) -> None:
    clock = ManualClock()
    settings = config.FootageCamera(type="footage", noise=1)
    with FaultyCamera(FootageCamera(settings, clock, lambda: None, footage=drawn_footage)) as camera:
        first = camera.read_latest(1.0)
        clock.advance(0.1)
        camera.fault = CameraFault.FREEZE
        frozen = camera.read_latest(1.0)
        assert frozen.seq > first.seq and frozen.captured_s > first.captured_s
        assert np.array_equal(frozen.rgb, first.rgb)
        for fault in (CameraFault.DARKEN, CameraFault.OVEREXPOSE, CameraFault.BLUR, CameraFault.MOVE):
            camera.fault = fault
            spoilt = camera.read_latest(1.0)
            assert spoilt.rgb.shape == first.rgb.shape and not np.array_equal(spoilt.rgb, first.rgb)
        camera.fault = CameraFault.UNPLUG
        with pytest.raises(StaleFrame, match="unplugged"):
            camera.read_latest(1.0)
        camera.fault = None
        assert camera.read_latest(1.0).seq == frozen.seq
