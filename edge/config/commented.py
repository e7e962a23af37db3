"""A config as YAML for people: every field that was given, below what it means, as the sections describe it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import yaml
from pydantic import BaseModel

WIDTH = 110


def commented(section: BaseModel, heading: str, shown: Callable[[Any], Any] = lambda values: values) -> str:
    """YAML that reads back as the same section. heading: a comment before all. shown: what is shown of its values."""
    return f"{_comment(heading, '')}\n{_fields(section, shown(section.model_dump(mode='json')), '')}"


def _fields(section: BaseModel, values: dict[str, Any], indent: str) -> str:
    said = []
    for name, field in type(section).model_fields.items():
        if name not in section.model_fields_set or (values[name] is None and field.default is None):
            continue
        value = getattr(section, name)
        comment = _comment(field.description, indent) if field.description else ""
        if isinstance(value, BaseModel):
            said.append(f"{comment}{indent}{name}:\n{_fields(value, values[name], indent + '  ')}")
        elif isinstance(value, dict) and value:
            rows = "".join(f"{indent}  {_flow(key)}: {_flow(each)}\n" for key, each in values[name].items())
            said.append(f"{comment}{indent}{name}:\n{rows}")
        else:
            said.append(f"{comment}{indent}{name}: {_flow(values[name])}\n")
    return ("\n" if indent == "" else "").join(said) or f"{indent}{{}}\n"


def _comment(text: str, indent: str) -> str:
    lines = [line for paragraph in text.splitlines() for line in textwrap.wrap(paragraph, WIDTH - len(indent))]
    return "".join(f"{indent}# {line}\n" for line in lines)


def _flow(value: Any) -> str:
    """On one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True, sort_keys=False)
    return text.removesuffix("...\n").strip()
