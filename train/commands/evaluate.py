"""python -m train evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from train.commands.options import DataOption


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="A bundle: the folder with manifest.json and model.onnx.")],
    data: DataOption = None,
    split: Annotated[Literal["test", "validation"], typer.Option(help="Which photographs.")] = "test",
    tta: Annotated[
        bool,
        typer.Option(
            "--tta", help="Also average each photograph's quarter turns, as it is and mirrored: eight times the work."
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for evaluation.json, confusion.png and calibration.png.  [default: BUNDLE/report]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure a bundle as it ships: its model.onnx, on photographs it was not trained on, decided on as in a bin.

    Examples:

        python -m train evaluate models/resnet50-trashnet

        python -m train evaluate models/resnet50-trashnet --tta

        python -m train evaluate models/resnet50-trashnet --split validation --out /tmp/report
    """
    from edge.bundle import load_bundle
    from train.data import data_sha256, find_data, scan
    from train.evaluation.measure import draw_calibration, measure, write_json
    from train.report import draw_confusion

    loaded, folder = load_bundle(bundle), find_data(data)
    measurement = measure(loaded, folder, split, average=tta)
    manifest, found_sha256 = loaded.manifest, data_sha256(scan(folder))
    subject = f"{manifest.name} {manifest.version} ({manifest.precision})"
    print(f"{subject} on {split}: {measurement}")
    if found_sha256 != manifest.provenance.data_sha256:
        print(f"note: {folder} is not the data this model was trained on, byte for byte; the split may differ")
    identity = {
        "model": manifest.name,
        "version": manifest.version,
        "precision": manifest.precision,
        "model_sha256": manifest.artefacts["model.onnx"].sha256,
        "data_sha256": found_sha256,
    }
    target = out or bundle / "report"
    files = [target / name for name in ("evaluation.json", "confusion.png", "calibration.png")]
    write_json(measurement, identity, files[0])
    draw_confusion(measurement.evaluation, files[1], subject=subject)
    draw_calibration(measurement, files[2], subject=subject)
    print(f"written: {', '.join(map(str, files))}")
