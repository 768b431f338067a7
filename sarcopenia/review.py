"""What a person does to a stored measurement: mend its mask, move its level, sign or reject it.

A correction is a new measurement that names the one it mends; the strokes in its provenance start from the mask of the
nearest measurement that only models made, so that folding them again gives exactly the stored mask. A new version has
no review: moving the level or the mask voids a signature.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sarcopenia.assessment.correction import corrected, fold
from sarcopenia.assessment.events import AssessmentArrays, AssessmentOptions
from sarcopenia.assessment.pipeline import run_assessment
from sarcopenia.domain.errors import PermissionDeniedError, RecordError
from sarcopenia.domain.results import Landmark, Measurement
from sarcopenia.domain.strokes import Stroke
from sarcopenia.domain.volume import CtVolume
from sarcopenia.imaging import read_series
from sarcopenia.inference.port import ModelClient
from sarcopenia.records import NewMeasurement, Records, ReviewState, StoredMeasurement, StoredReview, StoredSlice
from sarcopenia.settings import Settings
from sarcopenia.stored_series import stored_slice, upload_files


def models_own(records: Records, measurement_id: int) -> StoredMeasurement:
    """The measurement whose mask the strokes of another one start from: itself, or the nearest parent without strokes.

    Raises
    ------
    RecordNotFoundError: no such measurement.
    """
    stored = records.measurements.get(measurement_id)
    while stored.measurement.provenance.strokes and stored.parent_id is not None:
        stored = records.measurements.get(stored.parent_id)
    return stored


def models_slice(records: Records, measurement_id: int) -> StoredSlice:
    """The measured slice with the mask of the models alone.

    Raises
    ------
    RecordNotFoundError: no such measurement. RecordError: nothing was measured.
    """
    found = records.measurements.arrays(models_own(records, measurement_id).measurement_id).slice
    if found is None:
        raise RecordError("This scan has no measured slice, so there is no mask to mend.")
    return found


def store_correction(
    records: Records, measurement_id: int, strokes: Sequence[Stroke], *, author: str
) -> StoredMeasurement:
    """Store what a measurement becomes by strokes, as its only child, and drop the author's draft.

    Raises
    ------
    ConflictError: somebody else has corrected it first; the draft stays. RecordNotFoundError: no such measurement.
    RecordError: nothing was measured, or nothing is changed.
    """
    base = records.measurements.get(measurement_id)
    if tuple(strokes) == base.measurement.provenance.strokes or not strokes:
        raise RecordError("There is no change to store.", "Paint first, or leave the mask as it is.")
    model = models_slice(records, measurement_id)
    scouts = records.measurements.arrays(measurement_id)
    arrays = AssessmentArrays(model.hu_yx, model.compartments, model.plane)
    mended = StoredSlice(model.hu_yx, model.plane, fold(model.compartments, model.hu_yx, strokes))
    new = NewMeasurement(
        measurement=corrected(base.measurement, arrays, strokes),
        level=base.level,
        arrays=replace(scouts, slice=mended),
        author=author,
        parent_id=measurement_id,
    )
    stored = records.measurements.store(base.scan_id, new)
    records.drafts.discard(measurement_id, author)
    return stored


def scan_volume(records: Records, scan_id: int) -> CtVolume:
    """The whole series of a scan, read again from what was uploaded.

    Raises
    ------
    RecordNotFoundError: no such scan, or its upload is gone. InputError: the upload is no longer readable.
    """
    upload_id = records.scans.get(scan_id).upload_id
    return read_series(upload_files(records, upload_id)).chosen


@dataclass(frozen=True)
class LevelChoice:
    """Where a person wants to measure: slice (0-based, from the feet), vertebra such as "L3", and place in it."""

    slice_index: int
    level: str
    landmark: Landmark = Landmark.MID_BODY


def move_level(
    records: Records, models: ModelClient, volume: CtVolume, measurement_id: int, choice: LevelChoice, *, author: str
) -> StoredMeasurement:
    """Measure a scan at the slice of a person's choice, and store that as the only child of a measurement.

    Raises
    ------
    ConflictError: somebody else has corrected the measurement first. InferenceError: the models could not be asked.
    InputError: there is no such slice, or no body on it.
    """
    base = records.measurements.get(measurement_id)
    options = AssessmentOptions(
        choice.slice_index, base.measurement.provenance.vat_range_hu, choice.level, choice.landmark
    )
    found = run_assessment(volume, models, options)
    new = NewMeasurement(
        measurement=found.measurement,
        level=base.level,
        arrays=replace(records.measurements.arrays(measurement_id), slice=stored_slice(found)),
        author=author,
        parent_id=measurement_id,
    )
    return records.measurements.store(base.scan_id, new)


def may_sign(settings: Settings, person: str) -> bool:
    """Whether the settings let somebody sign; a person without a name never may."""
    return bool(person) and (settings.signers is None or person in settings.signers)


def sign(
    records: Records, settings: Settings, measurement_id: int, confirmed: Sequence[str], *, author: str
) -> StoredReview:
    """Sign a measurement; ``confirmed`` says in words what the person has confirmed, flags included.

    Raises
    ------
    PermissionDeniedError: the person may not sign. ConflictError: a correction has replaced the measurement.
    RecordError: a flag is not confirmed, or nothing was measured.
    """
    if not may_sign(settings, author):
        raise PermissionDeniedError(f"{author or 'A person without a name'} may not sign.")
    measurement = records.measurements.get(measurement_id).measurement
    missing = [item for item in required_confirmations(measurement) if item not in confirmed]
    if missing:
        raise RecordError(f"Not confirmed: {', '.join(missing)}.", "Look at each item and confirm it, or reject.")
    return records.reviews.add(
        measurement_id, ReviewState.SIGNED, author=author, comment=f"Confirmed: {', '.join(confirmed)}"
    )


def required_confirmations(measurement: Measurement) -> tuple[str, ...]:
    """What must be confirmed before a signature: level, mask where there is one, the person, and each flag's code."""
    parts = ("level", "mask", "sex and height") if measurement.composition is not None else ("level",)
    return (*parts, *dict.fromkeys(flag.code for flag in measurement.flags))


def reject(records: Records, measurement_id: int, reason: str, *, author: str) -> StoredReview:
    """Say that a measurement must not be used, and why.

    Raises
    ------
    RecordError: no reason, or nobody's name. ConflictError: a correction has replaced the measurement.
    """
    if not reason.strip() or not author:
        raise RecordError("A rejection needs a reason and a name.", "Enter both.")
    return records.reviews.add(measurement_id, ReviewState.REJECTED, author=author, comment=reason.strip())
