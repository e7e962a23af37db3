"""The bin seen by its camera: a pale plate hinged at its upper edge, a steel frame, a dark chute, one soft lamp."""

from __future__ import annotations

import math
from pathlib import Path

import bpy
import numpy as np

from train.render.geometry import CAMERA_HEIGHT, CHUTE_DEPTH, GAP, HINGE_Y, LAMP_AT, PLATE, VIEW_WIDTH
from train.render.materials import surface
from train.render.shapes import block, lathe, place


def reset() -> None:
    """An empty Blender file: the start-up cube, lamp and camera are gone."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    world = bpy.data.worlds.new("room")
    bpy.context.scene.world = world
    _room(world)


def _room(world: bpy.types.World) -> None:
    """A dim room with a bright ceiling: clear things need something dark at the sides to show their edges."""
    nodes, links = world.node_tree.nodes, world.node_tree.links
    where, split, ramp = (
        nodes.new("ShaderNodeTexCoord"),
        nodes.new("ShaderNodeSeparateXYZ"),
        nodes.new("ShaderNodeValToRGB"),
    )
    ramp.color_ramp.elements[0].position, ramp.color_ramp.elements[0].color = 0.05, (0.10, 0.10, 0.11, 1)
    ramp.color_ramp.elements[1].position, ramp.color_ramp.elements[1].color = 0.75, (0.92, 0.95, 1.0, 1)
    links.new(where.outputs["Generated"], split.inputs[0])
    links.new(split.outputs["Z"], ramp.inputs["Fac"])
    links.new(ramp.outputs["Color"], nodes["Background"].inputs["Color"])
    nodes["Background"].inputs["Strength"].default_value = 0.42


def build_tray() -> bpy.types.Object:
    """Frame, chute, lamp, camera and the flap; returns the flap's pivot, an empty on the hinge line."""
    _frame()
    _chute()
    _lamp("lamp", LAMP_AT, (1.9, 1.3), 100.0)
    _lamp("window", (3.6, -1.6, 3.0), (0.9, 2.6), 10.0)
    _camera()
    return _flap()


def _flap() -> bpy.types.Object:
    pivot = bpy.data.objects.new("hinge", None)
    bpy.context.scene.collection.objects.link(pivot)
    pivot.location = (0, HINGE_Y, 0)
    white = surface("plate", (0.74, 0.735, 0.72), roughness=0.42, bump=0.004, bump_scale=9)
    width, depth = PLATE
    parts = [place(block("plate", (width, depth, 0.06), white, bevel=0.02), (0, 0, -0.03))]
    for side in (-1, 1):
        parts.append(place(block("rim", (0.07, depth, 0.14), white, bevel=0.03), (side * (width / 2 - 0.035), 0, 0.03)))
    parts.append(place(block("rim", (width, 0.07, 0.14), white, bevel=0.03), (0, depth / 2 - 0.035, 0.03)))
    # the free edge has only a low lip, or nothing would slide off
    parts.append(place(block("lip", (width, 0.05, 0.05), white, bevel=0.02), (0, -depth / 2 + 0.025, 0.01)))
    bpy.context.view_layer.update()
    for part in parts:
        part.parent = pivot
        part.matrix_parent_inverse = pivot.matrix_world.inverted()
    return pivot


def _frame() -> None:
    steel = surface(
        "steel", (0.20, 0.21, 0.22), roughness=0.38, metallic=0.9, bump=0.004, bump_scale=6, bump_stretch=(1, 25, 1)
    )
    screw = surface("screw", (0.45, 0.45, 0.45), roughness=0.25, metallic=1.0)
    bar = 1.2
    half_w, half_d = PLATE[0] / 2 + GAP, PLATE[1] / 2 + GAP
    for side in (-1, 1):
        place(
            block("frame", (2 * half_w + 2 * bar, bar, 0.16), steel, bevel=0.03), (0, side * (half_d + bar / 2), 0.02)
        )
        place(block("frame", (bar, 2 * half_d, 0.16), steel, bevel=0.03), (side * (half_w + bar / 2), 0, 0.02))
        for end in (-1, 1):
            head = lathe("screw", [(0, 0.02), (0.035, 0.02), (0.05, 0.0), (0.05, -0.01)], screw, segments=24)
            place(head, (side * (half_w + 0.10), end * (half_d - 0.25), 0.105))
    rod = lathe("rod", [(0.03, -half_w), (0.03, half_w)], screw, segments=16)
    place(rod, (0, HINGE_Y + 0.02, 0.02), (0, 90, 0))


def _chute() -> None:
    dark = surface("chute", (0.018, 0.018, 0.02), roughness=0.7)
    half_w, half_d = PLATE[0] / 2 + 0.05, PLATE[1] / 2 + 0.05
    for side in (-1, 1):
        place(block("wall", (0.05, 2 * half_d, CHUTE_DEPTH), dark), (side * half_w, 0, -CHUTE_DEPTH / 2 - 0.1))
        place(block("wall", (2 * half_w, 0.05, CHUTE_DEPTH), dark), (0, side * half_d, -CHUTE_DEPTH / 2 - 0.1))
    place(block("floor", (2 * half_w, 2 * half_d, 0.05), dark), (0, 0, -CHUTE_DEPTH))


def _lamp(name: str, at: tuple[float, float, float], size: tuple[float, float], power: float) -> None:
    light = bpy.data.lights.new(name, "AREA")
    light.shape, light.size, light.size_y, light.energy = "RECTANGLE", *size, power
    light.color = (1.0, 0.97, 0.92)
    thing = bpy.data.objects.new(name, light)
    bpy.context.scene.collection.objects.link(thing)
    direction = np.array(at) / np.linalg.norm(at)
    thing.location = at
    thing.rotation_euler = (math.acos(direction[2]), 0, math.atan2(direction[1], direction[0]) + math.pi / 2)


def _camera() -> None:
    lens = bpy.data.cameras.new("camera")
    lens.sensor_width = 36.0
    lens.lens = 36.0 * CAMERA_HEIGHT / VIEW_WIDTH
    thing = bpy.data.objects.new("camera", lens)
    thing.location = (0, 0, CAMERA_HEIGHT)  # an unturned camera looks down -z, with +y up in the picture
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.scene.camera = thing


def set_up_render(size_px: tuple[int, int], samples: int) -> None:
    """Cycles on the CPU, denoised; the same seed gives the same picture."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = size_px
    scene.render.resolution_percentage = 100
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"
    scene.render.use_persistent_data = True
    scene.view_settings.view_transform = "Standard"
    scene.view_settings.exposure = 0.0
    cycles = scene.cycles
    cycles.device, cycles.seed, cycles.samples = "CPU", 7, samples
    cycles.use_adaptive_sampling, cycles.adaptive_threshold = True, 0.03
    cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 10, 3, 4
    cycles.transmission_bounces, cycles.transparent_max_bounces = 8, 12
    cycles.sample_clamp_indirect = 4.0


def render(path: Path, region: tuple[int, int, int, int] | None = None) -> None:
    """Render the scene as it stands, or only a region (x0, y0, x1, y1) in pixels, into a PNG.

    A half-written file never gets the final name.
    """
    part = path.with_name(path.stem + ".part.png")
    settings = bpy.context.scene.render
    settings.filepath = str(part)
    settings.use_border = settings.use_crop_to_border = region is not None
    if region is not None:  # Blender counts from the bottom
        width, height = settings.resolution_x, settings.resolution_y
        settings.border_min_x, settings.border_max_x = region[0] / width, region[2] / width
        settings.border_min_y, settings.border_max_y = 1 - region[3] / height, 1 - region[1] / height
    bpy.ops.render.render(write_still=True)
    part.replace(path)
