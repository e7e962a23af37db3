"""The live tab: the tray, what the bin does and decides, its last items."""

from __future__ import annotations

from typing import Any

import gradio as gr

from edge.console.parts import QUIET, html
from edge.console.watch import Watch

TICK_S = 0.4

_TRAY = """
<figure class="tray" id="tray-figure" hidden>
  <div class="view"><img id="tray-picture" alt="The tray from above"><i id="tray-box" hidden></i></div>
  <figcaption><b class="badge good" id="tray-age">live</b> <span id="tray-seen"></span></figcaption>
</figure>
<div class="placeholder" id="tray-none"><p class="headline">No picture</p>
<p>There is none before the camera has given one, or while the bin's daemon does not answer.</p></div>
"""
_EVIDENCE = '<label class="toggle"><input type="checkbox" id="evidence"> Show what speaks for it</label>'


def live_tab() -> list[gr.HTML | gr.Label]:
    """Its components, in the order of `LivePage` after the banner. The picture of the tray is page.js's."""
    status = html('<div class="status"><span class="pill busy">Connecting</span></div>', "status")
    with gr.Row(elem_id="live-body", equal_height=False):
        with gr.Column(scale=3, min_width=300):
            html(_TRAY, "tray")
        with gr.Column(scale=2, min_width=300):
            decision = html("", "decision")
            top3 = gr.Label(label="Top 3", elem_id="live-top3", show_heading=False)
            item = html("", "item")
            html(_EVIDENCE, "evidence-toggle")
    strip = html("", "strip")
    return [status, decision, top3, item, strip]


def keep_live(blocks: gr.Blocks, watch: Watch, shown: list[Any]) -> None:
    """Renew the parts several times a second; only what has changed is sent.

    shown: the banner, and what `live_tab` gave.
    """
    beat = gr.HTML("", html_template='<i data-beat="${value}"></i>', elem_id="beat", js_on_load=None)

    def tick(seen: str | None) -> list[Any]:
        """What has changed since the browser's own record of what it shows."""
        now, count = watch.look()
        parts = [now.banner, now.status, now.decision, now.top3, now.item, now.strip]
        versions = now.versions()
        known = (seen or "").split()[1:]
        same = [known[i : i + 1] == [version] for i, version in enumerate(versions)]
        news = [gr.skip() if unchanged else part for part, unchanged in zip(parts, same, strict=True)]
        return [*news, " ".join([str(count), *versions])]

    polling: dict[str, Any] = {"fn": tick, "inputs": [beat], "outputs": [*shown, beat], **QUIET}
    gr.Timer(TICK_S).tick(**polling)
    blocks.load(**polling)
