from dataclasses import replace

import pytest
from scipy.stats import norm

from sarcopenia.clinical import (
    FifthPercentile,
    NoPercentile,
    Percentile,
    ProfileSubject,
    all_references,
    percentiles_of,
)
from sarcopenia.clinical.percentiles import FifthRow, Interpolation, NormalRow, curves_from
from sarcopenia.domain.errors import SettingsError
from sarcopenia.domain.volume import ContrastPhase, Sex

# Tonnesen PE et al., Invest Radiol 2023;59(3):259, table 2 (women, L3): ages: n, then mean and SD of SMA, SMI, SMRA.
FRAMINGHAM_WOMEN = {
    (33, 44): (279, (120.9, 18.4), (48.2, 7.1), (42.6, 5.5)),
    (45, 54): (588, (119.5, 18.5), (48.0, 7.2), (38.1, 7.2)),
    (55, 64): (500, (110.6, 16.3), (45.8, 6.8), (33.4, 6.8)),
    (65, 74): (321, (104.5, 15.8), (44.3, 6.5), (29.3, 6.6)),
    (75, 92): (171, (99.5, 16.0), (43.5, 6.7), (25.2, 6.8)),
}
# van der Werf A et al., Eur J Clin Nutr 2018;72:288, table 3, "All BMIs": age from: men SMA, SMI; women SMA, SMI.
VAN_DER_WERF_P5 = {
    20: (153.0, 44.9, 111.2, 36.7),
    30: (146.1, 43.4, 104.9, 35.3),
    40: (139.0, 41.8, 98.3, 33.9),
    50: (131.8, 40.2, 91.5, 32.3),
    60: (124.5, 38.6, 84.5, 30.7),
    70: (116.9, 36.9, 77.3, 28.9),
}
WOMAN = ProfileSubject(
    sma_cm2=100.0,
    smd_hu=30.0,
    level="L3",
    sex=Sex.FEMALE,
    height_m=1.60,
    weight_kg=65.0,
    contrast_phase=ContrastPhase.PORTAL_VENOUS,
    kvp=120.0,
)
MAN = replace(WOMAN, sex=Sex.MALE, sma_cm2=118.0, height_m=1.78)


def rows_of(reference, measure, sex):
    (curve,) = [c for c in all_references() if (c.id, c.measure, c.sex) == (reference, measure, sex)]
    return curve.rows


def placed(subject, age_years, reference, measure, curves=None):
    name = {"framingham": "Framingham Heart Study 2023", "van_der_werf": "van der Werf 2018"}[reference]
    (found,) = [
        place
        for place in percentiles_of(subject, age_years, curves)
        if place.measure == measure and name == (getattr(place, "reference_name", None) or place.reference.name)
    ]
    return found


def test_every_number_is_the_one_of_the_published_table():
    for place, measure in enumerate(("sma_cm2", "smi_cm2_m2", "smd_hu"), start=1):
        expected = tuple(NormalRow(*ages, row[0], *row[place]) for ages, row in FRAMINGHAM_WOMEN.items())
        assert rows_of("framingham_2023", measure, Sex.FEMALE) == expected
    for place, (measure, sex) in enumerate(
        (measure, sex) for sex in (Sex.MALE, Sex.FEMALE) for measure in ("sma_cm2", "smi_cm2_m2")
    ):
        expected = tuple(FifthRow(age, age + 9, row[place]) for age, row in VAN_DER_WERF_P5.items())
        assert rows_of("van_der_werf_2018", measure, sex) == expected
    assert len(all_references()) == 7


def test_every_reference_says_source_population_and_interpolation():
    sources = {(curve.source.split(" et al.")[0], curve.interpolation, curve.confirmed) for curve in all_references()}
    assert sources == {
        ("Tonnesen PE", Interpolation.NORMAL, True),
        ("van der Werf A", Interpolation.FIFTH_ONLY, True),
    }
    assert all(curve.population and curve.note for curve in all_references())


def test_percentile_and_z_score_are_those_of_the_normal_distribution():
    # Woman of 70: mean 104.5, SD 15.8. (100 − 104.5) / 15.8 = −0.2848, the 38.8th percentile.
    found = placed(WOMAN, 70, "framingham", "sma_cm2")
    assert isinstance(found, Percentile)
    assert found.z_score == pytest.approx(-0.2848, abs=1e-4)
    assert found.percentile == pytest.approx(38.8, abs=0.05)
    for sma_cm2 in (60.0, 104.5, 131.7):
        found = placed(replace(WOMAN, sma_cm2=sma_cm2), 70, "framingham", "sma_cm2")
        assert found.percentile == pytest.approx(100 * norm.cdf(sma_cm2, loc=104.5, scale=15.8))


def test_the_words_name_percentile_people_reference_and_interpolation():
    assert placed(WOMAN, 70, "framingham", "sma_cm2").words == (
        "39th percentile for women aged 65–74 (Framingham Heart Study 2023; normal approximation from mean and SD)"
    )
    assert placed(MAN, 72, "van_der_werf", "sma_cm2").words == (
        "not below the 5th percentile for men aged 70–79 (van der Werf 2018; only the 5th percentile is published)"
    )


@pytest.mark.parametrize(
    ("z_score", "words"),
    [
        (-3.0, "below the 1st percentile"),
        (-2.3, "1st percentile"),
        (-2.0, "2nd percentile"),
        (-1.88, "3rd percentile"),
        (-1.2, "12th percentile"),
        (-0.8, "21st percentile"),
        (0.0, "50th percentile"),
        (3.0, "above the 99th percentile"),
    ],
)
def test_percentiles_are_written_as_whole_numbers(z_score, words):
    subject = replace(WOMAN, sma_cm2=104.5 + 15.8 * z_score)
    assert placed(subject, 70, "framingham", "sma_cm2").words.startswith(f"{words} for women")


def test_of_a_fifth_percentile_no_curve_is_made():
    low = placed(replace(MAN, sma_cm2=116.8), 79.9, "van_der_werf", "sma_cm2")
    assert isinstance(low, FifthPercentile)
    assert (low.is_below, low.fifth_percentile) == (True, 116.9)
    assert low.words.startswith("below the 5th percentile for men aged 70–79")
    assert not placed(replace(MAN, sma_cm2=116.9), 79.9, "van_der_werf", "sma_cm2").is_below
    assert placed(replace(MAN, sma_cm2=124.4), 69.9, "van_der_werf", "sma_cm2").is_below


@pytest.mark.parametrize(
    ("age_years", "band"),
    [(33, "33–44"), (44.99, "33–44"), (45, "45–54"), (74.9, "65–74"), (75, "75–92"), (92.9, "75–92")],
)
def test_an_age_belongs_to_the_band_of_its_completed_years(age_years, band):
    assert f"aged {band}" in placed(WOMAN, age_years, "framingham", "sma_cm2").words


@pytest.mark.parametrize(
    ("subject", "age_years", "reference", "measure", "reason"),
    [
        (WOMAN, 32.9, "framingham", "sma_cm2", "covers ages 33–92, the age at the scan is 32"),
        (WOMAN, 93, "framingham", "sma_cm2", "covers ages 33–92, the age at the scan is 93"),
        (MAN, 19.9, "van_der_werf", "sma_cm2", "covers ages 20–79"),
        (MAN, 80, "van_der_werf", "sma_cm2", "covers ages 20–79"),
        (WOMAN, None, "framingham", "sma_cm2", "the age at the scan is not known"),
        (MAN, 70, "framingham", "sma_cm2", "of women only"),
        (replace(WOMAN, sex=Sex.UNKNOWN), 70, "framingham", "sma_cm2", "need a sex"),
        (replace(WOMAN, sex=Sex.OTHER), 70, "van_der_werf", "sma_cm2", "need a sex"),
        (replace(WOMAN, height_m=None), 70, "framingham", "smi_cm2_m2", "no plausible height"),
        (replace(WOMAN, level="L4"), 70, "framingham", "sma_cm2", "at L4"),
        (replace(WOMAN, blocked_because="muscle is cut"), 70, "van_der_werf", "sma_cm2", "muscle is cut"),
        (WOMAN, 70, "framingham", "smd_hu", "contrast phase of the published density is not confirmed"),
        (replace(WOMAN, smd_hu=None), 70, "framingham", "smd_hu", "no density"),
    ],
)
def test_outside_a_reference_there_is_a_reason_and_no_number(subject, age_years, reference, measure, reason):
    found = placed(subject, age_years, reference, measure)
    assert isinstance(found, NoPercentile)
    assert reason in found.reason
    assert found.words.endswith(found.reason)


def test_a_density_has_a_percentile_only_in_a_matching_image():
    (curve,) = [curve for curve in all_references() if curve.measure == "smd_hu"]
    plain = (replace(curve, hu_phase="none", hu_kvp=(120.0,)),)
    matching = replace(WOMAN, contrast_phase=ContrastPhase.NONE)
    found = placed(matching, 70, "framingham", "smd_hu", plain)
    assert found.z_score == pytest.approx((30.0 - 29.3) / 6.6)
    assert "portal_venous" in placed(WOMAN, 70, "framingham", "smd_hu", plain).reason
    assert "80 kV" in placed(replace(matching, kvp=80.0), 70, "framingham", "smd_hu", plain).reason


def test_an_unconfirmed_reference_says_so_in_its_words():
    unconfirmed = tuple(replace(curve, confirmed=False) for curve in all_references())
    assert placed(WOMAN, 70, "framingham", "sma_cm2", unconfirmed).words.endswith("; unconfirmed)")
    assert all("unconfirmed" not in place.words for place in percentiles_of(WOMAN, 70))


ENTRY = {
    "id": "made_up",
    "name": "Made up",
    "population": "nobody",
    "hu_phase": "not stated",
    "hu_kvp": [],
    "source": "none",
    "interpolation": "normal approximation from mean and SD",
    "confirmed": False,
    "note": "a test",
    "curves": [
        {"measure": "sma_cm2", "sex": "F", "rows": [{"age_from": 20, "age_to": 29, "n": 9, "mean": 120, "sd": 18}]}
    ],
}


def changed_rows(*rows):
    return {"curves": [{"measure": "sma_cm2", "sex": "F", "rows": list(rows)}]}


def test_an_entry_of_the_data_file_becomes_curves():
    (curve,) = curves_from(ENTRY)
    assert (curve.ages, curve.sex, curve.rows) == ((20, 29), Sex.FEMALE, (NormalRow(20, 29, 9, 120, 18),))


@pytest.mark.parametrize("name", sorted(ENTRY))
def test_a_missing_field_of_the_data_file_is_named(name):
    with pytest.raises(SettingsError, match=f"{name} is missing"):
        curves_from({key: value for key, value in ENTRY.items() if key != name})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"interpolation": "by eye"}, "“by eye” is not one of"),
        ({"sources": "x"}, "sources is unknown"),
        (changed_rows(), "do not follow"),
        (changed_rows({"age_from": 20, "age_to": 29, "n": 9, "mean": 120}), "sd is missing"),
        (changed_rows({"age_from": 20, "age_to": 29, "p5": 90}), "n, mean, sd is missing"),
        (changed_rows({"age_from": 20, "age_to": 29, "n": 9, "mean": 120, "sd": 0}), "an SD is not positive"),
        (changed_rows({"age_from": 29, "age_to": 20, "n": 9, "mean": 120, "sd": 18}), "do not follow"),
        (
            changed_rows(
                {"age_from": 20, "age_to": 29, "n": 9, "mean": 120, "sd": 18},
                {"age_from": 40, "age_to": 49, "n": 9, "mean": 120, "sd": 18},
            ),
            "do not follow",
        ),
        ({"curves": [{**ENTRY["curves"][0], "measure": "psoas"}]}, "measure is not one of"),
        ({"curves": [{**ENTRY["curves"][0], "sex": "X"}]}, "“X” is not one of"),
    ],
)
def test_a_wrong_field_of_the_data_file_is_named(change, message):
    with pytest.raises(SettingsError, match=message):
        curves_from({**ENTRY, **change})
