"""Opens what sees and feels: the drivers that the config names, or the simulated ones in their place."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from edge.camera.capture import shown
from edge.camera.view_file import ViewFile
from edge.config import CameraConfig, Config, FootageCamera, GStreamerCamera, OpenCvCamera, Picamera2Camera
from edge.domain import Camera, Clock
from edge.sensors.fill import Ranger
from edge.sensors.switch import SwitchSensor
from edge.sensors.ultrasonic import UltrasonicRanger
from edge.sim.hardware import SimulatedHardware, SimulatedRanger


def open_switches(config: Config, clock: Clock, pins: Any, stack: ExitStack) -> list[SwitchSensor]:
    """Every switch and beam of the config, closed with the stack."""
    switches = []
    for switch in config.switches:
        switches.append(SwitchSensor(switch, pins, clock))
        stack.callback(switches[-1].close)
    return switches


def open_rangers(config: Config, pins: Any, hardware: SimulatedHardware, stack: ExitStack) -> dict[str, Ranger]:
    """Every fill sensor of the config, by compartment, closed with the stack; simulated with mock pins."""
    rangers: dict[str, Ranger] = {}
    for sensor in config.fill:
        if config.actuator.pin_factory == "mock":
            rangers[sensor.compartment] = hardware.rangers[sensor.compartment] = SimulatedRanger(sensor)
        else:
            ranger = rangers[sensor.compartment] = UltrasonicRanger(sensor, pins)
            stack.callback(ranger.close)
    return rangers


def open_camera(config: Config, clock: Clock, pins: Any, hardware: SimulatedHardware) -> Camera:
    """The camera that the config names. Modules of cameras not used are not imported."""
    if isinstance(config.camera, FootageCamera):
        from edge.sim.tray import CAROUSEL_EMPTY_S, CAROUSEL_OPENING_FRAMES
        from edge.sim.tray import FootageCamera as SimulatedTray

        pace: dict[str, Any] = {}
        if config.actuator.type == "carousel":
            pace = {"opening_frames": CAROUSEL_OPENING_FRAMES, "empty_s": CAROUSEL_EMPTY_S}
        fell = hardware.item_fell
        tray = SimulatedTray(config.camera, clock, hardware.mechanism.open_over, item_fell=fell, **pace)
        if config.lamp is None:
            return tray
        from edge.sim.lamp import LitCamera

        return LitCamera(tray, config.lamp, pins)
    if isinstance(config.camera, GStreamerCamera):
        from edge.camera.gstreamer import GStreamerCamera as Pipeline

        return Pipeline(config.camera, clock)
    if isinstance(config.camera, Picamera2Camera):
        from edge.camera.picamera2 import Picamera2Camera as PiCamera

        return PiCamera(config.camera, clock)
    from edge.camera.opencv import OpenCvCamera as Video

    return Video(config.camera, clock)


def view_file(config: Config) -> ViewFile | None:
    """Where a real camera's view of the empty tray is kept; what a simulated one shows changes with its footage."""
    return (
        None
        if isinstance(config.camera, FootageCamera)
        else ViewFile(config.state_dir / "view.npz", shown_camera(config.camera))
    )


def shown_camera(camera: CameraConfig) -> str:
    """The camera's source as it may be shown."""
    if isinstance(camera, FootageCamera):
        return "footage that ships" if camera.source is None else str(camera.source)
    return shown(camera.source) if isinstance(camera, OpenCvCamera) else camera.type
