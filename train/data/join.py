"""Several folders of photographs become one: hard links, one name each, and a record of where each came from."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from edge.errors import ConfigError
from train.data.label_map import LabelMap
from train.data.photos import Photos, scan

PROVENANCE = "provenance.json"


@dataclass(frozen=True)
class Source:
    """A folder of photographs, one sub-folder a class, and the terms it may be used under (free text)."""

    root: Path
    licence: str = "unknown"


def join(sources: Sequence[Source], out: Path, label_map: LabelMap | None = None, *, progress: bool = True) -> None:
    """Make `out`, one sub-folder a class, from the sources; their files are linked where possible, else copied.

    With several sources a file gets its source's name in front, and with several folders in one class its
    folder's. `provenance.json` tells of each file its source, sha256 and licence. `out` appears at once and whole.

    Raises:
        ConfigError: `out` exists, a source cannot be used, or the label map does not fit the sources.
    """
    if out.exists():
        raise ConfigError(f"{out}: exists; nothing was written. Choose another --out, or move it away")
    scans = [scan(source.root, least_classes=1) for source in sources]
    folders = {folder for photos in scans for folder in photos.labels}
    unchanged: dict[str, str | None] = {folder: folder for folder in folders}
    classes = label_map.classes(folders) if label_map else unchanged
    plan = list(_plan(sources, scans, classes))
    labels = sorted({target.split("/")[0] for _, _, target in plan})
    if len(labels) < 2:
        raise ConfigError(f"{out}: would hold {len(labels)} classes ({', '.join(labels)}), expected at least two")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder:
        joined = Path(folder) / "photographs"
        joined.mkdir()
        files = {}
        for source, name, target in tqdm(plan, desc="join", disable=not progress, unit="photo"):
            sha256 = _place(source.root / name, joined / target)
            files[target] = {"source": f"{source.root}/{name}", "sha256": sha256, "licence": source.licence}
        (joined / PROVENANCE).write_text(json.dumps({"files": files}, indent=1, ensure_ascii=False) + "\n", "utf-8")
        joined.rename(out)


def _plan(
    sources: Sequence[Source], scans: Sequence[Photos], classes: dict[str, str | None]
) -> Iterator[tuple[Source, str, str]]:
    """Source, name there ("bottle/1.jpg") and name in the joined set ("glass/shop-bottle-1.jpg"), all different."""
    taken: set[str] = set()
    for prefix, source, photos in zip(_prefixes(sources), sources, scans, strict=True):
        merged = Counter(classes[label] for label in photos.labels)
        for name in photos.names:
            folder, file = name.split("/", 1)
            label = classes[folder]
            if label is None:
                continue
            parts = [prefix] if prefix else []
            parts += [folder] if merged[label] > 1 else []
            target = _unique(f"{label}/{'-'.join([*parts, file])}", taken)
            taken.add(target)
            yield source, name, target


def _prefixes(sources: Sequence[Source]) -> list[str]:
    """The folders' names, numbered where two are equal; none where there is one source."""
    if len(sources) == 1:
        return [""]
    names = [source.root.resolve().name for source in sources]
    return [name if names.count(name) == 1 else f"{name}{i}" for i, name in enumerate(names, start=1)]


def _unique(target: str, taken: set[str]) -> str:
    """The name, or with a number where it is taken ("a-b" + "c" and "a" + "b-c" meet)."""
    stem, suffix = os.path.splitext(target)  # noqa: PTH122 (a name in the set, not yet a path)
    number = 2
    while target in taken:
        target, number = f"{stem}-{number}{suffix}", number + 1
    return target


def _place(photograph: Path, target: Path) -> str:
    """Link or copy the file a name leads to, and return its sha256."""
    target.parent.mkdir(exist_ok=True)
    try:
        original = photograph.resolve(strict=True)  # a link to a link would break when its source moves
        sha256 = hashlib.sha256(original.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"{photograph}: {error.strerror or error}; nothing was written") from None
    try:
        target.hardlink_to(original)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(original, target)
    return sha256
