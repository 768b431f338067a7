"""Same level, same place: a follow-up scan measured at the place of a baseline measurement's slice.

The level that each scan finds on its own differs by some millimetres from scan to scan, and the area differs with it.
Here the follow-up's spine is registered to the baseline's, and the models outline the slice at the matched height. The
result is the only child of the follow-up's newest measurement; as every new version, it has no review.
"""

from dataclasses import dataclass, replace

from sarcopenia.assessment.events import AssessmentOptions
from sarcopenia.assessment.pipeline import run_assessment
from sarcopenia.assessment.registration import match_slice
from sarcopenia.domain.errors import RecordError
from sarcopenia.domain.results import Measurement, SliceMatch, SliceRegistration, Verdict
from sarcopenia.domain.volume import CtVolume
from sarcopenia.inference.port import ModelClient
from sarcopenia.records import NewMeasurement, Records, StoredMeasurement
from sarcopenia.stored_series import stored_slice

BY_HAND = "Name the level of the follow-up by hand on the Review page, and compare with care."


@dataclass(frozen=True)
class ScanPair:
    """Both series of a patient, whole."""

    baseline: CtVolume
    follow_up: CtVolume


def check_pair(records: Records, baseline_id: int, follow_up_id: int) -> tuple[StoredMeasurement, StoredMeasurement]:
    """Both measurements, if the second may be measured again at the place of the first.

    Raises
    ------
    RecordNotFoundError: no such measurement. RecordError: two patients, one scan, a baseline that may not be used, or
    a follow-up in which the baseline's vertebra was not found.
    """
    baseline, follow_up = records.measurements.get(baseline_id), records.measurements.get(follow_up_id)
    if baseline.patient_id != follow_up.patient_id:
        raise RecordError("The two scans belong to different patients.", "Choose two scans of one patient.")
    if baseline.scan_id == follow_up.scan_id:
        raise RecordError("Baseline and follow-up are the same scan.", "Choose another scan as the baseline.")
    measured = baseline.measurement
    if measured.slice_index is None or measured.level is None or not _usable(measured):
        raise RecordError(
            "The baseline has no slice that may be used.", "Correct and review the baseline first, or choose another."
        )
    guessed_z_mm(baseline, follow_up)
    return baseline, follow_up


def _usable(measurement: Measurement) -> bool:
    return measurement.verdict in (Verdict.ACCEPT, Verdict.REVIEW)


def guessed_z_mm(baseline: StoredMeasurement, follow_up: StoredMeasurement) -> float:
    """Patient z of the follow-up, in mm, where the baseline's place is looked for first.

    It lies as far from the middle of the follow-up's vertebra as the baseline's slice from the middle of its own.

    Raises
    ------
    RecordError: the baseline's vertebra was not found in the follow-up.
    """
    level = baseline.measurement.level
    there = _vertebra_z_mm(follow_up, level)
    if there is None and follow_up.measurement.level == level:
        there = follow_up.measurement.slice_z_mm
    if there is None:
        raise RecordError(f"{level} was not found in the follow-up scan.", BY_HAND)
    here, taken = _vertebra_z_mm(baseline, level), baseline.measurement.slice_z_mm
    return there if here is None or taken is None else there + taken - here


def _vertebra_z_mm(stored: StoredMeasurement, label: str | None) -> float | None:
    vertebrae = () if stored.level is None else stored.level.vertebrae
    return next((each.z_mm for each in vertebrae if each.label == label), None)


def find_same_place(baseline: StoredMeasurement, follow_up: StoredMeasurement, scans: ScanPair) -> SliceMatch:
    """Where the baseline's slice lies in the follow-up; a few seconds.

    Raises
    ------
    RecordError: the vertebra was not found in the follow-up, or nothing was measured. InputError: the scans cannot be
    registered.
    """
    if baseline.measurement.slice_index is None:
        raise RecordError("The baseline has no measured slice.", "Choose another baseline.")
    guess = scans.follow_up.geometry.nearest_slice(guessed_z_mm(baseline, follow_up))
    return match_slice(scans.baseline, baseline.measurement.slice_index, scans.follow_up, guess)


def measure_same_place(
    records: Records, models: ModelClient, baseline_id: int, follow_up_id: int, scans: ScanPair, *, author: str
) -> StoredMeasurement:
    """Measure the follow-up at the baseline's place and store that as its measurement's only child.

    The ids are those of measurements. The child has no review: a signature of the follow-up is void afterwards, and
    whoever asks must have been told.

    Raises
    ------
    RecordError: the pair cannot be compared, or the match is not trusted; then nothing is stored. ConflictError:
    somebody else has corrected the follow-up first. InputError, InferenceError: as `run_assessment`.
    """
    baseline, follow_up = check_pair(records, baseline_id, follow_up_id)
    match = find_same_place(baseline, follow_up, scans)
    if not match.trusted:
        raise RecordError(f"The same place was not found. {match.reason}", BY_HAND)
    found = run_assessment(scans.follow_up, models, _options(baseline, follow_up, match))
    new = NewMeasurement(
        measurement=found.measurement,
        level=follow_up.level,
        arrays=replace(records.measurements.arrays(follow_up.measurement_id), slice=stored_slice(found)),
        author=author,
        parent_id=follow_up.measurement_id,
    )
    return records.measurements.store(follow_up.scan_id, new)


def _options(baseline: StoredMeasurement, follow_up: StoredMeasurement, match: SliceMatch) -> AssessmentOptions:
    told = baseline.measurement.provenance
    return AssessmentOptions(
        slice_choice=match.slice_index,
        vat_range_hu=follow_up.measurement.provenance.vat_range_hu,
        level=baseline.measurement.level,
        landmark=told.landmark,
        registration=SliceRegistration(baseline.measurement_id, told.series_hash, told.place_rule, match),
    )
