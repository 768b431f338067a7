"""Corrections, moved levels and signatures as they are stored."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sarcopenia.assessment.correction import fold
from sarcopenia.domain.errors import ConflictError, PermissionDeniedError, RecordError, SliceNotFoundError
from sarcopenia.domain.results import Flag, Landmark, LevelRule, Severity, Verdict
from sarcopenia.domain.strokes import Stroke, StrokeTool
from sarcopenia.exchange.ct_writer import CtWriteOptions, ct_series_bytes
from sarcopenia.inference.fake import FakeModelClient, known_spine
from sarcopenia.phantom import PhantomSpec, make_phantom
from sarcopenia.records import (
    ContextKind,
    ContextSource,
    NewContext,
    Records,
    ReviewState,
    StoredArrays,
    open_records,
)
from sarcopenia.review import (
    BULK_STATEMENT,
    LevelChoice,
    confirmations_of,
    may_sign,
    models_own,
    models_slice,
    move_level,
    reject,
    required_confirmations,
    scan_volume,
    sign,
    sign_in_bulk,
    store_correction,
    withdraw,
)
from sarcopenia.settings import Settings
from sarcopenia.worker import Worker
from tests.unit.records.samples import make_measurement, make_volume, new_measurement

SETTINGS = Settings.from_environment({})
SPEC = PhantomSpec(seed=5, pixel_spacing_mm=3.0, shape_yx=(112, 144), slice_spacing_mm=6.0, noise_sd_hu=6.0)
PAINT = Stroke(StrokeTool.BRUSH, ((2.0, 2.0),), 1.5, within_muscle_hu=False)
ERASE = Stroke(StrokeTool.ERASER, ((2.0, 2.0),), 0.5, within_muscle_hu=False)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with open_records(Settings.from_environment({"SARCOPENIA_DATA_DIR": str(tmp_path)})) as opened:
        yield opened


@pytest.fixture
def scan_id(records: Records) -> int:
    upload = records.uploads.submit([("ct", b"bytes")], source="test")
    return records.scans.register(upload.upload_id, make_volume()).scan_id


@pytest.fixture
def measurement_id(records: Records, scan_id: int) -> int:
    return records.measurements.store(scan_id, new_measurement()).measurement_id


def test_a_correction_is_the_newest_version_and_the_models_mask_stays(records, scan_id, measurement_id):
    before = records.measurements.arrays(measurement_id)
    stored = store_correction(records, measurement_id, [PAINT], author="ann")
    assert records.scans.get(scan_id).latest == stored
    assert (stored.parent_id, stored.author) == (measurement_id, "ann")
    after = records.measurements.arrays(stored.measurement_id).slice.compartments
    np.testing.assert_array_equal(
        after.muscle_yx, fold(before.slice.compartments, before.slice.hu_yx, [PAINT]).muscle_yx
    )
    area_cm2 = after.muscle_yx.sum() * before.slice.plane.pixel_area_mm2 / 100
    assert stored.measurement.composition.sma_cm2 == pytest.approx(area_cm2)
    np.testing.assert_array_equal(
        records.measurements.arrays(measurement_id).slice.compartments.muscle_yx, before.slice.compartments.muscle_yx
    )


def test_a_second_correction_starts_from_the_models_mask_too(records, measurement_id):
    first = store_correction(records, measurement_id, [PAINT], author="ann")
    second = store_correction(records, first.measurement_id, [PAINT, ERASE], author="ben")
    assert models_own(records, second.measurement_id).measurement_id == measurement_id
    model = models_slice(records, second.measurement_id)
    mask = records.measurements.arrays(second.measurement_id).slice.compartments.muscle_yx
    np.testing.assert_array_equal(mask, fold(model.compartments, model.hu_yx, [PAINT, ERASE]).muscle_yx)


def test_the_second_of_two_people_is_told_and_keeps_the_draft(records, measurement_id):
    records.drafts.save(measurement_id, "ann", [PAINT], on_revision=0)
    records.drafts.save(measurement_id, "ben", [ERASE], on_revision=0)
    store_correction(records, measurement_id, [PAINT], author="ann")
    with pytest.raises(ConflictError):
        store_correction(records, measurement_id, [ERASE], author="ben")
    assert records.drafts.get(measurement_id, "ann") is None
    assert records.drafts.get(measurement_id, "ben").strokes == (ERASE,)


def test_a_correction_is_taken_back_to_the_models_own_mask_and_numbers(records, scan_id, measurement_id):
    own, own_arrays = records.measurements.get(measurement_id), records.measurements.arrays(measurement_id)
    mended = store_correction(records, measurement_id, [PAINT], author="ann")
    back = store_correction(records, mended.measurement_id, [], author="ben")
    assert records.scans.get(scan_id).latest == back
    assert (back.parent_id, back.author, back.review) == (mended.measurement_id, "ben", None)
    assert back.measurement.provenance == own.measurement.provenance
    assert back.measurement.composition == own.measurement.composition
    assert {f.code for f in back.measurement.flags} == {f.code for f in own.measurement.flags} | {"mask_reset"}
    mask = records.measurements.arrays(back.measurement_id).slice.compartments
    np.testing.assert_array_equal(mask.muscle_yx, own_arrays.slice.compartments.muscle_yx)
    np.testing.assert_array_equal(mask.compartments_yx, own_arrays.slice.compartments.compartments_yx)
    again = store_correction(records, back.measurement_id, [PAINT], author="ann")
    assert models_own(records, again.measurement_id).measurement_id == back.measurement_id
    assert again.measurement.composition == mended.measurement.composition
    assert "mask_reset" not in {flag.code for flag in again.measurement.flags}
    twice = store_correction(records, again.measurement_id, [], author="ann")
    assert [flag.code for flag in twice.measurement.flags].count("mask_reset") == 1


def test_without_a_change_or_a_slice_nothing_is_stored(records, scan_id, measurement_id):
    with pytest.raises(RecordError, match="no change"):
        store_correction(records, measurement_id, [], author="ann")
    first = store_correction(records, measurement_id, [PAINT], author="ann")
    with pytest.raises(RecordError, match="no change"):
        store_correction(records, first.measurement_id, [PAINT], author="ann")
    empty = records.measurements.store(scan_id, new_measurement(arrays=StoredArrays(None, None, None)))
    with pytest.raises(RecordError, match="no measured slice"):
        store_correction(records, empty.measurement_id, [PAINT], author="ann")


@pytest.fixture
def scanned(records: Records):
    """A phantom that was uploaded and measured by the worker: (phantom, models, scan id)."""
    phantom = make_phantom(SPEC)
    models = FakeModelClient(spine=known_spine(phantom.volume.geometry.slice_z_mm, phantom.vertebral_coordinate_z))
    files = [(file.name, file.content) for file in ct_series_bytes(phantom.volume, CtWriteOptions())]
    job_id = records.uploads.submit(files, source="test").job_id
    assert Worker(records, models).run_once()
    return phantom, models, records.jobs.status(job_id).scan_id


def test_a_moved_level_is_measured_there_and_voids_the_signature(records, scanned):
    phantom, models, scan_id = scanned
    volume = scan_volume(records, scan_id)
    np.testing.assert_array_equal(volume.hu_zyx, phantom.volume.hu_zyx)
    first = records.scans.get(scan_id).latest
    sign(records, SETTINGS, first.measurement_id, required_confirmations(first.measurement), author="ann")
    there = LevelChoice(first.measurement.slice_index + 2, "L3", Landmark.INFERIOR_ENDPLATE)
    moved = move_level(records, models, volume, first.measurement_id, there, author="ann")
    assert records.scans.get(scan_id).latest == moved
    assert moved.review is None
    found = moved.measurement
    assert (found.level, found.slice_index) == ("L3", there.slice_index)
    assert found.provenance.level_rule is LevelRule.PERSON
    assert found.provenance.landmark is Landmark.INFERIOR_ENDPLATE
    assert "level_by_person" in {flag.code for flag in found.flags}
    assert found.composition.sma_cm2 != first.measurement.composition.sma_cm2
    picture = records.measurements.arrays(moved.measurement_id).slice
    np.testing.assert_array_equal(picture.hu_yx, phantom.volume.hu_zyx[there.slice_index])
    painted = store_correction(records, moved.measurement_id, [PAINT], author="ann")
    assert models_own(records, painted.measurement_id).measurement_id == moved.measurement_id


def test_a_slice_that_is_not_there_stores_nothing(records, scanned):
    _, models, scan_id = scanned
    volume, first = scan_volume(records, scan_id), records.scans.get(scan_id).latest
    with pytest.raises(SliceNotFoundError):
        move_level(records, models, volume, first.measurement_id, LevelChoice(9999, "L3"), author="ann")
    assert records.scans.get(scan_id).latest == first


def test_every_item_and_flag_must_be_confirmed_before_a_signature(records, scanned):
    latest = records.scans.get(scanned[2]).latest
    items = required_confirmations(latest.measurement)
    assert items[:3] == ("level", "mask", "sex and height")
    assert set(items[3:]) == {flag.code for flag in latest.measurement.flags}
    with pytest.raises(RecordError, match="mask"):
        sign(records, SETTINGS, latest.measurement_id, [i for i in items if i != "mask"], author="ann")
    review = sign(records, SETTINGS, latest.measurement_id, items, author="ann")
    assert (review.state, review.author) == (ReviewState.SIGNED, "ann")
    assert all(item in review.comment for item in items)


@pytest.mark.parametrize(
    ("signers", "person", "may"),
    [(None, "ann", True), (None, "", False), (frozenset({"ann"}), "ann", True), (frozenset({"ann"}), "ben", False)],
)
def test_signing_is_a_permission_of_its_own(records, measurement_id, signers, person, may):
    settings = replace(SETTINGS, signers=signers)
    assert may_sign(settings, person) is may
    items = required_confirmations(records.measurements.get(measurement_id).measurement)
    if not may:
        with pytest.raises(PermissionDeniedError):
            sign(records, settings, measurement_id, items, author=person)


def test_a_rejection_needs_a_reason_and_a_name(records, measurement_id):
    for reason, author in ((" ", "ann"), ("wrong patient", "")):
        with pytest.raises(RecordError, match="reason"):
            reject(records, SETTINGS, measurement_id, reason, author=author)
    assert reject(records, SETTINGS, measurement_id, "motion", author="ann").comment == "motion"


ONLY_ANN = replace(SETTINGS, signers=frozenset({"ann"}))


def signed_by_ann(records, measurement_id):
    items = confirmations_of(records, records.measurements.get(measurement_id))
    sign(records, ONLY_ANN, measurement_id, items, author="ann")


def test_a_signature_is_rejected_or_withdrawn_only_by_who_may_sign(records, scan_id, measurement_id):
    signed_by_ann(records, measurement_id)
    with pytest.raises(PermissionDeniedError):
        reject(records, ONLY_ANN, measurement_id, "motion", author="ben")
    with pytest.raises(PermissionDeniedError):
        withdraw(records, ONLY_ANN, measurement_id, "motion", author="ben")
    with pytest.raises(RecordError, match="reason"):
        withdraw(records, ONLY_ANN, measurement_id, " ", author="ann")
    assert withdraw(records, ONLY_ANN, measurement_id, "wrong level", author="ann").comment == "wrong level"
    assert records.scans.get(scan_id).latest.review.state is ReviewState.WITHDRAWN
    with pytest.raises(RecordError, match="not signed"):
        withdraw(records, ONLY_ANN, measurement_id, "again", author="ann")
    reject(records, ONLY_ANN, measurement_id, "motion", author="ben")
    states = [each.state for each in records.reviews.of_measurement(measurement_id)]
    assert states == [ReviewState.REJECTED, ReviewState.WITHDRAWN, ReviewState.SIGNED]


def test_what_was_rejected_is_signed_after_a_correction(records, scan_id, measurement_id):
    reject(records, ONLY_ANN, measurement_id, "leaks into the bowel", author="ben")
    mended = store_correction(records, measurement_id, [PAINT], author="ben")
    assert mended.review is None
    signed_by_ann(records, mended.measurement_id)
    assert records.scans.get(scan_id).latest.review.state is ReviewState.SIGNED


def test_an_answer_about_the_patient_must_be_confirmed_too(records, scan_id, measurement_id):
    patient_id = records.scans.get(scan_id).patient_id
    for kind, answer in ((ContextKind.DIALYSIS, "yes"), (ContextKind.AMPUTATION, "no")):
        records.contexts.add(patient_id, NewContext(kind, answer, ContextSource.TYPED, None), author="ann")
    stored = records.measurements.get(measurement_id)
    assert confirmations_of(records, stored) == ("level", "mask", "sex and height", "thick_slices", "asked_dialysis")
    items = required_confirmations(stored.measurement)
    with pytest.raises(RecordError, match="asked_dialysis"):
        sign(records, SETTINGS, measurement_id, items, author="ann")


def test_a_version_that_was_measured_again_is_not_signed(records, scan_id, measurement_id):
    records.measurements.store(scan_id, new_measurement())
    with pytest.raises(ConflictError, match="newer version"):
        signed_by_ann(records, measurement_id)


class Many:
    """Scans with results of a reader's choice."""

    def __init__(self, records):
        self.records = records
        self.number = 0

    def result(self, flags=(), verdict=Verdict.ACCEPT):
        self.number += 1
        upload = self.records.uploads.submit([("ct", str(self.number).encode())], source="test")
        volume = make_volume(f"{self.number:064x}", patient_id=f"P{self.number}", name="X")
        scan_id = self.records.scans.register(upload.upload_id, volume).scan_id
        measurement = replace(make_measurement(), flags=flags, verdict=verdict)
        return self.records.measurements.store(scan_id, new_measurement(measurement=measurement)).measurement_id


@pytest.fixture
def many(records):
    return Many(records)


INFO = Flag("thick_slices", "Thick.", Severity.INFO)
LOOK = Flag("holes", "Holes.", Severity.REVIEW)
STOP = Flag("not_hu", "No HU.", Severity.BLOCK)


def test_in_bulk_each_gets_a_review_of_its_own_that_says_so(records, many):
    plain, told = many.result(), many.result((INFO,))
    outcome = sign_in_bulk(records, SETTINGS, [plain, told, plain], author="ann")
    assert (outcome.signed, outcome.refused) == ((plain, told), ())
    for measurement_id in (plain, told):
        (review,) = records.reviews.of_measurement(measurement_id)
        assert (review.state, review.author) == (ReviewState.SIGNED, "ann")
        assert review.comment.startswith("Signed in bulk")
        assert BULK_STATEMENT in review.comment
    assert records.reviews.of_measurement(told)[0].comment.endswith("thick_slices.")


@pytest.mark.parametrize(
    ("flags", "verdict", "reason"),
    [
        ((INFO, LOOK), Verdict.REVIEW, "flagged: holes."),
        ((STOP,), Verdict.REJECT, "flagged: not_hu."),
        ((LOOK,), Verdict.ACCEPT, "flagged: holes."),
        ((), Verdict.REVIEW, "verdict is review."),
        ((), Verdict.AMBIGUOUS_LEVEL, "verdict is ambiguous level."),
        ((), Verdict.NO_L3, "verdict is no l3."),
    ],
)
def test_what_needs_a_look_is_never_signed_in_bulk(records, many, flags, verdict, reason):
    good, bad = many.result(), many.result(flags, verdict)
    outcome = sign_in_bulk(records, SETTINGS, [bad, good], author="ann")
    assert outcome.signed == (good,)
    (refusal,) = outcome.refused
    assert refusal.measurement_id == bad
    assert refusal.reason.endswith(reason)
    assert records.reviews.of_measurement(bad) == ()


def test_what_people_are_at_is_never_signed_in_bulk(records, many):
    signed, rejected, painted, asked, again = (many.result() for _ in range(5))
    sign_in_bulk(records, SETTINGS, [signed], author="ann")
    reject(records, SETTINGS, rejected, "motion", author="ben")
    records.drafts.save(painted, "ben", [PAINT], on_revision=0)
    stored = records.measurements.get(asked)
    fact = NewContext(ContextKind.PREGNANCY, "yes", ContextSource.TYPED, None)
    records.contexts.add(stored.patient_id, fact, author="ann")
    store_correction(records, again, [PAINT], author="ben")
    outcome = sign_in_bulk(records, SETTINGS, [signed, rejected, painted, asked, again], author="ann")
    assert outcome.signed == ()
    assert [refusal.reason for refusal in outcome.refused] == [
        "It has a review: signed by ann.",
        "It has a review: rejected by ben.",
        "Strokes of ben are not stored yet.",
        "It is flagged: asked_pregnancy.",
        "This scan has a newer version.",
    ]


def test_nobody_without_the_permission_signs_in_bulk(records, many):
    measurement_id = many.result()
    with pytest.raises(PermissionDeniedError):
        sign_in_bulk(records, ONLY_ANN, [measurement_id], author="ben")
    assert records.reviews.of_measurement(measurement_id) == ()
