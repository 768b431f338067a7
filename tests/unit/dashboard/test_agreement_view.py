"""Figures of agreement, worked by hand; groups apart; charts, words and CSV."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dashboard.agreement_charts_view import bland_altman_figure, bland_altman_words, identity_figure, identity_words
from dashboard.agreement_tables_view import figures_csv, person_table, reading_table, readings_csv, summary_table
from dashboard.agreement_view import (
    MENDED,
    Correction,
    Group,
    Measure,
    Unit,
    agreement_rows,
    person_points,
    summaries,
)
from dashboard.result_view import NOT_REVIEWED
from sarcopenia.domain.results import ModelIdentity
from sarcopenia.domain.strokes import Stroke, StrokeTool
from sarcopenia.records import (
    MaskComparison,
    MaskFormat,
    ReviewState,
    StoredMeasurement,
    StoredReading,
    StoredReview,
)
from tests.unit.dashboard.measurements import MEASURED

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MODELS = (
    ModelIdentity("spine_level", "2", "ab" * 32, "FP32", "fake"),
    ModelIdentity("body_compartments", "2", "cd" * 32, "FP32", "fake"),
)
STROKE = Stroke(StrokeTool.BRUSH, ((1.0, 1.0),), 2.0, within_muscle_hu=False)


def compared(reader_cm2, ai_cm2, dice=0.9, smd_hu=40.0, ai_smd_hu=41.0):
    return MaskComparison(reader_cm2, ai_cm2, smd_hu, ai_smd_hu, dice)


def reading(number, comparison, scan=None, patient=None, **changes):
    """A blind reading of scan and patient ``number``, the later the higher the number."""
    fields = {
        "reading_id": number,
        "scan_id": scan or number,
        "patient_id": patient or number,
        "measurement_id": 1,
        "slice_index": 40,
        "reader": "Ann",
        "blind": True,
        "method": MaskFormat.NIFTI,
        "mask_sha256": "e" * 64,
        "ai_mask_sha256": "f" * 64,
        "comparison": comparison,
        "models": MODELS,
        "recorded_at": NOON + timedelta(hours=number),
    }
    return StoredReading(**(fields | changes))


def correction(number, comparison, author="Ben", review=None):
    mended = replace(MEASURED, provenance=replace(MEASURED.provenance, strokes=(STROKE,), models=MODELS))
    said = None if review is None else StoredReview(1, number, review, "Ann", "", NOON)
    stored = StoredMeasurement(number, 1, 1, number - 1, None, author, NOON, mended, None, None, said)
    return Correction(stored, comparison, number - 1)


THREE = (
    reading(1, compared(100.0, 102.0, 0.96, 40.0, 42.0)),
    reading(2, compared(120.0, 119.0, 0.92, 35.0, 34.0)),
    reading(3, compared(140.0, 143.0, 0.97, 30.0, 30.0)),
)


def one(found, measure, unit=Unit.PERSON):
    return next(each for each in found if (each.measure, each.unit) == (measure, unit))


def test_three_persons_by_hand():
    found = summaries(agreement_rows(THREE, []))
    area = one(found, Measure.DIFFERENCE_CM2)
    # Differences 2, -1, 3: mean 4/3, SD sqrt(13/3) = 2.0817; t(0.975, 2) = 4.3027.
    assert (area.n, area.median, area.worst) == (3, 2.0, 3.0)
    assert area.limits.bias.value == pytest.approx(4 / 3)
    assert area.limits.lower.value == pytest.approx(-2.7467, abs=1e-4)
    assert area.limits.upper.value == pytest.approx(5.4134, abs=1e-4)
    assert area.limits.bias.high - area.limits.bias.value == pytest.approx(5.1711, abs=1e-3)
    # Mean squares: persons 822.17, methods 2.6667, error 2.1667.
    assert area.icc == pytest.approx(820 / (822 + 1 / 6 + 13 / 6 + 2 * (8 / 3 - 13 / 6) / 3))
    percent = one(found, Measure.ERROR_PERCENT)
    assert (percent.median, percent.worst) == (pytest.approx(2.0), pytest.approx(300 / 140))
    assert percent.limits.bias.value == pytest.approx((2 - 100 / 120 + 300 / 140) / 3)
    assert percent.icc is None
    dice = one(found, Measure.DICE)
    assert (dice.median, dice.worst, dice.limits, dice.icc, dice.blank_because) == (0.96, 0.92, None, None, "")
    density = one(found, Measure.DIFFERENCE_HU)
    assert (density.median, density.worst) == (0.0, 2.0)
    assert density.limits.bias.value == pytest.approx(1 / 3)
    assert one(found, Measure.DIFFERENCE_CM2, Unit.READING).limits == area.limits


def test_a_person_is_the_mean_of_scans_and_a_scan_the_mean_of_its_readers():
    readings = [
        reading(1, compared(100.0, 102.0), scan=1, patient=1),
        reading(2, compared(98.0, 102.0), scan=1, patient=1, reader="Ben"),
        reading(3, compared(110.0, 111.0), scan=2, patient=1),
    ]
    rows = agreement_rows(readings, [])
    found = summaries(rows)
    person = one(found, Measure.DIFFERENCE_CM2)
    assert (person.n, person.median) == (1, 2.0)  # mean of 3 (of 2 and 4) and 1
    assert person.limits is None
    assert "limits of agreement need 3 persons, there are 1" in person.blank_because
    assert "ICC needs 2 persons, there is 1" in person.blank_because
    each = one(found, Measure.DIFFERENCE_CM2, Unit.READING)
    assert (each.n, each.worst) == (3, 4.0)
    assert each.limits is not None
    assert each.icc is not None
    (point,) = person_points(rows)
    assert (point.reader_cm2, point.ai_cm2) == ((99.0 + 110.0) / 2, (102.0 + 111.0) / 2)
    assert point.difference_cm2 == pytest.approx(2.0)


def test_two_readers_of_one_scan_have_no_icc():
    readings = [reading(1, compared(100.0, 102.0)), reading(2, compared(98.0, 102.0), scan=1, patient=1, reader="Ben")]
    each = one(summaries(agreement_rows(readings, [])), Measure.DIFFERENCE_CM2, Unit.READING)
    assert (each.n, each.icc) == (2, None)
    assert "ICC needs 2 scans" in each.blank_because


@pytest.mark.parametrize("areas", [((100.0, 100.0), (100.0, 100.0)), ((144.45, 149.58), (155.16, 137.43))])
def test_values_that_do_not_differ_between_persons_have_no_icc(areas):
    readings = [reading(number, compared(*each)) for number, each in enumerate(areas, start=1)]
    area = one(summaries(agreement_rows(readings, [])), Measure.DIFFERENCE_CM2)
    assert area.icc is None
    assert "no usable ICC" in area.blank_because


def test_a_density_that_is_missing_is_left_out_and_said():
    readings = [*THREE, reading(4, compared(50.0, 0.0, 0.0, 40.0, None))]
    found = summaries(agreement_rows(readings, []))
    assert (one(found, Measure.DICE).n, one(found, Measure.DIFFERENCE_HU).n) == (4, 3)
    assert one(found, Measure.ERROR_PERCENT).worst == -100.0
    alone = one(summaries(agreement_rows(readings[3:], [])), Measure.DIFFERENCE_HU)
    assert (alone.n, alone.median, alone.blank_because) == (0, None, "no values")


def test_the_newest_reading_of_a_reader_on_a_scan_counts():
    readings = [
        reading(1, compared(100.0, 90.0)),
        reading(2, compared(100.0, 101.0), scan=1, patient=1, reader=" ANN"),
        reading(3, compared(100.0, 105.0), scan=1, patient=1, reader="Ben"),
        reading(4, compared(100.0, 99.0), scan=2, patient=1),
    ]
    assert [row.difference_cm2 for row in agreement_rows(readings, [])] == [1.0, 5.0, -1.0]
    seen = reading(5, compared(100.0, 100.5), scan=2, patient=1, blind=False)
    rows = agreement_rows([*readings, seen], [])
    assert [(row.group, row.scan_id) for row in rows] == [(Group.BLIND, 1), (Group.BLIND, 1), (Group.NOT_BLIND, 2)]


def test_groups_are_never_mixed():
    seen = replace(THREE[0], reading_id=9, scan_id=9, blind=False)
    rows = agreement_rows([*THREE, seen], [correction(2, compared(100.0, 104.0))])
    assert [row.group for row in rows] == [Group.BLIND] * 3 + [Group.NOT_BLIND, Group.CORRECTED]
    assert (rows[-1].reader, rows[-1].method, rows[-1].slice_index) == ("Ben", MENDED, 42)
    with pytest.raises(ValueError, match="apart"):
        summaries(rows)


def test_of_corrections_the_newest_counts_and_a_rejected_one_does_not():
    two = [correction(2, compared(100.0, 104.0)), correction(3, compared(100.0, 103.0))]
    assert [row.difference_cm2 for row in agreement_rows([], two)] == [3.0]
    refused = correction(4, compared(100.0, 150.0), review=ReviewState.REJECTED)
    assert [row.difference_cm2 for row in agreement_rows([], [*two, refused])] == [3.0]
    signed = correction(4, compared(100.0, 101.0), review=ReviewState.SIGNED)
    assert [row.difference_cm2 for row in agreement_rows([], [*two, signed])] == [1.0]


def test_a_mask_that_was_erased_wholly_has_no_percentage():
    (row,) = agreement_rows([], [correction(2, compared(0.0, 100.0, 0.0, None, 40.0))])
    found = summaries([row])
    assert (one(found, Measure.ERROR_PERCENT).n, one(found, Measure.DIFFERENCE_CM2).n) == (0, 1)
    assert reading_table([row], {})[0]["AI minus reader (%)"] is None


def test_charts_show_persons_limits_and_equality():
    rows = agreement_rows(THREE, [])
    points, limits = person_points(rows), one(summaries(rows), Measure.DIFFERENCE_CM2).limits
    figure = bland_altman_figure(points, limits)
    assert list(figure.data[0].x) == [101.0, 119.5, 141.5]
    assert list(figure.data[0].y) == [2.0, -1.0, 3.0]
    heights = {shape.y0 for shape in figure.layout.shapes if shape.type == "line"}
    assert heights == {0, limits.bias.value, limits.lower.value, limits.upper.value}
    assert len([shape for shape in figure.layout.shapes if shape.type == "rect"]) == 3
    assert "cm²" in figure.layout.xaxis.title.text
    assert len(bland_altman_figure(points[:2], None).layout.shapes) == 1
    scatter = identity_figure(points)
    assert (list(scatter.data[0].x), list(scatter.data[0].y)) == ([100.0, 120.0, 140.0], [102.0, 119.0, 143.0])
    assert list(scatter.data[1].x) == list(scatter.data[1].y) == [100.0, 143.0]


def test_charts_in_words():
    rows = agreement_rows(THREE, [])
    points, limits = person_points(rows), one(summaries(rows), Measure.DIFFERENCE_CM2).limits
    assert "3 persons. Bias 1.33 cm²" in bland_altman_words(points, limits)
    assert "limits of agreement -2.75 to 5.41 cm²" in bland_altman_words(points, limits)
    assert "Too few" in bland_altman_words(points[:2], None)
    assert "100.0 and 102.0; 120.0 and 119.0" in identity_words(points)


def test_the_tables_hold_the_exact_numbers():
    rows = agreement_rows(THREE, [])
    (first, *_) = reading_table(rows, {1: "Doe, Jane"})
    assert (first["Patient"], first["Mask"], first["Weights"]) == (
        "Doe, Jane",
        "NIfTI",
        "body_compartments 2 cdcdcdcdcdcd",
    )
    assert (first["AI minus reader (cm²)"], first["Dice"]) == (2.0, 0.96)
    assert any(NOT_REVIEWED in name for name in first)
    table = summary_table(summaries(rows))
    assert len(table) == len(Unit) * len(Measure)
    area = next(row for row in table if row["Measure (AI minus reader)"] == Measure.DIFFERENCE_CM2)
    assert (area["Counted by"], area["Bias"], area["Bias: 95 % CI"]) == ("person", 1.33, "-3.84 to 6.50")
    assert (area["Lower limit"], area["ICC(2,1)"]) == (-2.75, 0.994)


def test_the_csv_names_units_and_no_patient_and_no_formula():
    rows = agreement_rows([replace(THREE[0], reader="=1+1"), *THREE[1:]], [])
    found = list(csv.DictReader(io.StringIO(readings_csv(rows))))
    assert len(found) == 3
    assert (found[0]["group"], found[0]["patient_id"], found[0]["reader"]) == (Group.BLIND.value, "1", "'=1+1")
    assert (found[0]["reader_sma_cm2"], found[0]["ai_minus_reader_cm2"]) == ("100.0", "2.0")
    assert (found[1]["ai_minus_reader_percent_of_reader"], found[1]["dice_0_to_1"]) == ("-0.8333", "0.92")
    assert found[0]["ai_weights_sha256"] == f"body_compartments 2 {'cd' * 32}"
    assert (found[0]["record"], found[0]["ai_mask"]) == ("reading 1", "measurement 1")
    assert (found[0]["ai_review_state"], found[0]["recorded_at_utc"]) == (NOT_REVIEWED, "2026-03-01T13:00:00+00:00")


def test_the_csv_says_where_each_ai_mask_comes_from():
    asked = replace(THREE[0], measurement_id=None)
    rows = agreement_rows([asked], [correction(7, compared(100.0, 104.0))])
    found = list(csv.DictReader(io.StringIO(readings_csv(rows))))
    assert [(row["record"], row["ai_mask"]) for row in found] == [
        ("reading 1", "outlined for this reading"),
        ("measurement 7", "measurement 6"),
    ]
    assert [row["AI's mask"] for row in reading_table(rows, {})] == [row["ai_mask"] for row in found]


def test_every_marker_of_the_charts_has_its_exact_numbers():
    first, *_ = person_table(person_points(agreement_rows(THREE, [])), {1: "Doe, Jane"})
    assert list(first.values()) == ["Doe, Jane", 100.0, 102.0, 101.0, 2.0]


def test_the_csv_of_figures_names_the_unit_and_the_weights_of_each_row():
    figures = list(csv.DictReader(io.StringIO(figures_csv(agreement_rows(THREE, [])))))
    area = next(row for row in figures if row["unit_of_numbers"] == "cm2")
    assert (area["counted_by"], area["n"], area["bias"]) == ("person", "3", "1.3333")
    assert (area["lower_limit_of_agreement"], area["icc_2_1"]) == ("-2.7467", "0.9943")
    assert float(area["bias_ci95_high"]) == pytest.approx(6.5045, abs=1e-3)
    assert {row["ai_weights_sha256"] for row in figures} == {f"body_compartments 2 {'cd' * 32}"}
    few = list(csv.DictReader(io.StringIO(figures_csv(agreement_rows(THREE[:1], [])))))
    assert few[1]["bias"] == ""
    assert "need 3 persons" in few[1]["blank_because"]
    assert figures_csv([]).strip() == ""


def test_figures_of_groups_and_of_weights_stand_apart_in_the_csv():
    newer = replace(THREE[1], models=(replace(MODELS[1], onnx_sha256="ef" * 32),))
    rows = agreement_rows([THREE[0], newer], [correction(9, compared(100.0, 104.0))])
    figures = csv.DictReader(io.StringIO(figures_csv(rows)))
    counted = [
        (row["group"], row["ai_weights_sha256"][-2:], row["n"], row["median"])
        for row in figures
        if (row["counted_by"], row["unit_of_numbers"]) == ("person", "cm2")
    ]
    assert counted == [
        (Group.BLIND.value, "cd", "1", "2.0"),
        (Group.BLIND.value, "ef", "1", "-1.0"),
        (Group.CORRECTED.value, "cd", "1", "4.0"),
    ]
