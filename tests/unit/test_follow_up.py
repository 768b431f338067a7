"""A follow-up measured at the baseline's place, as it is stored; the spines are those of phantoms."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from sarcopenia.domain.errors import ConflictError, RecordError
from sarcopenia.domain.results import Landmark, LevelFinding, LevelRule, Verdict, VertebraPosition
from sarcopenia.domain.volume import ContrastPhase, PatientHeader
from sarcopenia.exchange.ct_writer import CtWriteOptions, ct_series_bytes
from sarcopenia.follow_up import ScanPair, check_pair, find_same_place, guessed_z_mm, measure_same_place
from sarcopenia.inference.fake import FakeModelClient, known_spine
from sarcopenia.phantom import Phantom, PhantomSpec, make_phantom
from sarcopenia.records import Records, StoredArrays, StoredMeasurement, open_records
from sarcopenia.review import LevelChoice, move_level, required_confirmations, sign, store_correction
from sarcopenia.settings import Settings
from sarcopenia.worker import Worker
from tests.unit.records.samples import make_level, make_measurement, make_volume, new_measurement
from tests.unit.test_review import PAINT

SETTINGS = Settings.from_environment({})
SPEC = PhantomSpec(
    seed=5, pixel_spacing_mm=3.0, shape_yx=(112, 144), slice_spacing_mm=4.0, noise_sd_hu=6.0, top_coordinate=11.2
)
PERSON = PatientHeader("P-1", "HOSPITAL", "DOE^JANE")


@pytest.fixture(scope="module")
def baseline_phantom() -> Phantom:
    return make_phantom(SPEC)


@pytest.fixture(scope="module")
def follow_up_phantom() -> Phantom:
    """The same person later: less muscle, plain, turned on the table."""
    return make_phantom(
        replace(SPEC, scan_seed=3, muscle_scale=0.85, phase=ContrastPhase.NONE, rotation_deg=4.0, slice_spacing_mm=5.0)
    )


@pytest.fixture(scope="module")
def other_phantom() -> Phantom:
    return make_phantom(replace(SPEC, seed=7, height_m=1.62))


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with open_records(Settings.from_environment({"SARCOPENIA_DATA_DIR": str(tmp_path)})) as opened:
        yield opened


def models_for(phantom: Phantom, error_mm: float = 0.0) -> FakeModelClient:
    """Models that count a phantom's spine, and place every vertebra wrongly by some millimetres."""
    z_mm = phantom.volume.geometry.slice_z_mm
    told = np.interp(z_mm - error_mm, z_mm, phantom.vertebral_coordinate_z)
    return FakeModelClient(spine=known_spine(z_mm, told))


def measured(records: Records, phantom: Phantom, day: date, error_mm: float = 0.0) -> StoredMeasurement:
    """Upload and measure a phantom as a scan of one patient."""
    volume = replace(phantom.volume, header=replace(phantom.volume.header, patient=PERSON, study_date=day))
    files = [(file.name, file.content) for file in ct_series_bytes(volume, CtWriteOptions())]
    job_id = records.uploads.submit(files, source="test").job_id
    assert Worker(records, models_for(phantom, error_mm)).run_once()
    return records.scans.get(records.jobs.status(job_id).scan_id).latest


def small(records: Records, **changes: object) -> StoredMeasurement:
    """A stored sample measurement of a scan of its own; ``patient_id`` and ``series_hash`` go to the scan."""
    series_hash = str(changes.pop("series_hash", "a" * 64))
    patient_id = str(changes.pop("patient_id", "4711"))
    upload = records.uploads.submit([("ct", series_hash.encode())], source="test")
    volume = make_volume(series_hash, patient_id=patient_id, issuer="HOSPITAL", name="DOE^JANE")
    return records.measurements.store(
        records.scans.register(upload.upload_id, volume).scan_id, new_measurement(**changes)
    )


def level_with(*positions: tuple[str, float]) -> LevelFinding:
    return replace(make_level(), vertebrae=tuple(VertebraPosition(name, z, 10, 2.0) for name, z in positions))


def test_the_follow_up_is_measured_where_the_baseline_was(records, baseline_phantom, follow_up_phantom):
    baseline = measured(records, baseline_phantom, date(2025, 1, 1))
    follow_up = measured(records, follow_up_phantom, date(2026, 1, 1), error_mm=9.0)
    items = required_confirmations(follow_up.measurement)
    sign(records, SETTINGS, follow_up.measurement_id, items, author="ann")
    scans = ScanPair(baseline_phantom.volume, follow_up_phantom.volume)
    ids = baseline.measurement_id, follow_up.measurement_id

    stored = measure_same_place(records, models_for(follow_up_phantom), *ids, scans, author="ben")

    assert records.scans.get(follow_up.scan_id).latest == stored
    assert (stored.parent_id, stored.author, stored.review) == (follow_up.measurement_id, "ben", None)
    found = stored.measurement
    off_middle = baseline.measurement.slice_z_mm - baseline_phantom.level_z_mm["L3"]
    wanted = follow_up_phantom.volume.geometry.nearest_slice(follow_up_phantom.level_z_mm["L3"] + off_middle)
    assert (found.level, found.slice_index) == ("L3", wanted)
    assert found.slice_index != follow_up.measurement.slice_index
    assert found.provenance.level_rule is LevelRule.REGISTERED
    assert found.provenance.place_rule is LevelRule.MID_L3
    registration = found.provenance.registration
    assert registration.baseline_measurement_id == baseline.measurement_id
    assert registration.baseline_series_hash == baseline.measurement.provenance.series_hash
    assert registration.match.rotation_deg == pytest.approx(4.0, abs=1.0)
    assert "level_registered" in {flag.code for flag in found.flags}
    assert found.composition.sma_cm2 != follow_up.measurement.composition.sma_cm2
    with pytest.raises(ConflictError):
        measure_same_place(records, models_for(follow_up_phantom), *ids, scans, author="cy")
    mended = store_correction(records, stored.measurement_id, [PAINT], author="ann")
    assert mended.measurement.provenance.registration == registration


def test_a_scan_of_another_person_is_refused_and_nothing_is_stored(records, baseline_phantom, other_phantom):
    baseline = measured(records, baseline_phantom, date(2025, 1, 1))
    follow_up = measured(records, other_phantom, date(2026, 1, 1))
    scans = ScanPair(baseline_phantom.volume, other_phantom.volume)
    with pytest.raises(RecordError, match="do not look alike") as raised:
        ids = baseline.measurement_id, follow_up.measurement_id
        measure_same_place(records, models_for(other_phantom), *ids, scans, author="ben")
    assert "by hand" in raised.value.next_step
    assert records.scans.get(follow_up.scan_id).latest == follow_up


def test_a_landmark_of_the_baseline_is_kept(records, baseline_phantom, follow_up_phantom):
    first = measured(records, baseline_phantom, date(2025, 1, 1))
    lower = LevelChoice(first.measurement.slice_index - 3, "L3", Landmark.INFERIOR_ENDPLATE)
    volume, models = baseline_phantom.volume, models_for(baseline_phantom)
    baseline = move_level(records, models, volume, first.measurement_id, lower, author="ann")
    follow_up = measured(records, follow_up_phantom, date(2026, 1, 1))
    guess = guessed_z_mm(baseline, follow_up)
    off_middle = baseline.measurement.slice_z_mm - baseline_phantom.level_z_mm["L3"]
    assert guess == pytest.approx(follow_up_phantom.level_z_mm["L3"] + off_middle, abs=3.0)
    match = find_same_place(baseline, follow_up, ScanPair(volume, follow_up_phantom.volume))
    assert match.trusted
    assert abs(match.shift_mm) < 5.0
    scans, ids = ScanPair(volume, follow_up_phantom.volume), (baseline.measurement_id, follow_up.measurement_id)
    stored = measure_same_place(records, models_for(follow_up_phantom), *ids, scans, author="ann")
    assert stored.measurement.provenance.landmark is Landmark.INFERIOR_ENDPLATE
    assert stored.measurement.provenance.place_rule is LevelRule.PERSON


def test_the_guess_is_as_far_from_the_middle_as_the_baseline(records):
    """Baseline: L3 at −612.5 mm, measured at −620; follow-up: L3 at 100 mm, so the guess is 92.5 mm."""
    measurement = replace(make_measurement(), slice_z_mm=-620.0)
    baseline = small(records, measurement=measurement)
    follow_up = small(records, series_hash="b" * 64, level=level_with(("L4", 64.0), ("L3", 100.0)))
    assert guessed_z_mm(baseline, follow_up) == pytest.approx(92.5)


def test_without_a_found_vertebra_the_measured_slice_is_the_guess(records):
    baseline = small(records, measurement=replace(make_measurement(), slice_z_mm=-612.5))
    by_hand = small(records, series_hash="b" * 64, level=None, measurement=replace(make_measurement(), slice_z_mm=55.0))
    assert guessed_z_mm(baseline, by_hand) == pytest.approx(55.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"patient_id": "9", "series_hash": "b" * 64}, "different patients"),
        (
            {"series_hash": "b" * 64, "level": None, "measurement": replace(make_measurement(), level="L4")},
            "L3 was not",
        ),
    ],
)
def test_a_follow_up_that_cannot_be_matched_is_refused_before_any_work(records, change, words):
    baseline, follow_up = small(records), small(records, **change)
    with pytest.raises(RecordError, match=words) as raised:
        check_pair(records, baseline.measurement_id, follow_up.measurement_id)
    assert raised.value.next_step


@pytest.mark.parametrize("verdict", [Verdict.REJECT, Verdict.AMBIGUOUS_LEVEL, Verdict.NO_L3])
def test_a_baseline_that_may_not_be_used_is_refused(records, verdict):
    baseline = small(records, measurement=replace(make_measurement(), verdict=verdict))
    follow_up = small(records, series_hash="b" * 64)
    with pytest.raises(RecordError, match="no slice that may be used"):
        check_pair(records, baseline.measurement_id, follow_up.measurement_id)


def test_a_scan_is_not_its_own_follow_up(records):
    first = small(records)
    second = records.measurements.store(
        first.scan_id, new_measurement(parent_id=first.measurement_id, arrays=StoredArrays(None, None, None))
    )
    with pytest.raises(RecordError, match="same scan"):
        check_pair(records, first.measurement_id, second.measurement_id)
