"""`python -m edge replay`: the items of a recording once more, through the real classifier and `decide()`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge.bundle import Bundle, load_bundle, self_test
from edge.classify import Classifier
from edge.config import Sorting
from edge.decide import Policy, decide, site_policy
from edge.domain import Prediction
from edge.engines.onnxruntime import OnnxRuntimeEngine
from edge.errors import RecordingError
from edge.recording import ItemRecord, Recording, printable, read_recording


@dataclass(frozen=True)
class Verdict:
    """What was decided of an item. p: the calibrated probability of the label."""

    label: str
    p: float
    compartment: str
    reason: str
    accepted: bool
    novelty: float


@dataclass(frozen=True)
class Replayed:
    """One item, then and now.

    p_difference: the largest of any label's probability; None where the labels are others now.
    """

    seq: int
    event_id: UUID
    recorded: Verdict
    now: Verdict
    p_difference: float | None

    @property
    def same(self) -> bool:
        """Whether the decision is the same. Its probabilities may differ a little: by engine and processor."""

        def decision(verdict: Verdict) -> tuple[object, ...]:
            return verdict.label, verdict.compartment, verdict.reason, verdict.accepted

        return decision(self.recorded) == decision(self.now)


def replay_recording(path: Path, bundle_path: Path, sorting: Sorting | None, *, as_json: bool) -> bool:
    """Replay a recording and print the comparison; False when a decision is another.

    sorting: decides instead of the recorded policy.

    Raises:
        RecordingError: the file cannot be used, or does not fit the bundle.
        BundleError: the bundle must not be used.
    """
    bundle = load_bundle(bundle_path)
    with read_recording(path) as recording:
        items = list(replay(recording, bundle, sorting))
        record = recording.record
    if as_json:
        document = {
            "recording": str(path),
            "why": record.why,
            "bundle": bundle.model_id._asdict(),
            "same": all(item.same for item in items),
            "items": [{**asdict(item), "event_id": str(item.event_id), "same": item.same} for item in items],
        }
        print(json.dumps(document, indent=2))
    else:
        console = Console()
        head = f"{path}: bin {printable(record.bin_id)}, {record.written:%Y-%m-%d %H:%M} UTC, {printable(record.why)}"
        console.print(head, markup=False)
        console.print(_table(items))
        console.print(_summary(items, record.items, bundle), markup=False)
    return all(item.same for item in items)


def replay(recording: Recording, bundle: Bundle, sorting: Sorting | None = None) -> Iterator[Replayed]:
    """Each item of the recording, classified and decided again.

    Raises as `replay_recording` does.
    """
    with OnnxRuntimeEngine(bundle) as engine:
        self_test(engine, bundle.golden, bundle.golden_tolerance)
        classifier = Classifier(bundle, engine)
        for item in recording.record.items:
            policy = _policy(recording, item, bundle, sorting)
            prediction = classifier.predict(classifier.prepare(recording.pictures(item)))
            yield _compare(item, prediction, policy)


def _policy(recording: Recording, item: ItemRecord, bundle: Bundle, sorting: Sorting | None) -> Policy:
    """The recorded one, with the bundle that it was made for; another bundle brings thresholds of its own."""
    made_with = item.event.model
    if sorting is None and (made_with.name, made_with.version, made_with.sha256) == bundle.model_id:
        policy = item.policy.policy()
        if set(policy.routes) == set(bundle.manifest.labels):
            return policy
        raise RecordingError(
            f"{recording.path}: its policy routes {sorted(policy.routes)}, and the bundle that it names knows "
            f"{sorted(bundle.manifest.labels)}; the file was changed"
        )
    try:
        return site_policy(recording.record.sorting if sorting is None else sorting, bundle.manifest)
    except ValueError as error:
        raise RecordingError(f"{recording.path}: {error}; name a config that fits with --config") from None


def _compare(item: ItemRecord, prediction: Prediction, policy: Policy) -> Replayed:
    decision = decide(prediction, policy, frozenset(item.sensors.full))
    now = dict(zip(prediction.labels, prediction.probabilities.tolist(), strict=True))
    then, said = item.probabilities, item.event.decision
    return Replayed(
        seq=item.event.seq,
        event_id=item.event.event_id,
        recorded=Verdict(
            said.label, then.get(said.label, 0.0), said.compartment, said.reason, said.accepted, item.novelty
        ),
        now=Verdict(
            decision.label,
            now[decision.label],
            decision.compartment,
            decision.reason.value,
            decision.accepted,
            prediction.novelty,
        ),
        p_difference=max(abs(then[label] - p) for label, p in now.items()) if then.keys() == now.keys() else None,
    )


def _table(items: list[Replayed]) -> Table:
    """A row for each item; where the decision is another, what is different stands beside what was recorded."""
    table = Table("item", "label", "p", "compartment", "reason", "")
    for item in items:
        then, now = item.recorded, item.now

        def cell(before: str, after: str) -> Text:
            return Text(printable(before if before == after else f"{before} → {after}"))

        table.add_row(
            str(item.seq),
            cell(then.label, now.label),
            cell(f"{then.p:.4f}", f"{now.p:.4f}"),
            cell(then.compartment, now.compartment),
            cell(then.reason, now.reason),
            "same" if item.same else "OTHER",
            style=None if item.same else "bold",
        )
    return table


def _summary(items: list[Replayed], recorded: list[ItemRecord], bundle: Bundle) -> str:
    other = sum(not item.same for item in items)
    differences = [item.p_difference for item in items if item.p_difference is not None]
    engines = ", ".join(sorted({item.event.engine for item in recorded}))
    models = ", ".join(sorted({f"{item.event.model.name} {item.event.model.version}" for item in recorded}))
    lines = [
        f"{len(items)} items, {other} decided otherwise",
        f"recorded with {models} on {engines}; replayed with {bundle.model_id.name} {bundle.model_id.version} "
        "on onnxruntime",
    ]
    if differences:
        lines.append(f"largest difference of a probability: {max(differences):.2g}")
    return "\n".join(map(printable, lines))
