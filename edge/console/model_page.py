"""The model tab's contents as HTML: pure functions of what the daemon answered, all of it escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from edge.config.update import Update
from edge.console import words
from edge.control import BundleView, ModelResult, UpdateView

CAPTIONS = {
    "confusion": "Confusion: what each label is taken for",
    "calibration": "Reliability: whether 80% sure is right in 80% of cases",
    "robustness": "Robustness: accuracy with blur, noise, darkness and the like",
    "benchmark": "Latency by precision, as measured where it was exported",
}
PLACES = {"config": "named by the config", "a": "slot a", "b": "slot b"}
STEPS = {
    "fetch": "Fetching the archive",
    "unpack": "Unpacking it",
    "verify": "Checking its signature and its files",
    "keep": "Putting it into the free slot",
    "golden": "Trying it on its golden pictures",
    "shadow": "Watching: both models name each item, the old one sorts",
    "point": "Switching",
    "switch": "Switching, between two items",
    "confirm": "Waiting for its engine",
}
REMEDIES = {
    "fetch": "See that the bin reaches the address and has room on its disk, then ask again; what came is kept.",
    "unpack": "Pack the bundle's folder again: tar -czf model.tar.gz -C models NAME. Then upload it again.",
    "verify": "A version that is not newer is taken with “an older version, too”. A signer whom the bin does not know "
    "is let in with their public key in the folder classify.keys. What is damaged is to be signed and packed again.",
    "keep": "Make room on the bin's disk, then ask again.",
    "golden": "On this machine it computes other numbers than where it was packed. Run python -m edge tune with it, or "
    "pack it again.",
    "shadow": "Look at its report, and at the items in the history. If the new model is right where they differ, ask "
    "again with fewer items or a larger update.max_disagreement; if not, teach it more.",
    "confirm": "The model before sorts again. The log in the health tab says what its engine lacked.",
}


def update_of(view: UpdateView) -> str:
    """How the newest update goes, or what came of it; empty where there was none."""
    progress = view.progress
    if view.outcome == "running":
        step = STEPS.get(progress.step or "", "Beginning")
        percent = progress.update_percentage or 0
        return (
            f'<div class="card busy" role="status"><p class="kicker">version {escape(progress.installed_version)} '
            f'sorts on</p><p class="headline">{escape(step)}</p>'
            f'<progress max="100" value="{percent}" aria-label="Progress of the new model">{percent}%</progress>'
            f"<p>{_shadow(view)}</p></div>"
        )
    if view.outcome == "sorts":
        return _outcome("good", f"Version {progress.installed_version} sorts", _shadow(view))
    if view.outcome == "same":
        return _outcome("good", "Nothing to do", "The bundle that was brought is the one that sorts.")
    if view.outcome == "failed":
        remedy = REMEDIES.get(view.failed_at or "", "See the log in the health tab, then ask again.")
        return _outcome(
            "bad",
            f"Refused: version {progress.installed_version} sorts on",
            f"{_shadow(view)} {escape(words.sentence(progress.error or 'no reason was given'))}",
            f"<p><b>What to do.</b> {escape(remedy)}</p>",
        )
    return ""


def _shadow(view: UpdateView) -> str:
    if not view.shadow_wanted:
        return ""
    return (
        f"{view.shadow_seen} of {view.shadow_wanted} items named by both; {view.shadow_elsewhere} of them would have "
        "gone elsewhere."
    )


def _outcome(tone: str, headline: str, text: str, more: str = "") -> str:
    """text and more are HTML."""
    return f'<div class="card {tone}" role="status"><p class="headline">{escape(headline)}</p><p>{text}</p>{more}</div>'


def bundles_of(model: ModelResult) -> str:
    """Every bundle on the bin, the one that sorts first."""
    in_order = sorted(model.bundles, key=lambda bundle: not bundle.current)
    cards = "".join(_bundle(bundle, model.engine) for bundle in in_order)
    return f'<h2>Bundles on this bin</h2><ul class="bundles">{cards}</ul>'


def _bundle(bundle: BundleView, engine: str) -> str:
    place = PLACES[bundle.slot]
    if bundle.problem is not None:
        return (
            f'<li class="card bad" data-slot="{bundle.slot}"><p class="kicker">{place}</p>'
            f'<p class="headline">Cannot be used</p><p>{escape(words.sentence(bundle.problem))}</p></li>'
        )
    signed = f"signed by {escape(bundle.signed_by)}" if bundle.signed_by else "not signed"
    role = f"sorts, on {escape(engine)}" if bundle.current else "sorted before" if bundle.previous else "on the bin"
    return (
        f'<li class="card {"good" if bundle.current else "quiet"}" data-slot="{bundle.slot}">'
        f'<p class="kicker">{place}, {signed}</p>'
        f'<p class="headline">{escape(bundle.name)} <small>{escape(bundle.version)}</small></p>'
        f"<p>{role}</p>{_actions(bundle)}"
        f"<details><summary>Report and model card</summary>{_metrics(bundle)}{_report(bundle)}"
        f"{_table('Model card', ('What', ''), list(bundle.facts.items()))}</details></li>"
    )


def _actions(bundle: BundleView) -> str:
    if bundle.current:
        return ""
    named = escape(f"{bundle.name} {bundle.version}")
    back = (
        f'<button type="button" data-rollback data-named="{named}">Roll back to this one</button>'
        if bundle.previous
        else ""
    )
    return (
        f'<p class="actions"><button type="button" data-switch="{bundle.slot}" data-named="{named}">Switch to this '
        f"one</button> {back}</p>"
    )


def _metrics(bundle: BundleView) -> str:
    rows = [
        (
            row.precision,
            row.split,
            f"{100 * row.accuracy:.1f}% ({row.right} of {row.total})",
            f"{100 * row.interval95[0]:.1f} to {100 * row.interval95[1]:.1f}%",
            f"{row.macro_f1:.3f}",
        )
        for row in bundle.metrics
    ]
    return _table(
        "How well, by its signed manifest", ("Precision", "Split", "Accuracy", "95% interval", "Macro F1"), rows
    )


def _report(bundle: BundleView) -> str:
    figures = "".join(
        f'<figure><img loading="lazy" src="report/{bundle.slot}/{name}.png" alt="{escape(CAPTIONS[name])}">'
        f"<figcaption>{escape(CAPTIONS[name])}</figcaption></figure>"
        for name in bundle.pictures
        if name in CAPTIONS
    )
    if not figures:
        return "<h2>Report</h2><p>The bundle has none of this network.</p>"
    return (
        '<h2>Report</h2><p class="fine">Drawn where the model was measured; the signature does not cover the pictures.'
        f'</p><div class="pair report">{figures}</div>'
    )


def engines_of(model: ModelResult) -> str:
    """What this machine runs the model with."""
    if not model.engines:
        return (
            '<h2>Engines</h2><p id="engines">Not measured on this machine; <code>python -m edge tune</code> does.</p>'
        )
    rows = [
        (
            row.engine,
            row.precision or "",
            "" if row.off_by is None else f"{row.off_by:.3f}",
            "" if row.median_ms is None else f"{row.median_ms:.1f} ms",
            row.why or "may sort",
        )
        for row in model.engines
    ]
    return _table("Engines, as tune measured them", ("Engine", "Precision", "Off by", "Median", ""), rows)


def upload_form(update: Update) -> str:
    """A form, and the question before every switch; both stay while the rest of the tab is renewed."""
    most = f"{update.max_bytes / 1e6:.0f} MB"
    return (
        f'<section class="card quiet" id="bundle-upload" data-max-bytes="{update.max_bytes}">'
        '<p class="headline">Upload a signed bundle</p>'
        f"<p>Its folder, signed (<code>python -m export sign</code>) and packed as .tar or .tar.gz; {most} at most.</p>"
        '<label>Archive <input type="file" id="bundle-file" accept=".tar,.gz,.tgz"></label>'
        '<label class="toggle"><input type="checkbox" id="bundle-older"> Take an older version, too</label>'
        '<p class="actions"><button type="button" data-upload-bundle>Upload and try it</button></p>'
        '<progress id="bundle-sent" max="1" value="0" aria-label="Sent" hidden></progress>'
        '<p id="bundle-said" role="status"></p></section>'
        '<dialog id="model-confirm" aria-labelledby="model-question"><form method="dialog">'
        '<p class="headline" id="model-question"></p>'
        '<label id="model-beside">Items that both models name before, while the old one sorts (0: none) '
        f'<input type="number" id="model-items" min="0" max="10000" step="1" value="{update.shadow_items}"></label>'
        '<p class="actions"><button value="yes">Yes</button> <button value="">Not now</button></p></form></dialog>'
    )


def _table(title: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<h2>{escape(title)}</h2><div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
