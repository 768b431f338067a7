from dataclasses import replace

import pytest

from sarcopenia.clinical import (
    MEASURE_WORDS,
    PROCEDURE_NAMES,
    EvidenceSubject,
    MuscleMeasure,
    Procedure,
    all_cards,
    cards_for,
    comparability,
)
from sarcopenia.clinical.evidence import card_from
from sarcopenia.domain.errors import SettingsError
from sarcopenia.domain.volume import Sex

CITATION_TABLE = {
    # card: procedure, effect, value, CI, studies, n, exposed n, adjusted, measure, setting, start of the citation
    "colorectal_complications": (
        ("colorectal", "OR", 1.84, 1.35, 2.49, 23, None, None),
        ("not stated", "not stated", "any", "Trejo-Avila M et al., Int J Colorectal Dis 2021"),
    ),
    "colorectal_mortality": (
        ("colorectal", "OR", 3.21, 2.01, 5.11, None, None, None),
        ("not stated", "not stated", "any", "Trejo-Avila M et al., Int J Colorectal Dis 2021"),
    ),
    "colorectal_leak": (
        ("colorectal", "OR", 0.99, 0.72, 1.36, None, None, None),
        ("not stated", "not stated", "any", "Trejo-Avila M et al., Int J Colorectal Dis 2021"),
    ),
    "colorectal_mortality_elective": (
        ("colorectal", "RR", 2.74, 1.63, 4.62, 13, None, None),
        ("not stated", "not stated", "elective", "The impact of sarcopenia on postoperative outcomes"),
    ),
    "colorectal_morbidity_elective": (
        ("colorectal", "RR", 1.30, 1.12, 1.50, 27, None, None),
        ("not stated", "not stated", "elective", "The impact of sarcopenia on postoperative outcomes"),
    ),
    "colorectal_survival_smi": (
        ("colorectal", "HR", 1.50, 1.04, 2.18, 1, 650, None),
        ("yes", "smi_cm2_m2", "any", "Systemic inflammatory response, skeletal muscle and survival"),
    ),
    "emergency_death_30d": (
        ("emergency_laparotomy", "OR", 2.42, 1.93, 3.05, 11, None, None),
        ("not stated", "not stated", "emergency", "Yang TR et al., World J Emerg Surg 2022"),
    ),
    "emergency_frogs_smi": (
        ("emergency_laparotomy", "OR", 2.56, 1.12, 5.84, 1, 610, None),
        ("yes", "smi_cm2_m2", "emergency", "FROGS study"),
    ),
    "emergency_frogs_smd": (
        ("emergency_laparotomy", "OR", 4.26, 2.01, 9.06, 1, 610, None),
        ("yes", "smd_hu", "emergency", "FROGS study"),
    ),
    "emergency_death_1y": (
        ("emergency_laparotomy", "OR", 2.8, 1.5, 5.6, None, None, None),
        ("yes", "mixed", "emergency", "Short- and long-term impact of sarcopenia"),
    ),
    "cancer_death_30d": (
        ("surgical_oncology", "OR", 2.15, 1.46, 3.17, None, None, None),
        ("not stated", "mixed", "any", "Weerink LBM et al., J Cachexia Sarcopenia Muscle 2020"),
    ),
    "aaa_mortality": (
        ("abdominal_aortic_aneurysm", "HR", 1.66, 1.15, 2.40, 7, 1440, 264),
        ("not stated", "psoas", "any", "Antoniou GA et al., Eur J Vasc Endovasc Surg 2019"),
    ),
    "limb_bypass_death": (
        ("lower_limb_revascularisation", "HR", 5.8, 1.8, 19.1, 1, 116, 14),
        ("no", "sma_cm2", "any", "Sivaharan A et al. 2021"),
    ),
    "limb_ischaemia_death": (
        ("lower_limb_revascularisation", "HR", 3.22, 1.24, 9.11, 1, 64, 28),
        ("not stated", "sma_cm2", "any", "Matsubara Y et al., J Vasc Surg 2015"),
    ),
}
ABSOLUTE_RISKS = {
    "colorectal_mortality_elective": "2.8 % with low muscle, 1.0 % without",
    "colorectal_morbidity_elective": "40 % with low muscle, 33 % without",
    "cancer_death_30d": "3 % of all patients, with and without low muscle",
    "limb_ischaemia_death": "five-year survival 23.5 % with low muscle, 77.5 % without",
}
BYPASS = EvidenceSubject(
    procedure=Procedure.LOWER_LIMB_REVASCULARISATION,
    measures=frozenset({"sma_cm2"}),
    sex=Sex.MALE,
    age_years=70.0,
    is_urgent=False,
)


def card(card_id):
    return next(each for each in all_cards() if each.id == card_id)


def test_every_number_is_the_one_of_the_citation_table():
    assert {each.id for each in all_cards()} == set(CITATION_TABLE)
    for each in all_cards():
        numbers, (adjusted, measure, setting, citation) = CITATION_TABLE[each.id]
        found = (each.procedure, each.effect, each.value, each.ci_low, each.ci_high, each.studies, each.n)
        assert (*found, each.exposed_n) == numbers
        assert (each.adjusted, each.muscle_measure, each.setting) == (adjusted, measure, setting)
        assert each.citation.startswith(citation)


def test_absolute_risks_stand_only_where_they_are_known():
    assert {each.id: each.absolute_risk for each in all_cards() if each.absolute_risk} == ABSOLUTE_RISKS


def test_every_card_has_every_field_of_the_design():
    for each in all_cards():
        texts = (each.operation, each.outcome, each.threshold, each.certainty, each.citation, each.note)
        assert all(text.strip() for text in texts)
        assert each.confirmed


def test_what_speaks_against_the_evidence_is_on_the_card():
    assert "0.99 (0.72–1.36)" in card("colorectal_complications").contradicting
    assert "not on multivariate" in card("emergency_death_30d").contradicting
    assert "peri-operative effect was not shown" in card("aaa_mortality").contradicting
    assert "14 people" in card("limb_bypass_death").contradicting


def test_the_effect_is_written_with_its_interval():
    assert card("limb_bypass_death").effect_words == "HR 5.8 (95 % CI 1.8–19.1)"
    assert card("colorectal_morbidity_elective").effect_words == "RR 1.30 (95 % CI 1.12–1.50)"


def test_every_operation_with_evidence_has_its_cards_and_a_name():
    assert set(PROCEDURE_NAMES) == set(Procedure)
    assert set(MEASURE_WORDS) == set(MuscleMeasure)
    assert {each.id for each in cards_for(Procedure.ABDOMINAL_AORTIC_ANEURYSM)} == {"aaa_mortality"}
    assert len(cards_for(Procedure.COLORECTAL)) == 6
    assert sum(len(cards_for(procedure)) for procedure in Procedure) == len(all_cards())
    assert cards_for(Procedure.OTHER) == ()


def test_the_same_operation_and_measure_are_comparable():
    answer = comparability(card("limb_bypass_death"), BYPASS)
    assert answer.is_comparable
    assert answer.words.startswith("yes: the same kind of operation and the same measure (SMA at L3)")
    assert "SMA < 114 cm²" in answer.words


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"procedure": Procedure.COLORECTAL}, "about infra-inguinal bypass"),
        ({"procedure": Procedure.OTHER}, "about infra-inguinal bypass"),
        ({"measures": frozenset({"smi_cm2_m2", "smd_hu"})}, "skeletal muscle area"),
        ({"measures": frozenset()}, "skeletal muscle area"),
        ({"sex": Sex.UNKNOWN}, "sex is not known"),
        ({"sex": Sex.OTHER}, "sex is not known"),
        ({"age_years": None}, "age is not known"),
        ({"age_years": 17.9}, "about adults"),
    ],
)
def test_what_differs_or_is_not_known_makes_it_not_comparable(change, reason):
    answer = comparability(card("limb_bypass_death"), replace(BYPASS, **change))
    assert not answer.is_comparable
    assert answer.words.startswith("no: ")
    assert reason in answer.reason


@pytest.mark.parametrize(
    ("card_id", "reason"),
    [
        ("aaa_mortality", "psoas"),
        ("cancer_death_30d", "mixed several measures"),
        ("colorectal_complications", "which measure of muscle the studies used is not stated"),
        ("emergency_frogs_smd", "contrast phase and tube voltage"),
        ("emergency_frogs_smi", "what counted as low muscle is not stated"),
    ],
)
def test_another_or_an_unknown_measure_is_not_comparable(card_id, reason):
    everything = frozenset({"sma_cm2", "smi_cm2_m2", "smd_hu"})
    chosen = card(card_id)
    subject = replace(BYPASS, procedure=chosen.procedure, measures=everything, is_urgent=True)
    answer = comparability(chosen, subject)
    assert not answer.is_comparable
    assert reason in answer.reason


@pytest.mark.parametrize(
    ("setting", "is_urgent", "reason"),
    [
        ("elective", True, "about elective operations"),
        ("emergency", False, "about emergency operations"),
        ("elective", None, "not known whether the operation is urgent"),
    ],
)
def test_elective_evidence_does_not_speak_about_emergencies(setting, is_urgent, reason):
    chosen = card_from({**ENTRY, "setting": setting})
    answer = comparability(chosen, replace(BYPASS, is_urgent=is_urgent))
    assert reason in answer.reason
    assert not answer.is_comparable
    assert comparability(chosen, replace(BYPASS, is_urgent=setting == "emergency")).is_comparable


ENTRY = {
    "id": "made_up",
    "procedure": "lower_limb_revascularisation",
    "operation": "made up",
    "outcome": "none",
    "effect": "OR",
    "value": 2,
    "ci_low": 1.5,
    "ci_high": 3.0,
    "adjusted": "no",
    "muscle_measure": "sma_cm2",
    "threshold": "SMA < 100 cm²",
    "setting": "any",
    "absolute_risk": "",
    "certainty": "not stated",
    "contradicting": "",
    "citation": "none",
    "confirmed": False,
    "note": "a test",
}


@pytest.mark.parametrize("name", sorted(ENTRY))
def test_a_missing_field_of_the_data_file_is_named(name):
    with pytest.raises(SettingsError, match=f"{name} is missing"):
        card_from({key: value for key, value in ENTRY.items() if key != name})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"procedure": "appendix"}, "“appendix” is not one of"),
        ({"effect": "MD"}, "“MD” is not one of"),
        ({"ci_low": 2.1}, "not inside its confidence interval"),
        ({"n": "many"}, "n has the wrong type"),
        ({"grade": "low"}, "made_up: grade is unknown"),
    ],
)
def test_a_wrong_field_of_the_data_file_is_named(change, message):
    with pytest.raises(SettingsError, match=message):
        card_from({**ENTRY, **change})
