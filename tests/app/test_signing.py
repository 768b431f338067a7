"""Signing, withdrawing and the versions of a scan on the review page."""

import pytest

from dashboard.result_view import NOT_REVIEWED
from sarcopenia.domain.strokes import Stroke, StrokeTool
from sarcopenia.records import ContextKind, ContextSource, NewContext, ReviewState
from sarcopenia.review import confirmations_of, sign, store_correction

ERASE = Stroke(StrokeTool.ERASER, ((60.0, 60.0), (80.0, 60.0)), 8.0, within_muscle_hu=False)
NAME = "Ann Lee"


def words(at):
    parts = [*at.markdown, *at.caption, *at.info, *at.warning, *at.error, *at.success, *at.subheader]
    return "\n".join(str(part.value) for part in parts)


def open_scan(stack, scan_id):
    at = stack.page("review", scan=str(scan_id))
    at.text_input[0].set_value(NAME).run()
    assert not at.exception
    return at


def button(at, label):
    return next(each for each in at.button if each.label == label)


def reason(at):
    return next(each for each in at.text_input if each.label.startswith("Reason"))


def latest(stack, scan_id):
    return stack.records.scans.get(scan_id).latest


def sign_as(stack, scan_id, author):
    stored = latest(stack, scan_id)
    items = confirmations_of(stack.records, stored)
    sign(stack.records, stack.settings, stored.measurement_id, items, author=author)


@pytest.fixture
def scan_id(stack, phantom):
    return stack.measure(phantom).scan_id


def test_each_item_is_confirmed_with_its_source_and_the_answers_too(stack, scan_id):
    patient_id = stack.records.scans.get(scan_id).patient_id
    for kind, value in ((ContextKind.HEIGHT, 1.7), (ContextKind.DIALYSIS, "yes")):
        stack.records.contexts.add(patient_id, NewContext(kind, value, ContextSource.TYPED, None), author="Ben")
    at = open_scan(stack, scan_id)
    labels = [box.label for box in at.checkbox]
    assert any(label.startswith("**level** — Slice ") for label in labels)
    assert any("height 1.70 m (typed by Ben" in label for label in labels)
    assert any(label.startswith("**asked_dialysis** — review: Dialysis") for label in labels)
    assert "You sign **Version 1: AI**" in words(at)
    assert f"in the name of **{NAME}**" in words(at)


def test_a_signature_is_withdrawn_with_a_reason_and_stays_in_the_history(stack, scan_id):
    sign_as(stack, scan_id, "Ben")
    at = open_scan(stack, scan_id)
    assert "This version is signed by Ben" in words(at)
    assert not at.checkbox
    button(at, "Withdraw signature").click().run()
    assert "needs a reason" in words(at)
    reason(at).set_value("wrong level")
    button(at, "Withdraw signature").click().run()
    assert latest(stack, scan_id).review.state is ReviewState.WITHDRAWN
    assert NOT_REVIEWED in words(at)
    history = next(table.value for table in at.dataframe if "Comment" in table.value)
    assert history["What"].tolist() == ["withdrawn", "signed"]
    assert history["Who"].tolist() == [NAME, "Ben"]
    assert history["Comment"][0] == "wrong level"


def test_a_correction_voids_the_signature_and_says_so(stack, scan_id):
    sign_as(stack, scan_id, "Ben")
    store_correction(stack.records, latest(stack, scan_id).measurement_id, [ERASE], author=NAME)
    at = open_scan(stack, scan_id)
    assert "Version 1 was signed by Ben" in words(at)
    assert "this version is not." in words(at)
    for box in at.checkbox:
        box.check()
    button(at, "Sign").click().run()
    assert latest(stack, scan_id).review.author == NAME
    assert "this version is not." not in words(at)


def test_a_version_is_shown_against_the_models_own_mask(stack, scan_id):
    first = latest(stack, scan_id)
    mended = store_correction(stack.records, first.measurement_id, [ERASE], author=NAME)
    at = open_scan(stack, scan_id)
    (table,) = at.table
    told = dict(zip(table.value["Measure"], table.value["Value"], strict=True))
    before, after = first.measurement.composition.sma_cm2, mended.measurement.composition.sma_cm2
    assert told["SMA of the AI's own mask"] == f"{before:.1f} cm²"
    assert told["SMA of this version"] == f"{after:.1f} cm²"
    assert told["Removed"] == f"{before - after:.1f} cm²"
    assert told["Added"] == "0.0 cm²"
    choice = next(box for box in at.selectbox if box.label.startswith("Compare"))
    choice.set_value("Version 1: AI").run()
    assert "The mask of this version is the AI's own." in words(at)
    assert not at.table


def test_whoever_paints_is_told_that_strokes_are_no_part_of_the_signature(stack, scan_id):
    measurement_id = latest(stack, scan_id).measurement_id
    for author in (NAME, "Ben"):
        stack.records.drafts.save(measurement_id, author, [ERASE], on_revision=0)
    at = open_scan(stack, scan_id)
    assert "they are no part of what you sign" in words(at)
    assert "Ben: strokes on this scan that are not stored yet." in words(at)


def test_who_may_not_sign_cannot_take_a_signature_back(stack, scan_id, monkeypatch):
    sign_as(stack, scan_id, "Ben")
    monkeypatch.setenv("SARCOPENIA_SIGNERS", "Ben")
    at = open_scan(stack, scan_id)
    assert "may not sign, and so not withdraw" in words(at)
    assert "Withdraw signature" not in [each.label for each in at.button]


def test_a_scan_without_l3_is_signed_by_its_level_alone(stack, chest):
    scan_id = stack.measure(chest).scan_id
    at = open_scan(stack, scan_id)
    for box in at.checkbox:
        box.check()
    button(at, "Sign").click().run()
    assert latest(stack, scan_id).review.state is ReviewState.SIGNED


def test_the_scan_page_says_version_and_review(stack, scan_id):
    store_correction(stack.records, latest(stack, scan_id).measurement_id, [ERASE], author=NAME)
    at = stack.page("patient", scan=str(scan_id))
    facts = next(table.value for table in at.dataframe if list(table.value) == ["Fact", "Value"])
    told = dict(zip(facts["Fact"], facts["Value"], strict=True))
    assert told["Version"].startswith(f"Version 2: mask mended by {NAME}, stored ")
    assert told["Review"] == NOT_REVIEWED
