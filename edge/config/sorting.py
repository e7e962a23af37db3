"""What names an item, and where it then goes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from edge.config.section import Name, Probability, Seconds, Section


class Classify(Section):
    """How a still item is classified."""

    bundle: Path = Field(description="folder of the model bundle")
    keys: Path = Field(
        Path("configs/edge/keys"), description="folder of the public keys, NAME.pub.pem, whose bundles this bin trusts"
    )
    unsigned: Literal["refuse", "accept"] = Field(
        "refuse", description="what becomes of a bundle that nobody signed; a wrong signature is refused in any case"
    )
    frames: int = Field(3, ge=1, le=30, description="frames of the still item whose probabilities are averaged")
    crop_margin: Probability = Field(0.2, description="margin round the item, share of its longer side")
    engine: Literal[
        "auto",
        "onnxruntime",
        "onnxruntime-cuda",
        "onnxruntime-tensorrt",
        "onnxruntime-openvino",
        "onnxruntime-xnnpack",
        "openvino",
        "executorch",
        "tensorrt",
    ] = Field(
        "auto", description="what runs the network; auto takes the fastest that `python -m edge tune` found to be right"
    )
    threads: int = Field(0, ge=0, le=64, description="threads of the engine; 0 takes what `tune` found, or all cores")
    timeout_s: Seconds = Field(5.0, description="an engine that takes longer for a picture hangs, and is started anew")
    open_timeout_s: Seconds = Field(
        600.0, description="an engine that is not open by then hangs; building one for a GPU takes minutes"
    )
    selftest_hour: int = Field(
        3, ge=0, le=23, description="from this hour on, local time, the running engine is held against the golden set"
    )


class Costs(Section):
    """What a wrong item costs, in any unit. A right item costs 0."""

    wrong: float = Field(1.0, gt=0, le=1000, description="an item in a compartment where it does not belong")
    residual: float = Field(0.3, ge=0, le=1000, description="an item in residual that belonged elsewhere")
    into: dict[str, Annotated[float, Field(gt=0, le=1000)]] = Field(
        default_factory=dict, description="compartment → cost of any wrong item in it, instead of `wrong`"
    )


class Sorting(Section):
    """Which label goes where, and what mistakes cost."""

    routes: dict[str, Name] = Field(description="label → compartment, for every label of the bundle")
    residual: Name = Field(description="compartment for what is unsure, novel, mixed, or has nowhere to go")
    costs: Costs = Costs()
    max_contamination: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="share of wrong items among those sorted automatically, one that the bundle promises; "
        "null takes the bundle's own acceptance thresholds",
    )
    min_probability: Probability = Field(0.0, description="raises the acceptance thresholds to at least this")
