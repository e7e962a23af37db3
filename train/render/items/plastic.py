"""Plastic: a water bottle with ribs and a label, a clear clamshell box for berries."""

from __future__ import annotations

import math

import bpy
import cv2
import numpy as np

from train.render import printing
from train.render.labels import sleeve
from train.render.materials import clear, surface
from train.render.shapes import Array, Shape, facets, lathe, lay_down, place, rounded, sheet


def _water_profile() -> list[tuple[float, float]]:
    """Five feet's ring, ribs, a smooth band for the label, ribs, a dome and a neck."""
    profile = rounded([(0.02, 0.07), (0.18, 0.03), (0.25, 0.0), (0.31, 0.05), (0.33, 0.14)], 5)
    for h in np.linspace(0.16, 0.86, 100):
        profile.append((0.325 + 0.024 * math.sin((h - 0.16) * 2 * math.pi / 0.14), float(h)))
    profile += [(0.315, 0.90), (0.315, 1.32), (0.335, 1.36)]
    for h in np.linspace(1.38, 1.52, 24):
        profile.append((0.33 + 0.012 * math.sin((h - 1.38) * 2 * math.pi / 0.07), float(h)))
    return profile + rounded([(0.325, 1.56), (0.26, 1.74), (0.16, 1.88), (0.125, 1.92), (0.125, 1.95)], 6)


def _squeezed(vertices: Array) -> Array:
    """An empty bottle somebody has held: dents in the lower half."""
    turn, height = np.arctan2(vertices[:, 1], vertices[:, 0]), vertices[:, 2]
    where = np.exp(-(((height - 0.5) / 0.32) ** 2))
    scale = 1 - where * np.maximum(0, 0.14 * facets(turn * 0.33, height, 61, 6, 0.4))
    return vertices * np.stack([scale, scale, np.ones_like(scale)], -1)


def water_bottle() -> list[bpy.types.Object]:
    pet = clear("pet", (0.97, 0.985, 1.0), ior=1.42, shade=(0.945, 0.95, 0.96), bump=0.03, bump_scale=5)
    body = lathe("bottle", _water_profile(), pet, segments=96, bend=_squeezed)
    skin = body.modifiers.new("wall", "SOLIDIFY")
    skin.thickness = 0.012
    ring = lathe("ring", rounded([(0.125, 1.95), (0.16, 1.96), (0.16, 1.98), (0.125, 1.99), (0.125, 2.0)], 4), pet)
    white = surface("cap", (0.10, 0.28, 0.62), roughness=0.35)

    def knurl(vertices: Array) -> Array:
        turn = np.arctan2(vertices[:, 1], vertices[:, 0])
        ripple = 1 + 0.02 * np.sign(np.sin(turn * 40))
        return vertices * np.stack([ripple, ripple, np.ones_like(ripple)], -1)

    cap = lathe("cap", [(0.155, 2.0), (0.155, 2.15), (0.14, 2.17), (0.0, 2.17)], white, segments=160, bend=knurl)
    label = printing.blank(1400, 300, (22, 92, 180))
    label[:34], label[-34:] = (240, 244, 250), (120, 190, 230)
    # the label's middle faces the camera
    printing.headline(label, "alpina", (700, 130), 3.2, (255, 255, 255), 9)
    printing.headline(label, "natural spring water", (700, 215), 1.1, (200, 230, 250), 3)
    printing.barcode(label, (950, 60, 1060, 220), 62)
    printing.paragraph(label, (1080, 50, 1300, 250), 63, (230, 240, 250), 0.4, 18)
    wrap = sleeve(0.326, 0.92, 1.31, 359, label)
    parts = [body, ring, cap, wrap]
    lay_down(parts, 0.335, -34, 1.08)
    return parts


def _tray_shape(width: float, depth: float, height: float, seed: int) -> Shape:
    """A rectangular tub with sloping ribbed walls, a flange all round and a dimpled floor."""

    def bend(u: Array, v: Array) -> tuple[Array, Array, Array]:
        a, b = 2 * u - 1, 2 * v - 1
        # a rounded square's distance from the middle: 0 inside, 1 on the outer edge of the flange
        reach = (np.abs(a) ** 6 + np.abs(b) ** 6) ** (1 / 6)
        wall = 1 / (1 + np.exp(-(np.minimum(reach, 1.1) - 0.80) / 0.022))
        along = np.where(np.abs(a) > np.abs(b), b, a)
        ribs = 0.035 * np.sin(along * 30) * np.exp(-(((reach - 0.80) / 0.06) ** 2))
        floor = 0.025 * np.cos(a * 12) * np.cos(b * 9) * (1 - wall)
        round_x = a * (1 - 0.06 * b**6)
        round_y = b * (1 - 0.06 * a**6)
        lip = -0.05 * np.maximum(0, reach - 0.95) / 0.05
        z = height * wall + ribs + floor + lip + 0.012 * facets(a, b, seed, 4, 0.7)
        return round_x * width / 2, round_y * depth / 2, z

    return bend


def clamshell() -> list[bpy.types.Object]:
    pet = clear("clamshell", (0.97, 0.985, 0.99), ior=1.38, shade=(0.95, 0.955, 0.96), bump=0.01, bump_scale=4)
    tub = sheet("tub", (150, 120), _tray_shape(1.75, 1.35, 0.42, 64), pet, thickness=0.014)
    cover = sheet("cover", (150, 120), _tray_shape(1.75, 1.35, 0.16, 65), pet, thickness=0.014)
    place(cover, (0, 0, 0.62), (180, 0, 0))
    label = printing.blank(420, 300, (250, 210, 40))
    cv2.ellipse(label, (210, 110), (180, 85), 0, 0, 360, (200, 25, 40), -1, cv2.LINE_AA)
    printing.headline(label, "Berry's", (210, 110), 2.0, (255, 255, 255), 6)
    printing.paragraph(label, (60, 200, 360, 280), 66, (30, 70, 30), 0.5, 20)
    sticker = surface("sticker", roughness=0.45, print_rgb=label)

    def flat(u: Array, v: Array) -> tuple[Array, Array, Array]:
        return (u - 0.5) * 0.72, (v - 0.5) * 0.5, 0.0 * u

    patch = sheet("sticker", (4, 4), flat, sticker, thickness=0.004)
    place(patch, (0.1, 0.05, 0.66))
    for part in (tub, cover, patch):
        place(part, (0, 0, 0.03), (0, 0, 16))
    return [tub, cover, patch]
