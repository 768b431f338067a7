from dataclasses import replace

import pytest

from sarcopenia.clinical import ProfileSubject, Standing, all_profiles, bmi_kg_m2, compare_with_profiles, smi_cm2_m2
from sarcopenia.domain.volume import ContrastPhase, Sex

CITATION_TABLE = {
    # profile, measure, sex, BMI from, BMI below: value
    ("matsubara_2015", "sma_cm2", "M", None, None): 114.0,
    ("matsubara_2015", "sma_cm2", "F", None, None): 89.8,
    ("prado_2008", "smi_cm2_m2", "M", 30.0, None): 52.4,
    ("prado_2008", "smi_cm2_m2", "F", 30.0, None): 38.5,
    ("martin_2013", "smi_cm2_m2", "M", None, 25.0): 43.0,
    ("martin_2013", "smi_cm2_m2", "M", 25.0, None): 53.0,
    ("martin_2013", "smi_cm2_m2", "F", None, None): 41.0,
    ("derstine_2018", "smi_cm2_m2", "M", None, None): 45.4,
    ("derstine_2018", "smi_cm2_m2", "F", None, None): 34.4,
    ("derstine_2018", "sma_cm2", "M", None, None): 144.3,
    ("derstine_2018", "sma_cm2", "F", None, None): 92.2,
    ("derstine_2018", "smd_hu", "M", None, None): 38.5,
    ("derstine_2018", "smd_hu", "F", None, None): 34.3,
    ("van_der_werf_2018", "smi_cm2_m2", "M", None, None): 41.6,
    ("van_der_werf_2018", "smi_cm2_m2", "F", None, None): 32.0,
    ("van_der_werf_2018", "sma_cm2", "M", None, None): 134.0,
    ("van_der_werf_2018", "sma_cm2", "F", None, None): 89.2,
    ("van_der_werf_2018", "smd_hu", "M", None, None): 29.3,
    ("van_der_werf_2018", "smd_hu", "F", None, None): 22.0,
}

MAN = ProfileSubject(
    sma_cm2=140.0,
    smd_hu=36.0,
    level="L3",
    sex=Sex.MALE,
    height_m=1.80,
    weight_kg=70.0,
    contrast_phase=ContrastPhase.NONE,
    kvp=120.0,
)


def found(subject, profile_id, measure):
    (comparison,) = [c for c in compare_with_profiles(subject) if c.profile.id == profile_id and c.measure == measure]
    return comparison


def test_every_number_is_the_one_of_the_citation_table():
    listed = {
        (profile.id, limit.measure, limit.sex.value, limit.bmi_from, limit.bmi_below): limit.value
        for profile in all_profiles()
        for limit in profile.limits
    }
    assert listed == CITATION_TABLE


def test_every_profile_names_population_outcome_and_citation():
    for profile in all_profiles():
        assert profile.population
        assert profile.outcome
        assert profile.citation


def test_smi_is_area_over_height_squared_and_blank_without_a_plausible_height():
    assert smi_cm2_m2(162.0, 1.80) == pytest.approx(50.0)
    assert [smi_cm2_m2(162.0, height) for height in (None, 0.0, 1.19, 2.21, 180.0)] == [None] * 5


def test_bmi():
    assert bmi_kg_m2(81.0, 1.80) == pytest.approx(25.0)
    assert bmi_kg_m2(None, 1.80) is None
    assert bmi_kg_m2(81.0, None) is None


def test_below_and_not_below_name_the_profile_and_the_distance():
    low = found(MAN, "derstine_2018", "sma_cm2")
    assert low.standing is Standing.BELOW
    assert low.distance == pytest.approx(-4.3)
    assert "below Derstine 2018" in low.words
    fine = found(MAN, "van_der_werf_2018", "sma_cm2")
    assert fine.standing is Standing.NOT_BELOW
    assert "not below van der Werf 2018" in fine.words


def test_a_value_on_the_limit_is_not_below_it():
    assert found(replace(MAN, sma_cm2=114.0), "matsubara_2015", "sma_cm2").standing is Standing.NOT_BELOW


@pytest.mark.parametrize(("weight_kg", "limit"), [(70.0, 43.0), (81.0, 53.0), (95.0, 53.0)])
def test_the_limit_follows_the_bmi(weight_kg, limit):
    assert found(replace(MAN, weight_kg=weight_kg), "martin_2013", "smi_cm2_m2").limit.value == limit


@pytest.mark.parametrize(
    ("change", "profile_id", "measure", "reason"),
    [
        ({"sex": Sex.UNKNOWN}, "matsubara_2015", "sma_cm2", "sex"),
        ({"sex": Sex.OTHER}, "matsubara_2015", "sma_cm2", "sex"),
        ({"level": "L4"}, "matsubara_2015", "sma_cm2", "L4"),
        ({"level": None}, "matsubara_2015", "sma_cm2", "unknown level"),
        ({"height_m": None}, "van_der_werf_2018", "smi_cm2_m2", "height"),
        ({"weight_kg": None}, "martin_2013", "smi_cm2_m2", "BMI is not known"),
        ({}, "prado_2008", "smi_cm2_m2", "outside"),
        ({"contrast_phase": ContrastPhase.PORTAL_VENOUS}, "derstine_2018", "smd_hu", "portal_venous"),
        ({"contrast_phase": ContrastPhase.UNKNOWN}, "derstine_2018", "smd_hu", "not known"),
        ({}, "derstine_2018", "smd_hu", "tube voltage of its reference is not confirmed"),
        ({"blocked_because": "muscle is cut"}, "matsubara_2015", "sma_cm2", "muscle is cut"),
        ({"spectral": "VMI 70 keV"}, "derstine_2018", "smd_hu", "spectral"),
        ({}, "van_der_werf_2018", "smd_hu", "not confirmed"),
        ({"smd_hu": None}, "derstine_2018", "smd_hu", "no density"),
    ],
)
def test_a_comparison_stays_blank_with_its_reason(change, profile_id, measure, reason):
    comparison = found(replace(MAN, **change), profile_id, measure)
    assert comparison.standing is Standing.BLANK
    assert comparison.distance is None
    assert reason in comparison.words


def test_a_density_is_compared_only_in_a_matching_image():
    derstine = next(profile for profile in all_profiles() if profile.id == "derstine_2018")
    at_120_kv = (replace(derstine, hu_kvp=(120.0,)),)

    def density(kvp):
        return next(c for c in compare_with_profiles(replace(MAN, kvp=kvp), at_120_kv) if c.measure == "smd_hu")

    assert density(120.0).standing is Standing.BELOW
    assert density(80.0).standing is Standing.BLANK
    assert "80 kV" in density(80.0).reason
    assert "unknown" in density(None).reason


def test_the_word_sarcopenic_is_never_used():
    assert all("sarcopeni" not in c.words.lower() for c in compare_with_profiles(MAN))
