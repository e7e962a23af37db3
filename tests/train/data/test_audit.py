from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import ConfigError
from tests.train.data.pictures import picture, save
from train.data.audit import Audit, look_over, write_audit
from train.data.audit_page import findings, write_page
from train.data.audit_pictures import draw_audit, draw_classes, draw_sizes
from train.data.prepare import look_at


@pytest.fixture
def faulty(two_classes: Path) -> Path:
    """One fault of each kind among eight good photographs."""
    first = (two_classes / "glass" / "glass0.jpg").read_bytes()
    (two_classes / "glass" / "twin.jpg").write_bytes(first)
    (two_classes / "metal" / "twin $x$ & <b>.jpg").write_bytes(first)
    (two_classes / "metal" / "cut.jpg").write_bytes(first[: len(first) // 2])
    (two_classes / "metal" / "Thumbs.db").touch()
    (two_classes / "glass" / "more").mkdir()
    save(two_classes / "glass" / "tall.png", picture(60, 120, 300))
    return two_classes


@pytest.fixture
def audit(faulty: Path) -> Audit:
    groups = {"glass/glass0.jpg": "1", "glass/twin.jpg": "1", "metal/twin $x$ & <b>.jpg": "1"}
    return replace(look_over(faulty, progress=False), groups=groups, groups_from="made up")


def test_every_fault_is_found_once(audit: Audit) -> None:
    assert audit.class_counts == {"glass": 6, "metal": 6}
    assert list(audit.unreadable) == ["metal/cut.jpg"] and len(audit.readable) == 11
    assert len(audit.copies) == 3
    assert set(audit.conflicting) == {"glass/glass0.jpg", "glass/twin.jpg", "metal/twin $x$ & <b>.jpg"}
    assert audit.sizes == {(256, 192): 10, (120, 300): 1}
    assert audit.others == ("metal/Thumbs.db",) and audit.nested == ("glass/more",)
    assert [len(names) for names in audit.repeated] == [3]
    assert {what: number for what, number, _, bad in findings(audit) if bad} == {
        "unreadable files": "1",
        "under two labels": "3",
        "folders inside class folders": "1",
    }


def test_a_good_folder_has_nothing_in_red(two_classes: Path) -> None:
    assert not any(bad for *_, bad in findings(look_over(two_classes, progress=False)))


def test_audit_json_holds_every_finding(audit: Audit, tmp_path: Path) -> None:
    write_audit(audit, tmp_path / "audit.json")
    written = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert written["classes"] == {"glass": 6, "metal": 6}
    assert list(written["unreadable"]) == ["metal/cut.jpg"]
    assert written["copies"][0] == {"files": ["glass/glass0.jpg", "glass/twin.jpg"], "exact": True}
    assert written["sizes"] == {"256x192": 10, "120x300": 1}
    assert written["groups"] == [["glass/glass0.jpg", "glass/twin.jpg", "metal/twin $x$ & <b>.jpg"]]


def test_each_finding_has_a_picture_and_the_page_shows_it(audit: Audit, tmp_path: Path) -> None:
    pictures = draw_audit(audit, tmp_path)
    assert set(pictures) == {"classes.png", "sizes.png", "conflicting.png", "duplicates.png", "groups.png"}
    for name in pictures:
        shown = cv2.imread(str(tmp_path / name))
        assert shown is not None and min(shown.shape[:2]) > 100 and len(np.unique(shown)) > 20, name
    write_page(audit, pictures, tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert all(f'src="{name}"' in page for name in pictures)
    assert "twin $x$ &amp; &lt;b&gt;.jpg" in page and "<b>" not in page


def test_a_picture_of_a_fault_that_is_mended_does_not_stay(audit: Audit, two_classes: Path, tmp_path: Path) -> None:
    draw_audit(audit, tmp_path)
    assert set(draw_audit(replace(audit, copies=(), groups={}), tmp_path)) == {"classes.png", "sizes.png"}
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["classes.png", "sizes.png"]


def test_many_pairs_and_a_large_group_still_make_one_picture(audit: Audit, tmp_path: Path) -> None:
    many = replace(audit, copies=audit.copies * 20, groups=dict.fromkeys(audit.readable.names, "1"))
    assert "duplicates.png" in draw_audit(many, tmp_path)


def test_charts_take_any_counts(tmp_path: Path) -> None:
    draw_classes({f"class $_{i}": 10**i for i in range(6)}, tmp_path / "classes.png")
    draw_sizes({(4000 + i, 3000): i + 1 for i in range(50)}, tmp_path / "sizes.png")


def test_a_folder_without_one_whole_photograph_is_refused(tmp_path: Path) -> None:
    for label in ("glass", "metal"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.jpg").write_bytes(b"text")
    with pytest.raises(ConfigError, match=r"none of 2 photographs can be decoded.*not a picture"):
        look_over(tmp_path, progress=False)


def test_groups_are_read_where_there_are_some_and_found_where_not(two_classes: Path, tmp_path: Path) -> None:
    save(two_classes / "metal" / "again.jpg", picture(0)[::-1, ::-1])  # glass0, turned
    report = tmp_path / "report"
    report.mkdir()
    found = look_at(two_classes, "csv", report)
    assert (
        set(found.groups) == {"glass/glass0.jpg", "metal/again.jpg"} and "found by local features" in found.groups_from
    )
    beside = tmp_path / "two_groups.csv"
    beside.write_text("file,class,group,group_size\nglass/glass1.jpg,glass,7,2\nglass/glass2.jpg,glass,7,2\n")
    assert look_at(two_classes, "csv", report).groups == {"glass/glass1.jpg": "7", "glass/glass2.jpg": "7"}
    kept = beside.read_text()
    assert set(look_at(two_classes, "find", report).groups) == {"glass/glass0.jpg", "metal/again.jpg"}
    assert beside.read_text() == kept and (report / "two_groups.csv").is_file()
    assert look_at(two_classes, "none", report).groups == {}
