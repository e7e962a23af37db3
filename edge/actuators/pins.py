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


def open_pin_factory(name: str) -> Any:
    """A gpiozero pin factory: mock, lgpio, rpigpio, pigpio or native.

    Raises:
        HardwareError: its package is not installed, or this machine has no such pins.
    """
    if name == "mock":
        from edge.sim.pins import SimulatedPins

        return SimulatedPins()
    module, factory = _FACTORIES[name]
    try:
        return getattr(import_module(module), factory)()
    except ImportError as error:
        raise HardwareError(f"actuator.pin_factory {name}: {error}; install it with: pip install {name}") from None
    except Exception as error:
        raise HardwareError(
            f"actuator.pin_factory {name}: {error}; this machine has no such pins, or they are in use or "
            "not permitted. Without hardware use pin_factory: mock"
        ) from error
