"""A person's correction: the model's compartments folded with strokes, and the areas that follow.

The server owns the mask: whatever a browser draws while the mouse moves, the mask is what `fold` makes of the strokes.
Which pixels a stroke touches is said by `sarcopenia.assessment.stroke_pixels`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sarcopenia.assessment.anatomy_checks import FOUND_IN_SLICE, anatomy_flags
from sarcopenia.assessment.composition import MUSCLE_HU, body_composition
from sarcopenia.assessment.events import AssessmentArrays
from sarcopenia.assessment.flags import area_flags, verdict_of
from sarcopenia.assessment.stroke_pixels import touched_pixels
from sarcopenia.domain.results import Compartment, CompartmentMap, Flag, Measurement, Severity
from sarcopenia.domain.strokes import Stroke

ABOUT_THE_MODELS_MASK: Final = frozenset(
    {"area_uncertain", "area_rejected", "slab_differs", "implausible_area", "holes", "mask_corrected", "mask_reset"}
)
"""Flags that say something of the mask; they do not hold for a mended one."""


def fold(model: CompartmentMap, hu_yx: NDArray[np.int16], strokes: Sequence[Stroke]) -> CompartmentMap:
    """The compartments of a slice after strokes, in their order; the model's own map is left as it is.

    Added pixels become muscle wall and muscle. Pixels that are taken away become what the nearest pixel outside the
    model's wall is. The spread across members stays the model's: nobody asked it about the correction.

    Parameters
    ----------
    hu_yx: int16 HU of the slice that the strokes were made on.
    """
    compartments, muscle = model.compartments_yx.copy(), model.muscle_yx.copy()
    only_added = all(stroke.tool.adds for stroke in strokes)  # then nobody asks what lies around the wall
    around = model.compartments_yx if only_added else _without_wall(model.compartments_yx)
    in_range = (hu_yx >= MUSCLE_HU[0]) & (hu_yx <= MUSCLE_HU[1])
    for stroke in strokes:
        found = touched_pixels(stroke, (hu_yx.shape[0], hu_yx.shape[1]))
        touched = found.mask_yx & in_range[found.window] if stroke.within_muscle_hu else found.mask_yx
        muscle[found.window][touched] = stroke.tool.adds
        now = Compartment.MUSCLE_WALL if stroke.tool.adds else around[found.window][touched]
        compartments[found.window][touched] = now
    return CompartmentMap(compartments, muscle, model.muscle_spread_yx)


def _without_wall(compartments_yx: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The map with every pixel of the wall replaced by the nearest pixel of another compartment."""
    wall = compartments_yx == Compartment.MUSCLE_WALL
    if not wall.any():
        return compartments_yx
    [found] = ndimage.find_objects(wall.astype(np.uint8))
    # A pixel outside of the frame around the wall is never nearer than one on it.
    box = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in found)
    nearest = ndimage.distance_transform_edt(wall[box], return_distances=False, return_indices=True)
    around = compartments_yx.copy()
    around[box] = compartments_yx[box][tuple(nearest)]
    return around


def corrected(measurement: Measurement, model: AssessmentArrays, strokes: Sequence[Stroke]) -> Measurement:
    """What a measurement becomes when its mask is mended.

    Flags about the models' mask go, those about scan, level and image stay, and the anatomy is looked at again. The
    uncertainty stays that of the models' mask, for what it says of the scan; nobody knows the one of a person's.

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
    kept = [flag for flag in measurement.flags if flag.code not in ABOUT_THE_MODELS_MASK | FOUND_IN_SLICE]
    anatomy = anatomy_flags(AssessmentArrays(model.hu_yx, mended, model.plane), measurement.level)
    told = Flag("mask_corrected", "The mask was mended by hand.", Severity.INFO)
    flags = (*kept, *area_flags(after.sma_cm2, measurement.slab_sma_cm2), *anatomy, told)
    return replace(
        measurement,
        composition=after,
        flags=flags,
        verdict=verdict_of(flags),
        provenance=replace(measurement.provenance, strokes=tuple(strokes)),
    )


def taken_back(models_own: Measurement) -> Measurement:
    """What a corrected measurement becomes when all strokes are dropped: the models' own, with all it says of its mask.

    A flag tells of it; the provenance has no stroke and is the models' own.
    """
    kept = [flag for flag in models_own.flags if flag.code != "mask_reset"]
    told = Flag("mask_reset", "A correction was taken back: the mask is the AI's own again.", Severity.INFO)
    return replace(models_own, flags=(*kept, told))
