"""Published evidence on low muscle and the outcome of an operation: one card per outcome, never a score.

A card says what was found, in whom, how it was measured, how certain it is and what speaks against it. Whether it
speaks about this patient is answered with yes or no and the reason; what is not known counts as no.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final

from sarcopenia.clinical.data_files import checked, entries_of, faulty, member
from sarcopenia.clinical.subject import NAMES, NOT_STATED
from sarcopenia.domain.volume import Sex

FILE: Final = "evidence.toml"
ADULT_YEARS: Final = 18


class Procedure(StrEnum):
    """Operations that can be planned; `PROCEDURE_NAMES` has their names for people."""

    COLORECTAL = "colorectal"
    EMERGENCY_LAPAROTOMY = "emergency_laparotomy"
    SURGICAL_ONCOLOGY = "surgical_oncology"
    ABDOMINAL_AORTIC_ANEURYSM = "abdominal_aortic_aneurysm"
    LOWER_LIMB_REVASCULARISATION = "lower_limb_revascularisation"
    OTHER = "other"


PROCEDURE_NAMES: Final = {
    Procedure.COLORECTAL: "Colorectal cancer surgery",
    Procedure.EMERGENCY_LAPAROTOMY: "Emergency laparotomy",
    Procedure.SURGICAL_ONCOLOGY: "Other cancer surgery",
    Procedure.ABDOMINAL_AORTIC_ANEURYSM: "Abdominal aortic aneurysm repair",
    Procedure.LOWER_LIMB_REVASCULARISATION: "Lower-limb revascularisation (bypass)",
    Procedure.OTHER: "Other operation (no evidence stored)",
}


class Effect(StrEnum):
    """Ratio of people with low muscle to those without."""

    ODDS_RATIO = "OR"
    HAZARD_RATIO = "HR"
    RISK_RATIO = "RR"


class Adjusted(StrEnum):
    """Whether the effect is adjusted for other risk factors."""

    YES = "yes"
    NO = "no"
    NOT_STATED = "not stated"


class MuscleMeasure(StrEnum):
    """What was measured in the studies of a card."""

    SMA = "sma_cm2"
    SMI = "smi_cm2_m2"
    SMD = "smd_hu"
    PSOAS = "psoas"
    MIXED = "mixed"
    NOT_STATED = "not stated"


class Setting(StrEnum):
    """Urgency of the operations of a card."""

    ELECTIVE = "elective"
    EMERGENCY = "emergency"
    ANY = "any"


MEASURE_WORDS: Final = {
    MuscleMeasure.SMA: "skeletal muscle area (SMA)",
    MuscleMeasure.SMI: "skeletal muscle index (SMI)",
    MuscleMeasure.SMD: "muscle density (SMD)",
    MuscleMeasure.PSOAS: "psoas, mostly",
    MuscleMeasure.MIXED: "several measures, mixed",
    MuscleMeasure.NOT_STATED: NOT_STATED,
}


@dataclass(frozen=True)
class EvidenceCard:
    """One effect of low muscle on one outcome of one operation.

    Attributes
    ----------
    value, ci_low, ci_high: the effect and its 95 % confidence interval.
    threshold: what counted as low muscle, "not stated" where not known.
    absolute_risk, contradicting: "" where nothing is known.
    certainty: GRADE, or "not stated".
    confirmed: whether the numbers were read at the source or stand in the product's design; ``note`` says which.
    studies, n, exposed_n: for this outcome, ``None`` where not known.
    """

    id: str
    procedure: Procedure
    operation: str
    outcome: str
    effect: Effect
    value: float
    ci_low: float
    ci_high: float
    adjusted: Adjusted
    muscle_measure: MuscleMeasure
    threshold: str
    setting: Setting
    absolute_risk: str
    certainty: str
    contradicting: str
    citation: str
    confirmed: bool
    note: str
    studies: int | None = None
    n: int | None = None
    exposed_n: int | None = None

    @property
    def effect_words(self) -> str:
        """The effect with its confidence interval, with the published decimals, as "OR 1.84 (95 % CI 1.35–2.49)"."""
        numbers = (self.value, self.ci_low, self.ci_high)
        digits = 1 if all(round(number, 1) == number for number in numbers) else 2
        value, low, high = (f"{number:.{digits}f}" for number in numbers)
        return f"{self.effect} {value} (95 % CI {low}–{high})"


@dataclass(frozen=True)
class EvidenceSubject:
    """The patient as far as a card needs it; ``None`` = not known.

    ``measures`` are the measures at L3 that this patient has (keys of `UNITS`), ``age_years`` is the age at the scan.
    """

    procedure: Procedure
    measures: frozenset[str]
    sex: Sex
    age_years: float | None
    is_urgent: bool | None


@dataclass(frozen=True)
class Comparability:
    """Whether a card speaks about this patient, and why or why not."""

    is_comparable: bool
    reason: str

    @property
    def words(self) -> str:
        """For people: yes or no, and why."""
        return f"{'yes' if self.is_comparable else 'no'}: {self.reason}"


@cache
def all_cards() -> tuple[EvidenceCard, ...]:
    """Every card of the product, in the order of the data file.

    Raises
    ------
    SettingsError: an entry of the file is not complete.
    """
    return tuple(card_from(entry) for entry in entries_of(FILE, "card"))


def card_from(entry: dict[str, Any]) -> EvidenceCard:
    """One card from its entry in the data file.

    Raises
    ------
    SettingsError: a field is missing, unknown, mistyped or has no meaning.
    """
    where = f"{FILE}, card {entry.get('id', 'without id')}"
    values = checked(EvidenceCard, entry, where)
    kinds = {
        "procedure": Procedure,
        "effect": Effect,
        "adjusted": Adjusted,
        "muscle_measure": MuscleMeasure,
        "setting": Setting,
    }
    card = EvidenceCard(**{**values, **{name: member(kind, values[name], where) for name, kind in kinds.items()}})
    if not 0 < card.ci_low <= card.value <= card.ci_high:
        raise faulty(where, "the effect is not inside its confidence interval")
    return card


def cards_for(procedure: Procedure) -> tuple[EvidenceCard, ...]:
    """The cards of one operation; none where nothing is stored."""
    return tuple(card for card in all_cards() if card.procedure is procedure)


def comparability(card: EvidenceCard, subject: EvidenceSubject) -> Comparability:
    """Whether a card speaks about this patient; the first reason against it counts."""
    against = _about_operation(card, subject) or _about_measure(card, subject) or _about_person(card, subject)
    if against is not None:
        return Comparability(False, against)
    same = f"the same kind of operation and the same measure ({NAMES[card.muscle_measure]} at L3)"
    return Comparability(True, f"{same}; low there: {card.threshold}; the ages of the studies are not stated")


def _about_operation(card: EvidenceCard, subject: EvidenceSubject) -> str | None:
    if card.procedure is not subject.procedure:
        return f"the evidence is about {card.operation}"
    if card.setting is Setting.ANY:
        return None
    if subject.is_urgent is None:
        return "it is not known whether the operation is urgent"
    if subject.is_urgent is not (card.setting is Setting.EMERGENCY):
        return f"the evidence is about {card.setting} operations"
    return None


def _about_measure(card: EvidenceCard, subject: EvidenceSubject) -> str | None:
    reasons = {
        MuscleMeasure.PSOAS: "the studies measured the psoas, mostly; here the whole muscle at L3 is measured",
        MuscleMeasure.MIXED: "the studies mixed several measures of muscle",
        MuscleMeasure.NOT_STATED: "which measure of muscle the studies used is not stated",
        MuscleMeasure.SMD: "density depends on contrast phase and tube voltage, which the studies do not state here",
    }
    if card.muscle_measure in reasons:
        return reasons[card.muscle_measure]
    if card.threshold == NOT_STATED:
        return "what counted as low muscle is not stated"
    if card.muscle_measure not in subject.measures:
        return f"the studies used the {MEASURE_WORDS[card.muscle_measure]}, which this patient does not have at L3"
    return None


def _about_person(card: EvidenceCard, subject: EvidenceSubject) -> str | None:
    if subject.sex not in (Sex.MALE, Sex.FEMALE):
        return "low muscle is defined by sex there, and the sex is not known"
    if subject.age_years is None:
        return "the age is not known"
    return "the evidence is about adults" if subject.age_years < ADULT_YEARS else None
