"""Where an item goes: the compartment with the least expected cost, or residual when the network is not to be believed.

Pure: no driver, no clock, no state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Manifest
from edge.config import Sorting
from edge.domain import Decision, Prediction, Reason

MIXED_CELL_P = 0.95
"""A cell of the class maps speaks for a compartment from this probability on."""
MIXED_CELLS = 6
"""So many cells make a region that counts (of 6 x 6: a sixth of the crop)."""
MIXED_DISTANCE = 0.4
"""Two regions are distant when their centres are this far apart, as a share of the crop's side."""


@dataclass(frozen=True)
class Policy:
    """What the site wants, and what the model's makers advise.

    routes: label → compartment. costs: label → compartment → cost of putting that label there, 0 where it belongs.
    acceptance: label → least probability that is believed. novelty_threshold: energy above which an item is novel.
    """

    routes: Mapping[str, str]
    residual: str
    costs: Mapping[str, Mapping[str, float]]
    acceptance: Mapping[str, float]
    novelty_threshold: float

    @property
    def compartments(self) -> tuple[str, ...]:
        """Residual first, so that a tie is decided for it."""
        return (self.residual, *sorted(set(self.routes.values()) - {self.residual}))


def site_policy(sorting: Sorting, manifest: Manifest) -> Policy:
    """The policy of a site's config with a bundle's thresholds.

    Raises:
        ValueError: a label of the bundle has no route, a route names a label the bundle does not know, or the bundle
            does not promise the site's `max_contamination`.
    """
    missing, unknown = set(manifest.labels) - set(sorting.routes), set(sorting.routes) - set(manifest.labels)
    if missing or unknown:
        raise ValueError(
            f"sorting.routes: the bundle {manifest.name} knows {manifest.labels}; "
            f"without a route: {sorted(missing)}, unknown: {sorted(unknown)}"
        )
    costs = sorting.costs
    compartments = {*sorting.routes.values(), sorting.residual}

    def cost(label: str, compartment: str) -> float:
        if sorting.routes[label] == compartment:
            return 0.0
        return costs.residual if compartment == sorting.residual else costs.into.get(compartment, costs.wrong)

    return Policy(
        routes=dict(sorting.routes),
        residual=sorting.residual,
        costs={label: {c: cost(label, c) for c in compartments} for label in manifest.labels},
        acceptance={label: max(p, sorting.min_probability) for label, p in _acceptance(sorting, manifest).items()},
        novelty_threshold=manifest.novelty.threshold,
    )


def _acceptance(sorting: Sorting, manifest: Manifest) -> dict[str, float]:
    """Label → least probability that is believed: the bundle's own, or that of the contamination promised."""
    wanted = sorting.max_contamination
    if wanted is None:
        return manifest.acceptance
    promises = {row.promised: row.min_probability for row in manifest.contamination}
    if wanted not in promises:
        known = ", ".join(map(str, sorted(promises))) or "none"
        raise ValueError(
            f"sorting.max_contamination: the bundle {manifest.name} does not promise {wanted}; it promises: {known}"
        )
    return dict.fromkeys(manifest.labels, promises[wanted])


def plain_policy(manifest: Manifest, *, max_contamination: float | None = None) -> Policy:
    """A policy without a site: every label is its own compartment, and the bundle's thresholds alone decide.

    Raises:
        ValueError: the bundle does not promise `max_contamination`.
    """
    routes = {label: label for label in manifest.labels}
    return site_policy(Sorting(routes=routes, residual="residual", max_contamination=max_contamination), manifest)


def decide(prediction: Prediction, policy: Policy, full: frozenset[str] = frozenset()) -> Decision:
    """The decision for one item. `full` names the compartments that take nothing more."""
    label, _ = prediction.top3[0]
    costs = expected_costs(prediction, policy)

    def into(compartment: str, reason: Reason, *, accepted: bool) -> Decision:
        p_right = belonging(prediction, policy, compartment)
        return Decision(compartment, label, accepted, reason, costs[compartment], p_right)

    reason = _disbelief(prediction, policy, label)
    if reason is not None:
        return into(policy.residual, reason, accepted=False)
    cheapest = min(policy.compartments, key=lambda compartment: costs[compartment])
    if cheapest in full and cheapest != policy.residual:
        return into(policy.residual, Reason.FULL, accepted=True)
    return into(cheapest, Reason.CONFIDENT if cheapest == policy.routes[label] else Reason.COST, accepted=True)


def belonging(prediction: Prediction, policy: Policy, compartment: str) -> float:
    """The probability that the item belongs into `compartment`. Paper and cardboard may go to the same one."""
    shares = zip(prediction.labels, prediction.probabilities.tolist(), strict=True)
    return float(min(1.0, sum(p for label, p in shares if policy.routes[label] == compartment)))


def expected_costs(prediction: Prediction, policy: Policy) -> dict[str, float]:
    """Compartment → the mean cost of putting the item there, over what it may be."""
    return {
        compartment: sum(
            p * policy.costs[label][compartment]
            for label, p in zip(prediction.labels, prediction.probabilities.tolist(), strict=True)
        )
        for compartment in policy.compartments
    }


def _disbelief(prediction: Prediction, policy: Policy, label: str) -> Reason | None:
    """Why the best label is not to be believed; None when it is."""
    if not prediction.novelty <= policy.novelty_threshold:  # so that NaN is novel
        return Reason.NOVEL
    # Paper or cardboard at 50 % each is no doubt where both go to the same compartment.
    if belonging(prediction, policy, policy.routes[label]) < policy.acceptance[label]:
        return Reason.UNCERTAIN
    return Reason.MIXED if is_mixed(prediction, policy.routes) else None


def is_mixed(prediction: Prediction, routes: Mapping[str, str]) -> bool:
    """Whether two distant regions of the crop speak strongly for two different compartments."""
    centres = [centre for _, centre in strong_regions(prediction, routes)]
    return any(float(np.hypot(*(a - b))) >= MIXED_DISTANCE for i, a in enumerate(centres) for b in centres[i + 1 :])


def strong_regions(prediction: Prediction, routes: Mapping[str, str]) -> list[tuple[str, NDArray[np.float64]]]:
    """The compartments that many cells speak for, each with the centre (y, x) of its cells, 0..1."""
    maps = prediction.class_maps.astype(np.float64)  # (K, h, w)
    weights = np.exp(maps - maps.max(axis=0))
    cell_p = weights / weights.sum(axis=0)  # (K, h, w), a softmax in each cell
    regions = []
    for compartment in sorted(set(routes.values())):
        members = [i for i, label in enumerate(prediction.labels) if routes[label] == compartment]
        strong = cell_p[members].sum(axis=0) >= MIXED_CELL_P  # (h, w)
        if np.count_nonzero(strong) >= MIXED_CELLS:
            cells = np.argwhere(strong)  # (n, 2)
            regions.append((compartment, (cells.mean(axis=0) + 0.5) / maps.shape[1:]))
    return regions
