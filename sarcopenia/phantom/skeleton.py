"""Bones: vertebrae with discs and canal, sacrum, ribs with cartilage, iliac wings. All belong to *spine/bone*."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.results import Compartment
from sarcopenia.phantom.canvas import Patch
from sarcopenia.phantom.fields import Array
from sarcopenia.phantom.pelvis import Pelvis
from sarcopenia.phantom.scene import Scene, Trait
from sarcopenia.phantom.shapes import box, capsule, ellipse, length, smooth_min, superellipse
from sarcopenia.phantom.spine import Vertebra
from sarcopenia.phantom.tissues import METAL_HU
from sarcopenia.phantom.trunk import Outlines

Frame = tuple[Array, Array, Array]
_BONE = Compartment.SPINE_BONE


def paint_bone(scene: Scene, patch: Patch, distance_mm: Array, rim_mm: Array | float = 1.3) -> None:
    """Compact bone around spongy bone."""
    hu = scene.hu
    patch.paint(distance_mm, hu.cortical * (1 + 0.15 * patch.cut(scene.texture.strand)), _BONE)
    patch.paint(distance_mm + rim_mm, hu.trabecular + 20 * patch.cut(scene.texture.grain))


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
    near = [v for v in scene.person.spine.vertebrae if v.reaches(z_mm)]
    local = [(v, _local(patch, v, z_mm)) for v in near]
    for vertebra, frame in local:
        _paint_disc_and_canal(scene, patch, vertebra, frame)
    for vertebra, frame in local:
        (_paint_sacral if vertebra.is_sacral else _paint_vertebra)(scene, patch, vertebra, frame)


def _local(patch: Patch, vertebra: Vertebra, z_mm: float) -> Frame:
    """Coordinates of the pixels in the vertebra's own frame: left, back, up."""
    offset = (patch.x_mm_yx - vertebra.centre_mm[0], patch.y_mm_yx - vertebra.centre_mm[1])
    dz = z_mm - vertebra.centre_mm[2]
    left, back, up = (
        np.asarray(a[0] * offset[0] + a[1] * offset[1] + a[2] * dz, dtype=np.float32) for a in vertebra.axes
    )
    return left, back, up


def _body_radial(vertebra: Vertebra, frame: Frame) -> Array:
    """Distance to the side wall of the body, waisted and hollow at the back."""
    left, back, up = frame
    waist = 0.1 * np.clip(1 - (2 * up / vertebra.height_mm) ** 2, 0, 1)
    half_x, half_y = vertebra.half_width_mm, vertebra.half_depth_mm
    radial = superellipse(left / (1 - waist), back / (1 - 0.7 * waist), half_x, half_y, 2.25)
    hollow = ellipse(left, back - half_y - 8.5, 13.0, 10.5)
    return np.maximum(radial, -hollow)


def _paint_disc_and_canal(scene: Scene, patch: Patch, vertebra: Vertebra, frame: Frame) -> None:
    """Disc above the body, dural sac with epidural fat, and the strip of ligaments between the spinous processes."""
    left, back, up = frame
    reach = vertebra.height_mm / 2 + vertebra.disc_above_mm
    own = np.abs(up + vertebra.disc_above_mm / 2) - reach
    size = max(0.4, 1 - 0.2 * max(0.0, vertebra.station - 17.5))
    base = back - vertebra.half_depth_mm
    if not vertebra.is_sacral:
        patch.paint(np.maximum(box(left, base - 34, 2.2, 17.0), own), 0.0, _BONE)
        flava = np.maximum(capsule(np.abs(left), base, (11.0, 13.0), (0.0, 20.0)) - 2.2, own)
        patch.paint(flava, scene.hu.disc, _BONE)
    canal = ellipse(left, base - 8.0 * size, 12.0 * size, 9.5 * size)
    patch.paint(np.maximum(canal, own), scene.hu.fat + 25, _BONE)
    sac = ellipse(left, base - 7.0 * size, 9.5 * size, 7.5 * size)
    patch.paint(np.maximum(sac, own), scene.hu.canal, _BONE)
    if vertebra.disc_above_mm > 2:
        above = np.abs(up - vertebra.height_mm / 2 - vertebra.disc_above_mm / 2) - vertebra.disc_above_mm / 2 - 2
        disc = np.maximum(_body_radial(vertebra, frame) - 0.4, above)
        patch.paint(disc, scene.hu.disc + 2 * patch.cut(scene.texture.outline), _BONE)


def _paint_vertebra(scene: Scene, patch: Patch, vertebra: Vertebra, frame: Frame) -> None:
    """Body and arch as one bone with a hollow canal; the endplates are denser and slightly concave."""
    left, back, up = frame
    spur = _spur_mm(scene) * np.clip(2 * np.abs(up) / vertebra.height_mm, 0, 1) ** 6
    radial = _body_radial(vertebra, frame) + 0.4 * patch.cut(scene.texture.strand) - spur
    dish = 1.3 * np.clip(1 - (left / vertebra.half_width_mm) ** 2 - (back / vertebra.half_depth_mm) ** 2, 0, 1)
    ends = np.abs(up) - vertebra.height_mm / 2 + dish
    body = np.maximum(radial, ends)
    arch = _arch(vertebra, frame, scene.person.spec.skeleton_scale) + 0.35 * patch.cut(scene.texture.strand)
    canal = ellipse(left, back - vertebra.half_depth_mm - 8.0, 11.0, 8.5)
    bone = np.maximum(smooth_min(body, arch, 3.0), -canal)
    rim = np.where(arch < body, np.float32(1.7), np.float32(0.8))
    paint_bone(scene, patch, bone, rim)
    patch.blend(np.clip(1.3 - np.abs(ends + 0.9), 0, 0.25) * (radial < -0.5), scene.hu.cortical)
    if scene.person.spec.spine_metal and 15.5 < vertebra.station < 17.5:
        patch.paint(_screws(vertebra, frame), METAL_HU, _BONE)


def _spur_mm(scene: Scene) -> float:
    """How far the endplates' edges have grown out with age."""
    return float(np.clip((scene.person.spec.age_years - 40) / 40, 0, 1)) * (1.0 + 0.8 * scene.person.trait(Trait.SPURS))


def _screws(vertebra: Vertebra, frame: Frame) -> Array:
    """Pedicle screws with heads, and the rods that join them."""
    left, back, up = frame
    side, base = np.abs(left), back - vertebra.half_depth_mm
    screw = length(capsule(side, base, (11.0, -20.0), (19.0, 22.0)), up - 5) - 3.0
    head = length(length(side - 20, base - 25), up - 5) - 6.5
    rod = np.maximum(length(side - 20, base - 27) - 2.8, np.abs(up) - 22)
    return np.asarray(np.minimum(np.minimum(screw, head), rod))


def _arch(vertebra: Vertebra, frame: Frame, scale: float) -> Array:
    """Signed distance of pedicles, transverse and articular processes, laminae and spinous process together."""
    left, back, up = (f / scale for f in frame)
    shape = _arch_shape(vertebra.station)
    base = back - vertebra.half_depth_mm / scale
    side = np.abs(left)
    pedicle = np.maximum(box(side - shape.pedicle_x, base - 4, shape.pedicle_half, 9.0), np.abs(up - 5) - 6.5)
    lamina = capsule(side, base, (shape.pedicle_x, 12.0), (0.0, 24.0)) - 3.2
    lamina = np.maximum(lamina, np.abs(up + 3 + 0.3 * (base - 16)) - 9.5)
    arch = smooth_min(smooth_min(pedicle, lamina, 3.0), _facets(side, base, up, shape), 3.0)
    arch = smooth_min(arch, _transverse(side, base, up, shape), 4.0)
    return np.asarray(smooth_min(arch, _spinous(left, base, up, shape), 3.0) * scale)


@dataclass(frozen=True)
class _ArchShape:
    """Lengths of the arch in mm: pedicle, tip of the transverse process, and the spinous process."""

    pedicle_x: float
    pedicle_half: float
    tip_x: float
    tip_back: float
    tip_up: float
    spinous_end: float
    droop: float
    spinous_half_height: float


def _arch_shape(station: float) -> _ArchShape:
    """Arch of a vertebra between T5 and L5, from steep thoracic to square lumbar processes."""
    rows = np.array(
        [
            # station, pedicle x, half, tip x, back, up, end, droop, half height
            [5, 12, 3.2, 33, 26, 6, 42, 1.1, 5],
            [10, 12.5, 3.5, 30, 25, 6, 44, 0.95, 5.5],
            [11, 13, 3.8, 26, 23, 5, 44, 0.75, 6.5],
            [12, 14, 4.0, 24, 21, 4, 46, 0.45, 8],
            [13, 15, 3.8, 38, 20, 2, 50, 0.26, 10],
            [14, 15.3, 4.0, 43, 19, 2, 52, 0.22, 11],
            [15, 16, 4.4, 49, 18, 2, 53, 0.22, 11],
            [16, 17, 5.2, 45, 15, 3, 50, 0.25, 10],
            [17, 19, 6.6, 44, 10, 4, 42, 0.35, 8],
        ]
    )
    return _ArchShape(*(float(np.interp(station, rows[:, 0], column)) for column in rows.T[1:]))


def _transverse(side: Array, base: Array, up: Array, shape: _ArchShape) -> Array:
    """Transverse process: a rod that thins towards its tip."""
    along = np.clip((side - 16) / (shape.tip_x - 16), 0, 1)
    rod = capsule(side, base, (16.0, 10.0), (shape.tip_x, shape.tip_back))
    return np.asarray(length(rod, 0.7 * (up - 3 - (shape.tip_up - 3) * along)) - 3.3 + 1.3 * along)


def _facets(side: Array, base: Array, up: Array, shape: _ArchShape) -> Array:
    """Upper articular process in front and outside, lower one behind and inside, with the joint gap between."""
    upper = np.maximum(ellipse(side - shape.pedicle_x - 3.5, base - 14, 5.0, 5.0), np.abs(up - 9) - 9)
    lower = np.maximum(ellipse(side - shape.pedicle_x + 2.0, base - 20, 4.6, 4.4), np.abs(up + 13) - 11)
    return np.asarray(np.minimum(upper, lower))


def _spinous(left: Array, base: Array, up: Array, shape: _ArchShape) -> Array:
    """Spinous process: a plate that drops backwards and thickens at its tip."""
    middle, half = (shape.spinous_end + 20) / 2, (shape.spinous_end - 20) / 2
    thick = 2.6 + 1.6 * np.clip((base - 34) / 16, 0, 1)
    height = shape.spinous_half_height * (0.75 + 0.25 * np.clip((base - 22) / 20, 0, 1))
    drop = np.abs(up + 2 + shape.droop * (base - 20)) - height
    return np.asarray(np.maximum(np.maximum(np.abs(left) - thick, np.abs(base - middle) - half), drop))


def _paint_sacral(scene: Scene, patch: Patch, vertebra: Vertebra, frame: Frame) -> None:
    """Paint a sacral segment: body, wings, roof of the canal with crest, and the foramina between segments."""
    scale, (left, back, up) = scene.person.spec.skeleton_scale, frame
    number, side = vertebra.station - 18, np.abs(left)
    ends = np.abs(up) - vertebra.height_mm / 2 - (0.8 if number > 0.5 else 0)
    wing = capsule(side, back, (8.0, 2.0), (scale * max(6.0, 41 - 10 * number), 9.0)) - scale * max(
        5.0, 14 - 2.5 * number
    )
    if number < 0.5:
        wing = wing + 0.4 * np.maximum(up + 4, 0) * np.clip((side - 24) / 8, 0, 1)
    roof = capsule(side, back - vertebra.half_depth_mm, (14.0, 8.0), (0.0, max(8.0, 18 - 3.5 * number))) - 3.0
    crest = box(left, back - vertebra.half_depth_mm - 19 + 4 * number, 2.2, 6.0)
    solid = smooth_min(smooth_min(_body_radial(vertebra, frame), wing, 5.0), np.minimum(roof, crest), 3.0)
    paint_bone(scene, patch, np.maximum(solid, ends), 1.0)
    size = max(0.35, 1 - 0.22 * number)
    hollow = ellipse(left, back - vertebra.half_depth_mm - 6 * size, 11 * size, 6.5 * size)
    foramen = length(length(side - 21 + 3 * number, back - 2), 0.7 * (up + vertebra.height_mm / 2)) - 4.5
    patch.paint(np.maximum(np.minimum(hollow, foramen), ends), scene.hu.fat + 50, _BONE)


# Per rib: angle from the back (rad), drop below its own vertebra (mm), angle at which bone turns into cartilage.
_RIBS = {
    12: (np.array([0.0, 0.3, 0.6, 1.05]), np.array([-6, 0, 20, 52]), 1.1),
    11: (np.array([0.0, 0.3, 0.7, 1.2, 1.7]), np.array([-6, 0, 22, 60, 102]), 1.55),
    10: (np.array([0.0, 0.3, 0.7, 1.2, 1.8, 2.2, 2.7, 2.95]), np.array([-6, 0, 22, 58, 106, 120, 94, 76]), 2.05),
    9: (np.array([0.0, 0.3, 0.7, 1.2, 1.8, 2.3, 2.65, 2.95]), np.array([-6, 0, 22, 54, 97, 111, 82, 55]), 2.2),
    8: (np.array([0.0, 0.3, 0.7, 1.2, 1.8, 2.35, 2.7, 3.0]), np.array([-6, 0, 21, 50, 89, 101, 66, 30]), 2.3),
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
        if head + 8 < scene.z_mm or scene.z_mm < head - 135 * scale:
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
    thick = (outlines.cavity_yx.ravel()[near] - 4.5) / 3.3
    high = length(across, beyond) / 5.6
    distance = np.full(outlines.cavity_yx.shape, 50.0, dtype=np.float32)
    distance.ravel()[near] = (length(thick, high) - 1) * 3.6
    cartilage = outlines.angle_yx < np.pi - bone_end
    whole = scene.canvas.whole
    paint_bone(scene, whole, np.where(cartilage, 50.0, distance).astype(np.float32), 1.2)
    whole.paint(np.where(cartilage, distance, 50.0).astype(np.float32), scene.hu.cartilage, _BONE)


def _paint_rib_neck(scene: Scene, head_z_mm: float) -> None:
    """Head and neck between the vertebral body and the transverse process."""
    height = abs(scene.z_mm - head_z_mm)
    patch = scene.canvas.patch((scene.axis_x_mm, scene.axis_y_mm + 22), (58, 28))
    if height > 6 or patch is None:
        return
    side, back = np.abs(patch.x_mm_yx - scene.axis_x_mm), patch.y_mm_yx - scene.axis_y_mm
    paint_bone(scene, patch, length(capsule(side, back, (19, 13), (42, 34)), 0.7 * height) - 4.2)


def paint_wings(scene: Scene, pelvis: Pelvis) -> None:
    """Iliac wings."""
    paint_bone(scene, scene.canvas.whole, pelvis.bone_yx + 0.5 * scene.texture.strand, 1.2)
