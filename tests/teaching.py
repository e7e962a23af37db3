"""A bin is taught from its own captures, all the way: docs/teaching.md, step by step.

As a program, with the model that ships and the photographs of SMARTBIN_DATA, it says what the teaching brought:

    python -m tests.teaching --out runs/teaching --items 60

Photographs of the training part are changed as another bin would show them, half of them to teach and half to judge by.
The simulated bin sorts both halves; what it called them is corrected; the rest is what a technician types.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import typer
import yaml

from edge.build import open_daemon
from edge.bundle import read_manifest
from edge.captures.messages import CapturesResult
from edge.clock import ManualClock
from edge.config import Config, load_config
from edge.console.history import export
from edge.control import ControlClient, ModelResult
from edge.daemon import Daemon
from edge.update.updater import Updater
from tests.brokers import free_port
from tests.updates import packed

ROOT = Path(__file__).parents[1]
SIM = ROOT / "configs/edge/sim.yaml"
PATIENCE_S = 300.0
PAGE = 100

Command = Callable[[Sequence[str]], object]
"""Runs `python -m …` to its end; raises when it fails."""


def python(arguments: Sequence[str]) -> None:
    """In a process of its own."""
    subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, check=True)


def sim_bin(folder: Path, photographs: Path, bundle: Path, keys: Path) -> Config:
    """The simulated bin with a folder's photographs; it keeps a picture of every item."""
    document: dict[str, Any] = yaml.safe_load(SIM.read_text(encoding="utf-8"))
    document["state_dir"] = str(folder / "state")
    document["mqtt"] |= {"port": free_port(), "embedded_broker": False}
    document["captures"] = {"sample_share": 1.0}
    document["update"] = {"max_disagreement": 1.0}  # on these very items it is taught to disagree
    document["classify"] |= {"bundle": str(bundle), "keys": str(keys)}
    routes = document["sorting"]["routes"]
    document["sorting"]["routes"] = {label: routes[label] for label in read_manifest(bundle / "manifest.json").labels}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bin.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return load_config(path).with_photographs(photographs)


@dataclass
class Bin:
    """A running bin, asked over its control socket alone. labels: of its photographs, in the order it shows them."""

    daemon: Daemon
    client: ControlClient
    labels: list[str]

    def sort(self, items: int) -> None:
        assert self.daemon.run(max_items=items) == items

    def correct_all(self) -> int:
        """Say of every item that the bin kept what it really is; how many there are."""
        self._until(lambda: self._captures(None).total >= len(self.labels))
        before: int | None = None
        corrected = 0
        while found := self._captures(before).captures:
            for capture in found:
                label = self.labels[(capture.event.seq - 1) % len(self.labels)]
                self.client.request("capture_correct", event_id=str(capture.event_id), label=label, by="technician")
                corrected += 1
            before = found[-1].event.seq
        return corrected

    def export(self, path: Path) -> Path:
        """What the console's history tab gives as a download."""
        with path.open("wb") as file:
            export(self.client, file)
        return path

    def learn(self, archive: Path, shadow_items: int) -> ModelResult:
        """The console's upload, but for the way there: tried, watched beside the old model, switched to."""
        self.client.request("update", url=archive.absolute().as_uri(), shadow_items=shadow_items)
        self._until(lambda: self.model().update.progress.step == "shadow")
        self.sort(shadow_items)
        self._until(lambda: self.model().update.outcome != "running")
        return self.model()

    def model(self) -> ModelResult:
        return ModelResult.model_validate(self.client.request("model"))

    def _captures(self, before_seq: int | None) -> CapturesResult:
        return CapturesResult.model_validate(self.client.request("captures", before_seq=before_seq, limit=PAGE))

    def _until(self, done: Callable[[], bool]) -> None:
        """Let the chores turn, without looking at the tray, until it is so."""
        tick = threading.Event()
        for _ in range(int(PATIENCE_S / 0.05)):
            if done():
                return
            for chore in self.daemon._chores:
                if isinstance(chore, Updater):
                    chore.tend()
            tick.wait(0.05)
        raise AssertionError(f"{self.model().update} {self.daemon.faults.standing()}")


def labels_in(photographs: Path) -> list[str]:
    """Of files NUMBER-LABEL.png, in the order in which the bin shows them."""
    return [path.stem.split("-", 1)[1] for path in sorted(photographs.glob("*.png"))]


def corrected_captures(config: Config, photographs: Path, out: Path) -> Path:
    """Let a bin sort every photograph once, correct what it kept; the export."""
    with open_daemon(config, ManualClock()) as daemon:
        bin_ = Bin(daemon, ControlClient(config.control_socket, timeout_s=60.0), labels_in(photographs))
        bin_.sort(len(bin_.labels))
        assert bin_.correct_all() == len(bin_.labels)
        return bin_.export(out)


@dataclass(frozen=True)
class Lesson:
    """Who is taught, by what, and how.

    bundle, checkpoint: the model that sorts, and what to go on from. teach, judge: photographs NUMBER-LABEL.png.
    fit, pack: options of `train fit` and `export pack`; version: of the new bundle.
    """

    out: Path
    bundle: Path
    checkpoint: Path
    teach: Path
    judge: Path
    keys: Path
    fit: Sequence[str]
    pack: Sequence[str]
    version: str
    shadow_items: int


@dataclass(frozen=True)
class Taught:
    """Of the items like the corrected ones that nobody taught: how many each model names rightly."""

    before: int
    after: int
    total: int
    new: Path
    model: ModelResult


def teach(lesson: Lesson, run: Command = python) -> Taught:
    """The whole way, by the commands of docs/teaching.md."""
    out, new = lesson.out, lesson.out / "new" / lesson.bundle.name
    run(["export", "keys", "new", "site", "--out", str(out / "secret")])
    shutil.copytree(lesson.keys, out / "keys")
    shutil.copy(out / "secret" / "site.pub.pem", out / "keys")

    for part, photographs in (("field", lesson.teach), ("judge", lesson.judge)):
        config = sim_bin(out / f"bin-{part}", photographs, lesson.bundle, out / "keys")
        archive = corrected_captures(config, photographs, out / f"{part}.zip")
        run(["train", "ingest", str(archive), "--out", str(out / part)])

    run(["train", "fit", "--start", str(lesson.checkpoint), "--extra", str(out / "field"), "--out", str(out / "fit"),
         *lesson.fit])  # fmt: skip
    run(["export", str(out / "fit/best.pt"), "--out", str(new), "--version", lesson.version, *lesson.pack])
    run(["export", "sign", str(new), "--key", str(out / "secret/site.pem")])

    config = sim_bin(out / "bin-field", lesson.teach, lesson.bundle, out / "keys")
    with open_daemon(config, ManualClock()) as daemon:
        bin_ = Bin(daemon, ControlClient(config.control_socket, timeout_s=60.0), labels_in(lesson.teach))
        model = bin_.learn(packed(new, out / "new.tar.gz"), lesson.shadow_items)
        bin_.sort(1)
        (event,) = daemon.journal.newest(1)
        assert event.model.version == lesson.version, "it sorts"
    before, after = (right(bundle, out / "judge") for bundle in (lesson.bundle, new))
    return Taught(before, after, len(list((out / "judge").glob("*/*.png"))), new, model)


def right(bundle: Path, photographs: Path) -> int:
    """How many of a folder's photographs, a sub-folder for each label, the bundle names rightly."""
    command = [sys.executable, "-m", "edge", "classify", "--json", "--bundle", str(bundle), str(photographs)]
    lines = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    answers = map(json.loads, lines)
    return sum(Path(answer["path"]).parent.name == answer["top3"][0]["label"] for answer in answers)


def shifted(data: Path, names: Sequence[str], shift: str, out: Path) -> Path:
    """Photographs as another bin would show them, as NUMBER-LABEL.png."""
    from edge.bundle import read_picture
    from train.robustness.shifts import apply, subject

    out.mkdir(parents=True)
    for number, name in enumerate(names):
        seen = apply(shift, subject(read_picture(data / name), name)).rgb
        path = out / f"{number:04d}-{name.split('/')[0]}.png"
        assert cv2.imwrite(str(path), cv2.cvtColor(seen, cv2.COLOR_RGB2BGR))
    return out


def main(
    out: Annotated[Path, typer.Option(help="A new folder for everything that comes of it.")] = Path("runs/teaching"),
    items: Annotated[int, typer.Option(help="Corrected captures to teach; as many judge.", min=6)] = 60,
    shift: Annotated[str, typer.Option(help="What the bin shows differently; of train/robustness.")] = "cold-dim-light",
    config: Annotated[Path, typer.Option(help="Of the fit.")] = ROOT / "configs/train/teach.yaml",
) -> None:
    """Teach the model that ships, and say what it brought."""
    from train.data import find_data

    data, shipped = find_data(None), ROOT / "models/resnet50-trashnet"
    python(["train", "recover", str(shipped), "--config", str(config), "--out", str(out / "shipped")])
    learnt = json.loads((out / "shipped/split.json").read_text(encoding="utf-8"))["train"]
    names = random.Random(1).sample(sorted(learnt), 2 * items)
    lesson = Lesson(
        out=out, bundle=shipped, checkpoint=out / "shipped/best.pt",
        teach=shifted(data, names[:items], shift, out / "shown"),
        judge=shifted(data, names[items:], shift, out / "judges"),
        keys=ROOT / "configs/edge/keys",
        fit=["--config", str(config), "--teacher", str(out / "shipped/best.pt")],
        pack=["--licence", "MIT AND Apache-2.0"], version="99.0.0", shadow_items=10,
    )  # fmt: skip
    taught = teach(lesson)
    for bundle in (shipped, taught.new):
        python(["train", "evaluate", str(bundle), "--out", str(out / "report" / bundle.parent.name)])
    print(f"items like the corrected ones: {taught.before} of {taught.total} right before, {taught.after} after")
    print(f"it {taught.model.update.outcome}; in shadow {taught.model.update.shadow_elsewhere} of "
          f"{taught.model.update.shadow_seen} items would have gone elsewhere")  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
