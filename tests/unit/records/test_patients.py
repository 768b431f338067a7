"""Who is who: linking, asking, merging, splitting, re-assigning; and the facts that follow the person."""

from collections.abc import Callable
from datetime import date

import pytest

from sarcopenia.domain.errors import ConflictError, RecordError, RecordNotFoundError
from sarcopenia.domain.volume import Sex
from sarcopenia.records import (
    ContextKind,
    ContextSource,
    IdentityDecision,
    IdentityFacts,
    IdentityQuestion,
    NewContext,
    PatientSummary,
    Records,
    ScanReceipt,
)
from sarcopenia.records.identities import contradictions, is_placeholder
from tests.unit.records.samples import make_volume, new_measurement

StoreScan = Callable[..., int]


def hash_of(number: int) -> str:
    return f"{number:064x}"


def patient_of(records: Records, scan_id: int) -> int:
    return records.scans.get(scan_id).patient_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "0",
        "000000",
        "ANONYMOUS",
        "anonymous",
        "Anon",
        "UNKNOWN",
        "NONAME",
        "No Name",
        "N/A",
        "xxx",
        "---",
        "^",
    ],
)
def test_placeholder_ids_name_nobody(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize("text", ["4711", "0815", "X1", "DEMO-001", "ANON-17", "100", "Ä7", "PHANTOM-3"])
def test_real_ids_name_somebody(text: str) -> None:
    assert not is_placeholder(text)


@pytest.mark.parametrize(
    ("known", "incoming", "expected"),
    [
        ({}, {}, ()),
        ({"name": "DOE^JANE"}, {"name": "Doe, Jane "}, ()),
        ({"name": "MÜLLER^HANS"}, {"name": "muller^hans"}, ()),
        ({"name": "DOE^JANE"}, {"name": ""}, ()),
        ({"name": "DOE^JANE"}, {"name": "DOE^JOAN"}, ("name",)),
        ({"birth_date": date(1950, 5, 17)}, {"birth_date": date(1950, 5, 18)}, ("birth date",)),
        ({"birth_date": date(1950, 5, 17)}, {"birth_date": None}, ()),
        ({"sex": Sex.MALE}, {"sex": Sex.FEMALE}, ("sex",)),
        ({"sex": Sex.MALE}, {"sex": Sex.UNKNOWN}, ()),
    ],
)
def test_only_what_both_sides_say_can_contradict(
    known: dict[str, object], incoming: dict[str, object], expected: tuple[str, ...]
) -> None:
    silent = {"issuer": "", "dicom_patient_id": "1", "name": "", "birth_date": None, "sex": Sex.UNKNOWN}
    assert contradictions(IdentityFacts(**silent | known), IdentityFacts(**silent | incoming)) == expected


def test_follow_up_scan_joins_its_patient(store_scan: StoreScan, records: Records, jane: dict[str, object]) -> None:
    first = store_scan(series_hash=hash_of(1), **jane, study_date=date(2024, 5, 1))
    second = store_scan(series_hash=hash_of(2), **jane, study_date=date(2023, 5, 1))
    patient_id = patient_of(records, first)
    assert [scan.scan_id for scan in records.scans.of_patient(patient_id)] == [second, first]
    summary = records.patients.get(patient_id)
    assert (summary.display_name, summary.scan_count, summary.provisional) == ("DOE, JANE", 2, False)
    assert (summary.first_study_date, summary.last_study_date) == (date(2023, 5, 1), date(2024, 5, 1))


def test_same_id_of_another_issuer_is_another_patient(
    store_scan: StoreScan, records: Records, jane: dict[str, object]
) -> None:
    here = store_scan(series_hash=hash_of(1), **jane)
    there = store_scan(series_hash=hash_of(2), **jane | {"issuer": "CLINIC"})
    assert patient_of(records, here) != patient_of(records, there)


def test_scans_without_a_name_get_a_provisional_patient_each(store_scan: StoreScan, records: Records) -> None:
    first = store_scan(series_hash=hash_of(1), patient_id="ANONYMOUS")
    second = store_scan(series_hash=hash_of(2), patient_id="ANONYMOUS")
    assert patient_of(records, first) != patient_of(records, second)
    summary = records.patients.get(patient_of(records, first))
    assert summary.provisional
    assert summary.display_name == f"Provisional patient {summary.patient_id}"


def test_same_series_is_recognised_with_and_without_a_name(records: Records, jane: dict[str, object]) -> None:
    records.uploads.submit([("ct", b"1")], source="test")
    for header in (jane, {}):
        first = records.scans.register(1, make_volume(hash_of(len(header)), **header))
        again = records.scans.register(1, make_volume(hash_of(len(header)), **header))
        assert (first.already_known, again.already_known) == (False, True)
        assert (again.scan_id, again.patient_id) == (first.scan_id, first.patient_id)


def test_same_series_of_the_same_patient_with_less_in_the_header_is_recognised(
    store_scan: StoreScan, records: Records, jane: dict[str, object]
) -> None:
    scan_id = store_scan(**jane)
    again = records.scans.register(1, make_volume(**jane | {"birth_date": None}))
    assert again == ScanReceipt(scan_id, patient_of(records, scan_id), already_known=True)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"name": "ROE^JANE"}, "name"),
        ({"birth_date": date(1951, 5, 17)}, "birth date"),
        ({"sex": Sex.MALE}, "sex"),
    ],
)
def test_contradiction_asks_before_anything_is_stored(
    store_scan: StoreScan, records: Records, jane: dict[str, object], change: dict[str, object], word: str
) -> None:
    scan_id = store_scan(series_hash=hash_of(1), **jane)
    question = records.scans.register(1, make_volume(hash_of(2), **jane | change))
    assert isinstance(question, IdentityQuestion)
    assert question.known_patient_id == patient_of(records, scan_id)
    assert word in question.text
    assert question.known.name == "DOE^JANE"
    assert len(records.patients.search()) == 1
    assert len(records.scans.of_patient(question.known_patient_id)) == 1


def test_same_person_links_and_is_not_asked_again(
    store_scan: StoreScan, records: Records, jane: dict[str, object]
) -> None:
    scan_id = store_scan(series_hash=hash_of(1), **jane)
    married = jane | {"name": "ROE^JANE"}
    question = records.scans.register(1, make_volume(hash_of(2), **married))
    decision = IdentityDecision(accepted_patient_id=question.known_patient_id)
    linked = records.scans.register(1, make_volume(hash_of(2), **married), decision=decision)
    third = records.scans.register(1, make_volume(hash_of(3), **married))
    assert linked.patient_id == third.patient_id == patient_of(records, scan_id)
    assert [facts.name for facts in records.patients.identities(linked.patient_id)] == ["ROE^JANE", "DOE^JANE"]


def test_different_person_becomes_a_patient_with_the_same_id(
    store_scan: StoreScan, records: Records, jane: dict[str, object]
) -> None:
    scan_id = store_scan(series_hash=hash_of(1), **jane)
    john = jane | {"name": "DOE^JOHN", "sex": Sex.MALE}
    decision = IdentityDecision(refused_patient_ids=(patient_of(records, scan_id),))
    other = records.scans.register(1, make_volume(hash_of(2), **john), decision=decision)
    assert other.patient_id != patient_of(records, scan_id)
    assert records.scans.register(1, make_volume(hash_of(3), **john)).patient_id == other.patient_id
    assert records.scans.register(1, make_volume(hash_of(4), **jane)).patient_id == patient_of(records, scan_id)


def test_scan_that_fits_two_patients_of_one_id_asks_about_both(
    store_scan: StoreScan, records: Records, jane: dict[str, object]
) -> None:
    jane_id = patient_of(records, store_scan(series_hash=hash_of(1), **jane))
    john = jane | {"name": "DOE^JOHN", "sex": Sex.MALE}
    john_id = records.scans.register(
        1, make_volume(hash_of(2), **john), decision=IdentityDecision(refused_patient_ids=(jane_id,))
    ).patient_id
    vague = make_volume(hash_of(3), patient_id="4711", issuer="HOSPITAL")
    question = records.scans.register(1, vague)
    assert question.known_patient_id == john_id
    answer = records.scans.register(1, vague, decision=IdentityDecision(refused_patient_ids=(john_id,)))
    assert answer.patient_id == jane_id


@pytest.mark.parametrize(
    ("text", "found"),
    [("", 2), ("doe", 1), ("JANE doe", 1), ("4711", 1), ("provisional", 0), ("doe roe", 0), ("%", 0), ("_", 0)],
)
def test_search_looks_at_names_and_ids(
    store_scan: StoreScan, records: Records, jane: dict[str, object], text: str, found: int
) -> None:
    store_scan(series_hash=hash_of(1), **jane)
    store_scan(series_hash=hash_of(2), patient_id="")
    assert len(records.patients.search(text)) == found


@pytest.mark.parametrize(
    ("name", "shown"),
    [("DOE^JANE^M", "DOE, JANE M"), ("DOE", "DOE"), ("^JANE", "JANE"), ("LI^NA=李^娜", "LI, NA")],
)
def test_names_are_shown_as_people_write_them(name: str, shown: str) -> None:
    facts = IdentityFacts("", "1", name, None, Sex.UNKNOWN)
    assert PatientSummary(1, facts, False, 0, None, None).display_name == shown


def two_patients(store_scan: StoreScan, records: Records) -> tuple[int, int]:
    scans = [store_scan(series_hash=hash_of(n), patient_id=f"P{n}", study_date=date(2024, n, 1)) for n in (1, 2)]
    return patient_of(records, scans[0]), patient_of(records, scans[1])


def test_merge_shows_both_as_one_and_new_scans_join_it(store_scan: StoreScan, records: Records) -> None:
    keep, other = two_patients(store_scan, records)
    records.contexts.add(other, NewContext(ContextKind.HEIGHT, 1.8, ContextSource.TYPED, None), author="Dr A")
    merged = records.patients.merge(keep, other, author="Dr A", reason="same person")
    assert (merged.patient_id, merged.scan_count) == (keep, 2)
    assert len(records.patients.search()) == 1
    assert records.patients.get(other) == merged
    assert [scan.patient_id for scan in records.scans.of_patient(other)] == [keep, keep]
    assert records.contexts.at(keep, ContextKind.HEIGHT, None).value == 1.8
    third = store_scan(series_hash=hash_of(3), patient_id="P2")
    assert patient_of(records, third) == keep
    assert records.patients.search("P2")[0].patient_id == keep


def test_merge_of_merged_patients_keeps_one_level(store_scan: StoreScan, records: Records) -> None:
    first, second = two_patients(store_scan, records)
    third = patient_of(records, store_scan(series_hash=hash_of(3), patient_id="P3"))
    records.patients.merge(second, first, author="Dr A", reason="")
    records.patients.merge(third, second, author="Dr A", reason="")
    assert records.patients.get(first).patient_id == third
    assert len(records.scans.of_patient(first)) == 3
    with pytest.raises(ConflictError):
        records.patients.merge(first, third, author="Dr A", reason="")


def test_reassigned_scan_takes_measurement_and_header_facts_along(store_scan: StoreScan, records: Records) -> None:
    source = store_scan(series_hash=hash_of(1), patient_id="P1", height_m=1.7, study_date=date(2024, 1, 1))
    stays = store_scan(series_hash=hash_of(3), patient_id="P1")
    target = patient_of(records, store_scan(series_hash=hash_of(2), patient_id="P2"))
    old_id = patient_of(records, source)
    measurement = records.measurements.store(source, new_measurement())
    records.patients.reassign(source, target, author="Dr A", reason="wrong label")
    assert patient_of(records, source) == target
    assert records.measurements.get(measurement.measurement_id).patient_id == target
    assert records.contexts.at(target, ContextKind.HEIGHT, None).value == 1.7
    assert records.contexts.at(old_id, ContextKind.HEIGHT, None) is None
    assert patient_of(records, stays) == old_id


def test_reassigned_scan_is_recognised_when_it_comes_again(store_scan: StoreScan, records: Records) -> None:
    source = store_scan(series_hash=hash_of(1), patient_id="P1")
    target = patient_of(records, store_scan(series_hash=hash_of(2), patient_id="P2"))
    records.patients.reassign(source, target, author="Dr A", reason="wrong label")
    again = records.scans.register(1, make_volume(hash_of(1), patient_id="P1"))
    assert (again.scan_id, again.patient_id) == (source, target)


def test_provisional_scan_can_be_given_to_its_patient(
    store_scan: StoreScan, records: Records, jane: dict[str, object]
) -> None:
    known = patient_of(records, store_scan(series_hash=hash_of(1), **jane))
    unnamed = store_scan(series_hash=hash_of(2), patient_id="ANON")
    records.patients.reassign(unnamed, known, author="Dr A", reason="NIfTI of the same study")
    assert records.patients.get(known).display_name == "DOE, JANE"
    assert records.patients.get(known).scan_count == 2


def test_reassign_refuses_a_series_that_the_patient_has(store_scan: StoreScan, records: Records) -> None:
    one = store_scan(series_hash=hash_of(1), patient_id="P1")
    copy = records.scans.register(1, make_volume(hash_of(1), patient_id="P2"))
    with pytest.raises(ConflictError):
        records.patients.reassign(one, copy.patient_id, author="Dr A", reason="")
    assert patient_of(records, one) != copy.patient_id


def test_split_makes_a_new_patient_and_the_next_scan_asks(
    store_scan: StoreScan, records: Records, jane: dict[str, object]
) -> None:
    stays = store_scan(series_hash=hash_of(1), **jane)
    leaves = store_scan(series_hash=hash_of(2), **jane)
    new = records.patients.split([leaves], author="Dr A", reason="two persons under one id")
    assert patient_of(records, leaves) == new.patient_id != patient_of(records, stays)
    assert isinstance(records.scans.register(1, make_volume(hash_of(3), **jane)), IdentityQuestion)


def test_split_needs_some_but_not_all_scans_of_one_patient(store_scan: StoreScan, records: Records) -> None:
    one, other = (store_scan(series_hash=hash_of(n), patient_id=f"P{n}") for n in (1, 2))
    for scans in ([], [one], [one, other]):
        with pytest.raises(RecordError, match="split"):
            records.patients.split(scans, author="Dr A", reason="")
    with pytest.raises(RecordNotFoundError):
        records.patients.split([99], author="Dr A", reason="")


def test_corrections_of_identity_are_audited(store_scan: StoreScan, records: Records) -> None:
    keep, other = two_patients(store_scan, records)
    scan_id = store_scan(series_hash=hash_of(3), patient_id="P1")
    records.patients.split([scan_id], author="Dr A", reason="mistake")
    records.patients.merge(keep, other, author="Dr B", reason="same person")
    merged = records.audit.entries(f"patient:{keep}")[0]
    assert (merged.author, merged.action) == ("Dr B", "patient.merged")
    assert dict(merged.details) == {"merged": str(other), "reason": "same person"}
    assert records.audit.entries(f"scan:{scan_id}")[0].action == "scan.reassigned"
