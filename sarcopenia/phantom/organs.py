"""Solid organs of the visceral cavity: liver, gallbladder, spleen, kidneys, pancreas, bladder; and the order of all.

All of it keeps the compartment *visceral cavity*; only the HU change. x is negative on the patient's right. Heights are
given as stations (12 = T12 … 18 = S1), lengths in mm for a man of 1.75 m.
"""

import numpy as np

from sarcopenia.phantom.fields import Array
from sarcopenia.phantom.gut import paint_colon, paint_loops, paint_stomach
from sarcopenia.phantom.scene import Scene, Trait
from sarcopenia.phantom.shapes import ellipsoid, length, rotate, smooth_max
from sarcopenia.phantom.thorax import Dome, diaphragm, heart_distance, paint_lungs, within
from sarcopenia.phantom.trunk import Outlines


def paint_organs(scene: Scene, outlines: Outlines) -> None:
    """All organs, from the back layer to the front layer of painting."""
    heart = heart_distance(scene)
    dome = diaphragm(scene, outlines, heart) if scene.station < 13.2 else None
    paint_loops(scene, outlines, dome)
    paint_colon(scene, outlines, dome)
    _paint_pancreas(scene)
    for side in (-1, 1):
        _paint_kidney(scene, outlines, side)
    paint_stomach(scene, outlines, dome)
    _paint_liver(scene, outlines, dome)
    _paint_spleen(scene, outlines, dome)
    _paint_gallbladder(scene, outlines)
    _paint_bladder(scene, outlines)
    if dome is not None:
        scene.canvas.whole.paint(np.maximum(heart, outlines.cavity_yx + 4), scene.hu.heart + 4 * scene.texture.strand)
        paint_lungs(scene, dome)


def _paint_liver(scene: Scene, outlines: Outlines, dome: Dome | None) -> None:
    """Right lobe down to L2 or L3, left lobe in front of the stomach, veins inside."""
    if not 8.5 < scene.station < 16:
        return
    scale, trait, whole = scene.person.scale, scene.person.trait(Trait.LIVER), scene.canvas.whole
    x, y = whole.x_mm_yx / scale, whole.y_mm_yx / scale
    lower_edge = scene.height_over(14.3 + 0.4 * trait) / scale
    bottom = (0.62 * (x + 110) + 0.15 * y - lower_edge) * 0.8 * scale
    rise = float(np.clip(scene.height_over(12.9 + 0.2 * trait) / 70, -0.6, 1))
    edge = -12 + 62 * rise - (0.55 + 0.2 * rise) * (y - outlines.box.front_y_mm / scale - 30)
    medial = (x - edge + 0.006 * (y - outlines.box.front_y_mm / scale - 45) ** 2) * 0.75 * scale
    behind = 36 * scale - length(whole.x_mm_yx - scene.axis_x_mm - 8, whole.y_mm_yx - scene.axis_y_mm)
    behind = smooth_max(behind, _kidney_bed(scene), 8.0)
    shape = smooth_max(smooth_max(bottom, medial, 14.0), behind, 10.0)
    shape = shape + 5 * scene.texture.outline + 1.5 * scene.texture.loops + 9 * scene.texture.warp_x
    distance = np.maximum(shape, within(outlines, dome, 3.5))
    whole.paint(distance, scene.hu.liver + 2 * scene.texture.grain)
    veins = np.clip(1.4 - length(scene.texture.vessel_a, scene.texture.loops) * 5, 0, 1)
    whole.blend(veins * np.clip(-distance / 5 - 0.6, 0, 1), scene.hu.vein)


def _kidney_bed(scene: Scene) -> Array:
    """Positive where the right kidney pushes into the liver."""
    scale, x, y = scene.person.scale, scene.canvas.whole.x_mm_yx, scene.canvas.whole.y_mm_yx
    dz = scene.height_over(13.75 + 0.25 * scene.person.trait(Trait.KIDNEY_R)) / scale
    centre_x, centre_y = scene.axis_x_mm - (62 - 0.22 * dz) * scale, scene.back_y_mm
    return -ellipsoid((x - centre_x, y - centre_y, dz), (36 * scale, 40 * scale, 62.0))


def _paint_spleen(scene: Scene, outlines: Outlines, dome: Dome | None) -> None:
    scale, trait = scene.person.scale, scene.person.trait(Trait.SPLEEN)
    centre = (outlines.box.half_width_mm - 26 * scale, outlines.box.back_y_mm - 52 * scale)
    patch = scene.canvas.patch(centre, (50, 70))
    dz = scene.height_over(11.4) / scale
    if patch is None or abs(dz) > 75:
        return
    x, y = rotate((patch.x_mm_yx - centre[0]) / scale, (patch.y_mm_yx - centre[1]) / scale, -18)
    size = 1 + 0.1 * trait
    distance = ellipsoid((x, y, dz), (26 * size, 48 * size, 52 * size)) * scale + 2 * patch.cut(scene.texture.outline)
    distance = np.maximum(distance, patch.cut(within(outlines, dome, 3.5)))
    patch.paint(distance, scene.hu.spleen + 2 * patch.cut(scene.texture.grain))


def _paint_kidney(scene: Scene, outlines: Outlines, side: int) -> None:
    """Cortex, medulla as pyramids, fat and vessels in the sinus."""
    scale, trait = scene.person.scale, scene.person.trait(Trait.KIDNEY_L if side > 0 else Trait.KIDNEY_R)
    dz = scene.height_over((13.3 if side > 0 else 13.75) + 0.25 * trait) / scale
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
    scale, trait = scene.person.scale, scene.person.trait(Trait.GALLBLADDER)
    centre = (-48 * scale, outlines.box.front_y_mm + (44 + 6 * trait) * scale)
    dz = scene.height_over(13.4 + 0.25 * trait)
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
    dz = scene.height_over(21.6)
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
    scale, trait = scene.person.scale, scene.person.trait(Trait.PANCREAS)
    dz = scene.height_over(13.3 + 0.15 * trait) / scale
    patch = scene.canvas.patch((scene.axis_x_mm + 15, scene.back_y_mm - 48), (75, 50))
    if patch is None or abs(dz) > 45:
        return
    x, y = (patch.x_mm_yx - scene.axis_x_mm) / scale, (patch.y_mm_yx - scene.back_y_mm) / scale
    course = -56 - 8 * np.cos(x / 22) + 0.25 * np.maximum(x - 15, 0)
    rise = 0.35 * (x - 5)
    distance = length(y - course, 0.8 * (dz - rise)) - 10 + np.maximum(np.abs(x - 10) - 55, 0)
    patch.paint(distance * scale + 2.2 * patch.cut(scene.texture.strand) + 1, scene.hu.gland)
