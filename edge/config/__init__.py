"""The config of one bin: a YAML file, checked field by field before anything moves.

Unknown keys are refused; every error names the file, the line and the field, what was found and what is allowed.
Relative paths are relative to the folder the program is started in.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import Field, ValidationError, model_validator

from edge.config.actuator import (
    ActuatorConfig,
    BoardChannel,
    Carousel,
    CarouselPosition,
    Flap,
    FlapPosition,
    Gates,
    HomeSwitch,
    Mechanism,
    ServoGate,
    SolenoidGate,
)
from edge.config.camera import (
    CameraCondition,
    CameraConfig,
    FootageCamera,
    GStreamerCamera,
    OpenCvCamera,
    Picamera2Camera,
    Presence,
)
from edge.config.captures import Captures
from edge.config.clock import Clock
from edge.config.console import Console
from edge.config.control import Control
from edge.config.explain import explain
from edge.config.journal import Journal
from edge.config.lamp import Lamp
from edge.config.mqtt import Mqtt
from edge.config.recorder import Recorder
from edge.config.section import Name, Seconds, Section
from edge.config.sensors import FillSensor, Switch
from edge.config.sorting import Classify, Costs, Sorting
from edge.config.update import Update
from edge.errors import ConfigError

__all__ = [
    "ActuatorConfig",
    "BoardChannel",
    "CameraCondition",
    "CameraConfig",
    "Captures",
    "Carousel",
    "CarouselPosition",
    "Classify",
    "Clock",
    "Config",
    "Console",
    "Control",
    "Costs",
    "FillSensor",
    "Flap",
    "FlapPosition",
    "FootageCamera",
    "GStreamerCamera",
    "Gates",
    "HomeSwitch",
    "Journal",
    "Lamp",
    "Mechanism",
    "Mqtt",
    "OpenCvCamera",
    "Picamera2Camera",
    "Presence",
    "Recorder",
    "ServoGate",
    "SolenoidGate",
    "Sorting",
    "Switch",
    "Update",
    "load_config",
]


class Config(Section):
    """One bin."""

    bin_id: Name
    site: str | None = Field(
        None, min_length=1, max_length=60, description="where the bin stands; fleets are shown by site"
    )
    state_dir: Path = Field(description="journal, control socket, learnt tray; must be writable")
    camera: CameraConfig
    camera_condition: CameraCondition = CameraCondition()
    lamp: Lamp | None = Field(None, description="null: the tray is lit by something else, and nothing checks it")
    presence: Presence = Presence()
    classify: Classify
    sorting: Sorting
    actuator: ActuatorConfig
    switches: list[Switch] = Field(default_factory=list)
    fill: list[FillSensor] = Field(default_factory=list, description="how full the compartments are")
    mqtt: Mqtt = Mqtt()
    journal: Journal = Journal()
    recorder: Recorder | None = Field(Recorder(), description="the flight recorder; null: no item is recorded")
    captures: Captures = Captures()
    console: Console = Console()
    control: Control = Control()
    update: Update = Update()
    clock: Clock = Clock()
    loop_hz: float = Field(15.0, gt=0, le=120, description="cycles a second")
    max_frame_age_s: Seconds = Field(0.5, description="an older frame is refused")
    verify_timeout_s: Seconds = Field(3.0, description="how long after a movement the camera must see the tray empty")

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        served = set(self.actuator.positions)
        for label, compartment in self.sorting.routes.items():
            if compartment not in served:
                raise ValueError(
                    f"sorting.routes.{label}: no position in actuator.positions for {compartment!r}; "
                    f"there are {sorted(served)}"
                )
        if self.sorting.residual not in served:
            raise ValueError(
                f"sorting.residual: no position in actuator.positions for {self.sorting.residual!r}; "
                f"there are {sorted(served)}"
            )
        unknown = set(self.sorting.costs.into) - served
        if unknown:
            raise ValueError(f"sorting.costs.into: {sorted(unknown)} are not compartments; there are {sorted(served)}")
        if self.camera.type == "footage" and self.actuator.pin_factory != "mock":
            raise ValueError(
                "camera.type: footage follows the mock pins; with real pins use a real camera (type: opencv)"
            )
        self._check_compartments(served)
        pins = [*self.actuator.pins, *(switch.pin for switch in self.switches)]
        pins += [pin for sensor in self.fill for pin in (sensor.trigger_pin, sensor.echo_pin)]
        pins += [] if self.lamp is None else [self.lamp.pin]
        if pins and self.actuator.pin_factory == "none":
            raise ValueError(f"actuator.pin_factory: none gives no pins, and {sorted(pins)} are used")
        twice = sorted({pin for pin in pins if pins.count(pin) > 1})
        channels = [output for _, output in self.actuator.outputs() if isinstance(output, BoardChannel)]
        for output in channels:
            if channels.count(output) > 1:
                raise ValueError(
                    f"actuator: channel {output.channel} of board {output.board:#x} is used twice; "
                    "give each servo its own"
                )
        if twice:
            raise ValueError(
                f"actuator: pins {twice} are used twice, counting switches and the lamp; give each its own"
            )
        return self

    def _check_compartments(self, served: set[str]) -> None:
        """Sensors belong to compartments that there are, one of a kind each."""
        named: list[tuple[str, str, str]] = [
            (f"switches.{i}", s.role, s.compartment) for i, s in enumerate(self.switches) if s.compartment
        ]
        named += [(f"fill.{i}", "fill", sensor.compartment) for i, sensor in enumerate(self.fill)]
        kinds = set()
        for where, kind, compartment in named:
            if compartment not in served:
                raise ValueError(f"{where}.compartment: no compartment {compartment!r}; there are {sorted(served)}")
            if kind != "full" and (kind, compartment) in kinds:
                raise ValueError(f"{where}.compartment: {compartment} has a {kind} sensor already")
            kinds.add((kind, compartment))

    def with_photographs(self, folder: Path) -> Config:
        """The same bin, simulated with a folder of photographs.

        Raises:
            ConfigError: this bin has real pins; photographs must not move them.
        """
        if self.actuator.pin_factory != "mock":
            raise ConfigError(
                "photographs are for a simulated bin; this config has real pins "
                f"(pin_factory {self.actuator.pin_factory})"
            )
        camera = FootageCamera(type="footage", source=folder)
        # A photograph is framed already: a margin would only add the tray it is laid on.
        classify = self.classify.model_copy(update={"crop_margin": 0.0})
        return self.model_copy(update={"camera": camera, "classify": classify})

    @property
    def engine_cache(self) -> Path:
        """Where engines that this machine built are kept."""
        return self.state_dir / "engines"

    @property
    def control_socket(self) -> Path:
        """Where the daemon listens."""
        return self.control.socket or self.state_dir / "control.sock"


def load_config(path: Path) -> Config:
    """Read and check a config file.

    Raises:
        ConfigError: missing, not YAML, or with keys or values that are not allowed; names file, line and field.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; configs/edge/sim.yaml is one to start from") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file ({error})") from None
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected a mapping of sections, found {type(document).__name__}")
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise ConfigError("\n".join(explain(path, tree, problem, Config) for problem in error.errors())) from None
