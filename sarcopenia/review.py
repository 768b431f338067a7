"""What a person does to a stored measurement: mend its mask. The models' own mask is always kept.

A correction is a new measurement that names the one it mends; the strokes in its provenance start from the mask of the
nearest measurement that only models made, so that folding them again gives exactly the stored mask.
"""

from collections.abc import Sequence
from dataclasses import replace

from sarcopenia.assessment.correction import corrected, fold
from sarcopenia.assessment.events import AssessmentArrays
from sarcopenia.domain.errors import RecordError
from sarcopenia.domain.strokes import Stroke
from sarcopenia.records import NewMeasurement, Records, StoredMeasurement, StoredSlice


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
