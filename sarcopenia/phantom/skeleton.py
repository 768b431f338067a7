"""Bones: vertebrae with discs and canal, sacrum, ribs with cartilage, iliac wings. All belong to *spine/bone*."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.results import Compartment
from sarcopenia.phantom.canvas import Patch
from sarcopenia.phantom.fields import Array
from sarcopenia.phantom.muscles import wing_half_thickness, wing_points
from sarcopenia.phantom.scene import Scene
from sarcopenia.phantom.shapes import box, capsule, ellipse, polyline, superellipse
from sarcopenia.phantom.spine import Vertebra
from sarcopenia.phantom.trunk import Outlines

_BONE = Compartment.SPINE_BONE


def paint_bone(scene: Scene, patch: Patch, distance_mm: Array, rim_mm: float = 1.6) -> None:
    """Compact bone around spongy bone."""
    hu = scene.hu
    patch.paint(distance_mm, hu.cortical, _BONE)
    patch.paint(distance_mm + rim_mm, hu.trabecular + 22 * patch.cut(scene.texture.grain))


def paint_spine(scene: Scene) -> None:
    """All vertebrae that reach this slice, averaged over its thickness (tilted endplates are thin)."""
    patch = scene.canvas.patch((scene.axis_x_mm, scene.axis_y_mm + 22), (62, 66))
    if patch is None:
        return
    thickness = scene.person.spec.slice_thickness_mm
    count = 1 + 2 * round(thickness / 3)
    offsets = (np.arange(count) - count // 2) * thickness / count
    layers = [replace(patch, hu_yx=patch.hu_yx.copy(), compartment_yx=patch.compartment_yx.copy()) for _ in offsets]
    for layer, offset in zip(layers, offsets, strict=True):
        _paint_spine_layer(scene, layer, scene.z_mm + float(offset))
    patch.hu_yx[...] = np.mean([layer.hu_yx for layer in layers], axis=0)
    patch.compartment_yx[...] = layers[count // 2].compartment_yx


def _paint_spine_layer(scene: Scene, patch: Patch, z_mm: float) -> None:
    """Vertebrae on a thin slice: soft parts first, then bone."""
    near = [v for v in scene.person.spine.vertebrae if abs(v.centre_mm[2] - z_mm) < 48]
    local = [(v, _local(patch, v, z_mm)) for v in near]
    for vertebra, frame in local:
        _paint_disc_and_canal(scene, patch, vertebra, frame)
    for vertebra, frame in local:
        (_paint_sacral if vertebra.is_sacral else _paint_vertebra)(scene, patch, vertebra, frame)


def _local(patch: Patch, vertebra: Vertebra, z_mm: float) -> tuple[Array, Array, Array]:
    """Coordinates of the pixels in the vertebra's own frame: left, back, up."""
    offset = (patch.x_mm_yx - vertebra.centre_mm[0], patch.y_mm_yx - vertebra.centre_mm[1])
    dz = z_mm - vertebra.centre_mm[2]
    left, back, up = (
        np.asarray(a[0] * offset[0] + a[1] * offset[1] + a[2] * dz, dtype=np.float32) for a in vertebra.axes
    )
    return left, back, up


def _body_radial(vertebra: Vertebra, frame: tuple[Array, Array, Array]) -> Array:
    """Distance to the side wall of the body, waisted and hollow at the back."""
    left, back, up = frame
    waist = 0.09 * np.clip(1 - (2 * up / vertebra.height_mm) ** 2, 0, 1)
    half_x, half_y = vertebra.half_width_mm, vertebra.half_depth_mm
    radial = superellipse(left / (1 - waist), back / (1 - 0.7 * waist), half_x, half_y, 2.3)
    hollow = ellipse(left, back - half_y - 8.5, 13.0, 10.5)
    return np.maximum(radial, -hollow)


def _paint_disc_and_canal(scene: Scene, patch: Patch, vertebra: Vertebra, frame: tuple[Array, Array, Array]) -> None:
    """Disc above the body, dural sac with epidural fat, and the strip of ligaments between the spinous processes."""
    left, back, up = frame
    reach = vertebra.height_mm / 2 + vertebra.disc_above_mm
    own = np.maximum(np.abs(up + vertebra.disc_above_mm / 2) - reach, 0) * 4
    size = 0.55 if vertebra.station > 19.5 else 1.0
    strip = box(left, back - vertebra.half_depth_mm - 28, 3.0, 22.0 * size)
    if not vertebra.is_sacral:
        patch.paint(np.maximum(strip, own), 5.0, _BONE)
    centre = back - vertebra.half_depth_mm - 8.0 * size
    canal = np.maximum(ellipse(left, centre, 12.5 * size, 10.0 * size), own)
    patch.paint(canal, scene.hu.fat + 20, _BONE)
    patch.paint(np.maximum(ellipse(left, centre + 1, 9.5 * size, 7.5 * size), own), scene.hu.canal, _BONE)
    if vertebra.disc_above_mm > 2:
        above = up - vertebra.height_mm / 2 - vertebra.disc_above_mm / 2
        disc = np.maximum(_body_radial(vertebra, frame) + 0.5, np.abs(above) - vertebra.disc_above_mm / 2 - 1)
        patch.paint(disc, scene.hu.disc, _BONE)


def _paint_vertebra(scene: Scene, patch: Patch, vertebra: Vertebra, frame: tuple[Array, Array, Array]) -> None:
    """Arch with its processes, then the body with denser endplates."""
    for part in _arch(vertebra, frame, scene.person.spec.skeleton_scale):
        paint_bone(scene, patch, part, 2.0)
    radial = _body_radial(vertebra, frame)
    ends = np.abs(frame[2]) - vertebra.height_mm / 2
    paint_bone(scene, patch, np.maximum(radial, ends), 1.3)
    patch.blend(np.clip(0.5 - np.abs(ends + 1.2), 0, 0.45) * (radial < -1), scene.hu.cortical)


def _arch(vertebra: Vertebra, frame: tuple[Array, Array, Array], scale: float) -> list[Array]:
    """Signed distances of pedicles, transverse and articular processes, laminae and spinous process."""
    left, back, up = (f / scale for f in frame)
    half_depth, lumbar = vertebra.half_depth_mm / scale, vertebra.is_lumbar
    side = np.abs(left)
    base = back - half_depth
    pedicle = np.maximum(box(side - 15.5, base - 7, 4.2, 10.0), np.abs(up - 5) - 7)
    reach = {13: 36.0, 14: 42.0, 15: 47.0, 16: 44.0, 17: 42.0}.get(vertebra.coordinate, 40.0) if lumbar else 31.0
    tilt, tip = (1.0, 14.0) if lumbar else (8.0, 24.0)
    process = capsule(side, base, (17.0, 11.0), (reach, tip))
    transverse = np.hypot(process, 0.7 * (up - tilt)) - (3.6 if lumbar else 5.0)
    articular = np.maximum(ellipse(side - 17.5, base - 17, 7.0, 6.5), np.abs(up + 2) - 17)
    slope = up + 3 + 0.35 * (base - 18)
    lamina = np.maximum(capsule(side, base, (14.0, 15.0), (0.5, 25.0)) - 3.4, np.abs(slope + 4) - 10)
    spinous_end, droop, half = (52.0, 0.35, 10.0) if lumbar else (46.0, 0.95, 6.0)
    blade = np.maximum(
        np.abs(left) - 2.6 - 0.03 * np.clip(base - 30, 0, 30),
        np.abs(base - 22 - (spinous_end - 22) / 2) - (spinous_end - 22) / 2,
    )
    spinous = np.maximum(blade, np.abs(up + 4 + droop * (base - 22)) - half)
    return [d * scale for d in (transverse, articular, lamina, spinous, pedicle)]


def _paint_sacral(scene: Scene, patch: Patch, vertebra: Vertebra, frame: tuple[Array, Array, Array]) -> None:
    """A sacral segment: body, wings, roof of the canal and median crest."""
    scale, (left, back, up) = scene.person.spec.skeleton_scale, frame
    number = vertebra.station - 18
    side = np.abs(left)
    ends = np.abs(up) - vertebra.height_mm / 2 - (0.6 if number > 0.5 else 0)
    wing_reach = max(14.0, 52.0 - 9.0 * number) * scale
    wing = np.maximum(np.maximum(side - wing_reach, np.abs(back - 4 - 0.12 * side) - (15 - 2.4 * number) * scale), ends)
    wing += 0.35 * np.maximum(up, 0) * (number < 0.5) * (side > 26)
    paint_bone(scene, patch, wing, 1.8)
    roof = np.maximum(np.abs(capsule(side, back - vertebra.half_depth_mm, (13, 10), (0, 19 - 3 * number))) - 2.8, ends)
    paint_bone(scene, patch, roof, 2.0)
    paint_bone(scene, patch, np.maximum(_body_radial(vertebra, frame), ends), 1.3)
    hollow = ellipse(left, back - vertebra.half_depth_mm - 7, max(3.0, 11 - 2.2 * number), max(2.0, 7 - 1.4 * number))
    patch.paint(np.maximum(hollow, ends), scene.hu.fat + 40, _BONE)


# Per rib: angle from the back (rad), drop below its own vertebra (mm), angle at which bone turns into cartilage.
_RIBS = {
    12: (np.array([0.0, 0.3, 0.6, 1.05]), np.array([-6, 0, 16, 44]), 1.1),
    11: (np.array([0.0, 0.3, 0.7, 1.2, 1.7]), np.array([-6, 0, 20, 50, 84]), 1.55),
    10: (np.array([0.0, 0.3, 0.7, 1.2, 1.8, 2.2, 2.7, 2.95]), np.array([-6, 0, 20, 50, 88, 98, 72, 56]), 2.05),
    9: (np.array([0.0, 0.3, 0.7, 1.2, 1.8, 2.3, 2.65, 2.95]), np.array([-6, 0, 20, 48, 82, 94, 66, 40]), 2.2),
    8: (np.array([0.0, 0.3, 0.7, 1.2, 1.8, 2.35, 2.7, 3.0]), np.array([-6, 0, 20, 46, 78, 88, 54, 20]), 2.3),
    7: (np.array([0.0, 0.3, 0.7, 1.2, 1.8, 2.35, 2.7, 3.0]), np.array([-6, 0, 19, 44, 72, 82, 60, 30]), 2.35),
    6: (np.array([0.0, 0.3, 0.7, 1.2, 1.8, 2.35, 2.7, 3.0]), np.array([-6, 0, 18, 42, 68, 78, 70, 55]), 2.4),
    5: (np.array([0.0, 0.3, 0.7, 1.2, 1.8, 2.35, 2.7, 3.0]), np.array([-6, 0, 17, 40, 64, 74, 76, 74]), 2.45),
}


def paint_ribs(scene: Scene, outlines: Outlines) -> None:
    """Ribs 5 to 12 hug the cavity from outside and run obliquely downwards; cartilage rises to the front."""
    for number, (angles, drops, bone_end) in _RIBS.items():
        scale = scene.person.scale
        length = scene.person.spec.last_rib_scale if number == 12 else 1.0
        head = scene.person.spine.z_of(number) + 6
        if head + 8 < scene.z_mm or scene.z_mm < head - 115 * scale:
            continue
        _paint_rib(scene, outlines, angles * length, head - drops * scale * length, bone_end * length)
        _paint_rib_neck(scene, head)


def _paint_rib(
    scene: Scene, outlines: Outlines, angles: NDArray[np.float64], z_mm: NDArray[np.float64], bone_end: float
) -> None:
    """One rib on both sides: an obliquely cut flat rod."""
    near = np.flatnonzero(np.abs(outlines.cavity_yx.ravel() - 4.5) < 9)
    angle = np.pi - outlines.angle_yx.ravel()[near]
    course = np.interp(angle, angles, z_mm)
    beyond = np.maximum(angle - angles[-1], 0) * 110 + np.maximum(0.25 - angle, 0) * 110
    steep = np.interp(angle, (angles[:-1] + angles[1:]) / 2, np.abs(np.diff(z_mm) / np.diff(angles)) / 115)
    across = (scene.z_mm - course) / np.sqrt(1 + steep**2)
    thick = (outlines.cavity_yx.ravel()[near] - 4.5) / 3.4
    high = np.hypot(across, beyond) / 6.5
    distance = np.full(outlines.cavity_yx.shape, 50.0, dtype=np.float32)
    distance.ravel()[near] = (np.hypot(thick, high) - 1) * 3.6
    cartilage = outlines.angle_yx < np.pi - bone_end
    whole = scene.canvas.whole
    paint_bone(scene, whole, np.where(cartilage, 50.0, distance).astype(np.float32), 1.5)
    whole.paint(np.where(cartilage, distance, 50.0).astype(np.float32), scene.hu.cartilage, _BONE)


def _paint_rib_neck(scene: Scene, head_z_mm: float) -> None:
    """Head and neck between the vertebral body and the transverse process."""
    height = abs(scene.z_mm - head_z_mm)
    patch = scene.canvas.patch((scene.axis_x_mm, scene.axis_y_mm + 22), (58, 28))
    if height > 6 or patch is None:
        return
    side, back = np.abs(patch.x_mm_yx - scene.axis_x_mm), patch.y_mm_yx - scene.axis_y_mm
    paint_bone(scene, patch, np.hypot(capsule(side, back, (19, 13), (42, 34)), 0.7 * height) - 4.2)


def paint_pelvis(scene: Scene) -> None:
    """Iliac wings from the crest (L4/5) downwards."""
    points = wing_points(scene)
    if points is None:
        return
    whole = scene.canvas.whole
    x = np.abs(whole.x_mm_yx - scene.axis_x_mm * 0.3)
    distance = polyline(x, whole.y_mm_yx - scene.back_y_mm, points) - wing_half_thickness(scene.station)
    paint_bone(scene, whole, distance + 0.5 * scene.texture.strand, 2.0)
