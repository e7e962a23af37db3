"""The one way to a command, whoever asks: checked, written down, done."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from edge.errors import CommandError, SmartbinError
from edge.payloads import COMMANDS, Arguments, ResponsePayload
from edge.requests.log import Entry, RequestLog
from edge.scrub import scrub

Action = Callable[[Any], dict[str, Any]]
"""What a command does: its Arguments in, result out; a SmartbinError becomes the answer. On the caller's thread."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Caller:
    """Who asks. who: what is known of them. trusted: they proved something, to the broker or to this machine."""

    via: Literal["mqtt", "socket"]
    who: str
    trusted: bool


class Registry:
    """Safe to use from any thread; commands of several callers run at once, and the guard lets one move at a time.

    actions: by name, of the commands of `edge.payloads.COMMANDS`.
    """

    def __init__(self, actions: Mapping[str, Action], log: RequestLog) -> None:
        if actions.keys() - COMMANDS.keys():
            raise ValueError(f"no such commands: {actions.keys() - COMMANDS.keys()}; add them to edge/payloads.py")
        self._actions = dict(actions)
        self.log = log

    @property
    def commands(self) -> tuple[str, ...]:
        """What this bin can do, by name."""
        return tuple(sorted(self._actions))

    def run(
        self, cmd: str, arguments: Mapping[str, Any], caller: Caller, request_id: str | None = None
    ) -> ResponsePayload:
        """Do one command. Whatever comes of it, there is a response, and a line in the log."""
        try:
            checked = checked_arguments(cmd, arguments)
            self.check_trust(cmd, caller)
        except SmartbinError as error:
            response = failure(request_id, str(error))
            self.refuse(cmd, arguments, caller, response)
            return response
        entry = Entry(caller.via, caller.who, cmd, shown(checked.model_dump()), request_id)
        return self._done(entry, lambda: self._actions[cmd](checked))

    def note(
        self, cmd: str, arguments: Mapping[str, Any], caller: Caller, action: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Do what can be asked over the control socket alone, written down as a command is; gives the result.

        Raises:
            CommandError: it was not done.
        """
        response = self._done(Entry(caller.via, caller.who, cmd, shown(arguments)), action)
        if not response.ok:
            raise CommandError(response.error or "failed")
        return response.result

    def ask(self, cmd: str, arguments: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """As `run`, for the control socket: gives the result.

        Raises:
            CommandError: it was not done.
        """
        response = self.run(cmd, arguments, caller)
        if not response.ok:
            raise CommandError(response.error or "failed")
        return response.result

    def refuse(self, cmd: str, arguments: Mapping[str, Any], caller: Caller, response: ResponsePayload) -> None:
        """Write down what is not done."""
        self.log.refused(Entry(caller.via, caller.who, cmd, shown(arguments)), response.to_json())
        _log.warning("refused %.40r by %s: %s", cmd, caller.who, response.error)

    def check_trust(self, cmd: str, caller: Caller) -> None:
        """Raises CommandError when this caller may not give this command."""
        if COMMANDS[cmd].trusted and not caller.trusted:
            raise CommandError(
                f"{cmd} is taken only over a broker that the bin logs in to; set mqtt.username and mqtt.password_file, "
                "or mqtt.tls.cert_file, or ask at the bin itself"
            )

    def _done(self, entry: Entry, action: Callable[[], dict[str, Any]]) -> ResponsePayload:
        number = self.log.begin(entry)
        response = self._do(entry.cmd, action, entry.request_id)
        self.log.end(number, entry, response.to_json())
        _log.info("%s by %s: %s", entry.cmd, entry.who, response.error or "done")
        return response

    def _do(self, cmd: str, action: Callable[[], dict[str, Any]], request_id: str | None) -> ResponsePayload:
        try:
            return ResponsePayload(id=request_id, ok=True, error=None, result=action())
        except SmartbinError as error:
            return failure(request_id, str(error))
        except Exception as error:  # noqa: BLE001 - a bug in one command must not take the others away
            _log.exception("the command %s failed", cmd)
            return failure(request_id, f"{cmd}: a bug in the daemon, {type(error).__name__}; its log says more")


def checked_arguments(cmd: str, arguments: Mapping[str, Any]) -> Arguments:
    """Raises CommandError when the command does not take these."""
    try:
        return COMMANDS[cmd].arguments.model_validate(dict(arguments))
    except ValidationError as error:
        raise CommandError(f"{cmd}: {problems(error)}") from None


def problems(error: ValidationError) -> str:
    """What is wrong with a request, in a line; of many problems, the first."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    said = [f"{'.'.join(map(str, problem['loc']))[:60] or 'it'}: {problem['msg']}" for problem in found[:3]]
    return "; ".join(said) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")


def failure(request_id: str | None, error: str) -> ResponsePayload:
    return ResponsePayload(id=request_id, ok=False, error=scrub(error))


def shown(arguments: Mapping[str, Any]) -> str:
    """Arguments as they are written down: JSON, without secrets, not endless."""
    return scrub(json.dumps(dict(arguments), sort_keys=True, default=str))[:500]
