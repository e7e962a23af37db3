from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("torch")

from train.commands.report import report
from train.report import build
from train.report.build import Order


@pytest.mark.parametrize(
    ("options", "parts", "out"),
    [
        ([], ("test", "validation"), "RUN/report"),
        (["--split", "validation"], ("validation",), "RUN/report"),
        (["--split", "test", "--out", "page"], ("test",), "page"),
    ],
)
def test_the_command_orders_what_was_asked_for(
    options: list[str], parts: tuple[Any, ...], out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[Order] = []
    monkeypatch.setattr(build, "write_report", lambda order: orders.append(order) or order.out / "index.html")
    app = typer.Typer()
    app.command()(report)
    result = CliRunner().invoke(app, ["RUN", "--data", str(tmp_path), *options])
    assert result.exit_code == 0 and f"written: {out}/index.html" in result.output
    assert orders == [Order(Path("RUN"), tmp_path, parts, None, Path(out))]
