"""One network from several fits: the weighted mean of their weights, the shares chosen on validation.

Fits that start from the same weights end in one valley, where the mean is often better than either, on new grounds
above all (Wortsman et al. 2022, "Model soups", "Robust fine-tuning of zero-shot models"). It costs nothing at run time.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from edge.errors import ConfigError
from train.checkpoint import save_atomically
from train.config import TrainConfig, parse_config
from train.data import Photos, data_sha256, load_inputs, scan
from train.distributed import joined, mixed, mixed_precision
from train.finetune import Progress, predict
from train.loop import figures_of
from train.material import composed_inputs
from train.model import folded, load_checkpoint, stages

State = dict[str, Tensor]
SHARES = tuple(float(share) for share in np.linspace(0.1, 0.9, 9))
"""Of each further fit that are tried."""


@dataclass(frozen=True, eq=False)
class Ingredient:
    """A finished fit."""

    run: Path
    content: dict[str, Any]

    @property
    def state(self) -> State:
        """Its weights."""
        weights: State = self.content["state_dict"]
        return weights

    @property
    def history(self) -> list[dict[str, Any]]:
        """Its epochs; none of a mean of fits."""
        file = self.run / "history.json"
        return list(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else []


def read_ingredients(runs: Sequence[Path]) -> list[Ingredient]:
    """The fits, checked to belong together.

    Raises:
        ConfigError: fewer than two, or they differ in network, labels, data, split or first weights.
    """
    if len(runs) < 2:
        raise ConfigError(f"found {len(runs)} fit; a mean needs at least two")
    found = [Ingredient(run, load_checkpoint(run / "best.pt")[1]) for run in runs]
    for other in found[1:]:
        for key in ("arch", "stem", "labels", "preprocessing"):
            if other.content[key] != found[0].content[key]:
                raise ConfigError(f"{other.run}: its {key} is {other.content[key]}, not {found[0].content[key]}")
        for key in ("data_sha256", "split", "weights_sha256"):
            if other.content["provenance"][key] != found[0].content["provenance"][key]:
                raise ConfigError(f"{other.run}: another {key} than {found[0].run}; their mean means nothing")
        if _widths(other) != _widths(found[0]):
            raise ConfigError(f"{other.run}: other widths than {found[0].run}; one of them was pruned")
        if _parts(other.run) != _parts(found[0].run):
            raise ConfigError(f"{other.run}: its split.json is another than that of {found[0].run}")
    return found


def _judging_config(ingredients: Sequence[Ingredient]) -> TrainConfig:
    """The config that says how validation is shown: the first with other trays, else the first."""
    configs = [parse_config(each.content["config"], source=str(each.run / "best.pt")) for each in ingredients]
    return next((config for config in configs if config.finetune.augment.scenes), configs[0])


def _widths(each: Ingredient) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in each.state.items()}


def _parts(run: Path) -> dict[str, list[str]]:
    try:
        parts: dict[str, list[str]] = json.loads((run / "split.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{run / 'split.json'}: {error.strerror}; python -m train fit writes it") from None
    return parts


def cook(
    runs: Sequence[Path], data: Path, out: Path, shares: Sequence[float] = (), size_px: int | None = None
) -> dict[str, Any]:
    """Write best.pt, split.json and soup.json to `out`; returns what soup.json says.

    shares: of each fit, adding up to 1. Without them they are found greedily: the fit that validation likes best is the
    start; each other is mixed in with the share that validation likes best, if any is better than none. Judged as a fit
    is: right on the photographs' own board and on other trays.
    size_px: side of the input of the network that comes out, where it is to be another than that of the fits: a smaller
    one is faster. Validation is shown at that size.

    Raises:
        ConfigError: the fits do not belong together, the photographs are not theirs, or the shares do not add up.
    """
    ingredients = read_ingredients(runs)
    if shares and (len(shares) != len(runs) or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-4):
        raise ConfigError(f"shares {list(shares)} of {len(runs)} fits; expected one above 0 for each, adding up to 1")
    photos = scan(data)
    if (found := data_sha256(photos)) != ingredients[0].content["provenance"]["data_sha256"]:
        raise ConfigError(f"{data}: sha256 {found[:12]}…, the fits are of other photographs; give theirs with --data")
    config = _judging_config(ingredients)
    if size_px is not None:
        preprocessing = config.preprocessing.model_copy(update={"size_px": size_px})
        config = config.model_copy(update={"preprocessing": preprocessing})
    with joined(config.threads) as world:
        validation = Photos(data, photos.labels, tuple(_parts(runs[0])["validation"]))
        inputs = load_inputs(validation, config.preprocessing, progress="decode validation")
        taster = _Taster(
            load_checkpoint(runs[0] / "best.pt")[0].to(world.device), inputs,
            composed_inputs(validation, config, world=world), validation.targets,
            config.features.batch, mixed_precision(config.precision, world.device),
        )  # fmt: skip
        alone = [taster.taste(each.state) for each in tqdm(ingredients, desc="each alone", unit="fit")]
        state, recipe = _mean(ingredients, shares) if shares else _greedy(ingredients, alone, taster)
    figures = taster.taste(state)
    asked = config.model_dump(mode="json")
    content = ingredients[0].content | {"config": asked, "preprocessing": asked["preprocessing"]}
    provenance = content["provenance"] | {"validation": figures, "soup": recipe}
    save_atomically({**content, "state_dict": state, "provenance": provenance}, out / "best.pt")
    shutil.copyfile(runs[0] / "split.json", out / "split.json")
    histories = {str(i.run): i.history for i in ingredients if str(i.run) in recipe and i.history}
    said = {
        "shares": recipe,
        "validation": figures,
        "alone": {str(each.run): found for each, found in zip(ingredients, alone, strict=True)},
        "histories": histories,
    }
    (out / "soup.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    return said


@dataclass(frozen=True, eq=False)
class _Taster:
    """Puts weights into a network and asks validation."""

    network: nn.Module
    inputs: NDArray[np.uint8]
    composed: NDArray[np.uint8] | None
    targets: NDArray[np.int64]
    batch: int
    precision: torch.dtype

    def taste(self, state: State) -> dict[str, float]:
        self.network.load_state_dict(state)
        fast = nn.Sequential(*(folded(block) for block in stages(self.network).values()))
        device = next(self.network.parameters()).device
        with mixed(device, self.precision):
            answers = [
                None if x is None else predict(fast, x, self.batch, device) for x in (self.inputs, self.composed)
            ]
        return figures_of(answers[0], answers[1], self.targets)


def _mean(ingredients: Sequence[Ingredient], shares: Sequence[float]) -> tuple[State, dict[str, float]]:
    state, so_far = ingredients[0].state, shares[0]
    for other, share in zip(ingredients[1:], shares[1:], strict=True):
        so_far += share
        state = {name: _between(tensor, other.state[name], share / so_far) for name, tensor in state.items()}
    return state, {str(each.run): share for each, share in zip(ingredients, shares, strict=True)}


def _greedy(
    ingredients: Sequence[Ingredient], alone: Sequence[dict[str, float]], taster: _Taster
) -> tuple[State, dict[str, float]]:
    scored = list(zip(alone, ingredients, strict=True))
    scored.sort(key=lambda pair: Progress.rank(pair[0]), reverse=True)
    best, first = scored[0]
    state, recipe = first.state, {str(first.run): 1.0}
    for _, other in scored[1:]:
        chosen = None
        for share in tqdm(SHARES, desc=f"with {other.run}", unit="share"):
            mean = {name: _between(tensor, other.state[name], share) for name, tensor in state.items()}
            figures = taster.taste(mean)
            if Progress.rank(figures) > Progress.rank(best):
                best, chosen = figures, (share, mean)
        if chosen is not None:
            share, state = chosen
            recipe = {run: part * (1 - share) for run, part in recipe.items()} | {str(other.run): share}
    return state, recipe


def _between(ours: Tensor, theirs: Tensor, share: float) -> Tensor:
    """Counters (batch norm's) are no weights: they stay."""
    return torch.lerp(ours, theirs, share) if ours.is_floating_point() else ours
