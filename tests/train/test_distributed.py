from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.train.conftest import command, run_fit, small_settings, stage  # noqa: E402
from train.distributed import World, joined, mixed, mixed_precision  # noqa: E402

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
KEEPS_EACH_RANK = """
import sys
import torch
from train import fit
from train.__main__ import main

run, out = fit.run, sys.argv[sys.argv.index("--out") + 1]

def run_and_keep(tuner, *given, **named):
    run(tuner, *given, **named)
    torch.save({name: tensor.clone() for name, tensor in tuner.model.state_dict().items()}, f"{out}.{tuner.world.rank}")

fit.run = run_and_keep
main()
"""


def two_class_settings() -> dict[str, Any]:
    """18 training photographs in batches of 6: no place is left over, however many processes share them."""
    settings = small_settings()
    settings["finetune"].update(batch=6, ema_decay=0.0, stages=[stage("fc", "layer4"), stage("fc", "layer4", "layer3")])
    return settings


@pytest.fixture(scope="module")
def two_classes(photo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("two") / "tints"
    for label in ("blue", "green"):
        shutil.copytree(photo_folder / label, root / label)
    return root


@pytest.fixture(scope="module")
def shared(
    two_classes: Path, weights_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The folder of a fit by two processes, and what they said."""
    out = tmp_path_factory.mktemp("shared") / "run"
    script = out.with_suffix(".py")
    script.write_text(KEEPS_EACH_RANK)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launched = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1"]
    done = subprocess.run(
        [*launched, "--master-port", str(port), str(script),
         *command(two_class_settings(), two_classes, weights_file, out)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out, done


def test_two_processes_end_with_the_same_weights_and_one_of_each_file(
    shared: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out, _ = shared
    first, second = (torch.load(f"{out}.{rank}", weights_only=True) for rank in range(2))
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    assert {path.name for path in out.iterdir()} == {
        "best.pt", "phase1.pt", "last.pt", "history.json", "split.json", "curves.png",
    }  # fmt: skip


def test_two_processes_learn_what_one_learns_from_the_same_batches(
    shared: tuple[Path, subprocess.CompletedProcess[str]], two_classes: Path, weights_file: Path, tmp_path: Path
) -> None:
    out, _ = shared
    alone = run_fit(two_class_settings(), two_classes, weights_file, tmp_path / "alone")
    rows = json.loads((out / "history.json").read_text())
    assert [row["loss"] for row in rows] == pytest.approx([row["loss"] for row in alone.history], rel=1e-3)
    assert [row["accuracy"] for row in rows] == pytest.approx([row["accuracy"] for row in alone.history], abs=0.06)
    start, one, two = (
        torch.load(file, weights_only=True)[part]
        for file, part in (
            (out / "phase1.pt", "state_dict"), (tmp_path / "alone" / "last.pt", "model"), (out / "last.pt", "model"),
        )
    )  # fmt: skip
    for name in ("fc.weight", "layer4.1.conv2.weight", "layer3.0.conv1.weight"):
        moved, apart = (one[name] - start[name]).norm(), (one[name] - two[name]).norm()
        assert apart < 0.1 * moved, name  # AdamW's first steps are ± the rate: rounding turns a few of the smallest


def test_only_one_of_the_processes_speaks(shared: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = shared
    lines = done.stdout.splitlines()
    assert len(lines) == len(set(lines)), "a line twice"
    assert sum(line.startswith("epoch ") for line in lines) == 2 and sum("best: " in line for line in lines) == 1
    # A bar begins once; how often it is drawn after that is a matter of time.
    assert done.stderr.count("features:   0%") == 2  # of the training photographs and of the validation photographs
    assert done.stderr.count("decode training:   0%") == 2  # for the features and for the crops


def test_alone_there_is_nothing_to_share() -> None:
    with joined(1) as world:
        module = torch.nn.Linear(2, 2)
        assert world.first and world.size == 1
        assert world.share(module) is module and world.total([1.5, 2.0]) == [1.5, 2.0]
        world.wait()


def test_only_rank_zero_is_first() -> None:
    assert [World(rank, 3, CPU).first for rank in range(3)] == [True, False, False]


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"avx512_bf16": True, "avx2": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"bf16": True}, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": False, "avx2": True}, torch.float32),
        ({"cpu_name": "bf16"}, torch.float32),
    ],
)
def test_auto_is_bfloat16_where_the_processor_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, features: dict[str, Any], expected: Any
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    assert mixed_precision("auto", CPU) == expected


def test_what_is_asked_for_is_taken_whatever_the_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {})
    assert mixed_precision("bfloat16", CPU) == torch.bfloat16
    assert mixed_precision("float32", CPU) == torch.float32


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_matrices_are_multiplied_in_the_precision_asked_for(precision: Any) -> None:
    x = torch.from_numpy(np.ones((2, 2), np.float32))
    with mixed(CPU, precision):
        assert (x @ x).dtype == precision
