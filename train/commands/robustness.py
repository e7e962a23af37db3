"""python -m train robustness."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from train.commands.options import DataOption


def robustness(
    bundles: Annotated[
        list[Path],
        typer.Argument(
            metavar="BUNDLE...", help="Bundles, measured on the same pictures; the first is the one under test."
        ),
    ],
    data: DataOption = None,
    split: Annotated[Literal["test", "validation"], typer.Option(help="Which photographs.")] = "test",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for robustness.json and robustness.png.  [default: BUNDLE/report]", show_default=False
        ),
    ] = None,
    save_samples: Annotated[
        Path | None,
        typer.Option(
            help="Folder for a contact sheet of each shift, for your own eyes: it shows the data set's photographs."
        ),
    ] = None,
) -> None:
    """Measure how far bundles carry over to other bins: other trays, lamps, cameras and places of the item.

    Each photograph is shifted in the same way every time, and classified as the bin does it: cropped round the
    item. What the whole picture would give stands beside it.

    Examples:

        python -m train robustness models/resnet50-trashnet

        python -m train robustness models/resnet50-trashnet runs/plain/bundle --out /tmp/report

        python -m train robustness models/resnet50-trashnet --save-samples /tmp/shifts
    """
    from edge.bundle import load_bundle
    from train.data import data_sha256, find_data, reference_split, scan
    from train.robustness.draw import draw
    from train.robustness.measure import check_labels, measure
    from train.robustness.report import Measured, as_dict, identities, table, write_json
    from train.robustness.samples import draw_samples

    loaded = [load_bundle(bundle) for bundle in bundles]
    everything = scan(find_data(data))
    for bundle in loaded:
        check_labels(everything, bundle)
    parts = reference_split(everything)
    photos = parts.test if split == "test" else parts.validation
    figures = measure(loaded, photos)
    measured = [Measured(*who, found) for who, found in zip(identities(bundles, loaded), figures, strict=True)]
    print(table(measured))
    target = out or bundles[0] / "report"
    content = as_dict(measured, split=split, photographs=len(photos), data_sha256=data_sha256(everything))
    write_json(content, target / "robustness.json")
    draw(measured, target / "robustness.png", split=split)
    print(f"written: {target / 'robustness.json'}, {target / 'robustness.png'}")
    if save_samples:
        draw_samples(photos, save_samples)
        print(f"contact sheets: {save_samples}")
