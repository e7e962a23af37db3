"""Everything round the simulated tray: the mechanism and the sensors, on mock pins, failing on request.

For `open_daemon(hardware=...)`: the caller keeps it, and causes with it what it likes, from any thread.
"""

from __future__ import annotations

from edge.config import Config, FillSensor
from edge.domain import Clock
from edge.sim.mechanism import MechanismFault, SimulatedMechanism, simulate
from edge.sim.pins import SimulatedPins


class SimulatedRanger:
    """Implements `edge.sensors.fill.Ranger`: measures what it is told. distance_cm: None for no echo."""

    takes_s = 0.5

    def __init__(self, config: FillSensor) -> None:
        self._config = config
        self.distance_cm: float | None = config.empty_cm

    def begin(self) -> None:
        """Nothing needs to be waited for."""

    def end(self) -> float | None:
        return self.distance_cm

    def close(self) -> None:
        """There is nothing to give back."""

    def fill(self, percent: float) -> None:
        """So full is the compartment now."""
        config = self._config
        self.distance_cm = config.empty_cm - percent / 100.0 * (config.empty_cm - config.full_cm)


class SimulatedHardware:
    """A mechanism and sensors that work, until told otherwise.

    lose_items: an item that leaves the tray never passes the beam of its chute.
    """

    mechanism: SimulatedMechanism

    def __init__(self) -> None:
        self.rangers: dict[str, SimulatedRanger] = {}
        self.lose_items = False

    def attach(self, config: Config, clock: Clock, pins: SimulatedPins) -> None:
        """Take hold of the pins; the sensors are made to say that all is well. Call it when their drivers are open."""
        self._config = config
        self._pins = pins
        self.mechanism = simulate(config.actuator, clock, pins)
        for switch in config.switches:
            self.set_switch(switch.role, False, switch.compartment)

    def fail(self, fault: MechanismFault | None) -> None:
        """From now on the mechanism has this fault; None repairs it."""
        self.mechanism.fault = fault

    def set_switch(self, role: str, active: bool, compartment: str | None = None) -> None:
        """Open or close the lid, press the e-stop, put a hand in, fill a compartment, break a beam."""
        for switch in self._config.switches:
            if (switch.role, switch.compartment) == (role, compartment):
                pin = self._pins.pin(switch.pin)
                closed = active == switch.active_when_closed
                if closed == switch.pull_up:
                    pin.drive_low()
                else:
                    pin.drive_high()

    def item_fell(self, compartment: str) -> None:
        """An item has left the tray for a compartment: it passes the beam, if there is one."""
        if not self.lose_items:
            self.set_switch("beam", True, compartment)
            self.set_switch("beam", False, compartment)
