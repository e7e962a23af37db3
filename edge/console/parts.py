"""What every tab is made of."""

from __future__ import annotations

from typing import Any

import gradio as gr

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""For requests that the page makes by itself: not through gradio's queue, nothing to be seen of them."""


def html(value: str, elem_id: str) -> gr.HTML:
    """A part of the page that is all ours."""
    return gr.HTML(value, elem_id=elem_id, js_on_load=None, apply_default_css=False)


def may_only_look(request: gr.Request) -> bool:
    """Whether the request comes from a viewer."""
    return bool(request.username != "technician")
