"""The pictures of a folder, in the order a person expects."""

from __future__ import annotations

import re
from pathlib import Path

from edge.errors import WrongCamera

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


def natural_key(path: Path) -> list[tuple[int, str]]:
    """Sorts can2.jpg before can10.jpg."""
    parts = re.split(r"(\d+)", path.name.casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def pictures_in(folder: Path) -> list[Path]:
    """The picture files of a folder by their suffix, in natural order; whether they can be read shows later.

    Raises:
        WrongCamera: the folder is missing, is not one, or has no picture files.
    """
    try:
        files = sorted((file for file in folder.iterdir() if file.is_file()), key=natural_key)
    except NotADirectoryError:
        raise WrongCamera(f"{folder}: a file, expected a folder of pictures; name the folder it lies in") from None
    except OSError as error:
        raise WrongCamera(f"{folder}: {error.strerror}; expected a folder of pictures") from None
    pictures = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not pictures:
        raise WrongCamera(
            f"{folder}: no pictures in this folder ({len(files)} other files); "
            f"expected files that end in {', '.join(SUFFIXES)}"
        )
    return pictures
