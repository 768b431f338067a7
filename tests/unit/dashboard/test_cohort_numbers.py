from dataclasses import replace

import pytest
from scipy.stats import binomtest

from dashboard.cohort_numbers_view import (
    decade_of,
    group_rows,
    marker_rows,
    nobody_rows,
    people_rows,
    prevalence_people,
    prevalence_rows,
    prevalences,
    protocol_words,
    range_words,
    smi_groups,
    smi_missing_words,
    wilson_percent,
)
from dashboard.result_view import NOT_REVIEWED
from sarcopenia.domain.volume import Sex
from sarcopenia.records import ReviewState
from tests.unit.dashboard.cohort_samples import DAY, MAN, WOMAN, row
from tests.unit.dashboard.trend_samples import HEADER

TALL = replace(WOMAN, height_m=2.0)
"""A height with which SMI = SMA / 4."""


@pytest.mark.parametrize(
    ("below", "applicable", "low", "high"),
    [(81, 263, 25.53, 36.62), (15, 148, 6.24, 16.05), (0, 20, 0.0, 16.11), (1, 29, 0.61, 17.18)],
)
def test_wilson_intervals_are_those_of_newcombe_1998_table_1(below, applicable, low, high):
    """Newcombe RG, Stat Med 1998;17:857, method 3."""
    found = wilson_percent(below, applicable)
    assert found.value == pytest.approx(100 * below / applicable)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.006), pytest.approx(high, abs=0.006))
    other = binomtest(below, applicable).proportion_ci(method="wilson")
    assert (found.low, found.high) == (pytest.approx(100 * other.low, abs=1e-9), pytest.approx(100 * other.high))


def test_nobody_and_everybody_stay_inside_0_and_100():
    assert wilson_percent(0, 3).low == 0.0
    assert wilson_percent(3, 3).high == 100.0


@pytest.mark.parametrize(("age", "decade"), [(18.0, "18–19"), (20.0, "20–29"), (69.9, "60–69"), (None, "not known")])
def test_decades(age, decade):
    assert decade_of(age) == decade


def test_medians_and_quartiles_by_sex_and_decade():
    rows = [row(i, sma, person=TALL, age_years=60.0 + i) for i, sma in enumerate((160.0, 200.0, 120.0, 240.0), 1)]
    rows += [
        row(9, 180.0, person=replace(MAN, height_m=2.0), age_years=81.0),
        row(10, person=replace(MAN, height_m=None)),
    ]
    women, man = smi_groups(rows)
    assert (women.sex, women.decade, women.n) == (Sex.FEMALE, "60–69", 4)
    # SMI 30, 40, 50, 60: median between the middle two, quartiles a quarter of the way into their step
    assert (women.lower_quartile, women.median, women.upper_quartile) == pytest.approx((37.5, 45.0, 52.5))
    assert (man.sex, man.decade, man.n, man.median) == (Sex.MALE, "80–89", 1, pytest.approx(45.0))
    assert group_rows([women])[0]["Quartiles (cm²/m²)"] == "37.5–52.5"
    assert "1 scan without SMI" in smi_missing_words(rows)


def test_missing_ages_are_said_and_have_their_own_group():
    rows = [row(1, age_years=None)]
    assert "1 scan without age" in smi_missing_words(rows)
    assert smi_groups(rows)[0].decade == "not known"
    assert smi_missing_words([row(1)]) == ""


def test_unsigned_numbers_count_only_when_asked_for_and_each_person_once():
    rows = (row(1, patient_id=1), row(2, patient_id=1, state=None), row(3, patient_id=3, state=None))
    assert [each.scan_id for each in prevalence_people(rows, with_unsigned=False)] == [1]
    assert [each.scan_id for each in prevalence_people(rows, with_unsigned=True)] == [1, 3]
    rejected = row(4, state=ReviewState.REJECTED)
    assert prevalence_people((rejected,), with_unsigned=True) == ()


def of(found, profile_id, measure):
    return next(each for each in found if (each.profile.id, each.measure) == (profile_id, measure))


def test_prevalence_counts_those_to_whom_a_profile_applies():
    """Matsubara: SMA of women below 89.8 cm²; Derstine: SMI of women below 34.4 cm²/m² (height 1.60 m: 88.1 cm²)."""
    no_height = replace(WOMAN, height_m=None)
    people = (row(1, 80.0), row(2, 89.0), row(3, 100.0), row(4, 85.0, person=no_height))
    found = prevalences(people)
    area = of(found, "matsubara_2015", "sma_cm2")
    assert (area.below, area.applicable, area.percent.value, area.reasons) == (3, 4, 75.0, ())
    index = of(found, "derstine_2018", "smi_cm2_m2")
    assert (index.below, index.applicable) == (1, 3)
    assert index.reasons == (("no plausible height is known", 1),)
    table = prevalence_rows(found)
    told = next(each for each in table if each["Profile"] == "Matsubara 2015")
    assert (told["Below (n)"], told["Applies to (n)"], told["Below (%)"]) == (3, 4, 75.0)


def test_a_profile_that_applies_to_nobody_is_listed_with_its_reason():
    found = prevalences((row(1, 80.0),))
    prado = of(found, "prado_2008", "smi_cm2_m2")  # made for a BMI of 30 and more
    assert prado.percent is None
    told = next(each for each in nobody_rows(found) if each["Profile"] == "Prado 2008")
    assert "BMI ≥ 30" in told["Why it applies to nobody"]
    assert "Prado 2008" not in {each["Profile"] for each in prevalence_rows(found)}


def test_the_range_says_how_much_the_choice_decides():
    words = range_words(prevalences((row(1, 80.0), row(2, 91.0), row(3, 120.0))))
    area = next(each for each in words if "area or index" in each)
    assert area.startswith("Which cut-off is chosen decides the answer: low muscle area or index from 0 % (")
    # 91.0 cm² at 1.60 m: SMI 35.5, below the limits of Derstine's area (92.2 cm²) and Martin (41.0), as 80.0 cm² is
    assert "to 67 % (" in area
    assert range_words(()) == ()


def test_without_people_there_is_no_prevalence():
    assert prevalences(()) == ()


def test_tables_name_units_and_review():
    (marker,) = marker_rows([row(5, 100.04, 39.96, state=None)])
    assert (marker["SMA (cm²)"], marker["SMD (HU)"], marker["Review"]) == (100.0, 40.0, NOT_REVIEWED)
    (person,) = people_rows([row(5, state=None)])
    assert (person["Patient"], person["Study date"], person["Review"]) == ("DOE, P5", DAY, NOT_REVIEWED)


def test_protocols_of_densities_are_counted():
    words = protocol_words([row(1), row(2), row(3, header=replace(HEADER, kvp=80.0))])
    assert "Here are 2: contrast none, 120 kV: 2; contrast none, 80 kV: 1." in words
