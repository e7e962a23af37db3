"""Which folder becomes which class: said in a file, folder by folder, and guessed nowhere."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from edge.errors import ConfigError

ClassName = Annotated[str, StringConstraints(strict=True, pattern=r"^[^./\\][^/\\]*$")]
"""It becomes a folder: no slash, and no dot at its start."""


class LabelMap(BaseModel):
    """Every folder of every source has one entry in one of the three.

    rename:               # folder: class
      bottle: glass
    merge:                # class: folders
      paper: [newspaper, office paper]
    ignore: [batteries]   # folders left out
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rename: dict[str, ClassName] = Field(default={}, description="folder: class")
    merge: dict[ClassName, list[str]] = Field(default={}, description="class: folders")
    ignore: list[str] = Field(default=[], description="folders left out")

    def classes(self, folders: Iterable[str]) -> dict[str, str | None]:
        """Folder → class, None where it is ignored.

        Raises:
            ConfigError: a folder has no entry, or two; or an entry names no folder.
        """
        entries: list[tuple[str, str | None]] = [*self.rename.items()]
        entries += [(folder, label) for label, merged in self.merge.items() for folder in merged]
        entries += [(folder, None) for folder in self.ignore]
        told, present = dict(entries), set(folders)
        named = [folder for folder, _ in entries]
        faults = {
            "no entry for": sorted(present - set(told)),
            "two entries for": sorted({folder for folder in named if named.count(folder) > 1}),
            "no source has": sorted(set(told) - present),
        }
        found = "; ".join(f"{what} {', '.join(which)}" for what, which in faults.items() if which)
        if found:
            raise ConfigError(f"label map: {found}; expected one entry for each folder, under rename, merge or ignore")
        return told


def load_label_map(path: Path) -> LabelMap:
    """Read a label map.

    Raises:
        ConfigError: the file is missing, not YAML, or holds a key or value that is not allowed.
    """
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), _NoTwins)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {error}") from None
    try:
        return LabelMap.model_validate(raw or {})
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}, found {e['input']!r}" for e in error.errors()]
        raise ConfigError(
            f"{path}: " + "; ".join(lines) + '; the keys are rename, merge and ignore; write "no" and "1" in quotes'
        ) from None


class _NoTwins(yaml.SafeLoader):
    """PyYAML keeps the last of two equal keys; here the first would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        keys = [key.value for key, _ in node.value]
        twins = sorted({key for key in keys if keys.count(key) > 1})
        if twins:
            raise yaml.constructor.ConstructorError(None, None, f"two entries for {', '.join(twins)}", node.start_mark)
        return super().construct_mapping(node, deep)
