"""Events, history and the choice of what is measured again."""

from dataclasses import replace
from datetime import date

import pytest

from dashboard.event_view import event_rows, event_words, holding
from dashboard.history_view import agreed_height, bmi_rows, body_at_scan, height_words, history_rows
from dashboard.remeasure_view import kept_words, remeasure_plan
from sarcopenia.domain.errors import ValidationReport
from sarcopenia.domain.results import ModelIdentity
from sarcopenia.records import (
    ContextEntry,
    ContextKind,
    ContextSource,
    EventKind,
    ReviewState,
    ScanContext,
    ScanSummary,
)
from tests.unit.dashboard.measurements import MEASURED, PROVENANCE
from tests.unit.dashboard.trend_samples import HEADER, NOW, event, stored

PRESENT = ModelIdentity("spine_level", "2", "99" * 32, "FP32", "fake")


def fact(number, kind, value, source, day):
    unit = "m" if kind is ContextKind.HEIGHT else "kg"
    return ContextEntry(number, kind, value, unit, source, day, "Dr A", NOW)


def height(number, value, source, day):
    return fact(number, ContextKind.HEIGHT, value, source, day)


IMAGES_2024 = height(1, 1.70, ContextSource.DICOM, date(2024, 1, 1))
IMAGES_2026 = height(2, 1.72, ContextSource.DICOM, date(2026, 1, 1))
TYPED_2023 = height(3, 1.69, ContextSource.TYPED, date(2023, 1, 1))
MEASURED_2025 = height(4, 1.68, ContextSource.MEASURED, date(2025, 1, 1))
TYPED_LATER = replace(TYPED_2023, valid_from=date(2025, 6, 1))
WEIGHT = fact(5, ContextKind.WEIGHT, 72.0, ContextSource.DICOM, date(2024, 1, 1))


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ((IMAGES_2024, IMAGES_2026), IMAGES_2026),
        ((IMAGES_2026, TYPED_2023), TYPED_2023),
        ((TYPED_2023, MEASURED_2025, IMAGES_2026), MEASURED_2025),
        ((MEASURED_2025, TYPED_LATER), TYPED_LATER),
        ((MEASURED_2025, replace(TYPED_2023, valid_from=date(2025, 1, 1), entry_id=9)), MEASURED_2025),
        ((WEIGHT, replace(IMAGES_2024, valid_from=None)), replace(IMAGES_2024, valid_from=None)),
    ],
)
def test_a_persons_newest_height_goes_before_that_of_the_images(history, expected):
    assert agreed_height(history).entry == expected


def test_the_agreed_height_is_told_and_doubts_are_named():
    assert height_words(agreed_height((IMAGES_2024, IMAGES_2026))).endswith("1.72 m (DICOM, 2026-01-01).")
    doubtful = height_words(agreed_height((IMAGES_2024, replace(IMAGES_2026, value=1.62))))
    assert "differ by 8 cm" in doubtful
    assert agreed_height((WEIGHT,)) is None
    assert "no height is known" in height_words(None)


def context(**facts):
    nothing = dict.fromkeys(kind.value for kind in ContextKind)
    return ScanContext(**(nothing | facts))


def test_the_bmi_is_that_of_the_facts_that_held():
    known = body_at_scan(date(2024, 2, 1), context(height=IMAGES_2024, weight=WEIGHT))
    unknown = body_at_scan(date(2024, 3, 1), context(weight=WEIGHT))
    first, second = bmi_rows([known, unknown])
    assert first["BMI (kg/m²)"] == 24.9  # 72 / 1.70²
    assert (first["Height"], first["Weight"]) == ("1.7 m (DICOM, 2024-01-01)", "72 kg (DICOM, 2024-01-01)")
    assert (second["BMI (kg/m²)"], second["Height"]) == (None, "not known")


def test_the_history_is_by_day_and_says_who_told_it():
    sex = ContextEntry(8, ContextKind.SEX, "F", "", ContextSource.TYPED, None, "Dr A", NOW)
    rows = history_rows((IMAGES_2026, WEIGHT, TYPED_2023, sex))
    assert [row["From"] for row in rows] == ["2023-01-01", "2024-01-01", "2026-01-01"]
    assert (rows[0]["Value"], rows[0]["Source"], rows[0]["Author"]) == ("1.69 m", "typed", "Dr A")


def test_events_in_words_and_rows():
    chemotherapy = event(date(2025, 2, 1), EventKind.CHEMOTHERAPY, date(2025, 3, 1), "FOLFOX")
    wrong = event(date(2025, 5, 1), withdrawn=True)
    assert event_words(chemotherapy) == "2025-02-01 to 2025-03-01 · chemotherapy · FOLFOX"
    assert event_words(wrong) == "2025-05-01 · operation"
    assert holding((chemotherapy, wrong)) == (chemotherapy,)
    first, second = event_rows((chemotherapy, wrong))
    assert first["Withdrawn"] == ""
    assert second["Withdrawn"] == "by Dr B on 2026-01-01: mistake"


def summary(number, latest):
    day = date(2025, 1, number)
    return ScanSummary(number, 1, number, "a" * 64, HEADER, ValidationReport(), (), day, 6, NOW, latest)


def test_only_what_the_models_alone_made_is_measured_again():
    by_present = replace(MEASURED, provenance=replace(PROVENANCE, models=(PRESENT,)))
    scans = [
        summary(1, stored()),
        summary(2, stored(state=ReviewState.SIGNED)),
        summary(3, stored(state=ReviewState.REJECTED)),
        summary(4, stored(parent_id=7)),
        summary(5, stored(state=ReviewState.WITHDRAWN)),
        summary(6, stored(measurement=by_present)),
        summary(7, None),
    ]
    plan = remeasure_plan(scans, (PRESENT,))
    assert [scan.scan_id for scan in plan.again] == [1, 5]
    assert [scan.scan_id for scan in plan.kept] == [2, 3, 4]
    assert "2025-01-02, 2025-01-03, 2025-01-04" in kept_words(plan)
    assert kept_words(remeasure_plan(scans[:1], (PRESENT,))) == ""


def test_models_that_do_not_make_the_number_ask_for_nothing():
    others = [replace(PRESENT, name=name) for name in ("scan_quality", "sarcopenia_classifier")]
    plan = remeasure_plan([summary(1, stored())], (*PROVENANCE.models, *others))
    assert (plan.again, plan.kept) == ((), ())
