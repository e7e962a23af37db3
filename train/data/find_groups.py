"""Which photographs show one and the same object: local features, matched under a turn, a shift and a scale.

SIFT (Lowe 2004) with root-normalised descriptors (Arandjelovic and Zisserman 2012); the photographs worth comparing
are found with VLAD (Jegou et al. 2010), and RANSAC (Fischler and Bolles 1981) keeps what moves together.
What it finds is a lower bound: an object seen from its other side, or one without texture, is not recognised.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge.bundle.preprocess import read_picture
from train.data.groups import COLUMNS
from train.data.photos import Photos

FEATURES = 400  # a photograph; 50 kB of memory each
LONGER_PX = 512
WORDS = 32
CANDIDATES = 20  # photographs compared with each; among TrashNet's groups 94 % of the needed links are there
RATIO = 0.8  # Lowe's
REACH_PX = 4.0  # of RANSAC
# On TrashNet, against trashnet_groups.csv: of pairs in one group 94 % are there too, of its pairs 89 % are found.
MIN_INLIERS = 12
MIN_AREA_PX = 1500.0  # of the box around them: barcodes and nutrition tables agree too, in a small spot
SCALES = (0.4, 2.5)
SEED = 0

Features = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""(F, 2) positions in pixels and (F, 128) SIFT descriptors."""


def find_groups(photos: Photos, copies: Iterable[tuple[str, str]] = (), *, progress: bool = True) -> dict[str, str]:
    """Name → object ("1", "2", …) for photographs that share an object with another; some 2 minutes for 2,500.

    Args:
        copies: pairs of names known to be the same picture, whatever their features.

    Raises:
        UnreadablePicture: a photograph cannot be decoded.
    """
    sift = cv2.SIFT.create(nfeatures=FEATURES)
    bar = tqdm(photos.names, desc="features", unit="photo", disable=not progress)
    features = [_features(sift, photos.root / name) for name in bar]
    pairs = _candidates([descriptors for _, descriptors in features])
    parent, index = list(range(len(photos))), {name: i for i, name in enumerate(photos.names)}
    for first, second in copies:
        parent[_find(parent, index[first])] = _find(parent, index[second])
    for i, j in tqdm(pairs, desc="match", unit="pair", disable=not progress):
        if _find(parent, i) != _find(parent, j) and inliers(features[i], features[j]) >= MIN_INLIERS:
            parent[_find(parent, i)] = _find(parent, j)
    return _named(photos, [_find(parent, i) for i in range(len(photos))])


def write_groups(photos: Photos, groups: dict[str, str], path: Path) -> None:
    """The CSV that `read_groups` reads: a row a photograph, group 0 where it is alone."""
    sizes = Counter(groups.values())
    part = path.with_name(path.name + ".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for name in photos.names:
            group = groups.get(name)
            writer.writerow((name, name.split("/")[0], group or 0, sizes[group] if group else 1))
    part.replace(path)


def inliers(one: Features, other: Features) -> int:
    """How many features of two photographs agree on one turn, shift and scale; 0 where that is implausible."""
    if min(len(one[1]), len(other[1])) < MIN_INLIERS:
        return 0
    likeness = _root(one[1]) @ _root(other[1]).T  # (F, G) cosine, so squared distance is 2 − 2 likeness
    best, back = likeness.argmax(axis=1), likeness.argmax(axis=0)
    rows = np.arange(len(best))
    first = likeness[rows, best]
    likeness[rows, best] = -1
    second = likeness.max(axis=1)
    kept = (back[best] == rows) & (1 - first < RATIO**2 * (1 - second))
    if kept.sum() < MIN_INLIERS:
        return 0
    matrix, agree = cv2.estimateAffinePartial2D(
        one[0][kept], other[0][best[kept]], method=cv2.RANSAC, ransacReprojThreshold=REACH_PX, maxIters=1000
    )
    if matrix is None or not SCALES[0] < np.hypot(matrix[0, 0], matrix[1, 0]) < SCALES[1]:
        return 0
    agreeing = one[0][kept][agree.ravel() == 1]
    return len(agreeing) if np.ptp(agreeing, axis=0).prod() >= MIN_AREA_PX else 0


def _features(sift: cv2.SIFT, path: Path) -> Features:
    grey = cv2.cvtColor(read_picture(path), cv2.COLOR_RGB2GRAY)
    scale = LONGER_PX / max(grey.shape)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    points, descriptors = sift.detectAndCompute(grey, None)
    if not points:  # then there are no descriptors
        return np.empty((0, 2), np.float32), np.empty((0, 128), np.uint8)
    return np.array([point.pt for point in points], np.float32), descriptors.astype(np.uint8)  # whole numbers


def _root(descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(F, 128) float32 of length 1, compared by the Hellinger kernel."""
    wide = descriptors.astype(np.float32)
    return np.asarray(np.sqrt(wide / np.maximum(wide.sum(axis=1, keepdims=True), 1)), np.float32)


def _candidates(descriptors: list[NDArray[np.uint8]]) -> list[tuple[int, int]]:
    """Pairs i < j of which one is among the other's CANDIDATES nearest, the nearest first."""
    words = _vocabulary(descriptors)
    if words is None:
        return []
    vlads = np.stack([_vlad(_root(d), words) for d in descriptors])  # (N, WORDS · 128)
    nearest: dict[tuple[int, int], float] = {}
    for i, vlad in enumerate(vlads):
        likeness = vlads @ vlad
        likeness[i] = -1
        for j in np.argpartition(-likeness, min(CANDIDATES, len(vlads) - 1))[:CANDIDATES]:
            if i != j:
                nearest[min(i, int(j)), max(i, int(j))] = float(likeness[j])
    return sorted(nearest, key=lambda pair: -nearest[pair])


def _vocabulary(descriptors: list[NDArray[np.uint8]]) -> NDArray[np.float32] | None:
    """(WORDS, 128): k-means centres of a sample; None where there are too few features for it."""
    rng = np.random.default_rng(SEED)
    sample = _root(np.concatenate([d[rng.permutation(len(d))[:20]] for d in descriptors]))
    if len(sample) < WORDS:
        return None
    first = sample[rng.choice(len(sample), WORDS, replace=False)]
    labels = (sample @ first.T).argmax(axis=1).astype(np.int32)[:, None]  # else OpenCV draws from its global generator
    criteria = (cv2.TERM_CRITERIA_MAX_ITER, 20, 0.0)
    _, _, centres = cv2.kmeans(sample, WORDS, labels, criteria, 1, cv2.KMEANS_USE_INITIAL_LABELS)
    return np.asarray(centres, np.float32)


def _vlad(descriptors: NDArray[np.float32], words: NDArray[np.float32]) -> NDArray[np.float32]:
    """(WORDS · 128,) float32 of length 1: for every word the sum of what its descriptors differ from it."""
    nearest = (descriptors @ words.T - (words**2).sum(axis=1) / 2).argmax(axis=1)
    sums = np.zeros_like(words)
    np.add.at(sums, nearest, descriptors - words[nearest])
    sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)
    flat = np.sign(sums) * np.sqrt(np.abs(sums))
    return np.asarray(flat.ravel() / max(float(np.linalg.norm(flat)), 1e-6), np.float32)


def _find(parent: list[int], i: int) -> int:
    """The root of i's tree, shortening the way to it."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


def _named(photos: Photos, roots: list[int]) -> dict[str, str]:
    """Numbers in the order of the photographs, for those that are not alone."""
    sizes, numbers = Counter(roots), dict[int, str]()
    groups = {}
    for name, root in zip(photos.names, roots, strict=True):
        if sizes[root] > 1:
            groups[name] = numbers.setdefault(root, str(len(numbers) + 1))
    return groups
