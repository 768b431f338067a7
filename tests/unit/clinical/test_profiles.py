from dataclasses import replace

import pytest

from sarcopenia.clinical import (
    Procedure,
    ProfileSubject,
    Standing,
    all_profiles,
    bmi_kg_m2,
    compare_with_profiles,
    smi_cm2_m2,
    summarise,
)
from sarcopenia.clinical.profiles import profile_from
from sarcopenia.domain.errors import SettingsError
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
    ("martin_2013_density", "smd_hu", "M", None, 25.0): 41.0,
    ("martin_2013_density", "smd_hu", "M", 25.0, None): 33.0,
    ("martin_2013_density", "smd_hu", "F", None, 25.0): 41.0,
    ("martin_2013_density", "smd_hu", "F", 25.0, None): 33.0,
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
    ("zhuang_2016", "smi_cm2_m2", "M", None, None): 40.8,
    ("zhuang_2016", "smi_cm2_m2", "F", None, None): 34.9,
    ("kim_2021", "sma_cm2", "M", None, None): 119.3,
    ("kim_2021", "sma_cm2", "F", None, None): 74.2,
    ("kim_2021", "smi_cm2_m2", "M", None, None): 39.8,
    ("kim_2021", "smi_cm2_m2", "F", None, None): 28.4,
    ("yoon_2021", "sma_cm2", "M", None, None): 117.04,
    ("yoon_2021", "sma_cm2", "F", None, None): 71.39,
    ("yoon_2021", "smi_cm2_m2", "M", None, None): 39.33,
    ("yoon_2021", "smi_cm2_m2", "F", None, None): 27.77,
    ("kroenke_2018", "smd_hu", "M", None, None): 35.5,
    ("kroenke_2018", "smd_hu", "F", None, None): 32.5,
    ("carey", "smi_cm2_m2", "M", None, None): 50.0,
    ("carey", "smi_cm2_m2", "F", None, None): 39.0,
    ("cirrhosis_density_2022", "smd_hu", "M", None, None): 33.0,
    ("cirrhosis_density_2022", "smd_hu", "F", None, None): 28.0,
}

SOURCES = {
    # profile: start of its citation, people in the study, confirmed
    "matsubara_2015": ("Matsubara Y et al., J Vasc Surg 2015", 64, True),
    "prado_2008": ("Prado CM et al., Lancet Oncol 2008", 250, True),
    "martin_2013": ("Martin L et al., J Clin Oncol 2013", None, True),
    "martin_2013_density": ("Martin L et al., J Clin Oncol 2013", None, False),
    "derstine_2018": ("Derstine BA et al., Sci Rep 2018", None, True),
    "van_der_werf_2018": ("van der Werf A et al., Eur J Clin Nutr 2018", 420, True),
    "zhuang_2016": ("Zhuang CL et al., Medicine (Baltimore) 2016", 937, True),
    "kim_2021": ("Kim EH et al., J Gerontol A Biol Sci Med Sci 2021", 11845, True),
    "yoon_2021": ("Yoon JK et al., Endocrinol Metab (Seoul) 2021", 659, True),
    "kroenke_2018": ("Kroenke CH et al., Cancer 2018", 3262, True),
    "carey": ("Carey and others", None, False),
    "cirrhosis_density_2022": ("Myosteatosis and mortality in cirrhosis, Cells 2022", 855, True),
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


def test_every_profile_has_its_source_its_size_and_says_whether_it_is_confirmed():
    assert {profile.id for profile in all_profiles()} == set(SOURCES)
    for profile in all_profiles():
        citation, people, confirmed = SOURCES[profile.id]
        assert profile.citation.startswith(citation)
        assert (profile.sample_size, profile.confirmed) == (people, confirmed)


def test_every_limit_counts_what_lies_under_it():
    assert {limit.operator for profile in all_profiles() for limit in profile.limits} == {"<"}


def test_every_profile_says_all_that_a_reader_needs():
    for profile in all_profiles():
        for text in (profile.population, profile.outcome, profile.level_rule, profile.bmi_rule, profile.note):
            assert text.strip()
        assert profile.hu_phase in {"not stated", *ContrastPhase}
        assert profile.preselected_for in {"", *Procedure}


def test_the_name_of_an_unconfirmed_profile_says_so():
    assert all(("unconfirmed" in profile.name) is not profile.confirmed for profile in all_profiles())


def test_only_lower_limb_revascularisation_proposes_a_profile():
    proposed = {profile.id: profile.preselected_for for profile in all_profiles() if profile.preselected_for}
    assert proposed == {"matsubara_2015": Procedure.LOWER_LIMB_REVASCULARISATION}


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
        ({}, "derstine_2018", "smd_hu", "tube voltage of the published density is not confirmed"),
        ({"height_m": None}, "martin_2013", "smi_cm2_m2", "no plausible height"),
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


def test_the_summary_shows_how_much_the_choice_decides():
    # SMA 130: below 144.3 and 134.0, not below 114, 119.3 and 117.04.
    # SMI 130 / 1.8² = 40.1: below Martin 43, Derstine 45.4, van der Werf 41.6, Zhuang 40.8 and Carey 50; not below
    # Kim 39.8 and Yoon 39.33; Prado is for obese people. No density has a known phase and voltage.
    area, index, density = summarise(compare_with_profiles(replace(MAN, sma_cm2=130.0)))
    assert area.words == "SMA: below 2 of 5 applicable profiles."
    assert (index.below, index.applicable) == (5, 7)
    assert index.words.startswith("SMI: below 5 of 7 applicable profiles; 1 not applicable (1 × ")
    assert [(profile.id, "outside" in reason) for profile, reason in index.not_applicable] == [("prado_2008", True)]
    assert (density.below, density.applicable, len(density.not_applicable)) == (0, 0, 5)
    assert density.words.startswith("SMD: no applicable profile; 5 not applicable (")


def test_the_summary_groups_the_reasons():
    index = next(
        each for each in summarise(compare_with_profiles(replace(MAN, height_m=None))) if each.measure == "smi_cm2_m2"
    )
    assert index.words == "SMI: no applicable profile; 8 not applicable (8 × no plausible height is known)."


ENTRY = {
    "id": "made_up",
    "name": "Made up",
    "population": "nobody",
    "outcome": "none",
    "level_rule": "L3",
    "hu_phase": "not stated",
    "hu_kvp": [],
    "bmi_rule": "none",
    "citation": "none",
    "confirmed": False,
    "note": "a test",
    "preselected_for": "",
    "limits": [{"measure": "sma_cm2", "sex": "M", "operator": "<", "value": 100}],
}


def test_an_entry_of_the_data_file_becomes_a_profile():
    (limit,) = profile_from(ENTRY).limits
    assert (limit.sex, limit.value, limit.bmi_from) == (Sex.MALE, 100, None)


@pytest.mark.parametrize("name", sorted(ENTRY))
def test_a_missing_field_of_the_data_file_is_named(name):
    with pytest.raises(SettingsError, match=f"{name} is missing"):
        profile_from({key: value for key, value in ENTRY.items() if key != name})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"citaton": "x"}, "made_up: citaton is unknown"),
        ({"confirmed": "yes"}, "confirmed has the wrong type"),
        ({"sample_size": 64.5}, "sample_size has the wrong type"),
        ({"hu_kvp": 120}, "hu_kvp has the wrong type"),
        ({"limits": [{**ENTRY["limits"][0], "value": "100"}]}, "value has the wrong type"),
        ({"limits": [{**ENTRY["limits"][0], "value": True}]}, "value has the wrong type"),
        ({"limits": [{**ENTRY["limits"][0], "operator": ">"}]}, "is not a measure with"),
        ({"limits": [{**ENTRY["limits"][0], "measure": "psoas"}]}, "is not a measure with"),
        ({"limits": [{**ENTRY["limits"][0], "sex": "X"}]}, "“X” is not one of"),
        ({"limits": [{"measure": "sma_cm2", "sex": "M", "operator": "<"}]}, "limit: value is missing"),
    ],
)
def test_a_wrong_field_of_the_data_file_is_named(change, message):
    with pytest.raises(SettingsError, match=message):
        profile_from({**ENTRY, **change})
