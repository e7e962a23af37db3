"""Pin factories by the name in the config. A wrong one is fatal: nothing is guessed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from edge.errors import HardwareError

_FACTORIES = {
    "lgpio": ("gpiozero.pins.lgpio", "LGPIOFactory"),
    "rpigpio": ("gpiozero.pins.rpigpio", "RPiGPIOFactory"),
    "pigpio": ("gpiozero.pins.pigpio", "PiGPIOFactory"),
    "native": ("gpiozero.pins.native", "NativeFactory"),
}


class NoPins:
    """The factory of a machine without GPIO pins: everything is on PCA9685 boards."""

    def close(self) -> None:
        """There is nothing to give back."""


def open_pin_factory(name: str) -> Any:
    """A gpiozero pin factory: mock, lgpio, rpigpio, pigpio, native or none.

    Raises:
        HardwareError: its package is not installed, this machine has no such pins, or another one is needed.
    """
    if name == "mock":
        from edge.sim.pins import SimulatedPins

        return SimulatedPins()
    if name == "none":
        return NoPins()
    module, factory = _FACTORIES[name]
    try:
        opened = getattr(import_module(module), factory)()
        soc = opened.board_info.soc
    except ImportError as error:
        raise HardwareError(f"actuator.pin_factory {name}: {error}; install it with: pip install {name}") from None
    except Exception as error:
        raise HardwareError(
            f"actuator.pin_factory {name}: {error}; this machine has no such pins, or they are in use or "
            "not permitted. Without hardware use pin_factory: mock"
        ) from error
    if soc == "BCM2712" and name != "lgpio":
        opened.close()
        raise HardwareError(f"actuator.pin_factory {name}: a Raspberry Pi 5 needs another one; use pin_factory: lgpio")
    return opened
