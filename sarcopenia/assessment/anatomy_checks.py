"""What in the anatomy of the measured slice makes its areas mean something else: looked for by rules that can be told.

Every rule is one figure and one limit. The limits were set on the training scans (nine people, lumbar slices with
hand-drawn and with the models' compartments) so that they stay silent on all of them, with room to spare: a flag asks
a person to look, and a flag on every second scan is no longer read. Metal and arms are looked for on every slice, the
rest on lumbar slices and on slices whose level is not known.

Not looked for: oedema or haematoma within muscle (their HU are those of muscle), flaps, and stomas.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray

from sarcopenia.assessment.events import AssessmentArrays
from sarcopenia.assessment.spine_course import FOUND_ALONG_SPINE
from sarcopenia.assessment.symmetry import BothSides, Sides, compare_sides
from sarcopenia.assessment.trunk_view import TrunkView
from sarcopenia.clinical.confounders import DETECTED_CONFOUNDERS, may_show_abdomen
from sarcopenia.domain.results import Compartment, Flag

METAL_HU: Final = 2000
"""Above the cortex of any bone (1900 HU at 80 kV) and below metal, which ends the scale at 3071 HU; training scans
stay below."""
METAL_AREA_MM2: Final = 20.0
"""One pedicle screw seen end-on (5 mm across); single pixels are calcium and noise."""
AT_THE_SPINE_MM: Final = 15.0

WATER_HU: Final = (-10.0, 20.0)
"""Ascites of low protein to bile; unenhanced bowel wall, liver and kidney begin at about 30 HU."""
FLUID_SMOOTHING_MM: Final = 2.0
FLUID_RADIUS_MM: Final = 5.0
"""Only fluid that a disc of this radius fits in counts: borders of fat and organ have the mean HU of water, too."""
FLUID_SHARE: Final = 0.25
"""Twice the most of the training scans at L2 to L5 (0.12: bowel filled with water); cysts of kidneys reach 0.03."""
MIN_CAVITY_CM2: Final = 50.0

OEDEMA_HU: Final = (-30.0, 60.0)
"""Above fat with fine strands, up to fluid and blood."""
OEDEMA_SMOOTHING_MM: Final = 1.5
SKIN_MM: Final = 8.0
"""Skin is 2 to 4 mm thick; the rest is the blur of 3 mm pixels."""
FASCIA_MM: Final = 6.0
"""Beside the wall an outline that is off by a pixel or two would look like oedema."""
OEDEMA_SHARE: Final = 0.15
"""Five times the most of the training scans (0.032)."""
MIN_SUBCUTIS_CM2: Final = 20.0
"""In thinner people hardly any fat lies far enough from skin and wall."""

ONE_SIDED_MUSCLE: Final = 0.25
"""The training scans reach 0.17 (a curved spine), half of them stay below 0.06."""
ONE_SIDED_PSOAS: Final = 0.35
"""The training scans reach 0.27 where the larger psoas has `MIN_PSOAS_CM2`."""
MIN_PSOAS_CM2: Final = 5.0
"""The larger one; where it is thinner, above L3, a row of pixels is a tenth of it and the crura are as large."""

HULL_MARGIN_MM: Final = 3.0
HERNIA_CM2: Final = 3.0
"""On no training scan the cavity leaves the ring; across a gap of 60 mm in a wall of 120 mm radius it may by
1.5 cm²."""

FOUND_IN_SLICE: Final = frozenset(each.code for each in DETECTED_CONFOUNDERS) - FOUND_ALONG_SPINE
"""Codes of the flags that `anatomy_flags` may raise; they follow the mask, and are found again on a mended one."""


def anatomy_flags(arrays: AssessmentArrays, level: str | None) -> tuple[Flag, ...]:
    """Flags of the anatomy on the measured slice with the mask that counts; ``level`` as in `Measurement`."""
    view = TrunkView.of(arrays)
    flags = [*_metal(arrays, view), *_arms(view)]
    if may_show_abdomen(level):
        flags += [*_fluid(view), *_oedema(view), *_sides(compare_sides(view)), *_hernia(view)]
    return tuple(flags)


def _metal(arrays: AssessmentArrays, view: TrunkView) -> Iterator[Flag]:
    inside = arrays.compartments.compartments_yx != Compartment.OUTSIDE
    area_mm2 = np.count_nonzero(inside & (arrays.hu_yx >= METAL_HU)) * arrays.plane.pixel_area_mm2
    if area_mm2 >= METAL_AREA_MM2:
        place = "at the spine" if _is_at_the_spine(view) else "in the body"
        text = f"Metal {place}: {area_mm2:.0f} mm² above {METAL_HU} HU. Its streaks change HU and outlines around it."
        yield Flag("metal", text)


def _is_at_the_spine(view: TrunkView) -> bool:
    """Whether the brightest tenth of what is brighter than bone usually is lies in or close to bone of the trunk."""
    bright = (view.hu_yx >= METAL_HU / 2) & (view.compartments_yx != Compartment.OUTSIDE)
    bone = view.trunk_yx == Compartment.SPINE_BONE
    if not bright.any() or not bone.any():
        return False
    bright &= view.hu_yx >= np.percentile(view.hu_yx[bright], 90)
    return bool(np.median(view.depth_mm(~bone)[bright]) <= AT_THE_SPINE_MM)


def _arms(view: TrunkView) -> Iterator[Flag]:
    if not view.arms:
        return
    sides = " and ".join(sorted("left" if arm.on_the_left else "right" for arm in view.arms))
    area = sum(view.area_cm2(arm.mask_yx) for arm in view.arms)
    counted = sum(view.area_cm2(view.muscle_yx[arm.mask_yx]) for arm in view.arms)
    text = f"Beside the body on the patient's {sides}: an arm ({area:.0f} cm², {counted:.1f} cm² of it in the mask)."
    yield Flag("arm_beside_body", f"{text} It makes streaks, and must not be counted.")


def fluid_share(view: TrunkView) -> float | None:
    """Share of the visceral cavity in large fields of water density; ``None`` where there is hardly a cavity."""
    cavity = view.trunk_yx == Compartment.VISCERAL_CAVITY
    if view.area_cm2(cavity) < MIN_CAVITY_CM2:
        return None
    hu = view.smooth_hu(FLUID_SMOOTHING_MM)
    core = view.depth_mm(cavity & (hu >= WATER_HU[0]) & (hu <= WATER_HU[1])) > FLUID_RADIUS_MM
    if not core.any():
        return 0.0
    field = (view.depth_mm(~core) <= FLUID_RADIUS_MM) & cavity
    return float(field.sum() / cavity.sum())


def _fluid(view: TrunkView) -> Iterator[Flag]:
    share = fluid_share(view)
    if share is not None and share > FLUID_SHARE:
        text = f"{100 * share:.0f} % of the visceral cavity has the density of water: ascites, or bowel full of fluid."
        yield Flag("abdominal_fluid", f"{text} Ascites stretches the wall, and adds to the weight.")


def oedema_share(view: TrunkView) -> float | None:
    """Share of the deep subcutis above the HU of fat; ``None`` where there is too little of it."""
    subcutis = view.trunk_yx == Compartment.SUBCUTANEOUS
    if view.area_cm2(subcutis) < MIN_SUBCUTIS_CM2:
        return None
    deep = subcutis & (view.depth_mm(view.trunk_yx != Compartment.OUTSIDE) > SKIN_MM)
    deep &= view.depth_mm(~view.inside_yx) > FASCIA_MM
    if view.area_cm2(deep) < MIN_SUBCUTIS_CM2:
        return None
    hu = view.smooth_hu(OEDEMA_SMOOTHING_MM)[deep]
    return float(((hu >= OEDEMA_HU[0]) & (hu <= OEDEMA_HU[1])).mean())


def _oedema(view: TrunkView) -> Iterator[Flag]:
    share = oedema_share(view)
    if share is not None and share > OEDEMA_SHARE:
        text = f"{100 * share:.0f} % of the deep subcutaneous fat has the density of fluid: oedema (anasarca)."
        yield Flag("subcutaneous_oedema", f"{text} Water then also adds to muscle, and to the weight.")


def _sides(found: BothSides | None) -> Iterator[Flag]:
    if found is None:
        return
    if found.muscle.missing_share > ONE_SIDED_MUSCLE:
        text = f"Muscle is unequal: {_in_words(found.muscle)}. One side has wasted, or the mask is wrong there."
        yield Flag("one_sided_muscle", text)
    if found.psoas.larger_cm2 >= MIN_PSOAS_CM2 and found.psoas.missing_share > ONE_SIDED_PSOAS:
        yield Flag("one_sided_psoas", f"The muscle beside the vertebra (psoas) is unequal: {_in_words(found.psoas)}.")


def _in_words(sides: Sides) -> str:
    smaller = "left" if sides.left_cm2 < sides.right_cm2 else "right"
    areas = f"left {sides.left_cm2:.1f} cm², right {sides.right_cm2:.1f} cm²"
    return f"{areas}, the patient's {smaller} is {100 * sides.missing_share:.0f} % smaller"


def cavity_outside_wall_cm2(view: TrunkView) -> float:
    """Area of the visceral cavity outside the convex ring around wall and bone."""
    ring = _points_mm(view, np.isin(view.trunk_yx, (Compartment.MUSCLE_WALL, Compartment.SPINE_BONE)))
    cavity = _points_mm(view, view.trunk_yx == Compartment.VISCERAL_CAVITY)
    if len(ring) < 3 or not len(cavity):
        return 0.0
    hull = shapely.convex_hull(shapely.MultiPoint(ring)).buffer(HULL_MARGIN_MM)
    shapely.prepare(hull)
    outside: NDArray[np.bool_] = ~shapely.contains_xy(hull, cavity)
    return view.area_cm2(outside)


def _points_mm(view: TrunkView, mask_yx: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.asarray(np.argwhere(mask_yx) * np.asarray(view.spacing_mm_yx))


def _hernia(view: TrunkView) -> Iterator[Flag]:
    area = cavity_outside_wall_cm2(view)
    if area > HERNIA_CM2:
        text = f"{area:.0f} cm² of the abdominal cavity lie outside the ring of the muscle wall: a hernia?"
        yield Flag("hernia", f"{text} Look at the mask there.")
