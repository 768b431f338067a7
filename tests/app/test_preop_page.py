"""The pre-operative page in each of its states: from the list to the report."""

import io
from dataclasses import replace
from datetime import date, timedelta

import pytest
from pypdf import PdfReader

from dashboard import state
from dashboard.preop_view import OLD_CT_DAYS, UNSIGNED
from dashboard.result_view import NOT_REVIEWED
from sarcopenia.domain.volume import PatientHeader, Sex
from sarcopenia.records import ContextKind, ContextSource, NewContext, NewOperation
from sarcopenia.review import reject, required_confirmations, sign

TODAY = date.today()
SOON = TODAY + timedelta(days=10)


def words(at):
    parts = [*at.markdown, *at.caption, *at.info, *at.warning, *at.error, *at.subheader]
    return "\n".join(str(part.value) for part in parts)


def headline(at):
    return next(str(each.value) for each in at.markdown if str(each.value).startswith("### "))


def button(at, label):
    return next(each for each in at.button if each.label == label)


def named(at, name="Ann Lee"):
    at.text_input[0].set_value(name).run()
    assert not at.exception
    return at


@pytest.fixture
def jane(stack, phantom):
    """Patient id of a woman with one scan of 100 days ago."""
    header = {"patient": PatientHeader("77", "HOSPITAL", "DOE^JANE", date(1956, 1, 2)), "sex": Sex.FEMALE}
    scan_id = stack.measure(phantom, **header, study_date=TODAY - timedelta(days=100)).scan_id
    return stack.records.scans.get(scan_id)


def plan(stack, procedure="lower_limb_revascularisation", number="77"):
    return stack.records.operations.plan([NewOperation(number, SOON, procedure, "Dr B")], author="Ann")[0]


def signed(stack, scan):
    stored = stack.records.scans.get(scan.scan_id).latest
    confirmed = required_confirmations(stored.measurement)
    sign(stack.records, stack.settings, stored.measurement_id, confirmed, author="Dr A")


def test_an_empty_list_says_what_to_do_and_an_operation_can_be_entered(stack, jane):
    at = named(stack.page("preop"))
    assert "No operation is planned" in words(at)
    next(each for each in at.text_input if each.label == "Hospital number").set_value("77")
    button(at, "Save").click().run()
    (planned,) = stack.records.operations.planned(TODAY)
    assert (planned.plan.hospital_number, planned.author) == ("77", "Ann Lee")
    row = at.dataframe[0].value.iloc[0]
    assert row["Patient"] == "DOE, JANE"
    assert NOT_REVIEWED in row["Scan"]


def test_what_is_missing_in_the_form_is_said(stack):
    at = named(stack.page("preop"))
    button(at, "Save").click().run()
    assert "needs the patient's hospital number" in words(at)


def test_an_unsigned_number_is_shown_and_compared_with_nothing(stack, jane):
    at = stack.page("preop", operation=str(plan(stack).operation_id))
    text = words(at)
    area = jane.latest.measurement.composition.sma_cm2
    assert f"SMA {area:.0f} ± " in text
    assert UNSIGNED in text
    assert f"no comparison with a cut-off before a signature ({UNSIGNED})" in text
    assert "Matsubara" not in headline(at)
    assert f"110 days before surgery – older than {OLD_CT_DAYS} days" in text
    assert "no earlier scan" in text


def test_a_signed_number_is_held_against_the_profile_of_the_operation(stack, jane):
    signed(stack, jane)
    text = words(stack.page("preop", operation=str(plan(stack).operation_id)))
    assert "signed by Dr A" in text
    assert "Matsubara 2015" in text
    assert UNSIGNED not in text


def test_a_person_may_choose_another_profile(stack, jane):
    signed(stack, jane)
    at = stack.page("preop", operation=str(plan(stack).operation_id))
    at.selectbox(key=state.PROFILE_KEY).set_value("prado_2008").run()
    assert "Prado 2008" in headline(at)
    assert "Matsubara" not in headline(at)


def test_strength_is_asked_for_and_changes_what_is_said(stack, jane):
    at = named(stack.page("preop", operation=str(plan(stack).operation_id)))
    assert "Grip strength not tested" in words(at)
    next(each for each in at.number_input if each.label.startswith("Grip")).set_value(12.0)
    next(each for each in at.button if each.label == "Save").click().run()
    assert "sarcopenia is probable by EWGSOP2" in words(at)
    entry = stack.records.contexts.at(jane.patient_id, ContextKind.GRIP_STRENGTH, None)
    assert (entry.author, entry.valid_from) == ("Ann Lee", TODAY)  # the day of the test, not of the CT


def test_evidence_belongs_to_the_operation_and_says_whether_it_is_comparable(stack, jane):
    text = words(stack.page("preop", operation=str(plan(stack, "colorectal").operation_id)))
    assert "OR 1.84 (95 % CI 1.35–2.49)" in text
    assert "Comparable to this patient: no: " in text
    other = words(stack.page("preop", operation=str(plan(stack, "other").operation_id)))
    assert "No evidence is stored" in other


def test_the_emergency_is_found_without_a_planned_operation(stack, jane):
    at = stack.page("preop")
    at.text_input(key="preop-search").set_value("77").run()
    next(each for each in at.button if each.label.startswith("DOE, JANE")).click().run()
    assert "No operation is planned here" in words(at)
    assert "100 days old" in words(at)
    at = stack.page("preop")
    at.text_input(key="preop-search").set_value("nobody").run()
    assert "No patient matches" in words(at)


def test_an_operation_without_a_scan_says_so(stack):
    operation = plan(stack, number="99")
    assert "no scan of this patient yet" in words(stack.page("preop", operation=str(operation.operation_id)))


def test_a_scan_without_l3_has_no_finding(stack, chest):
    stack.measure(chest, patient=PatientHeader("77", "HOSPITAL", "DOE^JANE"))
    assert "No scan of this patient has a usable measurement at L3" in words(
        stack.page("preop", operation=str(plan(stack).operation_id))
    )


def test_a_rejected_number_is_not_shown_and_the_page_says_why(stack, jane):
    reject(stack.records, stack.settings, jane.latest.measurement_id, "motion", author="Dr A")
    text = words(stack.page("preop", operation=str(plan(stack).operation_id)))
    assert "is not used: rejected by Dr A" in text
    assert "No scan of this patient has a usable measurement at L3" in text
    assert "SMA" not in text


def test_a_list_and_images_that_name_two_people_are_doubted(stack, jane):
    new = NewOperation("77", SOON, "colorectal", patient_name="Roe, Mary")
    (planned,) = stack.records.operations.plan([new], author="Ann")
    assert "The list names Roe, Mary, the images name DOE, JANE" in words(
        stack.page("preop", operation=str(planned.operation_id))
    )
    (agreeing,) = stack.records.operations.plan([replace(new, patient_name="jane doe", day=TODAY)], author="Ann")
    assert "The list names" not in words(stack.page("preop", operation=str(agreeing.operation_id)))


def test_two_patients_with_one_number_are_told_apart_by_a_person(stack, phantom, chest):
    for issuer, name, made in (("NORTH", "DOE^JANE", phantom), ("SOUTH", "ROE^MARY", chest)):
        stack.measure(made, patient=PatientHeader("77", issuer, name))
    at = stack.page("preop", operation=str(plan(stack).operation_id))
    assert "Several patients have this hospital number" in words(at)
    at.radio[0].set_value(at.radio[0].options and stack.records.operations.planned(TODAY)[0].patient_ids[0]).run()
    assert not at.exception
    assert "DOE, JANE" in words(at)


def test_taking_an_operation_off_the_list_asks_for_a_reason(stack, jane):
    operation = plan(stack)
    at = named(stack.page("preop", operation=str(operation.operation_id)))
    button(at, "Take it off").click().run()
    assert "needs a reason" in words(at)
    next(each for each in at.text_input if each.label.startswith("Reason")).set_value("moved")
    button(at, "Take it off").click().run()
    assert stack.records.operations.planned(TODAY) == ()


def test_a_report_says_who_made_it_and_stays_what_it_was(stack, jane):
    operation = plan(stack)
    day = jane.study_date
    height = NewContext(ContextKind.HEIGHT, 1.60, ContextSource.TYPED, day)
    stack.records.contexts.add(jane.patient_id, height, author="Ann")
    at = stack.page("preop", operation=str(operation.operation_id))
    assert button(at, "Make a report (PDF)").disabled
    button(named(at), "Make a report (PDF)").click().run()
    (report,) = stack.records.reports.of_patient(jane.patient_id)
    document = stack.records.reports.document(report.report_id)
    pages = [" ".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(document)).pages]
    assert len(pages) == 2
    for expected in ("DOE, JANE", "Lower-limb revascularisation", UNSIGNED, "height 1.6 m (typed)", "not a diagnosis"):
        assert expected in pages[0]
    assert "body_compartments" in pages[1]
    newer = NewContext(ContextKind.HEIGHT, 1.70, ContextSource.MEASURED, day)
    stack.records.contexts.add(jane.patient_id, newer, author="Ann")
    at = stack.page("preop", operation=str(operation.operation_id))
    assert "Another height holds today (1.7 m)" in words(at)
    assert stack.records.reports.document(report.report_id) == document
