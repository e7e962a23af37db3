"""The named shifts: what may differ in another bin, and none of it made as training makes its pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

import cv2
import numpy as np

from edge.domain import Box, RgbImage
from train.cutout import cut_out
from train.robustness import lens, light
from train.robustness.ground import Ground, dark_chute, plain_tray, plastic_tray, steel_plate
from train.robustness.item import Item, box_of, lay, lift, scatter, sheet, shrinkable
from train.robustness.noise import Plane, Size, blurred, smoothstep
from train.robustness.pattern import dirty_tray, patterned_fabric, wood

SEED = "smartbin robustness 1"
"""Part of every seed: changing it makes another set of pictures, whose figures do not compare with the old ones."""

MARGIN = 0.2
"""The bin's own margin round the item, share of its longer side (`classify.crop_margin` of its config)."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A photograph to be shifted. rgb: (H, W, 3) uint8. name: seeds what is drawn. item: None where not cut out."""

    rgb: RgbImage
    name: str
    item: Item | None

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.rgb.shape[0], self.rgb.shape[1]


def subject(rgb: RgbImage, name: str) -> Subject:
    """A photograph with its item cut out where that can be done; `name` is "<class>/<file>"."""
    cutout = cut_out(rgb)
    return Subject(rgb, name, lift(rgb, cutout, name.split("/")[0]) if cutout else None)


@dataclass(frozen=True, eq=False)
class Shifted:
    """What the bin's camera would have seen.

    rgb: (H, W, 3) uint8. box: where the item is; None where that is not known. composed: the item lies on a new
    ground; else the photograph, board and all, was only treated.
    """

    rgb: RgbImage
    box: Box | None
    composed: bool

    @property
    def crop_box(self) -> Box:
        """What the bin crops once presence detection has found the item; all of the picture without a box."""
        height, width = self.rgb.shape[:2]
        return self.box.grown(MARGIN, (height, width)) if self.box else Box(0, 0, width, height)

    def view(self, *, followed: bool) -> RgbImage:
        """The crop that follows the item, or the whole picture."""
        return self.crop_box.cut(self.rgb) if followed else self.rgb


MakeGround: TypeAlias = Callable[[np.random.Generator, Size], Ground]
Shift: TypeAlias = Callable[[Subject, np.random.Generator], Shifted]


def apply(shift: str, subject: Subject) -> Shifted:
    """The subject under a shift of SHIFTS, the same every time: seeded by the shift's and the photograph's name."""
    digest = hashlib.sha256(f"{SEED}\0{shift}\0{subject.name}".encode()).digest()
    return SHIFTS[shift](subject, np.random.default_rng(int.from_bytes(digest[:8], "little")))


def clean(subject: Subject) -> Shifted:
    """The photograph as it is."""
    return Shifted(subject.rgb, subject.item.box if subject.item else None, composed=False)


def _on(make_ground: MakeGround) -> Shift:
    """The item moved to another ground. One that could not be cut out is put in that ground's light, board and all."""

    def shift(subject: Subject, rng: np.random.Generator) -> Shifted:
        ground = make_ground(rng, subject.size)
        if subject.item is None:
            return Shifted(light.to_srgb(_relit(subject.rgb, ground)), None, composed=False)
        picture, cover = lay(subject.item, ground, scatter(subject.item, subject.size, rng))
        return Shifted(light.to_srgb(picture), box_of(cover), composed=True)

    return shift


def _relit(rgb: RgbImage, ground: Ground) -> light.Colour:
    """The photograph in the ground's light, with a little of the ground's tint, as light thrown back by walls has."""
    tint = ground.albedo.mean(axis=(0, 1))
    tint = 0.75 + 0.25 * tint / max(float(tint.max()), 1e-3)
    return np.asarray(
        light.to_linear(rgb) * ground.light * tint + 0.2 * blurred(ground.gloss, 12)[..., None], np.float32
    )


def _seen_by(treat: Callable[[RgbImage, np.random.Generator], RgbImage]) -> Shift:
    """The item on a plain tray, under another lamp or another camera: what it costs beside plain-tray is theirs."""

    def shift(subject: Subject, rng: np.random.Generator) -> Shifted:
        laid = _on(plain_tray)(subject, rng)
        return replace(laid, rgb=treat(laid.rgb, rng))

    return shift


def _warm_lamp(rgb: RgbImage, rng: np.random.Generator) -> RgbImage:
    """One bulb of about 3000 K to one side, a stop and a half under-exposed."""
    lamp = light.lamp_colour(rng.uniform(2700, 3300))
    exposure = rng.uniform(0.32, 0.5) * light.falloff(rng, (rgb.shape[0], rgb.shape[1]), rng.uniform(0.5, 0.75))
    picture = light.to_linear(rgb) * light.tinted(np.asarray(exposure, np.float32), lamp)
    return lens.sensor(np.asarray(picture, np.float32), rng, electrons=2500, read_noise=5)


def _cold_dim(rgb: RgbImage, rng: np.random.Generator) -> RgbImage:
    """Daylight from a far window, 9000 K and two stops down: the sensor's noise is plain to see."""
    lamp = light.lamp_colour(rng.uniform(8000, 11000)) * np.array([0.85, 0.95, 1.0], np.float32)
    exposure = rng.uniform(0.18, 0.28) * light.falloff(rng, (rgb.shape[0], rgb.shape[1]), rng.uniform(0.2, 0.5))
    picture = light.to_linear(rgb) * light.tinted(np.asarray(exposure, np.float32), lamp)
    return lens.sensor(np.asarray(picture, np.float32), rng, electrons=rng.uniform(300, 600), read_noise=3)


def _glare(rgb: RgbImage, rng: np.random.Generator) -> RgbImage:
    """Over-exposed by a stop, with a lamp at the picture's edge that veils one side."""
    picture = rng.uniform(1.5, 2.1) * light.to_linear(rgb)
    picture += rng.uniform(0.3, 0.55) * light.veil(rng, (rgb.shape[0], rgb.shape[1]))[..., None]
    return light.to_srgb(np.asarray(picture, np.float32))


def _hard_shadow(rgb: RgbImage, rng: np.random.Generator) -> RgbImage:
    """Sun or a bare bulb: what lies in the shadow gets a fifth of the light, and that bluish."""
    shadow = light.hard_shadow(rng, (rgb.shape[0], rgb.shape[1]))[..., None]
    sky = np.array([0.85, 0.95, 1.1], np.float32) * rng.uniform(0.14, 0.26)
    return light.to_srgb(np.asarray(light.to_linear(rgb) * (1.1 * (1 - shadow) + sky * shadow), np.float32))


def _distant(subject: Subject, rng: np.random.Generator) -> Shifted:
    """A tenth of the picture, near a corner of a plain tray. A photograph not cut out lies there as a sheet."""
    composed = subject.item is not None and shrinkable(subject.item)
    laid = subject.item if subject.item is not None and composed else sheet(subject.rgb)
    picture, cover = lay(laid, plain_tray(rng, subject.size), scatter(laid, subject.size, rng, area=0.1))
    return Shifted(light.to_srgb(picture), box_of(cover), composed)


def _behind_edge(subject: Subject, rng: np.random.Generator) -> Shifted:
    """Turned, on a plain tray, a tenth to a quarter of the item hidden by the tray's edge."""
    ground = plain_tray(rng, subject.size)
    if subject.item is None:
        picture, cover = light.to_linear(subject.rgb), np.ones(subject.size, np.float32)
    else:
        picture, cover = lay(subject.item, ground, scatter(subject.item, subject.size, rng))
    hidden = _edge_mask(cover, rng, share=rng.uniform(0.1, 0.25))
    visible = 1 - hidden
    thrown = 1 - 0.55 * blurred(hidden, 9)[..., None]
    picture = np.asarray(
        picture * thrown * visible[..., None] + _lip(hidden, ground, rng) * hidden[..., None], np.float32
    )
    box = box_of(np.asarray(cover * visible, np.float32)) if subject.item else None
    return Shifted(light.to_srgb(picture), box, composed=subject.item is not None)


def _edge_mask(cover: Plane, rng: np.random.Generator, *, share: float) -> Plane:
    """0..1: one side of a straight line that has `share` of what is covered beyond it."""
    height, width = cover.shape
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    place = np.asarray(x * np.cos(angle) + y * np.sin(angle), np.float32)
    line = float(np.quantile(place[cover > 0.5], 1 - share)) if (cover > 0.5).any() else float(place.max())
    return smoothstep(line - 0.8, line + 0.8, place)


def _lip(hidden: Plane, ground: Ground, rng: np.random.Generator) -> light.Colour:
    """(H, W, 3): the tray's edge, of the tray's plastic, rounded where it begins and lit from above."""
    beyond = np.asarray(cv2.distanceTransform((hidden > 0.5).astype(np.uint8), cv2.DIST_L2, 5), np.float32)
    roundness = smoothstep(0, rng.uniform(8, 20), beyond)
    shine = np.exp(-(((beyond - rng.uniform(5, 9)) / 2.5) ** 2)) * rng.uniform(0.08, 0.25)
    colour = ground.albedo * rng.uniform(0.55, 1.25)
    return np.asarray((0.35 + 0.65 * roundness + shine)[..., None] * colour * ground.light, np.float32)


SHIFTS: Mapping[str, Shift] = MappingProxyType(
    {
        "plain-tray": _on(plain_tray),
        "steel-plate": _on(steel_plate),
        "dark-chute": _on(dark_chute),
        "wood": _on(wood),
        "patterned-fabric": _on(patterned_fabric),
        "plastic-tray": _on(plastic_tray),
        "dirty-tray": _on(dirty_tray),
        "warm-lamp": _seen_by(_warm_lamp),
        "cold-dim-light": _seen_by(_cold_dim),
        "glare": _seen_by(_glare),
        "hard-shadow": _seen_by(_hard_shadow),
        "cheap-lens": _seen_by(lens.cheap),
        "motion-blur": _seen_by(lens.shaken),
        "distant-item": _distant,
        "behind-edge": _behind_edge,
    }
)
"""name → shift; the names stand in robustness.json."""
