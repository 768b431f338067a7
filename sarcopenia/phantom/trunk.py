"""Outlines of the trunk (cavity, muscle wall, skin), its fat, and the muscles of the abdominal wall.

Everything is tabulated along the station axis (12 = T12 … 18 = S1) for a man of 1.75 m, in mm, then scaled.
Angles run from 0 at the linea alba over π/2 at the flank to π at the back.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.results import Compartment
from sarcopenia.domain.volume import Sex
from sarcopenia.phantom.fields import Array
from sarcopenia.phantom.muscles import around_spine, back_outline
from sarcopenia.phantom.pelvis import Pelvis
from sarcopenia.phantom.scene import Person, Scene, Trait
from sarcopenia.phantom.shapes import length, smooth_min, superellipse

_STATION = np.array([6, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22], dtype=float)
_CAVITY_HALF_WIDTH = np.array([112, 124, 126, 124, 121, 117, 113, 110, 108, 103, 95, 82, 70, 62, 58], dtype=float)
_CAVITY_FRONT = np.array([-128, -124, -116, -108, -99, -90, -82, -76, -73, -73, -76, -80, -82, -80, -78], dtype=float)
_CAVITY_BACK = np.array([50, 50, 50, 50, 49, 47, 43, 38, 32, 24, 14, 20, 28, 30, 30], dtype=float)
_BACK_DEPTH = np.array([52, 55, 59, 62, 66, 70, 74, 77, 79, 78, 72, 66, 62, 60, 58], dtype=float)
_VISCERAL_BULGE = np.array([0.2, 0.3, 0.5, 0.65, 0.8, 0.95, 1, 1, 0.95, 0.8, 0.55, 0.35, 0.2, 0.1, 0.1])
_FLANK_FAT = np.array([0.6, 0.6, 0.6, 0.65, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.35, 1.5, 1.6, 1.6, 1.6])
_FRONT_FAT = np.array([0.5, 0.5, 0.55, 0.6, 0.7, 0.8, 0.95, 1.05, 1.2, 1.3, 1.3, 1.2, 1.1, 1, 1])
_BACK_FAT = np.array([0.7, 0.6, 0.55, 0.55, 0.6, 0.7, 0.85, 1, 1.25, 1.4, 1.4, 1.4, 1.5, 1.6, 1.6])
_HIP_HALF_WIDTH = np.array([0, 0, 0, 0, 0, 0, 0, 0, 126, 143, 149, 154, 160, 166, 170], dtype=float)

_ANGLE = np.array([0, 0.08, 0.2, 0.5, 0.75, 0.9, 1.15, 1.6, 2.0, 2.3, 2.6, 3.15])
_WALL_STATION = np.array([8, 10, 12, 13, 14, 15, 16, 17, 18, 20, 22], dtype=float)
_WALL = np.array(
    [
        [10, 11, 13, 15, 15, 14, 13, 14, 18, 19, 12, 10],
        [4, 6, 10, 11, 11, 11, 12, 13, 17, 17, 10, 9],
        [3, 5, 9, 10, 10, 10, 13, 14, 15, 15, 9, 8],
        [3, 5, 9, 10, 9, 10, 15, 16, 14, 12, 7, 7],
        [3, 5, 10, 11, 8, 8, 15, 19, 16, 9, 5, 4],
        [3, 5, 10, 11, 7, 7, 16, 22, 18, 10, 4, 3],
        [3, 5, 10.5, 11.5, 7, 7, 16, 23, 18, 9, 3, 2],
        [3, 6, 11, 12, 7, 8, 13, 13, 7, 2, 1, 1],
        [3, 7, 12, 12, 7, 7, 5, 1, 0, 0, 0, 0],
        [4, 9, 14, 12, 8, 6, 2, 0, 0, 0, 0, 0],
        [5, 11, 15, 12, 8, 6, 2, 0, 0, 0, 0, 0],
    ],
    dtype=float,
)


@dataclass(frozen=True)
class Box:
    """Half width, front and back border (y) of an outline at one height, mm."""

    half_width_mm: float
    front_y_mm: float
    back_y_mm: float


@dataclass(frozen=True)
class Outlines:
    """Signed distances (mm, negative inside) of one slice and the polar angle around the cavity's centre."""

    cavity_yx: Array
    angle_yx: Array
    wall_thickness_yx: Array
    box: Box


def along(station: float, table: NDArray[np.float64]) -> float:
    """Value of a table along the station axis of this module."""
    return float(np.interp(station, _STATION, table))


def cavity_box(person: Person, station: float, back_y_mm: float) -> Box:
    """Size of the cavity at a station; ``back_y_mm`` is the spine's position there."""
    scale = person.scale
    bulge = along(station, _VISCERAL_BULGE) * (person.spec.visceral_fat - 0.4)
    return Box(
        scale * (along(station, _CAVITY_HALF_WIDTH) + 15 * bulge),
        scale * (along(station, _CAVITY_FRONT) - 34 * bulge),
        back_y_mm + person.spec.skeleton_scale * along(station, _CAVITY_BACK),
    )


def cavity_outlines(scene: Scene, pelvis: Pelvis | None) -> Outlines:
    """Outline of the visceral cavity (before the muscles at the back bulge into it) and the wall around it."""
    box = cavity_box(scene.person, scene.station, scene.back_y_mm)
    middle = (box.front_y_mm + box.back_y_mm) / 2
    x, y = scene.canvas.whole.x_mm_yx - scene.axis_x_mm * 0.6, scene.canvas.whole.y_mm_yx - middle
    distance = superellipse(x, y, box.half_width_mm, (box.back_y_mm - box.front_y_mm) / 2, 2.25)
    distance = distance + 1.5 * scene.texture.outline
    if pelvis is not None:
        distance = smooth_min(distance, pelvis.between_yx, 10.0)
    if scene.station < 17:
        distance = np.maximum(distance, -around_spine(scene, scene.canvas.whole))
    angle = np.arctan2(np.abs(x), -y)
    row = _wall_row(scene.station) * scene.person.scale * scene.person.spec.muscle_scale
    thickness = np.interp(angle, _ANGLE, row).astype(np.float32)
    return Outlines(distance, angle, np.maximum(thickness, 0.8), box)


def _wall_row(station: float) -> NDArray[np.float64]:
    return np.array([np.interp(station, _WALL_STATION, column) for column in _WALL.T])


def skin_box(person: Person, station: float, axis_y_mm: float, back_y_mm: float) -> Box:
    """Size of the body at a station: cavity, wall and fat; at the hips the gluteals; never without the sacrum."""
    spec, scale = person.spec, person.scale
    fat, female = spec.subcutaneous_mm, spec.sex is Sex.FEMALE
    cavity = cavity_box(person, station, back_y_mm)
    flank_wall = float(np.interp(1.6, _ANGLE, _wall_row(station))) * scale * spec.muscle_scale
    hips = scale * along(station, _HIP_HALF_WIDTH) * (1.04 if female else 1.0)
    depth = spec.skeleton_scale * along(station, _BACK_DEPTH) + fat * along(station, _BACK_FAT)
    return Box(
        max(cavity.half_width_mm + flank_wall, hips) + fat * along(station, _FLANK_FAT),
        cavity.front_y_mm - 11 * scale - fat * along(station, _FRONT_FAT) * (1.1 if female else 0.9),
        max(back_y_mm + depth, axis_y_mm + 32 * spec.skeleton_scale + 0.7 * fat),
    )


def body_boxes(person: Person) -> tuple[Box, ...]:
    """Size of the body at every vertebra, from head to feet."""
    places = ((v.station, v.centre_mm) for v in person.spine.vertebrae)
    return tuple(skin_box(person, s, float(c[1]), person.back_y_mm(float(c[2]))) for s, c in places)


def skin_distance(scene: Scene, wall_yx: Array) -> Array:
    """Distance to the skin: a rounded hull that keeps a layer of fat over the muscle wall."""
    box = skin_box(scene.person, scene.station, scene.axis_y_mm, scene.back_y_mm)
    fat = scene.person.spec.subcutaneous_mm
    power = float(np.clip(2.85 - 0.015 * fat, 2.35, 2.75))
    middle, half_depth = (box.front_y_mm + box.back_y_mm) / 2, (box.back_y_mm - box.front_y_mm) / 2
    x, y = scene.canvas.whole.x_mm_yx - scene.axis_x_mm * 0.6, scene.canvas.whole.y_mm_yx
    hull = superellipse(x, y - middle, box.half_width_mm, half_depth, power) + scene.texture.outline
    furrow = 5 * np.exp(-((x / 13) ** 2)) * (y > scene.back_y_mm + 30)
    furrow = furrow + _navel_depth_mm(scene) * np.exp(-((x / 4.5) ** 2)) * (y < box.front_y_mm + 40)
    return smooth_min(hull + furrow, wall_yx - (3 + 0.35 * fat), 12.0)


def _navel_depth_mm(scene: Scene) -> float:
    """How far the navel, between L3 and L5, pulls the skin in."""
    share = 1 - abs(scene.station - 16.0 - 0.25 * scene.person.trait(Trait.NAVEL)) / 0.4
    return max(0.0, share) * (4 + 0.9 * scene.person.spec.subcutaneous_mm)


def paint_skin_and_fat(scene: Scene, skin_yx: Array) -> None:
    """Skin, subcutaneous fat and its thin septa."""
    whole, hu, texture = scene.canvas.whole, scene.hu, scene.texture
    whole.paint(skin_yx, hu.skin, Compartment.SUBCUTANEOUS)
    fat = hu.fat + 3 * texture.grain + 3 * texture.strand
    whole.paint(skin_yx + 2.0, fat, Compartment.SUBCUTANEOUS)
    septa = np.clip(1 - np.abs(texture.strand + 0.6 * texture.outline) * 9, 0, 1) * np.clip(-skin_yx - 3, 0, 1)
    whole.blend(0.3 * septa, 20.0)


def wall_distance(scene: Scene, outlines: Outlines, pelvis: Pelvis | None) -> Array:
    """Distance to the outer fascia of all muscles of the trunk; gaps between them are bridged, more so at the chest."""
    bridge = float(np.interp(scene.station, (11, 13, 14.5, 16), (34, 26, 18, 12)))
    wall = smooth_min(outlines.cavity_yx - outlines.wall_thickness_yx, back_outline(scene), bridge)
    if pelvis is None:
        return wall
    parts = np.minimum.reduce([pelvis.gluteal_yx, pelvis.iliacus_yx, pelvis.bone_yx]) - 1.5
    return smooth_min(wall, parts, 10.0)


def paint_wall(scene: Scene, outlines: Outlines, wall_yx: Array) -> None:
    """Fill the wall with fat, then lay the flat muscles of the flank, the rectus and the latissimus into it."""
    whole, hu = scene.canvas.whole, scene.hu
    whole.paint(wall_yx, hu.fat + 3 * scene.texture.grain, Compartment.MUSCLE_WALL)
    depth, thickness = outlines.cavity_yx, outlines.wall_thickness_yx
    scene.muscle(whole, np.maximum(0.6 - depth, depth - thickness + 0.6), 0.5)
    sheet = float(np.interp(scene.station, (8, 11, 13, 14.5, 15), (9, 8, 5.5, 3, 0))) * scene.person.spec.muscle_scale
    if sheet > 0:
        latissimus = np.maximum(wall_yx + 0.8, -wall_yx - 0.8 - sheet)
        scene.muscle(whole, np.maximum(latissimus, (1.75 - outlines.angle_yx) * 40), 0.6)
    whole.blend(_fat_planes(scene, depth / thickness, outlines), hu.fat)


def _fat_planes(scene: Scene, layer: Array, outlines: Outlines) -> Array:
    """Share of fat between external oblique, internal oblique and transversus, and beside the rectus."""
    station, angle = scene.station, outlines.angle_yx
    flank = np.clip((angle - 0.85) * 6, 0, 1) * np.clip((2.25 - angle) * 5, 0, 1) * (11.5 < station < 17.6)
    wavy = layer + 0.05 * scene.texture.outline
    whole, thickness = scene.canvas.whole, outlines.wall_thickness_yx
    planes = sum(whole.sheet_cover((wavy - at) * thickness, 0.65) for at in (0.27, 0.62))
    edge = np.clip(1 - np.abs(angle - 0.82) / 0.05, 0, 1) * (12 < station < 17.5)
    inside = (layer > 0.04) & (layer < 0.96)
    share = flank * planes * np.clip(0.55 + 0.35 * scene.texture.loops, 0.1, 0.9)
    return np.asarray(np.clip(share + 0.8 * edge, 0, 0.85) * inside)


def paint_cavity(scene: Scene, outlines: Outlines) -> None:
    """Fill the cavity with visceral fat crossed by small vessels."""
    whole, texture = scene.canvas.whole, scene.texture
    whole.paint(outlines.cavity_yx, scene.hu.fat + 4 + 5 * texture.grain, Compartment.VISCERAL_CAVITY)
    strands = np.clip(1.3 - length(texture.vessel_a, texture.vessel_b) * 3.6, 0, 1)
    whole.blend(0.75 * strands * np.clip(-outlines.cavity_yx / 6 - 0.5, 0, 1), scene.hu.vein)
