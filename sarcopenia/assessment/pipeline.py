"""From a CT volume to a measurement: the one road that the worker, the command line and the tests take.

`assess` is a generator of typed events; whoever iterates decides what to do with them. Only small tensors travel to the
models: two spine projections first, then the slices around L3.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import metadata

import numpy as np
from numpy.typing import NDArray

from sarcopenia.assessment.anatomy_checks import anatomy_flags
from sarcopenia.assessment.composition import body_composition
from sarcopenia.assessment.events import (
    STAGES,
    Assessment,
    AssessmentArrays,
    AssessmentEvent,
    AssessmentFinished,
    AssessmentOptions,
    Scouts,
    Stage,
    StageEvent,
)
from sarcopenia.assessment.flags import SliceEvidence, level_flags, scan_flags, slice_flags, verdict_of
from sarcopenia.assessment.level import find_level
from sarcopenia.assessment.pattern import find_pattern
from sarcopenia.assessment.quality import cut_edge, hole_fraction, muscle_is_cut, noise_sd_hu, rate_slice
from sarcopenia.assessment.scouts import make_scouts
from sarcopenia.assessment.segmentation import SegmentedSlice, segment_slices
from sarcopenia.assessment.slices import AVERAGED_THICKNESS_MM, averaging_weights, resolve_slice, slab_slices, slice_hu
from sarcopenia.assessment.spine_course import SpineCourse, course_flags, spine_course
from sarcopenia.assessment.spine_projection import SpineProjections, coarse_block, find_midline, project_spine
from sarcopenia.clinical.confounders import codes_to_look_for
from sarcopenia.domain.errors import NoBodyError
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.results import (
    AcceptanceRule,
    Degradation,
    Flag,
    ImageQuality,
    LevelFinding,
    LevelRule,
    Measurement,
    PatternFinding,
    Provenance,
    Severity,
    Uncertainty,
    Verdict,
    VertebraPosition,
)
from sarcopenia.domain.volume import CtVolume
from sarcopenia.inference.contract import SARCOPENIA_CLASSIFIER
from sarcopenia.inference.port import ModelClient

MIN_SPINE_LENGTH_MM = 40.0
"""A series shorter than a vertebra and a half has no level to be counted."""


@dataclass(frozen=True)
class _SpineView:
    """What is seen along the spine: for the model, and for people."""

    projections: SpineProjections
    scouts: Scouts


@dataclass(frozen=True)
class _Search:
    """What the search for L3 brought; nothing for a single slice."""

    level: LevelFinding | None
    scouts: Scouts | None
    course: SpineCourse | None = None


@dataclass(frozen=True)
class _Target:
    """The slice to be measured: index, level if known, the rule, and how many slices make its image."""

    slice_index: int
    level: str | None
    rule: LevelRule
    averaged_slices: int


@dataclass(frozen=True)
class _Found:
    """What the models brought for the measured slice and its slab (mean SMA in cm², ``None`` without neighbours)."""

    arrays: AssessmentArrays
    segmented: SegmentedSlice
    slab_sma_cm2: float | None
    pattern: PatternFinding | None


def assess(
    volume: CtVolume, models: ModelClient, options: AssessmentOptions | None = None
) -> Iterator[AssessmentEvent]:
    """Measure a scan; the last event carries the result.

    Raises
    ------
    InputError: the scan cannot be measured. InferenceError: the models could not be asked.
    """
    options = options or AssessmentOptions()
    given = None if options.slice_choice is None else resolve_slice(volume, options.slice_choice)
    yield _event(Stage.PROJECT, "Looking along the spine")
    view = _look_along_spine(volume, required=given is None) if _has_length(volume) else None
    search = _Search(None, None)
    if view is not None:
        yield _event(Stage.LOCATE, "Counting vertebrae")
        search = _locate(volume, models, view)
    target = _target(volume, search.level, given, options)
    if target is None:
        yield AssessmentFinished(_without_l3(volume, models, search, options))
        return
    yield _event(Stage.SEGMENT, f"Outlining muscle and fat at {target.level or 'the given slice'}")
    slab = slab_slices(volume, target.slice_index)
    chosen = (*slab, *_candidate_slices(search.level))
    images = [slice_hu(volume, _weights(volume, index, target)) for index in chosen]
    planes = [volume.geometry.plane(index) for index in chosen]
    segmented = segment_slices(images, planes, models)
    yield _event(Stage.MEASURE, "Measuring")
    arrays = AssessmentArrays(images[0], segmented[0].compartments, planes[0])
    areas = [_sma_cm2(found, planes[0]) for found in segmented]
    slab_sma = float(np.mean(areas[: len(slab)])) if len(slab) > 1 else None
    search = _with_candidate_areas(search, tuple(areas[len(slab) :]))
    pattern = find_pattern(slab, segmented[: len(slab)], models)
    found = _Found(arrays, segmented[0], slab_sma, pattern)
    yield AssessmentFinished(_measured(volume, models, search, target, found, options))


def _event(stage: Stage, text: str) -> StageEvent:
    return StageEvent(stage, STAGES.index(stage), len(STAGES), text)


def _has_length(volume: CtVolume) -> bool:
    position = volume.geometry.slice_positions_mm
    return bool(position[-1] - position[0] >= MIN_SPINE_LENGTH_MM)


def _look_along_spine(volume: CtVolume, *, required: bool) -> _SpineView | None:
    """Projections and scouts; where a slice is given anyway, a scan without bone is no error and has none."""
    try:
        block = coarse_block(volume)
        midline = find_midline(block)
    except NoBodyError:
        if required:
            raise
        return None
    return _SpineView(project_spine(block, midline), make_scouts(block, midline))


def _locate(volume: CtVolume, models: ModelClient, view: _SpineView) -> _Search:
    profile = models.locate_spine(view.projections.hu_czw)
    level = find_level(volume, profile, view.projections.z_mm)
    return _Search(level, view.scouts, spine_course(view.projections, level))


def _target(
    volume: CtVolume, level: LevelFinding | None, given: int | None, options: AssessmentOptions
) -> _Target | None:
    """The slice to measure; ``None`` when L3 was looked for and is not in the scan."""
    if given is not None and options.registration is not None:
        return _Target(given, options.level, LevelRule.REGISTERED, _averaged(volume, given))
    if given is not None and options.level is not None:
        return _Target(given, options.level, LevelRule.PERSON, 1)
    if given is not None:
        return _Target(given, _label_at(volume, level, given), LevelRule.GIVEN_SLICE, 1)
    if level is None:
        return _Target(volume.geometry.shape_zyx[0] // 2, None, LevelRule.SINGLE_SLICE, 1)
    if level.l3 is None:
        return None
    return _Target(level.l3.slice_index, "L3", LevelRule.MID_L3, _averaged(volume, level.l3.slice_index))


def _averaged(volume: CtVolume, slice_index: int) -> int:
    return int(np.count_nonzero(averaging_weights(volume, slice_index)))


def _weights(volume: CtVolume, slice_index: int, target: _Target) -> NDArray[np.float64]:
    """Share of every slice in the image of one slice; a slice that a person chose stands alone."""
    if target.averaged_slices > 1:
        return averaging_weights(volume, slice_index)
    return np.asarray(np.eye(1, volume.geometry.shape_zyx[0], slice_index)[0])


def _label_at(volume: CtVolume, level: LevelFinding | None, slice_index: int) -> str | None:
    """Name of the vertebra whose middle is nearest, if it is near enough to be meant."""
    if level is None or not level.vertebrae:
        return None
    z_mm = volume.geometry.slice_z_mm[slice_index]
    nearest = min(level.vertebrae, key=lambda vertebra: abs(vertebra.z_mm - z_mm))
    return nearest.label if abs(nearest.z_mm - z_mm) <= _half_pitch_mm(level.vertebrae) else None


def _half_pitch_mm(vertebrae: tuple[VertebraPosition, ...]) -> float:
    heights = [vertebra.z_mm for vertebra in vertebrae]
    return float(np.median(np.diff(heights))) / 2 if len(heights) > 1 else 17.5


def _sma_cm2(found: SegmentedSlice, plane: PlaneGeometry) -> float:
    return float(np.count_nonzero(found.compartments.muscle_yx) * plane.pixel_area_mm2 / 100)


def _candidate_slices(level: LevelFinding | None) -> tuple[int, ...]:
    """Slices that a person must choose from when the count is ambiguous."""
    return () if level is None else tuple(candidate.slice_index for candidate in level.candidates)


def _with_candidate_areas(search: _Search, areas_cm2: tuple[float, ...]) -> _Search:
    if search.level is None or not areas_cm2:
        return search
    return replace(search, level=replace(search.level, candidate_sma_cm2=areas_cm2))


def _measured(
    volume: CtVolume,
    models: ModelClient,
    search: _Search,
    target: _Target,
    found: _Found,
    options: AssessmentOptions,
) -> Assessment:
    arrays = found.arrays
    compartments_yx = arrays.compartments.compartments_yx
    composition = body_composition(arrays.hu_yx, compartments_yx, arrays.plane.pixel_area_mm2, options.vat_range_hu)
    uncertainty = _uncertainty(found.segmented, search.level, target.rule)
    quality = _quality(volume, arrays, target, rate_slice(found.segmented.model_hu_yx, models))
    edge = cut_edge(arrays.hu_yx, arrays.plane)
    cut = muscle_is_cut(edge, compartments_yx, arrays.plane)
    evidence = SliceEvidence(composition.sma_cm2, found.slab_sma_cm2, uncertainty, quality, bool(edge.any()), cut)
    rule = models.acceptance_rule()
    flags = (
        *scan_flags(volume),
        *_level_flags(volume, search.level, target),
        *slice_flags(evidence, rule),
        *course_flags(search.course, arrays.plane),
        *anatomy_flags(arrays, target.level),
    )
    measurement = Measurement(
        level=target.level,
        slice_index=target.slice_index,
        slice_z_mm=float(volume.geometry.slice_z_mm[target.slice_index]),
        slice_sop_instance_uid=volume.sop_instance_uids[target.slice_index] or None,
        composition=composition,
        slab_sma_cm2=found.slab_sma_cm2,
        uncertainty=uncertainty,
        quality=quality,
        flags=flags,
        verdict=verdict_of(flags),
        provenance=replace(
            _provenance(volume, models, target, options, rule),
            looked_for=codes_to_look_for(target.level, target.rule),
        ),
    )
    return Assessment(measurement, arrays, search.level, search.scouts, found.pattern)


def _uncertainty(segmented: SegmentedSlice, level: LevelFinding | None, rule: LevelRule) -> Uncertainty:
    found = level.l3 if level is not None and rule is LevelRule.MID_L3 else None
    return Uncertainty(
        member_sma_cm2=segmented.member_sma_cm2,
        sma_cov_percent=segmented.sma_cov_percent,
        level_spread_mm=None if found is None else found.spread_mm,
        entropy=segmented.entropy,
        variance=segmented.variance,
    )


def _quality(
    volume: CtVolume, arrays: AssessmentArrays, target: _Target, rating: tuple[float, Degradation]
) -> ImageQuality:
    nominal = volume.header.slice_thickness_mm or volume.geometry.spacing_mm_zyx[0]
    return ImageQuality(
        effective_thickness_mm=max(nominal, AVERAGED_THICKNESS_MM if target.averaged_slices > 1 else 0.0) or None,
        noise_sd_hu=noise_sd_hu(arrays.hu_yx, arrays.compartments.muscle_yx),
        hole_fraction=hole_fraction(arrays.hu_yx, arrays.compartments.compartments_yx, arrays.plane.pixel_area_mm2),
        predicted_ssim=rating[0],
        degradation=rating[1],
    )


def _level_flags(volume: CtVolume, level: LevelFinding | None, target: _Target) -> list[Flag]:
    if target.rule is LevelRule.MID_L3 and level is not None:
        return level_flags(volume, level)
    if target.rule is LevelRule.REGISTERED:
        text = f"The slice is at the place of the baseline's {target.level}, found by registration of the spine."
        return [Flag("level_registered", text, Severity.INFO)]
    if target.rule is LevelRule.PERSON:
        return [Flag("level_by_person", f"A person says that this slice shows {target.level}.", Severity.INFO)]
    name = f"at {target.level}" if target.level else "at an unknown level"
    text = f"The slice was given, not found: this is SMA {name}. L3 cut-offs apply only if the slice is at L3."
    return [Flag("level_given", text, Severity.REVIEW if target.level != "L3" else Severity.INFO)]


def _without_l3(volume: CtVolume, models: ModelClient, search: _Search, options: AssessmentOptions) -> Assessment:
    """The finding "L3 is not in this scan"."""
    level = search.level
    flags = (*scan_flags(volume), *(level_flags(volume, level) if level is not None else ()))
    target = _Target(0, None, LevelRule.MID_L3, 1)
    provenance = _provenance(volume, models, target, options, models.acceptance_rule())
    measurement = Measurement(None, None, None, None, None, None, None, None, flags, Verdict.NO_L3, provenance)
    return Assessment(measurement, None, level, search.scouts)


def _provenance(
    volume: CtVolume, models: ModelClient, target: _Target, options: AssessmentOptions, rule: AcceptanceRule
) -> Provenance:
    return Provenance(
        # The classifier has no part in the measurement.
        models=tuple(each for each in models.identities() if each.name != SARCOPENIA_CLASSIFIER),
        software_version=metadata.version("sarcopenia-dashboard"),
        level_rule=target.rule,
        series_hash=volume.series_hash,
        vat_range_hu=options.vat_range_hu,
        averaged_slices=target.averaged_slices,
        acceptance=rule,
        landmark=options.landmark,
        registration=options.registration,
    )


def run_assessment(volume: CtVolume, models: ModelClient, options: AssessmentOptions | None = None) -> Assessment:
    """The result alone, for callers that draw no progress."""
    for event in assess(volume, models, options):
        if isinstance(event, AssessmentFinished):
            return event.assessment
    raise RuntimeError("an assessment ended without a result")
