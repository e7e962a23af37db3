"""Rule 4: a decision minimises expected cost; what is novel, mixed or uncertain goes to residual."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge.config import Costs, Sorting
from edge.decide import Policy, decide, plain_policy, site_policy
from edge.domain import Prediction, Reason
from edge.errors import ConfigError
from edge.readiness import policy_of

LABELS = ("cardboard", "glass", "metal", "paper", "plastic", "trash")
ROUTES = {
    "cardboard": "paper",
    "glass": "glass",
    "metal": "metal",
    "paper": "paper",
    "plastic": "plastic",
    "trash": "residual",
}
COMPARTMENTS = ("residual", "glass", "metal", "paper", "plastic")


def prediction(
    probabilities: list[float], *, novelty: float = -9.0, class_maps: np.ndarray | None = None
) -> Prediction:
    p = np.asarray(probabilities, np.float32)
    maps = np.zeros((len(LABELS), 7, 7), np.float32) if class_maps is None else class_maps
    return Prediction(LABELS, p / p.sum(), maps, novelty, "test", 0.0)


def policy(acceptance: float = 0.5, costs: dict[str, dict[str, float]] | None = None) -> Policy:
    plain = {
        label: {c: 0.0 if ROUTES[label] == c else 0.3 if c == "residual" else 1.0 for c in COMPARTMENTS}
        for label in LABELS
    }
    return Policy(ROUTES, "residual", costs or plain, dict.fromkeys(LABELS, acceptance), novelty_threshold=-2.0)


probabilities = st.lists(st.floats(1e-3, 1.0), min_size=6, max_size=6)
cost_tables = st.fixed_dictionaries(
    {label: st.fixed_dictionaries({c: st.floats(0, 10) for c in COMPARTMENTS}) for label in LABELS}
)


@given(
    p=probabilities,
    costs=cost_tables,
    # Mostly believed: what is not believed goes to residual without a look at the costs.
    acceptance=st.sampled_from([0.0, 0.0, 0.2, 0.9]),
    novelty=st.sampled_from([-9.0, -9.0, -2.0, 3.0]),
    full=st.frozensets(st.sampled_from(COMPARTMENTS), max_size=2),
)
@settings(max_examples=200)
def test_no_compartment_is_cheaper_than_the_one_chosen(
    p: list[float], costs: dict[str, dict[str, float]], acceptance: float, novelty: float, full: frozenset[str]
) -> None:
    rules = policy(acceptance, costs)
    item = prediction(p, novelty=novelty)
    decision = decide(item, rules, full)
    belongs = sum(
        float(item.probabilities[i]) for i, label in enumerate(LABELS) if ROUTES[label] == decision.compartment
    )
    assert decision.p_right == pytest.approx(belongs)
    # recomputed here from the definition, not by the code under test
    expected = {
        c: sum(float(item.probabilities[i]) * costs[label][c] for i, label in enumerate(LABELS)) for c in COMPARTMENTS
    }
    cheapest = min(expected.values())
    assert decision.compartment in COMPARTMENTS
    assert decision.expected_cost == pytest.approx(expected[decision.compartment])
    if decision.reason in (Reason.CONFIDENT, Reason.COST):
        assert expected[decision.compartment] == pytest.approx(cheapest)
        assert decision.accepted
        assert decision.compartment not in full or decision.compartment == "residual"
    else:
        assert decision.compartment == "residual"
        assert decision.accepted == (decision.reason is Reason.FULL)
        target = ROUTES[item.top3[0].label]
        belief = sum(float(q) for label, q in zip(LABELS, item.probabilities, strict=True) if ROUTES[label] == target)
        true = {
            Reason.FULL: any(expected[c] == pytest.approx(cheapest) for c in full),
            Reason.UNCERTAIN: belief < acceptance + 1e-6,
            Reason.NOVEL: novelty > -2.0,
        }
        assert true[decision.reason], "the reason that is given is the case"


@given(p=probabilities, costs=cost_tables, novelty=st.floats(-1.99, 50))
def test_a_novel_item_goes_to_residual_whatever_it_costs(
    p: list[float], costs: dict[str, dict[str, float]], novelty: float
) -> None:
    decision = decide(prediction(p, novelty=novelty), policy(0.0, costs))
    assert (decision.compartment, decision.reason, decision.accepted) == ("residual", Reason.NOVEL, False)


@given(p=probabilities, costs=cost_tables, acceptance=st.floats(0, 1))
def test_an_unsure_item_goes_to_residual_whatever_it_costs(
    p: list[float], costs: dict[str, dict[str, float]], acceptance: float
) -> None:
    item = prediction(p)
    target = ROUTES[item.top3[0].label]
    belief = sum(float(q) for label, q in zip(LABELS, item.probabilities, strict=True) if ROUTES[label] == target)
    assume(belief < acceptance - 1e-6)
    decision = decide(item, policy(acceptance, costs))
    assert (decision.compartment, decision.reason, decision.accepted) == ("residual", Reason.UNCERTAIN, False)


def test_an_energy_that_is_not_a_number_is_novel() -> None:
    assert decide(prediction([1, 0, 0, 0, 0, 0], novelty=float("nan")), policy()).reason is Reason.NOVEL


def test_paper_and_cardboard_at_half_each_is_no_doubt_where_both_go_to_the_same_compartment() -> None:
    decision = decide(prediction([0.49, 0, 0, 0.51, 0, 0]), policy(0.8))
    assert (decision.compartment, decision.reason) == ("paper", Reason.CONFIDENT)


def test_a_costly_mistake_sends_a_fairly_sure_item_to_residual() -> None:
    item = prediction([0, 0.7, 0, 0, 0.3, 0])
    dear = {label: {**row, "glass": 0.0 if label == "glass" else 5.0} for label, row in policy().costs.items()}
    decision = decide(item, policy(costs=dear))
    assert (decision.compartment, decision.reason, decision.accepted) == ("residual", Reason.COST, True)


def test_a_full_compartment_goes_to_residual_and_says_so() -> None:
    decision = decide(prediction([0, 1, 0, 0, 0, 0]), policy(), frozenset({"glass"}))
    assert (decision.compartment, decision.reason) == ("residual", Reason.FULL)


def test_two_distant_regions_of_different_compartments_are_a_mixed_item() -> None:
    maps = np.zeros((6, 7, 7), np.float32)
    maps[1, :3, :3] = 12  # glass in one corner
    maps[2, 4:, 4:] = 12  # metal in the other
    decision = decide(prediction([0, 0.9, 0.1, 0, 0, 0], class_maps=maps), policy())
    assert (decision.compartment, decision.reason) == ("residual", Reason.MIXED)


def test_two_distant_regions_of_one_compartment_are_not_mixed() -> None:
    maps = np.zeros((6, 7, 7), np.float32)
    maps[0, :3, :3] = 12  # cardboard
    maps[3, 4:, 4:] = 12  # paper goes to the same compartment
    assert decide(prediction([0.5, 0, 0, 0.5, 0, 0], class_maps=maps), policy()).reason is Reason.CONFIDENT


def manifest_of(labels: tuple[str, ...]) -> Any:
    """As much of a manifest as a policy reads."""
    return SimpleNamespace(
        labels=list(labels),
        acceptance=dict.fromkeys(labels, 0.5),
        contamination=[SimpleNamespace(promised=p, min_probability=m) for p, m in ((0.01, 0.95), (0.05, 0.6))],
        name="test",
        novelty=SimpleNamespace(threshold=-2.0),
    )


def test_site_costs_are_put_where_the_config_says() -> None:
    costs = Costs(wrong=1.0, residual=0.25, into={"glass": 4.0})
    sorting = Sorting(routes=ROUTES, residual="residual", costs=costs, min_probability=0.7)
    rules = site_policy(sorting, manifest_of(LABELS))
    assert rules.costs["metal"] == {"residual": 0.25, "glass": 4.0, "metal": 0.0, "paper": 1.0, "plastic": 1.0}
    assert rules.costs["trash"]["residual"] == 0.0
    assert set(rules.acceptance.values()) == {0.7}


def test_a_site_that_asks_for_a_promise_gets_its_threshold_for_every_label() -> None:
    sorting = Sorting(routes=ROUTES, residual="residual", max_contamination=0.01)
    assert site_policy(sorting, manifest_of(LABELS)).acceptance == dict.fromkeys(LABELS, 0.95)
    assert plain_policy(manifest_of(LABELS), max_contamination=0.05).acceptance == dict.fromkeys(LABELS, 0.6)
    assert plain_policy(manifest_of(LABELS)).acceptance == dict.fromkeys(LABELS, 0.5)
    stricter = Sorting(routes=ROUTES, residual="residual", max_contamination=0.05, min_probability=0.7)
    assert site_policy(stricter, manifest_of(LABELS)).acceptance == dict.fromkeys(LABELS, 0.7)


def test_a_promise_that_the_bundle_does_not_make_is_refused_with_those_it_makes() -> None:
    sorting = Sorting(routes=ROUTES, residual="residual", max_contamination=0.03)
    with pytest.raises(ValueError, match=r"max_contamination: the bundle test does not promise 0\.03.*: 0\.01, 0\.05$"):
        site_policy(sorting, manifest_of(LABELS))
    old = manifest_of(LABELS)
    old.contamination = []
    with pytest.raises(ValueError, match=r"it promises: none$"):
        site_policy(sorting, old)


def test_checking_a_config_hears_of_a_promise_that_its_bundle_does_not_make() -> None:
    config: Any = SimpleNamespace(sorting=Sorting(routes=ROUTES, residual="residual", max_contamination=0.03))
    classifier: Any = SimpleNamespace(bundle=SimpleNamespace(manifest=manifest_of(LABELS)))
    with pytest.raises(ConfigError, match="does not promise"):
        policy_of(config, classifier.bundle)


def test_a_label_without_a_route_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"without a route: \['textile'\]"):
        site_policy(Sorting(routes=ROUTES, residual="residual"), manifest_of((*LABELS, "textile")))
