"""The technicians' page: layout and handlers. Knows the daemon only through its control socket."""

from __future__ import annotations

from html import escape
from pathlib import Path

import gradio as gr
from fastapi import FastAPI

from edge.config import Config
from edge.console.hardware import hardware_tab
from edge.console.health import health_tab
from edge.console.history import history_tab
from edge.console.live import keep_live, live_tab
from edge.console.model import model_tab
from edge.console.parts import QUIET, html
from edge.console.photo import photo_tab
from edge.console.routes import add_routes
from edge.console.setup.routes import setup_tab
from edge.console.teach import teach_tab
from edge.console.theme import theme
from edge.console.watch import Feed, Watch
from edge.control import ControlClient
from edge.domain import Clock

POLL_TIMEOUT_S = 2.0
SLOW_TIMEOUT_S = 60.0
UPLOAD_LIMIT = "64mb"  # of gradio itself: above ours, so that a large photograph gets our message

SCRIPTS, STYLES = ("page.js", "model.js", "setup/setup.js"), ("page.css", "setup/setup.css")

_HERE = Path(__file__).parent


def build_app(config: Config, clock: Clock, *, logs_out: bool) -> FastAPI:
    """The web application, to be put behind a gate (edge/console/access). logs_out: there is a log-in to end.

    A few paths are edge/console/routes.py's; everything else is the page.
    """
    quick = ControlClient(config.control_socket, timeout_s=POLL_TIMEOUT_S)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    slow = ControlClient(config.control_socket, timeout_s=SLOW_TIMEOUT_S)
    add_routes(app, config, slow, Feed(quick, clock))
    blocks = build_page(
        config,
        Watch(quick, clock),
        slow,
        logs_out=logs_out,
    )
    style = "".join((_HERE / name).read_text() for name in STYLES)
    script = "".join((_HERE / name).read_text() for name in SCRIPTS)
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        theme=theme(),
        head=f'<link rel="icon" href="data:,"><style>{style}</style><script>{script}</script>',
        footer_links=[],
        run_history=False,
        max_file_size=UPLOAD_LIMIT,
        ssr_mode=False,
        show_error=False,
        auth_dependency=lambda request: request.state.role,
    )
    return mounted


def build_page(config: Config, watch: Watch, client: ControlClient, *, logs_out: bool) -> gr.Blocks:
    """The tabs; a viewer has the first two alone, and page.css counts the others.

    `delete_cache`: uploads are deleted when read, this takes what is left of aborted ones.
    """
    blocks: gr.Blocks
    bin_id = config.bin_id
    with gr.Blocks(analytics_enabled=False, title=f"smartbin {bin_id}", delete_cache=(600, 600)) as blocks:
        leave = _LOG_OUT if logs_out else ""
        html(f"<header><h1>smartbin <span>{escape(bin_id)}</span></h1>{leave}</header>{_LOST}", "masthead")
        banner = html("", "banner")
        timers: dict[str, gr.Timer] = {}
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Live", elem_id="live"):
                live = live_tab()
            with gr.Tab("Health", elem_id="health"):
                timers["Health"] = health_tab(client)
            with gr.Tab("Try a photo", elem_id="photograph") as photograph:
                photo_tab(config, client, photograph)
            with gr.Tab("Hardware", elem_id="hardware"):
                timers["Hardware"] = hardware_tab(config, client)
            with gr.Tab("History", elem_id="history"):
                history_tab(config, client)
            with gr.Tab("Teach", elem_id="teach") as teach:
                timers["Teach"] = teach_tab(config, client, teach)
            with gr.Tab("Model", elem_id="model"):
                timers["Model"] = model_tab(config, client)
            with gr.Tab("Setup", elem_id="setup"):
                setup_tab()
        role = html("", "role")
        keep_live(blocks, watch, [banner, *live])

        def role_of(request: gr.Request) -> str:
            return f'<i data-role="{escape(request.username or "viewer")}"></i>'

        # page.css hides what a viewer has no use for; gradio 6 does not hide a tab when told so at load.
        blocks.load(role_of, None, role, **QUIET)

        def opened(event: gr.SelectData) -> dict[gr.Timer, gr.Timer]:
            """Only the open tab is kept live."""
            return {timer: gr.Timer(active=name == event.value) for name, timer in timers.items()}

        tabs.select(opened, None, list(timers.values()), **QUIET)
    return blocks


_LOG_OUT = '<form method="post" action="/logout"><button>Log out</button></form>'
_LOST = (
    '<div class="note bad" id="console-lost" role="alert" hidden><strong>This page has lost its console.</strong> '
    "<span>What it shows is old. Start the bin with python -m edge run; this page comes back by itself.</span></div>"
)
