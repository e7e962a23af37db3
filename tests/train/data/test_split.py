from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import ConfigError
from train.data import (
    Photos,
    Split,
    find_data,
    groups_file,
    make_split,
    read_groups,
    reference_split,
    scan,
    seen_objects,
    write_split,
)
from train.data.split import Kind


def photographs(**counts: int) -> Photos:
    names = tuple(f"{label}/{i:03}.jpg" for label, n in counts.items() for i in range(n))
    return Photos(Path("nowhere"), tuple(counts), names)


def objects(label: str, *sizes: int) -> dict[str, str]:
    """The first photographs of a class in groups of these sizes."""
    numbers = [g for g, size in enumerate(sizes) for _ in range(size)]
    return {f"{label}/{i:03}.jpg": f"{label}{g}" for i, g in enumerate(numbers)}


def parts_of(split: Split) -> list[Photos]:
    return [split.train, split.validation, split.test]


def counts_of(photos: Photos) -> Counter[str]:
    return Counter(name.split("/")[0] for name in photos.names)


def test_splits_share_no_photograph_and_lose_none(photo_folder: Path) -> None:
    photos = scan(photo_folder)
    parts = [set(part.names) for part in parts_of(reference_split(photos))]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(photos) == 42
    assert [len(part) for part in parts] == [27, 6, 9]  # of 14 a class: int(9.8), int(2.1), the rest


def test_split_is_the_same_every_time_and_leaves_the_global_generator_alone(photo_folder: Path) -> None:
    random.seed(5)
    expected = random.random()
    random.seed(5)
    first, second = (reference_split(scan(photo_folder)) for _ in range(2))
    assert first == second == make_split(scan(photo_folder), "reference", groups={})
    assert random.random() == expected


def test_split_shuffles_as_split_folders_does() -> None:
    names = [f"a/{i:02}.jpg" for i in range(20)]
    by_hand = list(names)
    random.seed(1337)
    random.shuffle(by_hand)
    split = reference_split(Photos(Path(), ("a",), tuple(names)))
    assert [*split.train.names, *split.validation.names, *split.test.names] == by_hand
    assert (len(split.train), len(split.validation), len(split.test)) == (14, 3, 3)


def test_a_grouped_split_keeps_objects_together_and_classes_in_proportion() -> None:
    photos = photographs(box=200, can=60)
    groups = {**objects("box", 34, 8, 8, 7, 6, 5, 4, 3, 2, 2), **objects("can", 5, 4, 3)}
    split = make_split(photos, "grouped", groups=groups)
    assert [dict(counts_of(part)) for part in parts_of(split)] == [
        {"box": 140, "can": 42},
        {"box": 30, "can": 9},
        {"box": 30, "can": 9},
    ]
    for part in parts_of(split):
        others = [other for other in parts_of(split) if other is not part]
        assert not seen_objects(part, others, groups).any()


def test_repeated_objects_are_spread_over_the_parts() -> None:
    groups = objects("box", *[2] * 40)  # 80 of 200 photographs: all in train, they would tell nothing of the test
    split = make_split(photographs(box=200, can=20), "grouped", groups=groups)
    assert all(sum(name in groups for name in part.names) >= 10 for part in parts_of(split))


def test_a_class_of_few_large_objects_stands_in_every_part() -> None:
    groups = {**objects("box", 5, 5, 5, 5), **objects("can", 2)}
    split = make_split(photographs(box=20, can=20), "grouped", groups=groups)
    assert [counts_of(part)["box"] for part in parts_of(split)] == [10, 5, 5]


def test_an_object_of_two_classes_stays_together() -> None:
    groups = {"box/000.jpg": "1", "can/000.jpg": "1", "box/001.jpg": "1"}
    split = make_split(photographs(box=20, can=20), "grouped", groups=groups)
    assert [len(set(groups) & set(part.names)) for part in parts_of(split)].count(3) == 1


def test_every_photograph_is_in_exactly_one_test_fold_and_folds_are_balanced() -> None:
    photos = photographs(box=403, can=137)
    groups = objects("box", 68, 8, 7, 5, 5, 4, 4, 3, 3, 2, 2, 2)
    splits = [make_split(photos, "kfold", groups=groups, fold=fold, folds=5) for fold in range(5)]
    tested = [name for split in splits for name in split.test.names]
    assert sorted(tested) == sorted(photos.names)
    for split in splits:
        assert counts_of(split.test)["box"] in (80, 81) and counts_of(split.test)["can"] in (27, 28)
        assert len(split.train) + len(split.validation) + len(split.test) == 540
        assert 0.69 < len(split.train) / 540 < 0.71
        assert not seen_objects(split.test, (split.train, split.validation), groups).any()
        assert not seen_objects(split.validation, (split.train,), groups).any()


@pytest.mark.parametrize("kind", ["grouped", "kfold"])
def test_a_seed_gives_one_split_and_another_seed_another(kind: Kind) -> None:
    photos, groups = photographs(box=40, can=40), objects("box", 3, 2)
    first, again, other = (make_split(photos, kind, groups=groups, seed=seed) for seed in (7, 7, 8))
    assert first == again and first != other


@settings(max_examples=30)
@given(sizes=st.lists(st.integers(1, 6), max_size=12), n=st.integers(40, 60), folds=st.integers(2, 5))
def test_no_grouping_loses_a_photograph_or_parts_an_object(sizes: list[int], n: int, folds: int) -> None:
    photos = photographs(box=n, can=40)
    groups = {name: group for name, group in objects("box", 2, *sizes).items() if name in photos.names}
    folds_of = [make_split(photos, "kfold", groups=groups, fold=fold, folds=folds) for fold in range(folds)]
    assert sorted(name for split in folds_of for name in split.test.names) == sorted(photos.names)
    for split in folds_of:
        assert not seen_objects(split.test, (split.train, split.validation), groups).any()


def test_a_class_too_small_for_every_part_is_named() -> None:
    with pytest.raises(ConfigError, match=r"can: 3 photographs leave none for validation of the reference split"):
        make_split(photographs(box=40, can=3), "reference", groups={})
    with pytest.raises(ConfigError, match=r"can: 20 photographs leave none for .* of the grouped split"):
        make_split(photographs(box=40, can=20), "grouped", groups=objects("can", 20))


def test_a_grouped_split_without_groups_says_how_to_find_them(two_classes: Path) -> None:
    photos = scan(two_classes)
    with pytest.raises(ConfigError, match=r"two_groups.csv is missing.*python -m train data"):
        make_split(photos, "grouped", groups={})
    groups_file(two_classes).write_text("file,class,group,group_size\n")  # looked for, and there are none
    assert len(make_split(photos, "grouped", groups={}).test) == 2


@pytest.mark.parametrize(("fold", "folds"), [(5, 5), (-1, 5), (0, 1)])
def test_a_fold_that_does_not_exist_is_refused(fold: int, folds: int) -> None:
    with pytest.raises(ConfigError, match=f"fold {fold} of {folds}"):
        make_split(photographs(box=40, can=40), "kfold", groups=objects("box", 2), fold=fold, folds=folds)


def test_a_written_split_names_every_part(tmp_path: Path) -> None:
    split = reference_split(photographs(box=20, can=20))
    write_split(split, tmp_path / "split.json")
    written = json.loads((tmp_path / "split.json").read_text(encoding="utf-8"))
    assert {name: tuple(names) for name, names in written.items()} == {
        "train": split.train.names,
        "validation": split.validation.names,
        "test": split.test.names,
    }


@pytest.mark.data
def test_trashnet_splits_into_the_reference_counts(data: Path) -> None:
    split = reference_split(scan(find_data(None)))
    assert [len(part) for part in parts_of(split)] == [1766, 377, 384]
    assert sum(name.startswith("trash/") for name in split.test.names) == 22


@pytest.mark.data
def test_75_reference_test_photographs_show_an_object_seen_before(data: Path) -> None:
    root = find_data(None)
    split, groups = reference_split(scan(root)), read_groups(groups_file(root))
    assert len(groups) == 595 and len(set(groups.values())) == 203
    assert seen_objects(split.test, (split.train, split.validation), groups).sum() == 75


@pytest.mark.data
def test_trashnets_folds_are_balanced_for_all_its_box_of_68_photographs(data: Path) -> None:
    photos = scan(find_data(None))
    groups = read_groups(groups_file(photos.root))
    tests = [make_split(photos, "kfold", groups=groups, fold=fold).test for fold in range(5)]
    for label, n in counts_of(photos).items():
        assert {counts_of(test)[label] for test in tests} <= {n // 5, n // 5 + 1}
