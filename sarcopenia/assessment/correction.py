"""A person's correction: the model's compartments folded with strokes, and the areas that follow.

The server owns the mask: whatever a browser draws while the mouse moves, the mask is what `fold` makes of the strokes.
A pixel belongs to a brush stroke when its middle lies within the radius of the line, to a polygon when its middle lies
inside (even-odd, so that a loop in the outline is a hole).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage

from sarcopenia.assessment.composition import MUSCLE_HU, body_composition
from sarcopenia.assessment.events import AssessmentArrays
from sarcopenia.assessment.flags import area_flags, verdict_of
from sarcopenia.domain.results import Compartment, CompartmentMap, Flag, Measurement, Severity
from sarcopenia.domain.strokes import Stroke

ABOUT_THE_MODELS_MASK: Final = frozenset(
    {"area_uncertain", "area_rejected", "slab_differs", "implausible_area", "holes", "mask_corrected"}
)
"""Flags that say something of the mask; they do not hold for a mended one."""


def rasterise(stroke: Stroke, shape_yx: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels (y, x) of an image of ``shape_yx`` that a stroke touches, whatever their HU."""
    mask = np.zeros(shape_yx, dtype=bool)
    path = np.asarray(stroke.path_xy, dtype=np.float64)
    reach = 0.0 if stroke.tool.is_polygon else stroke.radius_px
    first = np.maximum(np.ceil(path.min(axis=0) - reach), 0).astype(int)
    last = np.minimum(np.floor(path.max(axis=0) + reach), np.array(shape_yx)[::-1] - 1).astype(int)
    if (last < first).any():
        return mask
    y, x = np.mgrid[first[1] : last[1] + 1, first[0] : last[0] + 1]
    inside = _inside_polygon(path, x, y) if stroke.tool.is_polygon else _near_line(path, stroke.radius_px, x, y)
    mask[first[1] : last[1] + 1, first[0] : last[0] + 1] = inside
    return mask


def _inside_polygon(path_xy: NDArray[np.float64], x: NDArray[np.int_], y: NDArray[np.int_]) -> NDArray[np.bool_]:
    # The linework method gives the even-odd area of an outline that crosses itself.
    parts = shapely.get_parts(shapely.make_valid(shapely.Polygon(path_xy), method="linework"))
    area = shapely.union_all(parts[shapely.area(parts) > 0])
    shapely.prepare(area)
    return np.asarray(shapely.contains_xy(area, x, y))


def _near_line(
    path_xy: NDArray[np.float64], radius_px: float, x: NDArray[np.int_], y: NDArray[np.int_]
) -> NDArray[np.bool_]:
    line = shapely.LineString(path_xy) if len(path_xy) > 1 else shapely.Point(path_xy[0])
    shapely.prepare(line)
    return np.asarray(shapely.dwithin(line, shapely.points(x, y), radius_px))


def fold(model: CompartmentMap, hu_yx: NDArray[np.int16], strokes: Sequence[Stroke]) -> CompartmentMap:
    """The compartments of a slice after strokes, in their order; the model's own map is left as it is.

    Added pixels become muscle wall and muscle. Pixels that are taken away become what the nearest pixel outside the
    model's wall is. The spread across members stays the model's: nobody asked it about the correction.

    Parameters
    ----------
    hu_yx: int16 HU of the slice that the strokes were made on.
    """
    compartments, muscle = model.compartments_yx.copy(), model.muscle_yx.copy()
    around = _without_wall(model.compartments_yx)
    in_range = (hu_yx >= MUSCLE_HU[0]) & (hu_yx <= MUSCLE_HU[1])
    for stroke in strokes:
        touched = rasterise(stroke, (hu_yx.shape[0], hu_yx.shape[1]))
        if stroke.within_muscle_hu:
            touched &= in_range
        muscle[touched] = stroke.tool.adds
        compartments[touched] = Compartment.MUSCLE_WALL if stroke.tool.adds else around[touched]
    return CompartmentMap(compartments, muscle, model.muscle_spread_yx)


def _without_wall(compartments_yx: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The map with every pixel of the wall replaced by the nearest pixel of another compartment."""
    wall = compartments_yx == Compartment.MUSCLE_WALL
    nearest = ndimage.distance_transform_edt(wall, return_distances=False, return_indices=True)
    return np.asarray(compartments_yx[tuple(nearest)])


def corrected(measurement: Measurement, model: AssessmentArrays, strokes: Sequence[Stroke]) -> Measurement:
    """What a measurement becomes when its mask is mended.

    Flags about the models' mask go, those about scan, level and image stay. The uncertainty stays that of the models'
    mask, for what it says of the scan; nobody knows the one of a person's.

    Parameters
    ----------
    measurement: made by the models, or an earlier correction of it. model: the slice with the models' own mask.
    strokes: all of them, from the models' mask on.

    Raises
    ------
    ValueError: nothing was measured that could be mended, or there is no stroke.
    """
    before = measurement.composition
    if before is None:
        raise ValueError("a scan without a measured slice has no mask to mend")
    if not strokes:
        raise ValueError("a correction without a stroke is none")
    mended = fold(model.compartments, model.hu_yx, strokes)
    after = body_composition(
        model.hu_yx, mended.compartments_yx, model.plane.pixel_area_mm2, before.vat_range_hu, mended.muscle_yx
    )
    kept = [flag for flag in measurement.flags if flag.code not in ABOUT_THE_MODELS_MASK]
    told = Flag("mask_corrected", "The mask was mended by hand.", Severity.INFO)
    flags = (*kept, *area_flags(after.sma_cm2, measurement.slab_sma_cm2), told)
    return replace(
        measurement,
        composition=after,
        flags=flags,
        verdict=verdict_of(flags),
        provenance=replace(measurement.provenance, strokes=tuple(strokes)),
    )
