"""What a person does to a stored measurement: mend its mask, move its level, sign or reject it.

A correction is a new measurement that names the one it mends; the strokes in its provenance start from the mask of the
nearest measurement that only models made, so that folding them again gives exactly the stored mask. A new version has
no review: moving the level or the mask voids a signature.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sarcopenia.assessment.correction import corrected, fold, taken_back
from sarcopenia.assessment.events import AssessmentArrays, AssessmentOptions
from sarcopenia.assessment.pipeline import run_assessment
from sarcopenia.clinical import CONFOUNDERS, confounder_flags
from sarcopenia.domain.errors import ConflictError, PermissionDeniedError, RecordError
from sarcopenia.domain.results import Flag, Landmark, Measurement, Severity, Verdict
from sarcopenia.domain.strokes import Stroke
from sarcopenia.domain.volume import CtVolume
from sarcopenia.imaging import read_series
from sarcopenia.inference.port import ModelClient
from sarcopenia.records import (
    YES,
    NewMeasurement,
    Records,
    ReviewState,
    StoredMeasurement,
    StoredReview,
    StoredSlice,
)
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

    No stroke on a version that has some takes its correction back: the new version is the models' own mask again.

    Raises
    ------
    ConflictError: somebody else has corrected it first; the draft stays. RecordNotFoundError: no such measurement.
    RecordError: nothing was measured, or nothing is changed.
    """
    base = records.measurements.get(measurement_id)
    if tuple(strokes) == base.measurement.provenance.strokes:
        raise RecordError("There is no change to store.", "Paint first, or leave the mask as it is.")
    own, model = models_own(records, measurement_id), models_slice(records, measurement_id)
    scouts = records.measurements.arrays(measurement_id)
    arrays = AssessmentArrays(model.hu_yx, model.compartments, model.plane)
    mended = StoredSlice(model.hu_yx, model.plane, fold(model.compartments, model.hu_yx, strokes))
    new = NewMeasurement(
        measurement=corrected(base.measurement, arrays, strokes) if strokes else taken_back(own.measurement),
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
    PermissionDeniedError: the person may not sign. ConflictError: another version has replaced the measurement.
    RecordError: a flag is not confirmed, or nothing was measured.
    """
    _require_signer(settings, author)
    stored = records.measurements.get(measurement_id)
    missing = [item for item in confirmations_of(records, stored) if item not in confirmed]
    if missing:
        raise RecordError(f"Not confirmed: {', '.join(missing)}.", "Look at each item and confirm it, or reject.")
    _require_newest(records, stored)
    return records.reviews.add(
        measurement_id, ReviewState.SIGNED, author=author, comment=f"Confirmed: {', '.join(confirmed)}"
    )


def _require_signer(settings: Settings, person: str) -> None:
    if not may_sign(settings, person):
        raise PermissionDeniedError(f"{person or 'A person without a name'} may not sign.")


def _require_newest(records: Records, stored: StoredMeasurement) -> None:
    """A scan that was measured again has a newer version that corrects none: the records alone would take the old."""
    newest = records.scans.get(stored.scan_id).latest
    if newest is None or newest.measurement_id != stored.measurement_id:
        raise ConflictError("This scan has a newer version.", "Open the newest version and review that one.")


def required_confirmations(measurement: Measurement, asked: Sequence[Flag] = ()) -> tuple[str, ...]:
    """What must be confirmed before a signature: level, mask where there is one, the person, and each flag's code.

    ``asked`` are the flags of what was answered with yes about the patient (`asked_flags`).
    """
    parts = ("level", "mask", "sex and height") if measurement.composition is not None else ("level",)
    return (*parts, *dict.fromkeys(flag.code for flag in (*measurement.flags, *asked)))


def asked_flags(records: Records, scan_id: int) -> tuple[Flag, ...]:
    """Flags of what was answered with yes about the patient on the day of a scan; raises `RecordNotFoundError`."""
    context = records.contexts.for_scan(scan_id)
    told = {each.key: getattr(context, each.key) for each in CONFOUNDERS}
    return confounder_flags({key: entry.value == YES for key, entry in told.items() if entry is not None})


def confirmations_of(records: Records, stored: StoredMeasurement) -> tuple[str, ...]:
    """What must be confirmed before a stored measurement is signed, the answers about its patient included."""
    return required_confirmations(stored.measurement, asked_flags(records, stored.scan_id))


@dataclass(frozen=True)
class BulkRefusal:
    """A measurement that was not signed in bulk, and why, in a sentence."""

    measurement_id: int
    reason: str


@dataclass(frozen=True)
class BulkOutcome:
    """What came of signing in bulk: ids of the measurements that are signed now, and those that are not."""

    signed: tuple[int, ...]
    refused: tuple[BulkRefusal, ...]


BULK_STATEMENT: Final = "I have looked at level, mask, sex and height of each."
"""What a person confirms once for all measurements that are signed in bulk."""


def sign_in_bulk(records: Records, settings: Settings, measurement_ids: Sequence[int], *, author: str) -> BulkOutcome:
    """Sign measurements about which nothing needs a look of its own; the caller has asked for `BULK_STATEMENT`.

    Refused one by one, and left as they are: a verdict other than accept, a flag or an answer about the patient that
    asks for a look, any review before, strokes that somebody has not stored, a newer version.

    Raises
    ------
    PermissionDeniedError: the person may not sign. RecordNotFoundError: no such measurement.
    """
    _require_signer(settings, author)
    found = [records.measurements.get(measurement_id) for measurement_id in dict.fromkeys(measurement_ids)]
    signed: list[int] = []
    refused: list[BulkRefusal] = []
    for stored in found:
        reason = _why_not_in_bulk(records, stored) or _sign_one_of(records, stored, author)
        if reason:
            refused.append(BulkRefusal(stored.measurement_id, reason))
        else:
            signed.append(stored.measurement_id)
    return BulkOutcome(tuple(signed), tuple(refused))


def _sign_one_of(records: Records, stored: StoredMeasurement, author: str) -> str:
    """Sign it; "" or why somebody else was first."""
    told = ", ".join(flag.code for flag in stored.measurement.flags)
    comment = f"Signed in bulk. Confirmed: {BULK_STATEMENT}" + (f" For information: {told}." if told else "")
    try:
        _require_newest(records, stored)
        records.reviews.add(stored.measurement_id, ReviewState.SIGNED, author=author, comment=comment)
    except ConflictError as error:
        return error.message
    return ""


def _why_not_in_bulk(records: Records, stored: StoredMeasurement) -> str:
    """Why a measurement must be opened to be signed; "" where it need not."""
    measurement, review = stored.measurement, stored.review
    if review is not None:
        words = "the signature was withdrawn" if review.state is ReviewState.WITHDRAWN else str(review.state)
        return f"It has a review: {words} by {review.author}."
    flags = (*measurement.flags, *asked_flags(records, stored.scan_id))
    if codes := dict.fromkeys(flag.code for flag in flags if flag.severity is not Severity.INFO):
        return f"It is flagged: {', '.join(codes)}."
    if measurement.verdict is not Verdict.ACCEPT:
        return f"Its verdict is {measurement.verdict.value.replace('_', ' ')}."
    painters = dict.fromkeys(draft.author for draft in records.drafts.of_scan(stored.scan_id))
    return f"Strokes of {', '.join(painters)} are not stored yet." if painters else ""


def reject(records: Records, settings: Settings, measurement_id: int, reason: str, *, author: str) -> StoredReview:
    """Say that a measurement must not be used, and why. What is signed, only who may sign can reject.

    Raises
    ------
    RecordError: no reason, or nobody's name. ConflictError: a correction has replaced the measurement.
    PermissionDeniedError: it is signed, and the person may not sign.
    """
    if not reason.strip() or not author:
        raise RecordError("A rejection needs a reason and a name.", "Enter both.")
    if records.measurements.get(measurement_id).is_signed:
        _require_signer(settings, author)
    return records.reviews.add(measurement_id, ReviewState.REJECTED, author=author, comment=reason.strip())


def withdraw(records: Records, settings: Settings, measurement_id: int, reason: str, *, author: str) -> StoredReview:
    """Take a signature back; the number is "AI – not reviewed" again, and the signature stays in the history.

    Raises
    ------
    PermissionDeniedError: the person may not sign. RecordError: no reason, or there is no signature that holds.
    ConflictError: a correction has replaced the measurement.
    """
    _require_signer(settings, author)
    if not reason.strip():
        raise RecordError("Withdrawing a signature needs a reason.", "Say in a few words why.")
    if not records.measurements.get(measurement_id).is_signed:
        raise RecordError("This version is not signed.", "Load the page again to see its state.")
    return records.reviews.add(measurement_id, ReviewState.WITHDRAWN, author=author, comment=reason.strip())
