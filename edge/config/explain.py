"""Where in a YAML file a config goes wrong: pydantic's errors as `file:line: field: what is wrong`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel

_TAGS = {
    *("opencv", "gstreamer", "picamera2", "footage"),
    *("flap", "carousel", "gates", "servo", "solenoid", "gpio-pin", "board-channel"),
    *("int", "str"),
}
"""What pydantic puts into a location to say which of several sections was meant; it stands nowhere in the file."""


def explain(path: Path, tree: yaml.Node | None, problem: Any, root: type[BaseModel]) -> str:
    """One line for one of pydantic's errors: file:line: field: what is wrong (found …, allowed …)."""
    where, said = _where(problem)
    if problem["type"] == "extra_forbidden":
        said = f"unknown key; allowed here: {', '.join(_allowed(root, problem['loc'][:-1]))}"
    return f"{path}:{_line_of(tree, where)}: {_dotted(where)}: {said}"


def named(problem: Any) -> str:
    """One of pydantic's errors where there is no file: field: what is wrong."""
    where, said = _where(problem)
    return f"{_dotted(where)}: {said}"


def _where(problem: Any) -> tuple[list[Any], str]:
    """The way to a field as it stands in the file, and what is wrong with it."""
    where = [part for part in problem["loc"] if part not in _TAGS]
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "value_error" and (found := re.match(r"([a-z0-9_.-]+): (.*)", message, re.DOTALL)):
        where += found[1].split(".")  # our own checks name the field themselves
        message = found[2]
    if problem["type"] == "missing":
        return where, "missing; add it"
    return where, message if problem["type"] == "value_error" else f"{message} (found {problem['input']!r:.60})"


def _dotted(where: list[Any]) -> str:
    return ".".join(str(part) for part in where)


def _line_of(node: yaml.Node | None, where: list[Any]) -> int:
    """The 1-based line of a field, or of the deepest section on the way to it."""
    line = 1
    for part in where:
        key_line = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    key_line, node = key.start_mark.line + 1, value
                    break
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            key_line = node.start_mark.line + 1
        if key_line is None:
            break
        line = key_line
    return line


def _allowed(root: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """The keys allowed in the section at one of pydantic's locations."""
    models: list[type[BaseModel]] = [root]
    for part in location:
        if meant := [model for model in models if part in _types(model)]:
            models = meant
            continue
        fields = [model.model_fields[part] for model in models if part in model.model_fields]
        if fields:  # else an index of a list or a key of a mapping: the model stays
            models = [inner for field in fields for inner in _models_in(field.annotation)]
    return sorted({key for model in models for key in model.model_fields})


def _types(model: type[BaseModel]) -> tuple[Any, ...]:
    """The values of `type` by which a section is told from others in its place."""
    return get_args(model.model_fields["type"].annotation) if "type" in model.model_fields else ()


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The section classes named in a type annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models_in(inner)]
