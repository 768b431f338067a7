"""The review page in each of its states; the viewer's own behaviour is tested in a browser."""

import pytest

from dashboard.result_view import NOT_REVIEWED
from sarcopenia.domain.strokes import Stroke, StrokeTool
from sarcopenia.records import ReviewState
from sarcopenia.review import store_correction

ERASE = Stroke(StrokeTool.ERASER, ((60.0, 60.0), (80.0, 60.0)), 8.0, within_muscle_hu=False)


def words(at):
    """Everything that stands on the page."""
    parts = [*at.markdown, *at.caption, *at.info, *at.warning, *at.error, *at.success, *at.subheader]
    return "\n".join(str(part.value) for part in parts)


def open_scan(stack, scan_id, name="Ann Lee"):
    at = stack.page("review", scan=str(scan_id))
    if name:
        at.text_input[0].set_value(name).run()
    assert not at.exception
    return at


def button(at, label):
    return next(each for each in at.button if each.label == label)


@pytest.fixture
def scan_id(stack, phantom):
    return stack.measure(phantom).scan_id


def test_nobody_signs_or_paints_without_a_name(stack, scan_id):
    at = open_scan(stack, scan_id, name="")
    assert "Enter your name above first" in words(at)
    assert NOT_REVIEWED in words(at)


def test_a_signature_needs_every_confirmation_and_then_stands_everywhere(stack, scan_id):
    at = open_scan(stack, scan_id)
    button(at, "Sign").click().run()
    assert "Not confirmed" in words(at)
    for box in at.checkbox:
        box.check()
    button(at, "Sign").click().run()
    latest = stack.records.scans.get(scan_id).latest
    assert (latest.review.state, latest.review.author) == (ReviewState.SIGNED, "Ann Lee")
    assert "signed by Ann Lee" in words(at)
    assert "signed by Ann Lee" in words(stack.page("patient", scan=str(scan_id)))


def test_a_rejection_asks_for_a_reason(stack, scan_id):
    at = open_scan(stack, scan_id)
    button(at, "Reject").click().run()
    assert "needs a reason" in words(at)
    next(each for each in at.text_input if each.label.startswith("Reason")).set_value("motion")
    button(at, "Reject").click().run()
    assert stack.records.scans.get(scan_id).latest.review.comment == "motion"


def test_a_draft_is_found_again_and_stored_as_a_correction(stack, scan_id):
    first = stack.records.scans.get(scan_id).latest
    stack.records.drafts.save(first.measurement_id, "Ann Lee", [ERASE], on_revision=0)
    at = open_scan(stack, scan_id)
    assert "Draft, not stored yet" in words(at)
    shown = at.metric[0].value
    button(at, "Store correction").click().run()
    latest = stack.records.scans.get(scan_id).latest
    assert latest.parent_id == first.measurement_id
    assert f"{latest.measurement.composition.sma_cm2:.1f}" == shown
    assert latest.measurement.composition.sma_cm2 < first.measurement.composition.sma_cm2
    assert "Draft, not stored yet" not in words(at)
    versions = at.dataframe[-1].value["Version"].tolist()
    assert versions == ["Version 1: AI", "Version 2: mask mended by Ann Lee"]


def test_the_second_of_two_people_is_told_and_loses_nothing(stack, scan_id):
    first = stack.records.scans.get(scan_id).latest
    stack.records.drafts.save(first.measurement_id, "Ann Lee", [ERASE], on_revision=0)
    at = open_scan(stack, scan_id)
    newer = store_correction(stack.records, first.measurement_id, [ERASE, ERASE], author="Ben")
    button(at, "Store correction").click().run()
    assert "corrected by Ben" in words(at)
    assert stack.records.scans.get(scan_id).latest == newer
    button(at, "Show my strokes instead").click().run()
    assert stack.records.drafts.get(newer.measurement_id, "Ann Lee").strokes == (ERASE,)
    assert stack.records.drafts.get(first.measurement_id, "Ann Lee") is None
    assert "corrected by Ben" not in words(at)


def test_a_discarded_draft_is_gone(stack, scan_id):
    first = stack.records.scans.get(scan_id).latest
    stack.records.drafts.save(first.measurement_id, "Ann Lee", [ERASE], on_revision=0)
    at = open_scan(stack, scan_id)
    button(at, "Discard draft").click().run()
    assert stack.records.drafts.get(first.measurement_id, "Ann Lee") is None
    assert stack.records.scans.get(scan_id).latest == first


def test_a_scan_without_l3_has_nothing_to_mend(stack, chest):
    at = open_scan(stack, stack.measure(chest).scan_id)
    assert "L3 is not in this scan" in words(at)
    assert not at.metric


def test_a_scan_that_is_not_there_is_an_error_in_words(stack):
    assert "no scan 99" in words(stack.page("review", scan="99"))


def test_questions_that_are_answered_raise_flags_and_the_rest_stays_not_asked(stack, scan_id):
    at = open_scan(stack, scan_id)
    assert "Not asked: Pregnant at the scan?" in words(at)
    next(each for each in at.radio if each.label == "On dialysis?").set_value("yes")
    button(at, "Save answers").click().run()
    assert "water moves area" in words(at)
    assert "On dialysis?" not in next(str(c.value) for c in at.caption if str(c.value).startswith("Not asked"))
    context = stack.records.contexts.for_scan(scan_id)
    assert (context.dialysis.value, context.dialysis.author) == ("yes", "Ann Lee")
    assert context.pregnancy is None
