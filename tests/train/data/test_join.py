from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from edge.errors import ConfigError
from train.data import scan
from train.data.join import Source, join
from train.data.label_map import LabelMap


def folder_of(root: Path, *names: str) -> Path:
    """Each file holds its own path, so that one is told from another."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{root.name}/{name}", encoding="utf-8")
    return root


def joined(sources: list[Source], out: Path, label_map: LabelMap | None = None) -> dict[str, str]:
    """Name → what the file holds."""
    join(sources, out, label_map, progress=False)
    return {name: (out / name).read_text(encoding="utf-8") for name in scan(out).names}


def test_two_sources_become_one_and_no_file_is_lost(tmp_path: Path) -> None:
    first = folder_of(tmp_path / "shop", "glass/1.jpg", "metal/1.jpg", "metal/2.jpg")
    second = folder_of(tmp_path / "home", "glass/1.jpg", "paper/1.JPG", "paper/notes.txt")
    assert joined([Source(first), Source(second)], tmp_path / "out") == {
        "glass/home-1.jpg": "home/glass/1.jpg",
        "glass/shop-1.jpg": "shop/glass/1.jpg",
        "metal/shop-1.jpg": "shop/metal/1.jpg",
        "metal/shop-2.jpg": "shop/metal/2.jpg",
        "paper/home-1.JPG": "home/paper/1.JPG",
    }


def test_a_source_of_one_class_extends_another(tmp_path: Path) -> None:
    first = folder_of(tmp_path / "shop", "glass/1.jpg", "metal/1.jpg")
    more = folder_of(tmp_path / "more", "glass/1.jpg")
    assert set(joined([Source(first), Source(more)], tmp_path / "out")) == {
        "glass/more-1.jpg",
        "glass/shop-1.jpg",
        "metal/shop-1.jpg",
    }


def test_merged_folders_keep_equal_names_apart(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "shop", "bottle/1.jpg", "jar/1.jpg", "can/1.jpg", "battery/1.jpg")
    label_map = LabelMap(rename={"can": "metal"}, merge={"glass": ["bottle", "jar"]}, ignore=["battery"])
    assert joined([Source(source)], tmp_path / "out", label_map) == {
        "glass/bottle-1.jpg": "shop/bottle/1.jpg",
        "glass/jar-1.jpg": "shop/jar/1.jpg",
        "metal/1.jpg": "shop/can/1.jpg",
    }


def test_names_that_meet_all_the_same_are_numbered(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "shop", "a/b-1.jpg", "a-b/1.jpg", "metal/1.jpg")
    label_map = LabelMap(rename={"metal": "metal"}, merge={"glass": ["a", "a-b"]})
    found = joined([Source(source)], tmp_path / "out", label_map)
    assert {name for name in found if name.startswith("glass/")} == {"glass/a-b-1.jpg", "glass/a-b-1-2.jpg"}
    assert len(set(found.values())) == 3


def test_sources_of_one_name_are_numbered(tmp_path: Path) -> None:
    sources = [Source(folder_of(tmp_path / place / "set", "glass/1.jpg", "metal/1.jpg")) for place in ("a", "b")]
    join(sources, tmp_path / "out", progress=False)
    assert [name for name in scan(tmp_path / "out").names if "glass" in name] == [
        "glass/set1-1.jpg",
        "glass/set2-1.jpg",
    ]


def test_files_are_linked_and_links_are_followed_to_the_file(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "shop", "glass/1.jpg", "metal/1.jpg", "store/real.jpg")
    (source / "glass" / "1.jpg").unlink()
    (source / "glass" / "1.jpg").symlink_to(source / "store" / "real.jpg")
    join([Source(source)], tmp_path / "out", progress=False)
    linked = tmp_path / "out" / "glass" / "1.jpg"
    assert linked.samefile(source / "store" / "real.jpg") and not linked.is_symlink()


def test_where_links_are_impossible_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    source = folder_of(tmp_path / "shop", "glass/1.jpg", "metal/1.jpg")
    monkeypatch.setattr(os, "link", refuse)
    assert joined([Source(source)], tmp_path / "out")["glass/1.jpg"] == "shop/glass/1.jpg"
    assert not (tmp_path / "out" / "glass" / "1.jpg").samefile(source / "glass" / "1.jpg")


def test_provenance_tells_of_every_file_where_it_came_from(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "shop", "glass/é 1.jpg", "metal/1.jpg")
    join([Source(source, "CC BY 4.0, ©")], tmp_path / "out", progress=False)
    files = json.loads((tmp_path / "out" / "provenance.json").read_text(encoding="utf-8"))["files"]
    assert set(files) == set(scan(tmp_path / "out").names)
    assert files["glass/é 1.jpg"] == {
        "source": f"{source}/glass/é 1.jpg",
        "sha256": hashlib.sha256("shop/glass/é 1.jpg".encode()).hexdigest(),
        "licence": "CC BY 4.0, ©",
    }


def test_a_failed_join_leaves_nothing_behind(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "shop", "glass/1.jpg", "metal/1.jpg")
    (source / "metal" / "2.jpg").symlink_to(tmp_path / "gone.jpg")
    with pytest.raises(ConfigError, match=r"2\.jpg: No such file or directory; nothing was written"):
        join([Source(source)], tmp_path / "out", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


def test_a_folder_that_exists_is_not_joined_into(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "shop", "glass/1.jpg", "metal/1.jpg")
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="out: exists; nothing was written"):
        join([Source(source)], tmp_path / "out", progress=False)


def test_a_map_that_leaves_one_class_is_refused(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "shop", "glass/1.jpg", "metal/1.jpg")
    with pytest.raises(ConfigError, match=r"out: would hold 1 classes \(all\), expected at least two"):
        join([Source(source)], tmp_path / "out", LabelMap(merge={"all": ["glass", "metal"]}), progress=False)
    assert not (tmp_path / "out").exists()
