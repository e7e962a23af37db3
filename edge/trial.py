"""`classify`: what a model would call a photograph, and what the bin would do with it. Nothing moves."""

from __future__ import annotations

from edge.bundle import decode
from edge.classify import Classifier
from edge.control import ClassifyArguments, ClassifyResult
from edge.daemon import Daemon
from edge.decide import Policy, belonging, decide, expected_costs
from edge.payloads import TopPayload
from edge.readiness import policy_of
from edge.update.beside import Beside


def try_photograph(daemon: Daemon, beside: Beside, asked: ClassifyArguments) -> ClassifyResult:
    """By the model that sorts, with its engine; by another one with an engine of its own, which is gone afterwards.

    Raises:
        UnreadablePicture, EngineAway, CommandError, BundleError, ConfigError
    """
    if asked.slot is None:
        return _tried(daemon, asked, daemon.classifier, daemon.sorter.policy)
    with beside.classifier(asked.slot) as classifier:
        return _tried(daemon, asked, classifier, policy_of(daemon.config, classifier.bundle, daemon.min_probability))


def _tried(daemon: Daemon, asked: ClassifyArguments, classifier: Classifier, policy: Policy) -> ClassifyResult:
    prediction = classifier.predict(classifier.prepare([decode(asked.image, name=asked.name)]))
    decision = decide(prediction, policy, daemon.safety().full)
    manifest = classifier.bundle.manifest
    return ClassifyResult(
        model=f"{manifest.name} {manifest.version}",
        top3=[TopPayload(label=label, p=p) for label, p in prediction.top3],
        novelty=prediction.novelty,
        novelty_limit=policy.novelty_threshold,
        compartment=decision.compartment,
        belongs=belonging(prediction, policy, policy.routes[decision.label]),
        min_probability=policy.acceptance[decision.label],
        costs=expected_costs(prediction, policy),
        accepted=decision.accepted,
        reason=decision.reason.value,
        evidence=prediction.class_maps[prediction.labels.index(decision.label)].tolist(),
        latency_ms=1000 * prediction.latency_s,
    )
