"""How the page looks where page.css says nothing."""

from __future__ import annotations

import gradio as gr


def theme() -> gr.themes.Base:
    """Calm, and with fonts that every machine has: the page must look the same without a network."""
    base = gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_lg,
        font=[
            gr.themes.Font(name) for name in ("ui-sans-serif", "system-ui", "Roboto", "Liberation Sans", "sans-serif")
        ],
        font_mono=[gr.themes.Font(name) for name in ("ui-monospace", "DejaVu Sans Mono", "monospace")],
    )
    return base.set(
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
