"""The technicians' page: layout and handlers. Knows the daemon only through its control socket."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from pydantic import ValidationError

from edge.bundle.preprocess import decode
from edge.console import page
from edge.console.watch import Watch
from edge.control import PHOTOGRAPH_LIMIT_BYTES, ClassifyResult, CommandError, ControlClient
from edge.domain import Clock
from edge.errors import ControlError, UnreadablePicture

TICK_S = 0.4
POLL_TIMEOUT_S = 2.0
CLASSIFY_TIMEOUT_S = 30.0
UPLOAD_LIMIT = "64mb"  # of gradio itself: above ours, so that a large photograph gets our message

_HERE = Path(__file__).parent


def build_app(bin_id: str, socket: Path, clock: Clock, *, logs_out: bool) -> FastAPI:
    """The web application, to be put behind a gate (edge/console/access). logs_out: there is a log-in to end.

    `GET /alive` says that the console runs, `POST /active` that a person does something; everything else is the page.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/alive")
    def alive() -> dict[str, bool]:
        return {"alive": True}

    @app.post("/active", status_code=204)
    def active() -> None:
        """The gate has taken note."""

    blocks = build_page(
        bin_id,
        Watch(ControlClient(socket, timeout_s=POLL_TIMEOUT_S), clock),
        ControlClient(socket, timeout_s=CLASSIFY_TIMEOUT_S),
        logs_out=logs_out,
    )
    style, script = (_HERE / "page.css").read_text(), (_HERE / "page.js").read_text()
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        theme=_theme(),
        head=f'<link rel="icon" href="data:,"><style>{style}</style><script>{script}</script>',
        footer_links=[],
        run_history=False,
        max_file_size=UPLOAD_LIMIT,
        ssr_mode=False,
        show_error=False,
        auth_dependency=lambda request: request.state.role,
    )
    return mounted


def build_page(bin_id: str, watch: Watch, client: ControlClient, *, logs_out: bool) -> gr.Blocks:
    """The two tabs; a viewer has the first alone.

    `delete_cache`: uploads are deleted when read, this takes what is left of aborted ones.
    """
    blocks: gr.Blocks
    with gr.Blocks(analytics_enabled=False, title=f"smartbin {bin_id}", delete_cache=(600, 600)) as blocks:
        leave = _LOG_OUT if logs_out else ""
        _html(f"<header><h1>smartbin <span>{escape(bin_id)}</span></h1>{leave}</header>{_LOST}", "masthead")
        banner = _html("", "banner")
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Live", elem_id="live"):
                live = _live_tab()
            with gr.Tab("Photograph", elem_id="photograph"):
                upload, *answer = _photograph_tab()
        beat = gr.HTML("", html_template='<i data-beat="${value}"></i>', elem_id="beat", js_on_load=None)
        role = _html("", "role")
        shown = [banner, *live]

        def tick(seen: str | None) -> list[Any]:
            """What has changed since the browser's own record of what it shows."""
            now, count = watch.look()
            parts = [now.banner, now.status, now.tray, now.decision, now.top3, now.heat]
            versions = now.versions()
            known = (seen or "").split()[1:]
            same = [known[i : i + 1] == [version] for i, version in enumerate(versions)]
            news = [gr.skip() if unchanged else part for part, unchanged in zip(parts, same, strict=True)]
            return [*news, " ".join([str(count), *versions])]

        # Not through gradio's queue: a tick is one small request, and the browser holds the record of what it has seen.
        polling: dict[str, Any] = {
            "fn": tick,
            "inputs": [beat],
            "outputs": [*shown, beat],
            "queue": False,
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        gr.Timer(TICK_S).tick(**polling)
        blocks.load(**polling)

        def role_of(request: gr.Request) -> str:
            return f'<i data-role="{escape(request.username or "viewer")}"></i>'

        # page.css hides what a viewer has no use for; gradio 6 does not hide a tab when told so at load.
        blocks.load(role_of, None, role, queue=False, show_progress="hidden", api_visibility="private")

        def photograph_of(path: str, request: gr.Request) -> list[Any]:
            return [None, *_NOT_ALLOWED] if _may_only_look(request) else [None, *classify(client, Path(path))]

        upload.upload(
            photograph_of,
            inputs=[upload],
            outputs=[upload, *answer],
            show_progress="minimal",
            concurrency_limit=1,
            api_visibility="private",
        )
    return blocks


def classify(client: ControlClient, file: Path) -> tuple[str, dict[str, float], str]:
    """An uploaded photograph → verdict, bars and pictures. The upload is deleted: nobody's photographs stay here."""
    name = file.name
    try:
        encoded = file.read_bytes()
    finally:
        file.unlink(missing_ok=True)
    if len(encoded) > PHOTOGRAPH_LIMIT_BYTES:
        found, most = len(encoded) / 1e6, PHOTOGRAPH_LIMIT_BYTES / 1e6
        return page.trouble("Too large", f"{name} has {found:.1f} MB, the most is {most:.0f} MB."), {}, ""
    try:
        rgb = decode(encoded, name=name)
        answer = client.request("classify", name=name[-255:], image=base64.b64encode(encoded).decode("ascii"))
        result = ClassifyResult.model_validate(answer)
    except UnreadablePicture as error:
        return page.trouble("Not a picture that can be read", f"{error}."), {}, ""
    except CommandError as error:
        return page.trouble("The bin could not classify it", f"{error}."), {}, ""
    except ControlError as error:
        return page.trouble("The bin's daemon does not answer", f"{error}. Then upload the photograph again."), {}, ""
    except ValidationError:
        text = "The daemon answers in a form that this console does not know; restart the console."
        return page.trouble("The bin could not classify it", text), {}, ""
    return page.verdict(name, result), page.bars(result.top3), page.photograph(rgb, result)


def _may_only_look(request: gr.Request) -> bool:
    return request.username != "technician"


_NOT_ALLOWED: tuple[str, dict[str, float], str] = (
    page.trouble("For technicians", "Viewers may look only; log in as a technician."),
    {},
    "",
)
_LOG_OUT = '<form method="post" action="/logout"><button>Log out</button></form>'
_LOST = (
    '<div class="note bad" id="console-lost" role="alert" hidden><strong>This page has lost its console.</strong> '
    "<span>What it shows is old. Start the bin with python -m edge run; this page comes back by itself.</span></div>"
)


def _live_tab() -> list[gr.HTML | gr.Label]:
    status = _html('<div class="status"><span class="pill busy">Connecting</span></div>', "status")
    with gr.Row(elem_id="live-body", equal_height=False):
        with gr.Column(scale=3, min_width=300):
            tray = _html("", "tray")
        with gr.Column(scale=2, min_width=300):
            decision = _html("", "decision")
            top3 = gr.Label(label="Top 3", elem_id="live-top3", show_heading=False)
            heat = _html("", "heat")
    return [status, tray, decision, top3, heat]


def _photograph_tab() -> tuple[gr.File, gr.HTML, gr.Label, gr.HTML]:
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            upload = gr.File(
                label="Photograph of one item",
                file_types=["image"],
                type="filepath",
                height=180,
                elem_id="upload",
            )
            verdict = _html(
                '<div class="placeholder"><p>The bin says what it would call the item, with its own model. '
                "Nothing moves. JPEG, PNG, WebP or BMP.</p></div>",
                "verdict",
            )
            top3 = gr.Label(label="Top 3", elem_id="photograph-top3", show_heading=False)
        with gr.Column(scale=2, min_width=300):
            pictures = _html("", "pictures")
    return upload, verdict, top3, pictures


def _html(value: str, elem_id: str) -> gr.HTML:
    return gr.HTML(value, elem_id=elem_id, js_on_load=None, apply_default_css=False)


def _theme() -> gr.themes.Base:
    """Calm, and with fonts that every machine has: the page must look the same without a network."""
    theme = gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_lg,
        font=[
            gr.themes.Font(name) for name in ("ui-sans-serif", "system-ui", "Roboto", "Liberation Sans", "sans-serif")
        ],
        font_mono=[gr.themes.Font(name) for name in ("ui-monospace", "DejaVu Sans Mono", "monospace")],
    )
    return theme.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color_subdued="*neutral_500",  # the default is too faint to read in daylight
        body_text_color_subdued_dark="*neutral_400",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_radius="14px",
        stat_background_fill="*primary_600",
        stat_background_fill_dark="*primary_500",
    )
