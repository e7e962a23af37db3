"""python -m train: from photographs to a checkpoint, and from a bundle to its figures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from edge.errors import SmartbinError
from train.commands.ablation import ablation
from train.commands.data import data
from train.commands.fit import fit
from train.commands.kfold import kfold
from train.commands.options import DataOption
from train.commands.report import report

app = typer.Typer(
    name="train",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Train the classifier, and measure a bundle.",
)


for command in (data, fit, kfold, ablation, report):
    app.command()(command)


@app.command()
def evaluate(
    bundle: Annotated[Path, typer.Argument(help="A bundle: the folder with manifest.json and model.onnx.")],
    data: DataOption = None,
    split: Annotated[Literal["test", "validation"], typer.Option(help="Which photographs.")] = "test",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for evaluation.json and confusion.png.  [default: BUNDLE/report]", show_default=False
        ),
    ] = None,
) -> None:
    """Measure a bundle as it ships: its model.onnx, on photographs it was not trained on.

    Examples:

        python -m train evaluate models/resnet50-trashnet

        python -m train evaluate models/resnet50-trashnet --split validation --out /tmp/report
    """
    from edge.bundle import load_bundle
    from edge.bundle.figures import macro_f1
    from train import evaluate as evaluating
    from train.data import data_sha256, find_data, scan
    from train.report import draw_confusion

    loaded, folder = load_bundle(bundle), find_data(data)
    evaluation = evaluating.evaluate(loaded, folder, split)
    manifest, found_sha256 = loaded.manifest, data_sha256(scan(folder))
    subject = f"{manifest.name} {manifest.version} ({manifest.precision})"
    print(f"{subject} on {split}: {evaluation.overall} right, macro-F1 {macro_f1(evaluation.confusion):.4f}")
    print(evaluating.class_table(evaluation))
    for name, share in evaluation.by_object().items():
        print(f"{name}: {share}")
    if found_sha256 != manifest.provenance.data_sha256:
        print(f"note: {folder} is not the data this model was trained on, byte for byte; the split may differ")
    target = out or bundle / "report"
    identity = {
        "model": manifest.name,
        "version": manifest.version,
        "precision": manifest.precision,
        "model_sha256": manifest.artefacts["model.onnx"].sha256,
        "data_sha256": found_sha256,
    }
    evaluating.write_json(evaluation, identity, target / "evaluation.json")
    draw_confusion(evaluation, target / "confusion.png", subject=subject)
    print(f"written: {target / 'evaluation.json'}, {target / 'confusion.png'}")


def main() -> None:
    """Run the app; an error made for people is printed without a traceback and gives its own exit code."""
    try:
        app()
    except SmartbinError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
