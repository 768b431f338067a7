"""The comparison at the same place as a part of a page, on real records; the spines are those of phantoms."""

from dataclasses import replace
from datetime import date

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.result_view import NOT_REVIEWED
from sarcopenia.domain.volume import ContrastPhase, PatientHeader
from sarcopenia.phantom import make_phantom
from sarcopenia.review import required_confirmations, sign
from tests.app.conftest import SPEC

PERSON = PatientHeader("P-1", "HOSPITAL", "DOE^JANE")
BUTTON = "Measure the follow-up at the same place"


def part(baseline_scan_id, follow_up_scan_id, author):
    """What a page shows; it runs in a script of its own."""
    from dashboard.components.follow_up import show_follow_up  # noqa: PLC0415
    from dashboard.services import get_services  # noqa: PLC0415

    services = get_services()
    scans = [services.records.scans.get(each) for each in (baseline_scan_id, follow_up_scan_id)]
    show_follow_up(services, *scans, author)


@pytest.fixture(scope="module")
def later():
    """The same person later."""
    return make_phantom(replace(SPEC, scan_seed=3, muscle_scale=0.85, phase=ContrastPhase.NONE, rotation_deg=4.0))


@pytest.fixture
def pair(stack, phantom, later):
    first = stack.measure(phantom, patient=PERSON, study_date=date(2025, 1, 1)).scan_id
    return first, stack.measure(later, patient=PERSON, study_date=date(2026, 1, 1)).scan_id


def shown(pair, author="Ann Lee"):
    at = AppTest.from_function(part, args=(*pair, author), default_timeout=120).run()
    assert not at.exception, at.exception
    return at


def words(at):
    parts = [*at.markdown, *at.caption, *at.info, *at.warning, *at.error]
    return "\n".join(str(each.value) for each in parts)


def test_the_button_measures_there_and_shows_both(stack, pair):
    at = shown(pair)
    at.button[0].click().run()
    assert not at.exception, at.exception
    latest = stack.records.scans.get(pair[1]).latest
    match = latest.measurement.provenance.registration.match
    assert latest.author == "Ann Lee"
    assert f"slice {match.slice_index}" in words(at)
    assert f"{match.similarity:.2f} after the match" in words(at)
    rows = at.dataframe[0].value.set_index("Measure")
    baseline = stack.records.scans.get(pair[0]).latest.measurement.composition
    found = latest.measurement.composition
    assert rows.loc["SMA (cm²)", "Baseline"] == round(baseline.sma_cm2, 1)
    assert rows.loc["SMA (cm²)", "Follow-up, same place"] == round(found.sma_cm2, 1)
    captions = [str(each.proto.imgs[0].caption) for each in at.get("image")]
    assert len(captions) == 3
    assert all(NOT_REVIEWED in caption for caption in captions[:2])
    assert "baseline solid blue, follow-up dashed orange" in captions[2]


def test_nobody_measures_without_a_name(pair):
    at = shown(pair, author="")
    assert at.button[0].disabled
    assert "Enter your name first" in words(at)


def test_a_signature_is_not_made_void_in_silence(stack, pair):
    latest = stack.records.scans.get(pair[1]).latest
    sign(
        stack.records,
        stack.settings,
        latest.measurement_id,
        required_confirmations(latest.measurement),
        author="Ben Roy",
    )
    at = shown(pair)
    assert "signature of Ben Roy no longer counts" in words(at)
    assert at.button[0].disabled
    at.checkbox[0].check().run()
    assert not at.button[0].disabled


def test_another_persons_scan_is_refused_in_words(stack, phantom):
    first = stack.measure(phantom, patient=PERSON, study_date=date(2025, 1, 1)).scan_id
    other = stack.measure(make_phantom(replace(SPEC, seed=7, height_m=1.6)), patient=PERSON).scan_id
    at = shown((first, other))
    at.button[0].click().run()
    assert "The same place was not found" in words(at)
    assert stack.records.scans.get(other).latest.parent_id is None


def test_a_scan_without_the_vertebra_says_what_to_do(stack, phantom, chest):
    first = stack.measure(phantom, patient=PERSON, study_date=date(2025, 1, 1)).scan_id
    at = shown((first, stack.measure(chest, patient=PERSON).scan_id))
    assert "was not found in the follow-up" in words(at)
    assert not at.button
