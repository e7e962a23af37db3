"""Materials, all from Blender's Principled shader; print comes as pictures made by `printing`."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]


def _image(name: str, rgb: NDArray[np.uint8]) -> bpy.types.Image:
    """A Blender image from (H, W, 3) uint8 sRGB; Blender counts rows from the bottom."""
    height, width = rgb.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=False)
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., :3] = rgb[::-1].astype(np.float32) / 255
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    return image


def surface(
    name: str,
    colour: Colour = (0.8, 0.8, 0.8),
    *,
    roughness: float = 0.5,
    metallic: float = 0.0,
    coat: float = 0.0,
    print_rgb: NDArray[np.uint8] | None = None,
    bump: float = 0.0,
    bump_scale: float = 20.0,
    bump_stretch: tuple[float, float, float] = (1, 1, 1),
    anisotropy: float = 0.0,
    translucent: float = 0.0,
) -> bpy.types.Material:
    """An opaque material. `colour` is linear RGB; a print replaces it. `bump` is the depth of a fine noise relief."""
    material = bpy.data.materials.new(name)
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = nodes["Principled BSDF"]
    values: dict[str, Any] = {
        "Base Color": (*colour, 1),
        "Roughness": roughness,
        "Metallic": metallic,
        "Coat Weight": coat,
        "Coat Roughness": 0.08,
        "Anisotropic": anisotropy,
        "Subsurface Weight": translucent,
        "Subsurface Scale": 0.1,
    }
    for key, value in values.items():
        shader.inputs[key].default_value = value
    if print_rgb is not None:
        picture = nodes.new("ShaderNodeTexImage")
        picture.image, picture.extension = _image(name, print_rgb), "EXTEND"
        links.new(picture.outputs["Color"], shader.inputs["Base Color"])
    if bump:
        _relief(material, bump, bump_scale, bump_stretch)
    return material


def _relief(material: bpy.types.Material, depth: float, scale: float, stretch: tuple[float, float, float]) -> None:
    """Roughen the normal with noise in the object's own coordinates, so that it moves with the object."""
    nodes, links = material.node_tree.nodes, material.node_tree.links
    where, mapping = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeMapping")
    noise, bump = nodes.new("ShaderNodeTexNoise"), nodes.new("ShaderNodeBump")
    mapping.inputs["Scale"].default_value = stretch
    noise.inputs["Scale"].default_value = scale
    noise.inputs["Detail"].default_value = 4
    bump.inputs["Strength"].default_value = 1.0
    bump.inputs["Distance"].default_value = depth
    links.new(where.outputs["Object"], mapping.inputs["Vector"])
    links.new(mapping.outputs["Vector"], noise.inputs["Vector"])
    links.new(noise.outputs["Fac"], bump.inputs["Height"])
    links.new(bump.outputs["Normal"], nodes["Principled BSDF"].inputs["Normal"])


def clear(
    name: str,
    colour: Colour = (1, 1, 1),
    *,
    ior: float = 1.5,
    roughness: float = 0.0,
    shade: Colour | None = None,
    bump: float = 0.0,
    bump_scale: float = 6.0,
) -> bpy.types.Material:
    """Glass or clear plastic. Light reaches what lies behind through `shade`, a tinted transparent shadow,

    because caustics are off: refracted light paths would take thousands of samples to settle.
    """
    material = surface(name, colour, roughness=roughness, bump=bump, bump_scale=bump_scale)
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = nodes["Principled BSDF"]
    shader.inputs["Transmission Weight"].default_value = 1.0
    shader.inputs["IOR"].default_value = ior
    path, through, mix = (
        nodes.new("ShaderNodeLightPath"),
        nodes.new("ShaderNodeBsdfTransparent"),
        nodes.new("ShaderNodeMixShader"),
    )
    through.inputs["Color"].default_value = (*(shade or tuple(0.93 * c for c in colour)), 1)
    either = nodes.new("ShaderNodeMath")
    either.operation = "MAXIMUM"
    links.new(path.outputs["Is Shadow Ray"], either.inputs[0])
    links.new(path.outputs["Is Diffuse Ray"], either.inputs[1])
    links.new(either.outputs[0], mix.inputs["Fac"])
    links.new(shader.outputs["BSDF"], mix.inputs[1])
    links.new(through.outputs["BSDF"], mix.inputs[2])
    links.new(mix.outputs["Shader"], nodes["Material Output"].inputs["Surface"])
    return material
