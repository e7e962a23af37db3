"""Meshes from arrays: a sheet, a lathe, a box. One unit is a decimetre; +z is up, towards the camera."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import bpy
import numpy as np
from mathutils import Euler, Matrix
from numpy.typing import NDArray

Array = NDArray[np.float64]
Shape = Callable[[Array, Array], tuple[Array, Array, Array]]
Mask = Callable[[Array, Array], NDArray[np.bool_]]


def mesh_object(
    name: str,
    vertices: Array,
    faces: Sequence[Sequence[int]],
    material: bpy.types.Material,
    uv: Array | None = None,
    *,
    smooth: bool = True,
) -> bpy.types.Object:
    """An object of one material. `vertices` (V, 3); `uv` (V, 2) per vertex or, where there is a seam, (F, 4, 2)."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([tuple(map(float, v)) for v in vertices], [], [tuple(map(int, f)) for f in faces])
    if uv is not None:
        layer = mesh.uv_layers.new(name="uv")
        corners = uv
        if uv.ndim == 2:
            vertex_of_corner = np.zeros(len(mesh.loops), np.int32)
            mesh.loops.foreach_get("vertex_index", vertex_of_corner)
            corners = uv[vertex_of_corner]
        layer.data.foreach_set("uv", np.ascontiguousarray(corners, np.float32).ravel())
    mesh.polygons.foreach_set("use_smooth", [smooth] * len(mesh.polygons))
    mesh.materials.append(material)
    mesh.update()
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def sheet(
    name: str,
    cells: tuple[int, int],
    shape: Shape,
    material: bpy.types.Material,
    *,
    mask: Mask | None = None,
    smooth: bool = True,
    thickness: float = 0.0,
) -> bpy.types.Object:
    """A grid over u, v in [0, 1], bent by `shape(u, v) -> x, y, z`; cells with their centre outside `mask` go."""
    nu, nv = cells
    u, v = np.meshgrid(np.linspace(0, 1, nu + 1), np.linspace(0, 1, nv + 1), indexing="xy")
    vertices = np.stack([np.broadcast_to(a, u.shape) for a in shape(u, v)], -1).reshape(-1, 3)
    first = (np.arange(nv)[:, None] * (nu + 1) + np.arange(nu)[None, :]).ravel()
    faces = np.stack([first, first + 1, first + nu + 2, first + nu + 1], -1)
    if mask is not None:
        centre_u, centre_v = np.meshgrid((np.arange(nu) + 0.5) / nu, (np.arange(nv) + 0.5) / nv)
        faces = faces[mask(centre_u, centre_v).ravel()]
    thing = mesh_object(name, vertices, faces, material, np.stack([u, v], -1).reshape(-1, 2), smooth=smooth)
    if thickness:
        solid = thing.modifiers.new("thickness", "SOLIDIFY")
        solid.thickness, solid.offset = thickness, 0.0
    return thing


def lathe(
    name: str,
    profile: Sequence[tuple[float, float]],
    material: bpy.types.Material,
    *,
    segments: int = 64,
    bend: Callable[[Array], Array] | None = None,
    smooth: bool = True,
) -> bpy.types.Object:
    """A surface of revolution about z. `profile` holds (radius, height) pairs; `bend` then moves (V, 3) vertices."""
    points = np.asarray(profile, float)
    angle = np.linspace(0, 2 * math.pi, segments, endpoint=False)
    ring, level = np.meshgrid(angle, np.arange(len(points)))
    radius, height = points[level, 0], points[level, 1]
    vertices = np.stack([radius * np.cos(ring), radius * np.sin(ring), height], -1).reshape(-1, 3)
    # the last face of a ring closes on the first vertices: a doubled column there would show as a line in clear things
    step, row = (a.ravel() for a in np.meshgrid(np.arange(segments), np.arange(len(points) - 1)))
    onward = (step + 1) % segments
    low, high = row * segments, (row + 1) * segments
    faces = np.stack([low + step, low + onward, high + onward, high + step], -1)
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    left, right, down, up = step / segments, (step + 1) / segments, along[row] / along[-1], along[row + 1] / along[-1]
    uv = np.stack([np.stack(c, -1) for c in ((left, down), (right, down), (right, up), (left, up))], 1)
    if bend is not None:
        vertices = bend(vertices)
    return mesh_object(name, vertices, faces, material, uv, smooth=smooth)


def rounded(profile: Sequence[tuple[float, float]], per_span: int = 6) -> list[tuple[float, float]]:
    """A smooth curve through the profile's points (Catmull-Rom), `per_span` points a span."""
    p = np.asarray(profile, float)
    p = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    curve: list[tuple[float, float]] = []
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False):
        for t in np.linspace(0, 1, per_span, endpoint=False):
            q = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
            curve.append((max(float(q[0]), 0.0), float(q[1])))
    curve.append((float(p[-2][0]), float(p[-2][1])))
    return curve


def block(
    name: str, size: tuple[float, float, float], material: bpy.types.Material, *, bevel: float = 0.0
) -> bpy.types.Object:
    """A box centred on the origin, its edges rounded by `bevel`."""
    signs = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    thing = mesh_object(name, signs * np.asarray(size) / 2, faces, material, smooth=False)
    if bevel:
        edge = thing.modifiers.new("bevel", "BEVEL")
        edge.width, edge.segments = bevel, 3
    return thing


def place(
    thing: bpy.types.Object,
    at: tuple[float, float, float] = (0, 0, 0),
    turn_deg: tuple[float, float, float] = (0, 0, 0),
) -> bpy.types.Object:
    """Apply a turn (x, then y, then z), then a move, on top of where the object is now."""
    turn = Euler([math.radians(a) for a in turn_deg], "XYZ").to_matrix().to_4x4()
    thing.matrix_world = Matrix.Translation(at) @ turn @ thing.matrix_world
    return thing


def lay_down(things: Sequence[bpy.types.Object], radius: float, heading_deg: float, middle: float) -> None:
    """Lay objects that were built upright about z on their side, centred on `middle` of their height."""
    for thing in things:
        place(thing, (0, 0, -middle))
        place(thing, (0, 0, 0), (0, 90, 0))
        place(thing, (0, 0, radius), (0, 0, heading_deg))


def facets(x: Array, y: Array, seed: int, creases: int, pitch: float) -> Array:
    """A creased height field of about unit amplitude: triangle waves in random directions, as in crumpled paper."""
    rng = np.random.default_rng(seed)
    height = np.zeros_like(x)
    for _ in range(creases):
        heading, phase = rng.uniform(0, math.pi), rng.uniform(0, 1)
        step = pitch * rng.uniform(0.6, 2.2)
        # the fold line wanders, or the creases would look ruled
        wander = 0.12 * np.sin(3.1 * x + 9 * phase) * np.cos(2.3 * y + 5 * phase)
        t = ((x + wander) * math.cos(heading) + (y - wander) * math.sin(heading)) / step + phase
        height += (2 * np.abs(2 * (t - np.floor(t + 0.5))) - 1) * rng.uniform(0.4, 1.0)
    return height / math.sqrt(creases)
