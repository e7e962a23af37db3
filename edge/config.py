"""The config of one bin: a YAML file, checked field by field before anything moves.

Unknown keys are refused; every error names the file, the line and the field, what was found and what is allowed.
Relative paths are relative to the folder the program is started in.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.config_file import explain
from edge.errors import ConfigError

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Seconds = Annotated[float, Field(gt=0.0, le=3600.0)]
Pin = Annotated[int, Field(ge=0, le=53, description="GPIO number (BCM on a Raspberry Pi)")]
Angle = Annotated[float, Field(ge=-90.0, le=90.0, description="degrees")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]


class Section(BaseModel):
    """Base of every section: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OpenCvCamera(Section):
    """A camera that OpenCV reads: a device, a clip, a stream, or a folder of pictures."""

    type: Literal["opencv"]
    source: int | str = Field(
        description="device number, path of a clip or of a folder of pictures, or URL of a stream"
    )
    width_px: int | None = Field(None, ge=64, le=8192, description="asked of a device; null takes what it gives")
    height_px: int | None = Field(None, ge=64, le=8192, description="asked of a device; null takes what it gives")
    fps: float | None = Field(None, gt=0, le=240, description="asked of a device; the pace of a clip or folder")
    loop: bool = Field(True, description="a clip or folder starts again when it ends")


class FootageCamera(Section):
    """The simulated tray: shows footage, and takes an item away only when the simulated flap really moves."""

    type: Literal["footage"]
    source: Path | None = Field(None, description="a folder of photographs; null plays the clip that ships")
    noise: float = Field(1.5, ge=0, le=20, description="standard deviation of the sensor noise added, grey levels")
    jam_on: list[str] = Field(
        default_factory=list, description="compartments whose items stay on the tray, to try the fault"
    )


CameraConfig = Annotated[OpenCvCamera | FootageCamera, Field(discriminator="type")]


class Presence(Section):
    """How an item on the tray is told from the empty tray."""

    region: tuple[Probability, Probability, Probability, Probability] = Field(
        (0.0, 0.0, 1.0, 1.0), description="the tray in the picture: x0, y0, x1, y1 as shares of width and height"
    )
    learn_frames: int = Field(10, ge=2, le=500, description="still frames from which the empty tray is learnt")
    min_area: Probability = Field(0.01, description="share of the region that must differ for an item to be there")
    difference: float = Field(24.0, gt=0, le=255, description="grey levels by which a pixel must differ")
    motion_area: Probability = Field(
        0.004, description="share of the region that must change between frames to be motion"
    )
    still_s: Seconds = Field(0.5, description="how long an item must lie still before it is classified")


class Classify(Section):
    """How a still item is classified."""

    bundle: Path = Field(description="folder of the model bundle")
    keys: Path = Field(
        Path("configs/edge/keys"), description="folder of the public keys, NAME.pub.pem, whose bundles this bin trusts"
    )
    unsigned: Literal["refuse", "accept"] = Field(
        "refuse", description="what becomes of a bundle that nobody signed; a wrong signature is refused in any case"
    )
    frames: int = Field(3, ge=1, le=30, description="frames of the still item whose probabilities are averaged")
    crop_margin: Probability = Field(0.2, description="margin round the item, share of its longer side")
    engine: Literal[
        "auto",
        "onnxruntime",
        "onnxruntime-cuda",
        "onnxruntime-tensorrt",
        "onnxruntime-openvino",
        "onnxruntime-xnnpack",
        "openvino",
        "executorch",
        "tensorrt",
    ] = Field(
        "auto", description="what runs the network; auto takes the fastest that `python -m edge tune` found to be right"
    )
    threads: int = Field(0, ge=0, le=64, description="threads of the engine; 0 takes what `tune` found, or all cores")


class Costs(Section):
    """What a wrong item costs, in any unit. A right item costs 0."""

    wrong: float = Field(1.0, gt=0, le=1000, description="an item in a compartment where it does not belong")
    residual: float = Field(0.3, ge=0, le=1000, description="an item in residual that belonged elsewhere")
    into: dict[str, Annotated[float, Field(gt=0, le=1000)]] = Field(
        default_factory=dict, description="compartment → cost of any wrong item in it, instead of `wrong`"
    )


class Sorting(Section):
    """Which label goes where, and what mistakes cost."""

    routes: dict[str, Name] = Field(description="label → compartment, for every label of the bundle")
    residual: Name = Field(description="compartment for what is unsure, novel, mixed, or has nowhere to go")
    costs: Costs = Costs()
    max_contamination: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="share of wrong items among those sorted automatically, one that the bundle promises; "
        "null takes the bundle's own acceptance thresholds",
    )
    min_probability: Probability = Field(0.0, description="raises the acceptance thresholds to at least this")


class FlapPosition(Section):
    """Where the chute points for a compartment."""

    turn_deg: Angle


class Flap(Section):
    """A trapdoor under the item on one servo, and below it a chute turned by a second one."""

    type: Literal["flap"]
    pin_factory: Literal["mock", "lgpio", "rpigpio", "pigpio", "native"] = Field(
        description="gpiozero's pin factory; mock is for simulation, a Raspberry Pi 5 needs lgpio"
    )
    tilt_pin: Pin
    turn_pin: Pin | None = Field(None, description="null: no chute, the flap serves one compartment")
    pulse_ms: tuple[float, float] = Field((1.0, 2.0), description="the servos' pulse widths at -90 and +90 degrees")
    closed_deg: Angle = 0.0
    open_deg: Angle = 70.0
    positions: dict[Name, FlapPosition] = Field(min_length=1, description="compartment → where the chute points")
    speed_deg_s: float = Field(180.0, gt=1, le=600, description="ramp of a servo, degrees a second")
    hold_open_s: Seconds = Field(0.6, description="how long the flap stays open for the item to slide off")
    move_timeout_s: Seconds = Field(6.0, description="a movement that takes longer is a stall")

    @model_validator(mode="after")
    def _pulses(self) -> Flap:
        low_ms, high_ms = self.pulse_ms
        if not 0.3 <= low_ms < high_ms <= 3.0:
            raise ValueError(f"pulse_ms: expected 0.3 <= low < high <= 3.0, found {low_ms} and {high_ms}")
        return self


class Switch(Section):
    """A switch or beam on a pin, read through the actuator's pin factory."""

    role: Literal["lid", "estop", "full"]
    pin: Pin
    compartment: Name | None = Field(None, description="for role full: which compartment")
    pull_up: bool = Field(True, description="pull the pin up; the switch closes to ground")
    active_when_closed: bool = Field(
        False, description="false is fail-safe: a cut wire reads as lid open, e-stop pressed, compartment full"
    )
    debounce_s: float = Field(0.05, ge=0, le=5)

    @model_validator(mode="after")
    def _compartment_of_full(self) -> Switch:
        if (self.role == "full") != (self.compartment is not None):
            raise ValueError("compartment goes with role full, and only with it")
        return self


class Mqtt(Section):
    """The broker."""

    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(1883, ge=1, le=65535)
    embedded_broker: bool = Field(False, description="start a broker on host:port with the bin (loopback only)")
    username: str | None = None
    password_file: Path | None = Field(None, description="file that holds the password on its first line")
    keepalive_s: int = Field(15, ge=5, le=600, description="the broker publishes the last will after 1.5 times this")
    replay_per_s: float = Field(
        20.0, gt=0, le=1000, description="events a second sent from the backlog after an outage"
    )

    @model_validator(mode="after")
    def _embedded_is_local(self) -> Mqtt:
        if self.embedded_broker and self.host not in ("127.0.0.1", "localhost"):
            raise ValueError(
                f"the embedded broker has no passwords and listens on 127.0.0.1 only, found host {self.host!r}"
            )
        return self


class Journal(Section):
    """Where events are kept."""

    max_events: int = Field(100_000, ge=10, description="rows kept; the oldest go first")


class Console(Section):
    """The technicians' page."""

    host: str = Field("127.0.0.1", description="0.0.0.0 opens it to the network: it has no password")
    port: int = Field(7860, ge=1, le=65535)


class Config(Section):
    """One bin."""

    bin_id: Name
    state_dir: Path = Field(description="journal, control socket, learnt tray; must be writable")
    camera: CameraConfig
    presence: Presence = Presence()
    classify: Classify
    sorting: Sorting
    actuator: Flap
    switches: list[Switch] = Field(default_factory=list)
    mqtt: Mqtt = Mqtt()
    journal: Journal = Journal()
    console: Console = Console()
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
        if self.actuator.turn_pin is None and len(served) > 1:
            raise ValueError("actuator.turn_pin: several compartments need the chute's servo; name its pin")
        if self.camera.type == "footage" and self.actuator.pin_factory != "mock":
            raise ValueError(
                "camera.type: footage follows the mock pins; with real pins use a real camera (type: opencv)"
            )
        pins = [self.actuator.tilt_pin, *([] if self.actuator.turn_pin is None else [self.actuator.turn_pin])]
        pins += [switch.pin for switch in self.switches]
        twice = sorted({pin for pin in pins if pins.count(pin) > 1})
        if twice:
            raise ValueError(f"actuator: pins {twice} are used twice, counting switches; give each its own")
        return self

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
        return self.state_dir / "control.sock"


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
