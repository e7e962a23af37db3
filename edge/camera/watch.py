"""Stands between the camera and the loop: an unfit frame is refused, and what is wrong with it told as a fault."""

from __future__ import annotations

from edge.camera.condition import Condition, ConditionModel
from edge.camera.light import TrayLight
from edge.domain import Frame
from edge.errors import UnfitFrame
from edge.faults import Faults

_SAID = {
    Condition.FROZEN: (
        "the camera gives the same picture again and again, to the last bit",
        "unplug the camera and plug it in again; restart a network camera",
    ),
    Condition.DARK: ("the picture is dark", "see that the lamp is lit and that nothing covers the lens"),
    Condition.OVEREXPOSED: (
        "the picture is almost all white",
        "keep sunlight off the tray; see that the camera's exposure is automatic",
    ),
    Condition.BLURRED: (
        "the picture is less sharp than when the empty tray was learnt",
        "clean the lens; focus it, or let it dry",
    ),
    Condition.MOVED: (
        "the tray is not where it was learnt: the camera was moved, or something hides all of the tray",
        "clear the tray and put the camera back in its place; to keep the new place: python -m edge ctl learn-empty",
    ),
    Condition.GARBLED: (
        "the pictures show no tray, and nothing in them stays from one to the next: noise, or one colour",
        "look at the live view; uncover the lens; check the camera's plug, cable and network, restart it",
    ),
}


class CameraWatch:
    """Judges every frame. Not for several threads. light: for a bin with a lamp."""

    def __init__(self, model: ConditionModel, faults: Faults, light: TrayLight | None = None) -> None:
        self._model = model
        self._faults = faults
        self._light = light

    def check(self, frame: Frame) -> None:
        """Tell or clear the camera's faults by this frame.

        Raises:
            UnfitFrame: it must not be used.
        """
        verdict = self._model.judge(frame)
        for condition, (message, remedy) in _SAID.items():
            if condition in verdict.standing:
                self._faults.report(condition.value, message, remedy)
            else:
                self._faults.clear(condition.value)
        if verdict.unfit:
            raise UnfitFrame("; ".join(_SAID[condition][0] for condition in Condition if condition in verdict.unfit))
        if self._light is not None:
            self._light.look(frame)
            if self._light.unfit:
                raise UnfitFrame(
                    "the tray is darker than when it was last empty, and the lamp was not seen to work since"
                )

    def learn(self, frame: Frame) -> None:
        """The tray is empty in this frame."""
        self._model.learn(frame)
        if self._light is not None:
            self._light.learn(frame)

    def forget(self) -> None:
        """Learn the empty tray anew."""
        self._model.forget()
        if self._light is not None:
            self._light.forget()
