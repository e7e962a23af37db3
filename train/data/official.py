"""TrashNet's own split: the lists that its authors published beside the photographs."""

from __future__ import annotations

from pathlib import Path

from edge.errors import ConfigError
from train.data.photos import Photos

LISTS = tuple(f"one-indexed-files-notrash_{part}.txt" for part in ("train", "val", "test"))
"""Lines "glass403.jpg 1". For all that their name says, they hold `trash` too: 1768 + 328 + 431 = 2527 lines."""
LIST_LABELS = ("glass", "paper", "cardboard", "plastic", "metal", "trash")
"""Numbered from 1 in the lists."""
SOURCE = "https://github.com/garythung/trashnet/tree/master/data"


def read_lists(photos: Photos, folder: Path | None) -> tuple[list[str], list[str], list[str]]:
    """Names ("glass/glass403.jpg") of train, validation and test.

    Args:
        folder: where the three lists are; None looks inside the photographs' folder, then beside it.

    Raises:
        ConfigError: a list is missing or malformed, or the three do not hold each photograph exactly once.
    """
    places = [folder] if folder else [photos.root, photos.root.absolute().parent]
    found = next((place for place in places if all((place / name).is_file() for name in LISTS)), None)
    if found is None:
        raise ConfigError(
            f"official split: no {', '.join(LISTS)} in {' or '.join(map(str, places))}; they are in {SOURCE}, "
            "and `python -m train data` downloads them with the photographs"
        )
    train, validation, test = (_read_list(found / name) for name in LISTS)
    _check_cover(photos, [*train, *validation, *test], found)
    return train, validation, test


def _read_list(path: Path) -> list[str]:
    names = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        match line.split():
            case [file, index] if index in set("123456"):
                names.append(f"{LIST_LABELS[int(index) - 1]}/{file}")
            case []:
                pass
            case _:
                raise ConfigError(f"{path}:{number}: found {line!r}, expected a file and a class from 1 to 6: x.jpg 1")
    return names


def _check_cover(photos: Photos, listed: list[str], folder: Path) -> None:
    """Each photograph listed once, and nothing else: otherwise the lists belong to other data."""
    twice, known = len(listed) - len(set(listed)), set(photos.names)
    absent, unlisted = sorted(set(listed) - known), sorted(known - set(listed))
    if twice or absent or unlisted:
        examples = ", ".join((absent + unlisted)[:3])
        raise ConfigError(
            f"{folder}: the lists do not fit {photos.root}: {len(absent)} listed photographs are not there, "
            f"{len(unlisted)} are there and not listed, {twice} are listed twice ({examples or 'no others'}); "
            "expected TrashNet's own 2,527, classes as published"
        )
