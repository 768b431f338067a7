from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from sarcopenia.domain.volume import ContrastPhase, Sex
from sarcopenia.phantom import make_phantom, random_spec
from sarcopenia.phantom.demo import demo_studies


def test_a_random_spec_follows_from_its_seed():
    assert random_spec(3) == random_spec(3)
    assert random_spec(3) != random_spec(4)


def test_random_specs_cover_people_and_scans():
    specs = [random_spec(seed) for seed in range(400)]
    assert 0.4 < np.mean([spec.sex is Sex.MALE for spec in specs]) < 0.6
    assert {spec.lumbar_count for spec in specs} == {4, 5, 6}
    assert {spec.phase for spec in specs} >= {ContrastPhase.NONE, ContrastPhase.PORTAL_VENOUS}
    assert len(Counter(spec.kvp for spec in specs)) == 4
    assert any(spec.arms for spec in specs)
    assert any(spec.spine_metal for spec in specs)
    covers_l3 = np.mean([spec.top_coordinate < 14.5 and spec.bottom_coordinate > 15.5 for spec in specs])
    assert 0.6 < covers_l3 < 0.95
    assert all(0.3 < spec.muscle_scale < 1.7 and 0 < spec.subcutaneous_mm < 70 for spec in specs)


@pytest.mark.parametrize("seed", range(6))
def test_random_people_have_plausible_trunks(seed):
    spec = replace(random_spec(seed, grid_mm=4.0, shape_yx=(110, 150)), centre_offset_mm_yx=(0.0, 0.0), arms=False)
    phantom = make_phantom(replace(spec, bottom_coordinate=15.08, top_coordinate=14.92))
    body = phantom.compartments_zyx[0] > 0
    width_mm, depth_mm = (4.0 * np.ptp(np.flatnonzero(body.any(axis=axis))) for axis in (0, 1))
    assert 200 < width_mm < 520
    assert 130 < depth_mm < 400
    assert 40 < phantom.true_composition(0).sma_cm2 < 280


def test_three_demo_patients_have_three_dated_scans_each():
    studies = demo_studies()
    by_patient = {}
    for study in studies:
        by_patient.setdefault(study.patient.patient_id, []).append(study)
    assert sorted(by_patient) == ["DEMO-001", "DEMO-002", "DEMO-003"]
    for scans in by_patient.values():
        dates = [scan.study_date for scan in scans]
        assert dates == sorted(dates)
        assert len(set(dates)) == 3
        assert len({scan.spec.seed for scan in scans}) == 1
        assert all(scan.patient.name.startswith("DEMO^") for scan in scans)
        for scan in scans:
            birthday = scan.patient.birth_date
            assert (scan.study_date - birthday).days / 365.25 == pytest.approx(scan.spec.age_years + 0.5, abs=0.51)


def muscle_at_l3(study):
    """SMA in cm² of the demo person on a coarse grid, one slice."""
    spec = replace(study.spec, pixel_spacing_mm=2.0, shape_yx=(192, 216), bottom_coordinate=15.05, top_coordinate=14.95)
    return make_phantom(spec).noise_free_composition(0)


def test_demo_stories_tell_what_they_promise():
    found = {}
    for study in demo_studies():
        found.setdefault(study.story, []).append(muscle_at_l3(study))
    change = {story: scans[-1].sma_cm2 / scans[0].sma_cm2 - 1 for story, scans in found.items()}
    assert abs(change["stable"]) < 0.015
    assert -0.15 < change["losing"] < -0.10
    assert abs(change["protocol"]) < 0.015
    assert found["protocol"][-1].smd_hu > found["protocol"][0].smd_hu + 4


def test_a_demo_scan_carries_identity_date_and_weight():
    study = replace(
        demo_studies()[3], spec=replace(demo_studies()[3].spec, bottom_coordinate=15.05, top_coordinate=14.95)
    )
    phantom = study.phantom()
    header = phantom.volume.header
    assert (header.patient.patient_id, header.patient.name) == ("DEMO-002", "DEMO^Losing")
    assert header.study_date == study.study_date
    assert header.weight_kg == study.weight_kg
    assert header.height_m == 1.63
    assert "not a patient" in header.series_description
