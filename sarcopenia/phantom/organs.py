"""What lies in the visceral cavity: lungs, liver, spleen, kidneys, stomach, bowel, pancreas, heart, vessels, crura.

All of it keeps the compartment *visceral cavity*; only the HU change. x is negative on the patient's right. Heights are
given as stations (12 = T12 … 18 = S1), lengths in mm for a man of 1.75 m.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.results import Compartment
from sarcopenia.phantom.canvas import Patch
from sarcopenia.phantom.fields import Array
from sarcopenia.phantom.scene import Scene
from sarcopenia.phantom.shapes import ellipse, ellipsoid, rotate, smooth_min
from sarcopenia.phantom.tissues import AIR_HU, LUNG_HU
from sarcopenia.phantom.trunk import Outlines

_CAVITY = Compartment.VISCERAL_CAVITY

# Trait numbers: which random number of the person moves what.
_DOME, _LIVER, _KIDNEY_L, _KIDNEY_R, _SPLEEN, _STOMACH, _COLON, _AORTA, _BOWEL = range(9)


@dataclass(frozen=True)
class Dome:
    """The diaphragm on one slice: ``lung_yx`` negative inside a lung, ``abdomen_yx`` negative below the diaphragm."""

    lung_yx: Array
    abdomen_yx: Array


def diaphragm(scene: Scene, outlines: Outlines) -> Dome:
    """Two paraboloid domes; the lung is outside and above them, down to the recess behind."""
    spine, whole, trait = scene.person.spine, scene.canvas.whole, scene.person.traits
    x = whole.x_mm_yx - scene.axis_x_mm * 0.6
    y = whole.y_mm_yx - (0.62 * outlines.front_y_mm + 0.38 * outlines.back_y_mm)
    lift = 0.3 * trait[_DOME]
    tops = (spine.z_of_station(9.2 - lift), spine.z_of_station(9.7 - lift))
    height = tops[0] - spine.z_of_station(12.5)
    depth = (outlines.back_y_mm - outlines.front_y_mm) * 0.62
    domes = []
    for side, top in zip((-1, 1), tops, strict=True):
        radius2 = ((x - side * outlines.half_width_mm * 0.5) / (outlines.half_width_mm * 0.55)) ** 2 + (y / depth) ** 2
        domes.append(top - height * radius2)
    surface = np.where(x < 0, domes[0], domes[1]) if scene.z_mm > tops[1] else np.maximum(*domes)
    middle = 30 + 25 * np.clip((-y - 5) / 60, 0, 1) + 12 * np.clip(y / 40, 0, 1) * (x > 0)
    mediastinum = middle - np.abs(x + 0.2 * middle * (x < 0) - 10)
    above = (surface - scene.z_mm) * 0.7
    return Dome(np.maximum.reduce([outlines.cavity_yx + 2.5, above, mediastinum]), -above)


def paint_organs(scene: Scene, outlines: Outlines) -> None:
    """All organs, from the back layer to the front layer of painting."""
    dome = diaphragm(scene, outlines) if scene.station < 13.2 else None
    _paint_bowel(scene, outlines, dome)
    _paint_colon(scene, outlines)
    if dome is not None:
        _paint_heart(scene, dome)
    _paint_stomach(scene, outlines, dome)
    _paint_liver(scene, outlines, dome)
    _paint_spleen(scene, outlines, dome)
    _paint_pancreas(scene)
    for side in (-1, 1):
        _paint_kidney(scene, side)
    if dome is not None:
        whole = scene.canvas.whole
        whole.paint(dome.lung_yx, LUNG_HU + 25 * scene.texture.grain)
        tubes = np.clip(1.2 - np.hypot(scene.texture.vessel_a, scene.texture.vessel_b) * 4, 0, 1)
        whole.blend(tubes * np.clip(-dome.lung_yx / 3, 0, 1), scene.hu.vein)


def _height(scene: Scene, station: float) -> float:
    """Height of this slice above a station, mm."""
    return scene.z_mm - scene.person.spine.z_of_station(station)


def _within(outlines: Outlines, dome: Dome | None, margin_mm: float) -> Array:
    """Negative inside the abdominal cavity, ``margin_mm`` away from its wall and from the diaphragm."""
    inside = outlines.cavity_yx + margin_mm
    return inside if dome is None else np.maximum(inside, dome.abdomen_yx * -1 * -1 + 1.0)


def _paint_bowel(scene: Scene, outlines: Outlines, dome: Dome | None) -> None:
    """Small bowel as winding blobs with wall and content in front of the retroperitoneum."""
    if not 12.0 < scene.station < 21:
        return
    whole, texture, spec = scene.canvas.whole, scene.texture, scene.person.spec
    fill = float(np.interp(scene.station, (12.0, 13.5, 15, 18, 21), (1.6, 0.6, 0.15, 0.1, 0.5)))
    fill += 0.45 * spec.visceral_fat - 0.4 - 0.15 * scene.person.traits[_BOWEL]
    front = whole.y_mm_yx - (scene.back_y_mm - 34 * scene.person.scale)
    loops = (fill - np.maximum(texture.loops, texture.loops_b - 0.1)) * 8
    region = np.maximum.reduce([loops, _within(outlines, dome, 7.0), front])
    whole.paint(region, scene.hu.bowel_wall)
    content = np.where(texture.loops_b > 1.1, AIR_HU, scene.hu.fluid + 12 * texture.outline)
    whole.paint(region + 2.4, content.astype(np.float32))


def _paint_colon(scene: Scene, outlines: Outlines) -> None:
    """Ascending, transverse and descending colon with haustra, faeces and gas."""
    scale, trait = scene.person.scale, scene.person.traits[_COLON]
    half_width, back = outlines.half_width_mm, outlines.back_y_mm
    if 13.2 < scene.station < 17.8:
        _paint_tube(scene, outlines, (-(half_width - 30 * scale), back - 44 * scale), (22 + 2 * trait) * scale)
    if 12.2 < scene.station < 18.2:
        _paint_tube(scene, outlines, (half_width - 22 * scale, back - 36 * scale), (14 - 2 * trait) * scale)
    whole = scene.canvas.whole
    sag = _height(scene, 14.3 + 0.3 * trait) + 38 * scale * (1 - (whole.x_mm_yx / half_width) ** 2) - 20
    if 12.0 < scene.station < 16.8:
        across = np.hypot(whole.y_mm_yx - outlines.front_y_mm - 26 * scale, sag) - 19 * scale
        region = np.maximum(across, np.abs(whole.x_mm_yx) - half_width + 25)
        _paint_content(scene, whole, np.maximum(region + 3 * scene.texture.outline, outlines.cavity_yx + 4))


def _paint_tube(scene: Scene, outlines: Outlines, centre: tuple[float, float], radius: float) -> None:
    if patch := scene.canvas.patch(centre, (radius + 10, radius + 10)):
        distance = ellipse(patch.x_mm_yx - centre[0], patch.y_mm_yx - centre[1], radius, radius * 1.1)
        distance += 2.5 * patch.cut(scene.texture.outline) + 1.5 * patch.cut(scene.texture.loops)
        _paint_content(scene, patch, np.maximum(distance, patch.cut(outlines.cavity_yx) + 4))


def _paint_content(scene: Scene, patch: Patch, distance: Array) -> None:
    """Wall, then faeces mottled with gas, then gas where it collects in front."""
    texture = scene.texture
    patch.paint(distance, scene.hu.bowel_wall)
    mottle = patch.cut(texture.grain) * 55 + patch.cut(texture.vessel_a) * 30
    content = np.where(patch.cut(texture.grain) + 0.6 * patch.cut(texture.strand) > 1.2, -600, 25 + 0.5 * mottle)
    level = patch.y_mm_yx - np.float32(scene.back_y_mm - 70) + 25 * patch.cut(texture.loops_b)
    patch.paint(distance + 2.2, np.where(level < 0, AIR_HU, content).astype(np.float32))


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
    x = whole.x_mm_yx / scale
    lower_edge = _height(scene, 14.0 + 0.5 * trait) / scale
    bottom = (0.62 * (x + 110) + 0.15 * (whole.y_mm_yx / scale) - lower_edge) * 0.8 * scale
    medial = (x - 10 + 0.9 * (whole.y_mm_yx - outlines.front_y_mm) / scale - 55) * 0.7 * scale
    behind = 36 * scale - np.hypot(whole.x_mm_yx - scene.axis_x_mm - 8, whole.y_mm_yx - scene.axis_y_mm)
    shape = np.maximum.reduce([bottom, medial, behind]) + 4 * scene.texture.outline
    distance = np.maximum(shape, _within(outlines, dome, 3.5))
    whole.paint(distance, scene.hu.liver + 2 * scene.texture.grain)
    veins = np.clip(1.4 - np.hypot(scene.texture.vessel_a, scene.texture.loops) * 5, 0, 1)
    whole.blend(veins * np.clip(-distance / 5 - 0.6, 0, 1), scene.hu.vein)


def _paint_spleen(scene: Scene, outlines: Outlines, dome: Dome | None) -> None:
    scale, trait = scene.person.scale, scene.person.traits[_SPLEEN]
    centre = (outlines.half_width_mm - 26 * scale, outlines.back_y_mm - 52 * scale)
    patch = scene.canvas.patch(centre, (50, 70))
    dz = _height(scene, 11.4) / scale
    if patch is None or abs(dz) > 75:
        return
    x, y = rotate((patch.x_mm_yx - centre[0]) / scale, (patch.y_mm_yx - centre[1]) / scale, -18)
    size = 1 + 0.1 * trait
    distance = ellipsoid((x, y, dz), (26 * size, 48 * size, 52 * size)) * scale + 2 * patch.cut(scene.texture.outline)
    distance = np.maximum(distance, patch.cut(_within(outlines, dome, 3.5)))
    patch.paint(distance, scene.hu.spleen + 2 * patch.cut(scene.texture.grain))


def _paint_kidney(scene: Scene, side: int) -> None:
    """Cortex, medulla as pyramids, fat and vessels in the sinus."""
    scale, trait = scene.person.scale, scene.person.traits[_KIDNEY_L if side > 0 else _KIDNEY_R]
    dz = _height(scene, (13.3 if side > 0 else 13.75) + 0.25 * trait) / scale
    fat = min(scene.person.spec.visceral_fat, 2.0)
    lean = -0.22 * dz
    centre = (scene.axis_x_mm + side * (62 + 5 * fat + lean) * scale, scene.back_y_mm + (2 - 6 * fat) * scale)
    patch = scene.canvas.patch(centre, (48, 48))
    if patch is None or abs(dz) > 62:
        return
    x, y = rotate(side * (patch.x_mm_yx - centre[0]) / scale, (patch.y_mm_yx - centre[1]) / scale, 35)
    size = 1 + 0.06 * trait
    distance = ellipsoid((x, y, dz), (26 * size, 31 * size, 55 * size)) * scale + patch.cut(scene.texture.outline)
    hilum = ellipsoid((x + 19, y + 4, dz), (19, 10, 24)) * scale
    whole = np.maximum(distance, -hilum - 2)
    patch.paint(distance - 0.5, scene.hu.fat + 5)
    patch.paint(whole, scene.hu.kidney_cortex)
    pyramids = np.maximum(whole + 7, 2.5 * patch.cut(scene.texture.strand) - 0.5)
    patch.paint(pyramids, scene.hu.kidney_medulla)
    vessel = np.hypot(y + 3, 1.2 * dz) - 5
    patch.paint(np.maximum(vessel, np.maximum(x - 4, -(x + 44))) * scale, scene.hu.vein)


def _paint_pancreas(scene: Scene) -> None:
    """A lobulated band from the duodenum over the aorta to the spleen, with the duodenum at its head."""
    scale, trait = scene.person.scale, scene.person.traits[_AORTA]
    dz = _height(scene, 13.3 + 0.15 * trait) / scale
    patch = scene.canvas.patch((scene.axis_x_mm + 15, scene.back_y_mm - 48), (75, 50))
    if patch is None or abs(dz) > 45:
        return
    x, y = (patch.x_mm_yx - scene.axis_x_mm) / scale, (patch.y_mm_yx - scene.back_y_mm) / scale
    course = -56 - 8 * np.cos(x / 22) + 0.25 * np.maximum(x - 15, 0)
    rise = 0.35 * (x - 5)
    distance = np.hypot(y - course, 0.8 * (dz - rise)) - 10 + np.maximum(np.abs(x - 10) - 55, 0)
    patch.paint(distance * scale + 2.2 * patch.cut(scene.texture.strand) + 1, scene.hu.gland)
    bulb = ellipse(x + 44, y + 46, 14, 13) * scale + 1.5 * patch.cut(scene.texture.outline)
    patch.paint(bulb, scene.hu.bowel_wall)
    patch.paint(bulb + 3, scene.hu.fluid + 8)


def _paint_heart(scene: Scene, dome: Dome) -> None:
    dz = _height(scene, 8.4)
    whole = scene.canvas.whole
    if dz < -70:
        return
    scale = scene.person.scale
    distance = ellipsoid((whole.x_mm_yx / scale - 22, whole.y_mm_yx / scale + 58, dz / scale), (62, 46, 58)) * scale
    whole.paint(np.maximum(distance, -dome.abdomen_yx * -1 - 200), scene.hu.heart + 4 * scene.texture.strand)


@dataclass(frozen=True)
class _Vessel:
    """A vessel along the spine: rows of station, x, y (relative to the spine) and radius in mm."""

    rows: NDArray[np.float64]
    artery: bool


_VESSELS = (
    _Vessel(
        np.array([[4, 14, -18, 12], [11, 8, -26, 11], [13, 5, -29, 10], [15, 5, -29, 9], [16.15, 2, -28, 8.5]]), True
    ),
    _Vessel(np.array([[4, -22, -34, 12], [11, -22, -34, 12], [13, -20, -28, 11], [16.35, -13, -26, 11]]), False),
    _Vessel(
        np.array([[16.1, 6, -28, 6], [17, 24, -28, 5.5], [18, 38, -40, 5], [20, 56, -62, 4.5], [22, 70, -85, 4.5]]),
        True,
    ),
    _Vessel(
        np.array(
            [[16.1, -3, -28, 6], [17, -22, -30, 5.5], [18, -38, -40, 5], [20, -56, -62, 4.5], [22, -70, -85, 4.5]]
        ),
        True,
    ),
    _Vessel(
        np.array([[16.3, -8, -25, 7], [17, 20, -20, 6.5], [18, 36, -28, 6], [20, 52, -52, 6], [22, 64, -78, 6]]), False
    ),
    _Vessel(
        np.array([[16.3, -14, -25, 8], [17, -28, -20, 7], [18, -38, -28, 6.5], [20, -52, -52, 6], [22, -64, -78, 6]]),
        False,
    ),
    _Vessel(np.array([[13.0, 6, -42, 3.5], [13.8, 6, -47, 3.5], [15.5, 3, -56, 3], [16.5, -8, -60, 2.2]]), True),
    _Vessel(np.array([[13.4, -8, -50, 6], [14.2, -7, -52, 5.5], [15.5, -10, -56, 4.5], [16.5, -18, -60, 3]]), False),
)
_CRUS = np.array([[8, 16, -14, 6], [12, 15, -19, 7], [13, 13, -21, 6.5], [14, 11, -22, 4.5], [15, 9, -22, 2.5]])


def paint_vessels(scene: Scene) -> None:
    """Crura, aorta and caval vein with their branches to the pelvis, upper mesenteric vessels."""
    for side in (-1, 1):
        row = np.array([np.interp(scene.station, _CRUS[:, 0], column) for column in _CRUS.T[1:]])
        if scene.station < 14.8:
            _paint_round(scene, np.array([side * row[0], row[1], row[2]]), scene.hu.muscle, 1.4)
    for vessel in _VESSELS:
        stations = vessel.rows[:, 0]
        if stations[0] <= scene.station <= stations[-1]:
            row = np.array([np.interp(scene.station, stations, column) for column in vessel.rows.T[1:]])
            _paint_round(scene, row, scene.hu.artery if vessel.artery else scene.hu.vein, 1.0)


def _paint_round(scene: Scene, row: NDArray[np.float64], hu: float, flat: float) -> None:
    scale = scene.person.scale
    centre = (scene.axis_x_mm + row[0] * scale, scene.back_y_mm + row[1] * scale)
    if patch := scene.canvas.patch(centre, (row[2] * 2 + 6, row[2] * 2 + 6)):
        distance = ellipse(patch.x_mm_yx - centre[0], patch.y_mm_yx - centre[1], row[2] * scale, row[2] * flat * scale)
        patch.paint(distance + 0.4 * patch.cut(scene.texture.outline), hu, _CAVITY)
