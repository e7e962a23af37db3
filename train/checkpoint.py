"""The checkpoint: what `python -m train fit` leaves and what an exporter reads.

`best.pt` and `phase1.pt` are one dict written by `torch.save`, readable by
`torch.load(path, map_location="cpu", weights_only=True)`: tensors, strings, numbers, lists and dicts only.

    format          1; a reader refuses any other number
    arch            "resnet50" (or "resnet18", which the tests use)
    stem            "relu" or "relu6": the activation after the first convolution. In torchvision's
                    model that is `model.relu`; for "relu6" replace it by `torch.nn.ReLU6(inplace=True)`
    labels          K class names; row k of the classifier means labels[k]
    state_dict      torchvision's parameter names ("conv1.weight" ... "fc.weight" (K, F), "fc.bias" (K,)),
                    float32, contiguous, on the CPU. Batch norm is always used in eval mode, with the
                    statistics stored here
    preprocessing   the fields of `edge.bundle.preprocess.Preprocessing`: size_px, resize, interpolation,
                    colour
    normalisation   {"mean": [3], "std": [3]} for RGB scaled to 0..1: x = (pixel / 255 - mean) / std
    config          the whole training config, as a dict
    provenance      {"data_sha256", "split", "seed", "weights_sha256", "git_commit", "phase": 1 | 2, "epoch",
                    "start_sha256": of the network gone on from, or None, "teacher_sha256": of each distilled from,
                    "extra_sha256": of each folder of photographs that only taught,
                    "validation": {"right", "total", "accuracy", "macro_f1", "nll", and the same of the photographs
                    on other trays as "composed_right" …}}; of a mean of fits also "soup": {run: share}

`split.json` beside them names the photographs of each part, {"train": ["glass/glass7.jpg", ...], "validation", "test"}.
`last.pt` is another thing: the state of an unfinished fit (see train/loop.py). It is no model to export.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import torch

FORMAT = 1


def save_atomically(content: dict[str, Any], path: Path) -> None:
    """Write beside `path`, then rename: a power cut leaves the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def plain_state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A module's state as contiguous CPU tensors that share no memory with it."""
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in module.state_dict().items()
    }


def git_commit() -> str:
    """The commit this program runs from, with "-dirty" where files differ from it, or "unknown"."""
    here = Path(__file__).parent
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--match="],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
