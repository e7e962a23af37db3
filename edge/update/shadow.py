"""Two models look at the same items, and one of them sorts."""

from __future__ import annotations

from collections.abc import Callable

from edge.captures.capture import Other
from edge.classify import Classifier
from edge.decide import Policy, decide
from edge.errors import SmartbinError, UpdateError
from edge.observers import SortedItem


class Shadow:
    """The trial of a new model beside the one that sorts. wanted: items. The updater's lock guards it.

    dispute: told each item that the new one names otherwise, or would have put elsewhere. Must not block.
    seen: items that both have named. elsewhere: those of them that the new one would have put elsewhere.
    """

    def __init__(
        self,
        classifier: Classifier,
        policy: Policy,
        wanted: int,
        dispute: Callable[[SortedItem, Other], None],
    ) -> None:
        self._classifier, self._policy, self._dispute = classifier, policy, dispute
        self.wanted, self.seen, self.elsewhere = wanted, 0, 0
        self._failed: str | None = None

    @property
    def version(self) -> str:
        """Of the new model."""
        return self._classifier.bundle.manifest.version

    @property
    def over(self) -> bool:
        """Whether it needs no more items."""
        return self._failed is not None or self.seen >= self.wanted

    def take(self, item: SortedItem) -> None:
        """Would the new model have sorted this item elsewhere?"""
        if self.over:
            return
        classifier = self._classifier
        try:
            prediction = classifier.predict(classifier.prepare([look.pixels for look in item.looks]))
        except SmartbinError as error:
            self._failed = str(error)
        else:
            now, before = decide(prediction, self._policy), item.event.decision
            self.elsewhere += now.compartment != before.compartment
            self.seen += 1
            if (now.label, now.compartment) != (before.label, before.compartment):
                p = prediction.top3[0].p
                self._dispute(item, Other(version=self.version, label=now.label, p=p, compartment=now.compartment))

    def judge(self, max_disagreement: float) -> None:
        """Raises UpdateError when the new model failed, or disagreed too much."""
        if self._failed is not None:
            raise UpdateError(f"version {self.version} failed in shadow: {self._failed}")
        if self.elsewhere > max_disagreement * self.seen:
            raise UpdateError(
                f"version {self.version} would have put {self.elsewhere} of {self.seen} items elsewhere; "
                f"update.max_disagreement is {max_disagreement:g}"
            )
