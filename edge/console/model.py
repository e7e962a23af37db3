"""The model tab: what sorts and what else could, what is known of each, how a new one comes, and how far it is."""

from __future__ import annotations

import gradio as gr
from pydantic import ValidationError

from edge.config import Config
from edge.console import words
from edge.console.model_page import bundles_of, engines_of, update_of, upload_form
from edge.console.page import trouble
from edge.console.parts import QUIET, html
from edge.control import ControlClient, ModelResult
from edge.errors import SmartbinError

TICK_S = 2.0


def model_tab(config: Config, client: ControlClient) -> gr.Timer:
    """The tab; the timer that keeps it live runs while it is open. What its buttons do is model.js's."""
    shown = [html("", "model-update"), html("", "model-bundles")]
    html(upload_form(config.update), "model-upload")
    shown.append(html("", "model-engines"))
    timer = gr.Timer(TICK_S, active=False)
    timer.tick(lambda: _shown(client), None, shown, **QUIET)
    return timer


def _shown(client: ControlClient) -> list[str]:
    try:
        model = ModelResult.model_validate(client.request("model"))
    except ValidationError:
        return [trouble("Another version", "The daemon is of another version; restart the console."), "", ""]
    except SmartbinError as error:
        return [trouble("The bin's daemon does not answer", words.sentence(error)), "", ""]
    return [update_of(model.update), bundles_of(model), engines_of(model)]
