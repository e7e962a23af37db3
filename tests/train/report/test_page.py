from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch")

from edge.bundle.figures import macro_f1, wilson_interval  # noqa: E402
from edge.errors import ConfigError  # noqa: E402
from tests.train.conftest import small_settings  # noqa: E402
from tests.train.report.conftest import SPEC, make_run  # noqa: E402
from train import soup  # noqa: E402
from train.data import load_inputs  # noqa: E402
from train.model import normalise  # noqa: E402
from train.report import build, outputs  # noqa: E402
from train.report.build import Order, write_report  # noqa: E402
from train.report.render import percent  # noqa: E402
from train.report.run import Run, read_run  # noqa: E402

BOTH: tuple[Any, ...] = ("test", "validation")
SECTIONS = ["figures", "curves", "classes", "calibration", "confusions", "mistakes", "twins"]


class Page(HTMLParser):
    """What a browser would find."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.ids: list[str] = []
        self.images: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self._style = False
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._style = tag == "style"
        if tag == "section":
            self.ids.append(values["id"])
        if tag == "img":
            assert values["alt"]
            self.images.append(values["src"])
        if tag == "a":
            self.links.append(values["href"])

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.text += data

    def pictures(self) -> Iterator[np.ndarray]:
        for uri in self.images:
            kind, encoded = uri.split(",")
            assert kind in ("data:image/png;base64", "data:image/jpeg;base64")
            decoded = cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), cv2.IMREAD_COLOR)
            assert decoded is not None
            yield decoded


def make_report(run: Path, data: Path, parts: tuple[Any, ...] = BOTH) -> Page:
    return Page(write_report(Order(run, data, parts, None, run / "report")))


@pytest.fixture(scope="module")
def made(photo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Page]:
    """A run whose network learnt nothing, and its report on test and validation. Not to be changed by a test."""
    folder = make_run(tmp_path_factory.mktemp("runs") / "first", photo_folder)
    page = make_report(folder, photo_folder)
    return read_run(folder, photo_folder), page


def right(run: Run, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Which photographs of a part the network itself names rightly, and the confusion matrix."""
    photos = getattr(run.split, part)
    with torch.inference_mode():
        logits = run.network(normalise(torch.from_numpy(load_inputs(photos, run.preprocessing)))).numpy()
    confusion = np.zeros((3, 3), np.int64)
    np.add.at(confusion, (photos.targets, logits.argmax(axis=1)), 1)
    return logits.argmax(axis=1) == photos.targets, confusion


def test_the_page_has_every_section_and_needs_nothing_beside_it(made: tuple[Run, Page]) -> None:
    run, page = made
    assert page.ids == SECTIONS
    assert page.links == [f"#{name}" for name in SECTIONS]
    assert not re.search(r"(https?:)?//\w", re.sub(r'"data:[^"]*"', "", page.source))
    assert len(list(page.pictures())) > 7
    assert {path.name for path in (run.folder / "report").iterdir()} == {
        "index.html", "config.yaml", "curves.png", "confusion-test.png", "confusion-validation.png",
        "classes-test.png", "classes-validation.png", "reliability.png", "coverage.png",
    }  # fmt: skip


def test_figures_on_the_page_are_those_of_the_network(made: tuple[Run, Page]) -> None:
    run, page = made
    cards = re.findall(r"<h4>(.*?)</h4>", page.source)
    expected: list[str] = []
    for part in BOTH:
        hits, confusion = right(run, part)
        n = int(hits.sum())
        low, high = wilson_interval(n, 9)
        assert 0 < n < 9
        row = f"<tr><th>{part}</th><td>{n} of 9</td><td>{percent(n / 9, 2)}</td>"
        row += f"<td>{percent(low)} to {percent(high)}</td><td>{macro_f1(confusion):.3f}</td>"
        assert row in page.source
        assert f"{9 - n} on {part}" in page.text
        names = getattr(run.split, part).names
        expected += [name for name, hit in zip(names, hits, strict=True) if not hit]
    assert sorted(cards) == sorted(expected)


def test_the_most_confident_mistake_comes_first_with_three_probabilities(made: tuple[Run, Page]) -> None:
    on_test = made[1].source.partition('id="mistakes"')[2].partition("<details>")[0]
    shares = re.findall(r"<td>([\d.]+)\N{NO-BREAK SPACE}%</td><td><progress", on_test)
    triples = np.array(shares, float).reshape(-1, 3)
    assert len(triples) > 1
    assert (np.diff(triples[:, 0]) <= 0).all() and (np.diff(triples, axis=1) <= 0).all()
    assert triples.sum(axis=1) == pytest.approx(100, abs=0.2)


def test_the_page_says_how_to_make_the_fit_again(made: tuple[Run, Page]) -> None:
    run, page = made
    config = run.folder / "report" / "config.yaml"
    assert f"git checkout {'c' * 40}\npython -m train fit --config {config} --out runs/again" in page.text
    assert yaml.safe_load(config.read_text()) == run.content["config"]
    assert "byte for byte" not in page.text


def test_without_a_list_of_objects_the_page_says_so(made: tuple[Run, Page]) -> None:
    page = made[1]
    assert "no list of photographs of one object" in page.text and "object listed in train too" not in page.text


def test_listed_twins_are_shown_and_a_network_without_mistakes_is_praised(photos: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "first", photos, perfect=True)
    split = read_run(run, photos).split
    rows = [f"{split.test.names[0]},x,7,2", f"{split.train.names[3]},x,7,2", f"{split.test.names[1]},x,0,1"]
    (tmp_path / "tints_groups.csv").write_text("\n".join(["file,class,group,group_size", *rows]) + "\n")
    page = make_report(run, photos, ("test",))
    assert "None: every photograph of test is named rightly." in page.text
    assert "9 of 9" in page.text and "<h4>" not in page.source
    assert "<tr><th>object listed in train too</th><td>1 of 1</td>" in page.source
    assert "<tr><th>object not listed there</th><td>8 of 8</td>" in page.source
    pairs = page.source[page.source.index('class="pairs"') :]
    assert split.train.names[3] in pairs and "listed as one object" in pairs


def test_two_classes_with_odd_names_of_large_photographs(photos: Path, tmp_path: Path) -> None:
    shutil.rmtree(photos / "red")
    (photos / "blue").rename(photos / "métal & <i>Blech")
    (photos / "green").rename(photos / "a$b$")
    for path in (photos / "a$b$").iterdir():
        cv2.imwrite(str(path), np.full((600, 900, 3), 120, np.uint8))
    page = make_report(make_run(tmp_path / "first", photos), photos, ("test",))
    assert "métal &amp; &lt;i&gt;Blech" in page.source and "<i>" not in page.source
    assert "The most frequent confusions" in page.text and "these figures flatter" not in page.text
    photographs = [picture.shape for picture in page.pictures() if picture.shape[1] < 500]
    assert (107, 160, 3) in photographs and all(max(shape) <= 160 for shape in photographs)


def test_validation_alone_leaves_the_test_photographs_unseen_and_a_second_report_asks_the_network_nothing(
    photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "first", photo_folder)
    page = make_report(run, photo_folder, ("validation",))
    kept = {path.name.rsplit("-", 1)[0] for path in (run / "outputs").iterdir()}
    assert kept == {"network-train", "network-validation"}
    assert "<th>test</th>" not in page.source and "these figures flatter" in page.text
    monkeypatch.setattr(outputs, "network_outputs", None)
    assert make_report(run, photo_folder, ("validation",)).source == page.source


@pytest.mark.parametrize("name", ["best.pt", "history.json", "split.json"])
def test_a_run_without_one_of_its_files_is_refused(photos: Path, tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path / "first", photos)
    (run / name).unlink()
    with pytest.raises(ConfigError, match=rf"{name}: no such file; python -m train fit --out \S+ makes it"):
        make_report(run, photos)
    assert not (run / "report").exists()


def test_a_run_whose_photographs_are_elsewhere_is_refused(photos: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "first", photos)
    (photos / "red" / "red3.png").unlink()
    with pytest.raises(ConfigError, match=r"red3\.png: no such photograph, .*split\.json names it"):
        make_report(run, photos)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "holds a list, expected a dict"),
        ("{", "not JSON"),
        ('{"train": []}', "no test, validation in it"),
        ('{"train": ["red/red1.png"], "validation": [], "test": []}', "no photograph in validation"),
        ('{"train": ["tin/1.png"], "validation": [], "test": []}', "tin/1.png is of no class that best.pt knows"),
    ],
)
def test_a_broken_split_is_refused_by_name(photos: Path, tmp_path: Path, content: str, message: str) -> None:
    run = make_run(tmp_path / "first", photos)
    (run / "split.json").write_text(content)
    with pytest.raises(ConfigError, match=rf"split\.json: {message}"):
        make_report(run, photos)


def test_a_folder_of_something_else_is_not_replaced(photos: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "first", photos)
    with pytest.raises(ConfigError, match=r"exists and is no report \(no index\.html in it\)"):
        write_report(Order(run, photos, BOTH, None, run))


def test_an_older_report_stays_whole_when_the_new_one_fails(tmp_path: Path) -> None:
    out = tmp_path / "report"
    for text in ("older", "old"):
        with build._replacing(out) as folder:
            (folder / "index.html").write_text(text)
    with pytest.raises(ZeroDivisionError), build._replacing(out) as folder:
        (folder / "index.html").write_text("half")
        raise ZeroDivisionError
    assert (out / "index.html").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_report_is_put_back_that_was_killed_between_its_two_renames(tmp_path: Path) -> None:
    (tmp_path / ".report.old").mkdir()
    (tmp_path / ".report.old" / "index.html").write_text("older")
    (tmp_path / ".report.new").mkdir()
    with pytest.raises(ZeroDivisionError), build._replacing(tmp_path / "report"):
        raise ZeroDivisionError
    assert (tmp_path / "report" / "index.html").read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_mean_of_fits_is_reported_with_the_curves_of_each(photo_folder: Path, tmp_path: Path) -> None:
    fits = [make_run(tmp_path / name, photo_folder) for name in ("first", "second")]
    settings = small_settings()
    settings["preprocessing"]["size_px"] = SPEC.size_px
    for fit in fits:
        content = torch.load(fit / "best.pt", weights_only=True)
        torch.save({**content, "config": settings}, fit / "best.pt")
    mean = tmp_path / "mean"
    soup.cook(fits, photo_folder, mean, shares=[0.5, 0.5])
    page = make_report(mean, photo_folder, ("test",))
    assert page.ids == SECTIONS
    half = percent(0.5, 0)
    assert f"the mean of {fits[0]} ({half}), {fits[1]} ({half})" in page.text
    assert f"python -m train soup {fits[0]} {fits[1]} --share 0.5 --share 0.5" in page.text
    assert {path.name for path in (mean / "report").glob("curves*")} == {"curves-1.png", "curves-2.png"}
