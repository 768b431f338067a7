"""What lies in the visceral cavity: lungs, liver, spleen, kidneys, stomach, bowel, pancreas, heart, vessels, crura.

All of it keeps the compartment *visceral cavity*; only the HU change. x is negative on the patient's right. Heights are
given as stations (12 = T12 … 18 = S1), lengths in mm for a man of 1.75 m.
"""

from dataclasses import dataclass

import numpy as np

from sarcopenia.domain.results import Compartment
from sarcopenia.phantom.bowel import Content, Loop, PeritonealSpace, lay_loops, smooth_path
from sarcopenia.phantom.canvas import Patch
from sarcopenia.phantom.fields import Array
from sarcopenia.phantom.scene import Person, Scene
from sarcopenia.phantom.shapes import ellipse, ellipsoid, length, rotate, smooth_max, smooth_min
from sarcopenia.phantom.tissues import AIR_HU, LUNG_HU
from sarcopenia.phantom.trunk import Outlines, cavity_box

_CAVITY = Compartment.VISCERAL_CAVITY

# Trait numbers: which random number of the person moves what.
_DOME, _LIVER, _KIDNEY_L, _KIDNEY_R, _SPLEEN, _STOMACH, _COLON, _PANCREAS, _GALLBLADDER = range(9)


@dataclass(frozen=True)
class Dome:
    """The diaphragm on one slice: ``lung_yx`` negative inside a lung, ``abdomen_yx`` negative below the diaphragm."""

    lung_yx: Array
    abdomen_yx: Array


def diaphragm(scene: Scene, outlines: Outlines, heart_yx: Array) -> Dome:
    """Two paraboloid domes; the lung is outside and above them, down to the recess behind."""
    spine, whole, trait, box = scene.person.spine, scene.canvas.whole, scene.person.traits, outlines.box
    x = whole.x_mm_yx - scene.axis_x_mm * 0.6 + 2 * scene.texture.outline
    y = whole.y_mm_yx - (0.62 * box.front_y_mm + 0.38 * box.back_y_mm)
    lift = 0.3 * trait[_DOME]
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


def paint_organs(scene: Scene, outlines: Outlines) -> None:
    """All organs, from the back layer to the front layer of painting."""
    heart = _heart(scene)
    dome = diaphragm(scene, outlines, heart) if scene.station < 13.2 else None
    _paint_loops(scene, outlines, dome)
    _paint_colon(scene, outlines, dome)
    _paint_pancreas(scene)
    for side in (-1, 1):
        _paint_kidney(scene, outlines, side)
    _paint_stomach(scene, outlines, dome)
    _paint_liver(scene, outlines, dome)
    _paint_spleen(scene, outlines, dome)
    _paint_gallbladder(scene, outlines)
    _paint_bladder(scene, outlines)
    if dome is not None:
        scene.canvas.whole.paint(np.maximum(heart, outlines.cavity_yx + 4), scene.hu.heart + 4 * scene.texture.strand)
        _paint_lungs(scene, dome)


def _paint_lungs(scene: Scene, dome: Dome) -> None:
    whole, texture = scene.canvas.whole, scene.texture
    whole.paint(dome.lung_yx, LUNG_HU + 25 * texture.grain)
    tubes = np.clip(1.2 - length(texture.vessel_a, texture.vessel_b) * 4, 0, 1)
    whole.blend(tubes * np.clip(-dome.lung_yx / 3, 0, 1), scene.hu.vein)


def _heart(scene: Scene) -> Array:
    """Distance to the heart, which rests on the diaphragm."""
    whole, scale = scene.canvas.whole, scene.person.scale
    dz = _height(scene, 8.2) / scale
    x, y = rotate(whole.x_mm_yx / scale - 22, whole.y_mm_yx / scale + 62, 25)
    return ellipsoid((x, y, dz), (58, 44, 52)) * scale + 2 * scene.texture.outline


def _height(scene: Scene, station: float) -> float:
    """Height of this slice above a station, mm."""
    return scene.z_mm - scene.person.spine.z_of_station(station)


def _within(outlines: Outlines, dome: Dome | None, margin_mm: float) -> Array:
    """Negative inside the abdominal cavity, ``margin_mm`` away from its wall and from the diaphragm."""
    inside = outlines.cavity_yx + margin_mm
    return inside if dome is None else np.maximum(inside, dome.abdomen_yx + 1.0)


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


def _paint_loops(scene: Scene, outlines: Outlines, dome: Dome | None) -> None:
    within = _within(outlines, dome, 3.0)
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
            _paint_content(scene, patch, np.maximum(distance, patch.cut(within)), loop.content, front)


def _paint_colon(scene: Scene, outlines: Outlines, dome: Dome | None) -> None:
    """Ascending, transverse and descending colon with haustra, faeces and gas."""
    scale, trait = scene.person.scale, scene.person.traits[_COLON]
    half_width, back = outlines.box.half_width_mm, outlines.box.back_y_mm
    whole, within = scene.canvas.whole, _within(outlines, dome, 3.5)
    sag = _height(scene, 14.2 + 0.3 * trait) + 34 * scale * (1 - (whole.x_mm_yx / half_width) ** 2) - 20
    if 11.8 < scene.station < 16.8:
        front = whole.y_mm_yx - outlines.box.front_y_mm - 25 * scale
        across = length(front, sag) - (18 + 1.5 * trait) * scale + 4 * scene.texture.loops
        region = np.maximum(across, np.abs(whole.x_mm_yx) - half_width + 22)
        gas_line = outlines.box.front_y_mm + (26 + 6 * trait) * scale
        _paint_content(scene, whole, np.maximum(region + 2 * scene.texture.outline, within), Content.FAECES, gas_line)
    for side, radius, last in ((-1, (21 + 2 * trait) * scale, 17.8), (1, (13 - 1.5 * trait) * scale, 18.2)):
        if not 12.6 < scene.station < last:
            continue
        centre = (side * (half_width - radius - 5 * scale), back - (40 if side < 0 else 34) * scale)
        if patch := scene.canvas.patch(centre, (radius + 12, radius + 12)):
            distance = ellipse(patch.x_mm_yx - centre[0], patch.y_mm_yx - centre[1], radius, radius * 1.12)
            distance = distance + 2.5 * patch.cut(scene.texture.outline) + 2 * patch.cut(scene.texture.loops)
            content = Content.FAECES if side < 0 or trait > -0.3 else Content.COLLAPSED
            _paint_content(scene, patch, np.maximum(distance, patch.cut(within)), content, centre[1] - 0.6 * radius)


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


def _paint_stomach(scene: Scene, outlines: Outlines, dome: Dome | None) -> None:
    scale, trait = scene.person.scale, scene.person.traits[_STOMACH]
    upper, lower = _height(scene, 10.9), _height(scene, 12.6 + 0.3 * trait)
    whole = scene.canvas.whole
    x, y = whole.x_mm_yx / scale, whole.y_mm_yx / scale
    if not lower > -60 or upper > 60:
        return
    size = 1 + 0.12 * trait
    fundus = ellipsoid((x - 58, y + 22, upper / scale), (36 * size, 40 * size, 46))
    body = ellipsoid((x - 30, y + 52, lower / scale), (48 * size, 24 * size, 34))
    distance = smooth_min(fundus, body, 15) * scale + 2 * scene.texture.outline
    distance = np.maximum(distance, _within(outlines, dome, 5.0))
    whole.paint(distance, scene.hu.bowel_wall)
    gas = whole.y_mm_yx < -48 * scale + 12 * trait
    whole.paint(
        distance + 3.5, np.where(gas, AIR_HU, scene.hu.fluid + 20 + 10 * scene.texture.strand).astype(np.float32)
    )


def _paint_liver(scene: Scene, outlines: Outlines, dome: Dome | None) -> None:
    """Right lobe down to L2 or L3, left lobe in front of the stomach, veins inside."""
    if not 8.5 < scene.station < 16:
        return
    scale, trait, whole = scene.person.scale, scene.person.traits[_LIVER], scene.canvas.whole
    x, y = whole.x_mm_yx / scale, whole.y_mm_yx / scale
    lower_edge = _height(scene, 14.3 + 0.4 * trait) / scale
    bottom = (0.62 * (x + 110) + 0.15 * y - lower_edge) * 0.8 * scale
    rise = float(np.clip(_height(scene, 12.9 + 0.2 * trait) / 70, -0.6, 1))
    edge = -12 + 62 * rise - (0.55 + 0.2 * rise) * (y - outlines.box.front_y_mm / scale - 30)
    medial = (x - edge + 0.006 * (y - outlines.box.front_y_mm / scale - 45) ** 2) * 0.75 * scale
    behind = 36 * scale - length(whole.x_mm_yx - scene.axis_x_mm - 8, whole.y_mm_yx - scene.axis_y_mm)
    behind = smooth_max(behind, _kidney_bed(scene), 8.0)
    shape = smooth_max(smooth_max(bottom, medial, 14.0), behind, 10.0)
    shape = shape + 5 * scene.texture.outline + 1.5 * scene.texture.loops + 9 * scene.texture.warp_x
    distance = np.maximum(shape, _within(outlines, dome, 3.5))
    whole.paint(distance, scene.hu.liver + 2 * scene.texture.grain)
    veins = np.clip(1.4 - length(scene.texture.vessel_a, scene.texture.loops) * 5, 0, 1)
    whole.blend(veins * np.clip(-distance / 5 - 0.6, 0, 1), scene.hu.vein)


def _kidney_bed(scene: Scene) -> Array:
    """Positive where the right kidney pushes into the liver."""
    scale, x, y = scene.person.scale, scene.canvas.whole.x_mm_yx, scene.canvas.whole.y_mm_yx
    dz = _height(scene, 13.75 + 0.25 * scene.person.traits[_KIDNEY_R]) / scale
    centre_x, centre_y = scene.axis_x_mm - (62 - 0.22 * dz) * scale, scene.back_y_mm
    return -ellipsoid((x - centre_x, y - centre_y, dz), (36 * scale, 40 * scale, 62.0))


def _paint_spleen(scene: Scene, outlines: Outlines, dome: Dome | None) -> None:
    scale, trait = scene.person.scale, scene.person.traits[_SPLEEN]
    centre = (outlines.box.half_width_mm - 26 * scale, outlines.box.back_y_mm - 52 * scale)
    patch = scene.canvas.patch(centre, (50, 70))
    dz = _height(scene, 11.4) / scale
    if patch is None or abs(dz) > 75:
        return
    x, y = rotate((patch.x_mm_yx - centre[0]) / scale, (patch.y_mm_yx - centre[1]) / scale, -18)
    size = 1 + 0.1 * trait
    distance = ellipsoid((x, y, dz), (26 * size, 48 * size, 52 * size)) * scale + 2 * patch.cut(scene.texture.outline)
    distance = np.maximum(distance, patch.cut(_within(outlines, dome, 3.5)))
    patch.paint(distance, scene.hu.spleen + 2 * patch.cut(scene.texture.grain))


def _paint_kidney(scene: Scene, outlines: Outlines, side: int) -> None:
    """Cortex, medulla as pyramids, fat and vessels in the sinus."""
    scale, trait = scene.person.scale, scene.person.traits[_KIDNEY_L if side > 0 else _KIDNEY_R]
    dz = _height(scene, (13.3 if side > 0 else 13.75) + 0.25 * trait) / scale
    fat = min(scene.person.spec.visceral_fat, 2.0)
    lean = -0.22 * dz
    centre = (scene.axis_x_mm + side * (62 + 5 * fat + lean) * scale, scene.back_y_mm - (3 + 6 * fat) * scale)
    patch = scene.canvas.patch(centre, (48, 48))
    if patch is None or abs(dz) > 62:
        return
    x, y = rotate(side * (patch.x_mm_yx - centre[0]) / scale, (patch.y_mm_yx - centre[1]) / scale, 35)
    size = 1 + 0.06 * trait
    distance = ellipsoid((x, y, dz), (25 * size, 29.5 * size, 54 * size)) * scale + patch.cut(scene.texture.outline)
    sinus = ellipsoid((x + 16, y + 3, dz), (18, 8, 20)) * scale + 1.5 * patch.cut(scene.texture.strand)
    inside = patch.cut(outlines.cavity_yx) + 2
    patch.paint(np.maximum(distance - 4 - 3 * fat, inside), scene.hu.fat + 4 * patch.cut(scene.texture.grain))
    whole = np.maximum.reduce([distance, -sinus, inside])
    patch.paint(whole, scene.hu.kidney_cortex)
    pyramids = np.maximum(whole + 7, 2.5 * patch.cut(scene.texture.strand) - 0.5)
    patch.paint(pyramids, scene.hu.kidney_medulla)
    vessel = length(y + 3, 1.2 * dz) - 5
    patch.paint(np.maximum.reduce([vessel, x - 4, -(x + 44), inside]) * scale, scene.hu.vein)


def _paint_gallbladder(scene: Scene, outlines: Outlines) -> None:
    """Gallbladder under the right lobe of the liver."""
    scale, trait = scene.person.scale, scene.person.traits[_GALLBLADDER]
    centre = (-48 * scale, outlines.box.front_y_mm + (44 + 6 * trait) * scale)
    dz = _height(scene, 13.4 + 0.25 * trait)
    patch = scene.canvas.patch(centre, (24, 34))
    if patch is None or abs(dz) > 32:
        return
    x, y = rotate(patch.x_mm_yx - centre[0], patch.y_mm_yx - centre[1], 25)
    distance = ellipsoid((x, y, dz), (13 * scale, 21 * scale, 27)) + patch.cut(scene.texture.outline)
    distance = np.maximum(distance, patch.cut(outlines.cavity_yx) + 3)
    patch.paint(distance, scene.hu.bowel_wall)
    patch.paint(distance + 1.5, scene.hu.fluid - 4)


def _paint_bladder(scene: Scene, outlines: Outlines) -> None:
    """Urinary bladder behind the pubic bones, and the uterus or seminal vesicles behind it."""
    scale = scene.person.scale
    dz = _height(scene, 21.6)
    if dz > 60:
        return
    whole, y = scene.canvas.whole, scene.canvas.whole.y_mm_yx - scene.back_y_mm
    organ = ellipsoid((whole.x_mm_yx, y + 34 * scale, dz - 4), (26 * scale, 18 * scale, 40))
    inside = outlines.cavity_yx + 3
    whole.paint(
        np.maximum(organ + 2 * scene.texture.outline, inside), scene.hu.muscle + 0.4 * (scene.hu.bowel_wall - 36)
    )
    distance = ellipsoid((whole.x_mm_yx, y + 72 * scale, dz), (42 * scale, 30 * scale, 45)) + scene.texture.outline
    distance = np.maximum(distance, inside)
    whole.paint(distance, scene.hu.bowel_wall)
    whole.paint(distance + 3, scene.hu.fluid - 6)


def _paint_pancreas(scene: Scene) -> None:
    """Pancreas: a lobulated band from the duodenum over the aorta to the spleen."""
    scale, trait = scene.person.scale, scene.person.traits[_PANCREAS]
    dz = _height(scene, 13.3 + 0.15 * trait) / scale
    patch = scene.canvas.patch((scene.axis_x_mm + 15, scene.back_y_mm - 48), (75, 50))
    if patch is None or abs(dz) > 45:
        return
    x, y = (patch.x_mm_yx - scene.axis_x_mm) / scale, (patch.y_mm_yx - scene.back_y_mm) / scale
    course = -56 - 8 * np.cos(x / 22) + 0.25 * np.maximum(x - 15, 0)
    rise = 0.35 * (x - 5)
    distance = length(y - course, 0.8 * (dz - rise)) - 10 + np.maximum(np.abs(x - 10) - 55, 0)
    patch.paint(distance * scale + 2.2 * patch.cut(scene.texture.strand) + 1, scene.hu.gland)
