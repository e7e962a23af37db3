"""`python -m edge classify`: the top-3 of photographs on disk."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from edge.bundle import load_bundle, read_picture, self_test
from edge.classify import Classifier
from edge.decide import decide, plain_policy
from edge.engines.onnxruntime import OnnxRuntimeEngine
from edge.errors import UnreadablePicture

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
MANY = 10
"""From so many photographs on, a progress bar is shown on a terminal."""


def find_photographs(paths: Iterable[Path]) -> list[Path]:
    """Files as they are, folders as the pictures below them, sorted.

    Raises:
        UnreadablePicture: a folder holds no picture.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in PICTURE_SUFFIXES)
        if not inside:
            raise UnreadablePicture(
                f"{path}: no pictures in this folder; expected {', '.join(sorted(PICTURE_SUFFIXES))}"
            )
        found += inside
    return found


def classify_photographs(paths: Iterable[Path], bundle_path: Path, *, as_json: bool) -> int:
    """Print the top-3 of each photograph on stdout; returns how many could not be read (each is named on stderr).

    Raises:
        BundleError: the bundle must not be used.
        UnreadablePicture: a folder holds no picture.
    """
    photographs = find_photographs(paths)
    bundle = load_bundle(bundle_path)
    policy = plain_policy(bundle.manifest)
    unreadable = 0
    hidden = len(photographs) < MANY or not sys.stderr.isatty()
    with OnnxRuntimeEngine(bundle) as engine:
        self_test(engine, bundle.golden, bundle.golden_tolerance)
        classifier = Classifier(bundle, engine)
        for path in tqdm(photographs, unit="photo", disable=hidden, leave=False):
            try:
                prediction = classifier.predict(classifier.prepare([read_picture(path)]))
            except UnreadablePicture as error:
                unreadable += 1
                tqdm.write(f"error: {error}", file=sys.stderr)
                continue
            accepted = decide(prediction, policy).accepted
            if as_json:
                line = json.dumps(
                    {
                        "path": str(path),
                        "top3": [{"label": label, "p": round(p, 4)} for label, p in prediction.top3],
                        "novelty": round(prediction.novelty, 3),
                        "accepted": accepted,
                    }
                )
            else:
                top3 = "  ".join(f"{label} {p:.1%}" for label, p in prediction.top3)
                line = f"{path}: {top3}" + ("" if accepted else "  (not sure enough to sort)")
            tqdm.write(line, file=sys.stdout)
    return unreadable
