"""Stomach, small bowel and colon of a person: where they run, and how they look on a slice.

Compartment and coordinates as in `organs`: x is negative on the patient's right, heights are stations, lengths mm.
"""

import numpy as np

from sarcopenia.phantom.bowel import Content, Loop, PeritonealSpace, lay_loops, smooth_path
from sarcopenia.phantom.canvas import Patch
from sarcopenia.phantom.fields import Array
from sarcopenia.phantom.scene import Person, Scene, Trait
from sarcopenia.phantom.shapes import ellipse, ellipsoid, length, smooth_min
from sarcopenia.phantom.thorax import Dome, within
from sarcopenia.phantom.tissues import AIR_HU
from sarcopenia.phantom.trunk import Outlines, cavity_box


def bowel_of(person: Person) -> tuple[Loop, ...]:
    """Small bowel, sigmoid colon and rectum of a person."""
    rng = np.random.default_rng([person.spec.seed, person.spec.scan_seed, 5])
    spine, scale = person.spine, person.scale
    stations = np.linspace(19.8, 13.3, 14)
    z = np.array([spine.z_of_station(s) for s in stations])
    boxes = [cavity_box(person, float(s), person.back_y_mm(float(h))) for s, h in zip(stations, z, strict=True)]
    narrow = np.interp(stations, (13.3, 14.5, 17, 19.8), (0.55, 0.66, 0.8, 0.75))
    space = PeritonealSpace(
        z,
        narrow * [box.half_width_mm for box in boxes],
        np.array([box.front_y_mm for box in boxes]) + 15 * scale,
        np.array([person.back_y_mm(float(h)) for h in z])
        - np.interp(stations, (13, 14, 16, 17, 19), (50, 36, 28, 34, 26)) * scale,
    )
    return (*lay_loops(space, rng, scale), _sigmoid(person, rng), _duodenum(person))


def _sigmoid(person: Person, rng: np.random.Generator) -> Loop:
    """From the left iliac fossa over the midline down in front of the sacrum."""
    spine, scale = person.spine, person.scale
    corners = np.array([(84, -22, 17.6), (70, -55, 18.8), (30, -50, 18.6), (-18, -38, 18.9), (0, 2, 19.4)])
    corners[1:4] += rng.normal(0, (12, 9, 0.25), (3, 3))
    end = spine.vertebrae[-1].centre_mm
    points = [(x * scale, y * scale, spine.z_of_station(station)) for x, y, station in corners]
    points.append((end[0], end[1] - 24 * scale, end[2]))
    return Loop(smooth_path(np.array(points)), 13.5 * scale, Content.FAECES)


def _duodenum(person: Person) -> Loop:
    """Lay the C around the head of the pancreas and the crossing under the upper mesenteric vessels."""
    corners = [(-22, -72, 12.9), (-44, -58, 13.2), (-46, -42, 14.2), (-36, -38, 15.0), (2, -42, 15.1), (32, -52, 14.0)]
    spine, scale = person.spine, person.scale
    heights = [spine.z_of_station(station) for *_, station in corners]
    points = [(x * scale, person.back_y_mm(z) + y * scale, z) for (x, y, _), z in zip(corners, heights, strict=True)]
    return Loop(smooth_path(np.array(points)), 11.5 * scale, Content.COLLAPSED)


def paint_loops(scene: Scene, outlines: Outlines, dome: Dome | None) -> None:
    """Duodenum, small bowel, sigmoid colon and rectum."""
    room = within(outlines, dome, 3.0)
    for loop in scene.person.loops:
        near = loop.near(scene.z_mm)
        if not len(near):
            continue
        low, high = near[:, :2].min(axis=0), near[:, :2].max(axis=0)
        middle, half = (low + high) / 2, (high - low) / 2 + loop.radius_mm + 4
        patch = scene.canvas.patch((float(middle[0]), float(middle[1])), (float(half[0]), float(half[1])))
        if patch is not None:
            uneven = 1.6 * patch.cut(scene.texture.outline) + 0.8 * patch.cut(scene.texture.strand)
            distance = loop.distance(patch.x_mm_yx, patch.y_mm_yx, scene.z_mm) + uneven
            front = float(low[1] - 0.3 * loop.radius_mm)
            _paint_content(scene, patch, np.maximum(distance, patch.cut(room)), loop.content, front)


def paint_colon(scene: Scene, outlines: Outlines, dome: Dome | None) -> None:
    """Ascending, transverse and descending colon with haustra, faeces and gas."""
    scale, trait = scene.person.scale, scene.person.trait(Trait.COLON)
    half_width, back = outlines.box.half_width_mm, outlines.box.back_y_mm
    whole, room = scene.canvas.whole, within(outlines, dome, 3.5)
    sag = scene.height_over(14.2 + 0.3 * trait) + 34 * scale * (1 - (whole.x_mm_yx / half_width) ** 2) - 20
    if 11.8 < scene.station < 16.8:
        front = whole.y_mm_yx - outlines.box.front_y_mm - 25 * scale
        across = length(front, sag) - (18 + 1.5 * trait) * scale + 4 * scene.texture.loops
        region = np.maximum(across, np.abs(whole.x_mm_yx) - half_width + 22)
        gas_line = outlines.box.front_y_mm + (26 + 6 * trait) * scale
        _paint_content(scene, whole, np.maximum(region + 2 * scene.texture.outline, room), Content.FAECES, gas_line)
    for side, radius, last in ((-1, (21 + 2 * trait) * scale, 17.8), (1, (13 - 1.5 * trait) * scale, 18.2)):
        if not 12.6 < scene.station < last:
            continue
        centre = (side * (half_width - radius - 5 * scale), back - (40 if side < 0 else 34) * scale)
        if patch := scene.canvas.patch(centre, (radius + 12, radius + 12)):
            distance = ellipse(patch.x_mm_yx - centre[0], patch.y_mm_yx - centre[1], radius, radius * 1.12)
            distance = distance + 2.5 * patch.cut(scene.texture.outline) + 2 * patch.cut(scene.texture.loops)
            content = Content.FAECES if side < 0 or trait > -0.3 else Content.COLLAPSED
            _paint_content(scene, patch, np.maximum(distance, patch.cut(room)), content, centre[1] - 0.6 * radius)


def _paint_content(scene: Scene, patch: Patch, distance: Array, content: Content, gas_line_y_mm: float) -> None:
    """Bowel wall, then what is inside it; gas collects in front of ``gas_line_y_mm``."""
    texture = scene.texture
    grain, strand, wide = (patch.cut(t) for t in (texture.grain, texture.strand, texture.outline))
    patch.paint(distance, scene.hu.bowel_wall + 5 * grain)
    if content is Content.COLLAPSED:
        patch.paint(
            distance + 3.0, scene.hu.fluid + 0.55 * (scene.hu.bowel_wall - scene.hu.fluid) + 9 * strand + 5 * grain
        )
    elif content is Content.FLUID:
        patch.paint(distance + 2.0, scene.hu.fluid + 5 + 4 * strand)
    elif content is Content.GAS:
        patch.paint(
            distance + 1.8,
            np.where(patch.y_mm_yx < gas_line_y_mm + 14, np.float32(AIR_HU), np.float32(scene.hu.fluid + 8)),
        )
    else:
        bubbles = np.clip((grain + 0.5 * strand - 0.7) * 2.5, 0, 1)
        patch.paint(distance + 2.0, (35 + 18 * strand) * (1 - bubbles) - 550 * bubbles)
        patch.paint(np.maximum(distance + 1.8, patch.y_mm_yx - gas_line_y_mm - 10 * wide), AIR_HU)


def paint_stomach(scene: Scene, outlines: Outlines, dome: Dome | None) -> None:
    """Fundus and body of the stomach with fluid and, in front, gas."""
    scale, trait = scene.person.scale, scene.person.trait(Trait.STOMACH)
    upper, lower = scene.height_over(10.9), scene.height_over(12.6 + 0.3 * trait)
    whole = scene.canvas.whole
    x, y = whole.x_mm_yx / scale, whole.y_mm_yx / scale
    if not lower > -60 or upper > 60:
        return
    size = 1 + 0.12 * trait
    fundus = ellipsoid((x - 58, y + 22, upper / scale), (36 * size, 40 * size, 46))
    body = ellipsoid((x - 30, y + 52, lower / scale), (48 * size, 24 * size, 34))
    distance = smooth_min(fundus, body, 15) * scale + 2 * scene.texture.outline
    distance = np.maximum(distance, within(outlines, dome, 5.0))
    whole.paint(distance, scene.hu.bowel_wall)
    gas = whole.y_mm_yx < -48 * scale + 12 * trait
    whole.paint(
        distance + 3.5, np.where(gas, AIR_HU, scene.hu.fluid + 20 + 10 * scene.texture.strand).astype(np.float32)
    )
