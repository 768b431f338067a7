"""The choice of the level on the review page: go to another slice, name it, pick a candidate, measure without L3."""

from dataclasses import replace

import numpy as np
import pytest

from sarcopenia.domain.results import Landmark, LevelRule, Verdict
from sarcopenia.inference.fake import known_spine
from sarcopenia.phantom import make_phantom
from tests.app.conftest import SPEC
from tests.app.test_review_page import button, open_scan, words


@pytest.fixture
def scan_id(stack, phantom):
    return stack.measure(phantom).scan_id


@pytest.fixture(scope="session")
def six():
    return make_phantom(replace(SPEC, lumbar_count=6, bottom_coordinate=20.5))


@pytest.fixture
def ambiguous_id(stack, six):
    """A scan with six lumbar vertebrae, measured by models that see where the sacrum really begins."""
    job_id = stack.submit(six)
    script = known_spine(six.volume.geometry.slice_z_mm, six.vertebral_coordinate_z)

    def with_sacrum(hu_czw):
        profile = script(hu_czw)
        return replace(profile, sacrum_z=(profile.coordinate_z > 18.5).astype(np.float32))

    stack.models._spine = with_sacrum
    assert stack.worker.run_once()
    return stack.records.jobs.status(job_id).scan_id


def choice(at, label):
    return next(each for each in at.selectbox if each.label.startswith(label))


def latest(stack, scan_id):
    return stack.records.scans.get(scan_id).latest


def codes(stored):
    return {flag.code for flag in stored.measurement.flags}


def test_a_step_goes_to_another_slice_and_back(stack, scan_id):
    measured = latest(stack, scan_id).measurement.slice_index
    at = open_scan(stack, scan_id)
    assert f"Slice {measured}: the measured one" in words(at)
    button(at, "5 to head").click().run()
    assert choice(at, f"Slice {measured + 5} shows")
    button(at, "1 to feet").click().run()
    assert choice(at, f"Slice {measured + 4} shows")
    for _ in range(4):
        button(at, "1 to feet").click().run()
    assert f"Slice {measured}: the measured one" in words(at)


def test_steps_end_at_the_ends_of_the_series(stack, scan_id):
    at = open_scan(stack, scan_id)
    while not button(at, "5 to feet").disabled:
        button(at, "5 to feet").click().run()
    assert choice(at, "Slice 0 shows")
    assert button(at, "1 to feet").disabled


def test_the_nearest_vertebra_is_proposed_and_its_numbers_stand_at_once(stack, scan_id):
    first = latest(stack, scan_id)
    l4 = next(vertebra for vertebra in first.level.vertebrae if vertebra.label == "L4")
    at = open_scan(stack, scan_id)
    while choice(at, "Slice").label != f"Slice {l4.slice_index} shows":
        button(at, "1 to feet").click().run()
    assert choice(at, "Slice").value == "L4"
    assert "as counted by the model: L4" in words(at)
    assert "This will be SMA at L4" in words(at)
    choice(at, "Taken at").set_value(Landmark.INFERIOR_ENDPLATE).run()
    button(at, "Measure here").click().run()
    moved = latest(stack, scan_id)
    assert moved.parent_id == first.measurement_id
    assert (moved.measurement.level, moved.measurement.slice_index) == ("L4", l4.slice_index)
    assert moved.measurement.provenance.landmark is Landmark.INFERIOR_ENDPLATE
    assert f"{moved.measurement.composition.sma_cm2:.1f}" in [metric.value for metric in at.metric]
    assert "L4 (inferior end-plate), chosen by a person" in words(at)
    assert "signed by" not in words(at)


def test_the_measured_slice_can_be_named_otherwise(stack, scan_id):
    first = latest(stack, scan_id)
    at = open_scan(stack, scan_id)
    choice(at, f"Slice {first.measurement.slice_index} shows").set_value("L2").run()
    button(at, "Measure again").click().run()
    renamed = latest(stack, scan_id).measurement
    assert (renamed.level, renamed.slice_index) == ("L2", first.measurement.slice_index)
    assert renamed.provenance.level_rule is LevelRule.PERSON


def test_nobody_measures_without_a_name(stack, scan_id):
    at = open_scan(stack, scan_id, name="")
    button(at, "5 to head").click().run()
    assert button(at, "Measure here").disabled


def test_every_level_stands_in_the_table(stack, scan_id):
    at = open_scan(stack, scan_id)
    table = next(frame.value for frame in at.dataframe if "Vertebra" in frame.value)
    vertebrae = latest(stack, scan_id).level.vertebrae
    assert table["Vertebra"].tolist() == [vertebra.label for vertebra in reversed(vertebrae)]
    assert abs(table.set_index("Vertebra")["Above measured slice (mm)"]["L3"]) <= SPEC.slice_spacing_mm / 2


def test_a_person_picks_one_of_two_candidates(stack, ambiguous_id):
    first = latest(stack, ambiguous_id)
    assert first.measurement.verdict is Verdict.AMBIGUOUS_LEVEL
    _, second = first.level.candidates
    at = open_scan(stack, ambiguous_id)
    text = words(at)
    assert "Third vertebra below the last rib, fourth above the sacrum." in text
    assert "Third vertebra above the sacrum, fourth below the last rib." in text
    values = [metric.value for metric in at.metric]
    assert all(f"{area_cm2:.1f}" in values for area_cm2 in first.level.candidate_sma_cm2)
    at.button(key=f"candidate-{first.measurement_id}-{second.slice_index}").click().run()
    picked = latest(stack, ambiguous_id)
    assert (picked.measurement.level, picked.measurement.slice_index) == ("L3", second.slice_index)
    assert picked.measurement.composition.sma_cm2 == pytest.approx(first.level.candidate_sma_cm2[1])
    assert picked.measurement.verdict is not Verdict.AMBIGUOUS_LEVEL
    assert "level_ambiguous" not in codes(picked)
    assert "level_by_person" in codes(picked)
    assert "Which slice shows L3?" not in words(at)
    assert "Candidates for L3" not in words(stack.page("patient", scan=str(ambiguous_id)))


def test_a_candidate_can_be_looked_at_and_the_names_tell_of_the_count(stack, ambiguous_id):
    first = latest(stack, ambiguous_id)
    _, second = first.level.candidates
    at = open_scan(stack, ambiguous_id)
    at.button(key=f"look-{second.slice_index}").click().run()
    named = choice(at, f"Slice {second.slice_index} shows")
    assert "L3 (transitional anatomy: six lumbar)" in named.options
    assert "T12" in named.options


def test_the_patient_page_leads_to_the_choice(stack, ambiguous_id):
    at = stack.page("patient", scan=str(ambiguous_id))
    assert "Candidates for L3" in words(at)
    assert at.get("page_link")


def test_a_scan_without_l3_is_measured_at_the_nearest_vertebra_on_request(stack, chest):
    scan_id = stack.measure(chest).scan_id
    first = latest(stack, scan_id)
    lowest = first.level.vertebrae[0]
    at = open_scan(stack, scan_id)
    assert f"Nearest to L3: **{lowest.label}**" in words(at)
    assert choice(at, f"Slice {lowest.slice_index} shows").value == lowest.label
    button(at, "Measure here").click().run()
    measured = latest(stack, scan_id)
    assert measured.parent_id == first.measurement_id
    assert (measured.measurement.level, measured.measurement.slice_index) == (lowest.label, lowest.slice_index)
    assert f"{lowest.label} (middle of the body), chosen by a person" in words(at)
    patient = stack.page("patient", scan=str(scan_id))
    assert any(metric.label == f"SMA at {lowest.label} (cm²)" for metric in patient.metric)
    compared = next(frame.value for frame in patient.dataframe if "Distance" in frame.value)
    assert compared["Result"].str.startswith("not compared").all()
