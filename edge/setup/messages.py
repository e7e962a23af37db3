"""What goes over the control socket about the setup."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edge.config.setup import SetMqtt, Setup
from edge.control.messages import Arguments, Result

Sections = list[Literal["presence", "sorting", "actuator", "mqtt"]]


class SetupResult(Result):
    """`setup`: what can be set up, as it is."""

    was: str = Field(description="says which setup this is, for `set_up` and `undo_setup`")
    setup: Setup = Field(description="as the next start takes it, with the threshold that was set while the bin ran")
    labels: list[str] = Field(description="of the model")
    promises: list[float] = Field(description="what `max_contamination` may be with this model")
    mechanism: Literal["flap", "carousel", "gates"]
    over: Sections = Field(description="sections that go before the config file's")
    waits: Sections = Field(description="sections that hold from the next start on")
    undoable: bool
    unfit: str | None = Field(description="why what was set up is not used")
    by_hand: str | None = Field(description="why `restart` is refused here, whatever the bin does; null: it is not")


class SetUpArguments(Arguments):
    """`set_up`: write it. A section that is absent: as the config file says."""

    was: str = Field(description="of the `setup` that was changed: what somebody else changed meanwhile is not lost")
    setup: Setup


class UndoSetupArguments(Arguments):
    """`undo_setup`: what was before."""

    was: str


class SetUpResult(Result):
    """`set_up`, `undo_setup`."""

    changed: Sections
    waits: Sections = Field(description="of all that is set up, what holds from the next start on; the rest holds now")


class BrokerTestArguments(Arguments):
    """`test_broker`: connect once, as the bin would."""

    mqtt: SetMqtt


class BrokerTestResult(Result):
    said: str


class ConfigText(Result):
    """`config_text`: the config file with the setup over it, as one file, with comments and without secrets."""

    yaml: str
