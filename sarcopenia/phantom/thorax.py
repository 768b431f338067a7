"""The chest's part of the visceral cavity: diaphragm, lungs, mediastinum and heart.

Compartment and coordinates as in `organs`: x is negative on the patient's right, heights are stations, lengths mm.
"""

from dataclasses import dataclass

import numpy as np

from sarcopenia.phantom.fields import Array
from sarcopenia.phantom.scene import Scene, Trait
from sarcopenia.phantom.shapes import ellipse, ellipsoid, length, rotate, smooth_min
from sarcopenia.phantom.tissues import LUNG_HU
from sarcopenia.phantom.trunk import Outlines


@dataclass(frozen=True)
class Dome:
    """The diaphragm on one slice: ``lung_yx`` negative inside a lung, ``abdomen_yx`` negative below the diaphragm."""

    lung_yx: Array
    abdomen_yx: Array


def diaphragm(scene: Scene, outlines: Outlines, heart_yx: Array) -> Dome:
    """Two paraboloid domes; the lung is outside and above them, down to the recess behind."""
    spine, whole, box = scene.person.spine, scene.canvas.whole, outlines.box
    x = whole.x_mm_yx - scene.axis_x_mm * 0.6 + 2 * scene.texture.outline
    y = whole.y_mm_yx - (0.62 * box.front_y_mm + 0.38 * box.back_y_mm)
    lift = 0.3 * scene.person.trait(Trait.DOME)
    tops = (spine.z_of_station(9.2 - lift), spine.z_of_station(9.7 - lift))
    height = tops[0] - spine.z_of_station(12.5)
    depth = (box.back_y_mm - box.front_y_mm) * 0.62
    sides = [((x - s * box.half_width_mm * 0.5) / (box.half_width_mm * 0.55)) ** 2 for s in (-1, 1)]
    domes = [top - height * (side + (y / depth) ** 2) for top, side in zip(tops, sides, strict=True)]
    tendon = tops[1] - 8 - height * ((x / (box.half_width_mm * 0.6)) ** 2 + (y / depth) ** 2)
    above = (np.maximum.reduce([*domes, tendon]) - scene.z_mm) * 0.7
    middle = np.minimum(_mediastinum(scene, box.front_y_mm), heart_yx - 7)
    return Dome(np.maximum.reduce([outlines.cavity_yx + 2.5, above, -middle]), -above)


def _mediastinum(scene: Scene, front_y_mm: float) -> Array:
    """Fat around the vessels in front of the spine and behind the sternum."""
    x, y, scale = scene.canvas.whole.x_mm_yx, scene.canvas.whole.y_mm_yx, scene.person.scale
    behind = ellipse(x - scene.axis_x_mm, y - scene.axis_y_mm + 20 * scale, 36 * scale, 44 * scale)
    front = ellipse(x - 5, y - front_y_mm - 10 * scale, 34 * scale, 26 * scale)
    return smooth_min(behind, front, 20.0) + 2 * scene.texture.outline


def heart_distance(scene: Scene) -> Array:
    """Distance to the heart, which rests on the diaphragm."""
    whole, scale = scene.canvas.whole, scene.person.scale
    dz = scene.height_over(8.2) / scale
    x, y = rotate(whole.x_mm_yx / scale - 22, whole.y_mm_yx / scale + 62, 25)
    return ellipsoid((x, y, dz), (58, 44, 52)) * scale + 2 * scene.texture.outline


def paint_lungs(scene: Scene, dome: Dome) -> None:
    """Lungs with their vessels."""
    whole, texture = scene.canvas.whole, scene.texture
    whole.paint(dome.lung_yx, LUNG_HU + 25 * texture.grain)
    tubes = np.clip(1.2 - length(texture.vessel_a, texture.vessel_b) * 4, 0, 1)
    whole.blend(tubes * np.clip(-dome.lung_yx / 3, 0, 1), scene.hu.vein)


def within(outlines: Outlines, dome: Dome | None, margin_mm: float) -> Array:
    """Negative inside the abdominal cavity, ``margin_mm`` away from its wall and from the diaphragm."""
    inside = outlines.cavity_yx + margin_mm
    return inside if dome is None else np.maximum(inside, dome.abdomen_yx + 1.0)
