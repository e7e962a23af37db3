"""The catalogue: which items appear, in which order, and which module builds each. Nothing here needs Blender."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Item:
    """One piece of waste: `name` for people, `label` its true class, `slug` for the command line and files."""

    name: str
    label: str
    slug: str

    def build(self) -> list[Any]:
        """Make the item's Blender objects, at rest on the closed flap; `glass.green_bottle` builds green-bottle."""
        module = importlib.import_module(f"train.render.items.{self.label}")
        objects: list[Any] = getattr(module, self.slug.replace("-", "_"))()
        return objects


CATALOGUE = (
    Item("green glass bottle", "glass", "green-bottle"),
    Item("torn cardboard", "cardboard", "torn-board"),
    Item("drinks can", "metal", "drinks-can"),
    Item("water bottle", "plastic", "water-bottle"),
    Item("supermarket flyer", "paper", "flyer"),
    Item("chocolate wrapper", "trash", "wrapper"),
    Item("tin lid", "metal", "tin-lid"),
    Item("open cardboard box", "cardboard", "open-box"),
    Item("clear glass jar", "glass", "clear-jar"),
    Item("crumpled letter", "paper", "crumpled-letter"),
    Item("clear clamshell box", "plastic", "clamshell"),
    Item("toothpaste tube", "trash", "toothpaste"),
)


def find(slug: str) -> Item:
    """The item of that slug."""
    for item in CATALOGUE:
        if item.slug == slug:
            return item
    known = ", ".join(item.slug for item in CATALOGUE)
    raise KeyError(f"no item {slug!r}; the catalogue has {known}")
