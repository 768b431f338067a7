"""What makes a muscle area mean something else: what is looked for in the image, and what is asked, not guessed.

"Not asked" is never "absent". What was detected in the image are flags of the measurement
(`sarcopenia.assessment.anatomy_checks`, `sarcopenia.assessment.spine_course`); what was asked stays apart from them and
acts on the comparison with cut-offs: it blocks it, or asks for a look.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from sarcopenia.domain.results import Flag, LevelRule, Measurement, Severity


@dataclass(frozen=True)
class Confounder:
    """One question, and the flag that a "yes" raises; ``key`` names the answer in the records."""

    key: str
    question: str
    severity: Severity
    reason: str

    @property
    def flag(self) -> Flag:
        """What a "yes" does."""
        return Flag(f"asked_{self.key}", self.reason, self.severity)


CONFOUNDERS: Final = (
    Confounder(
        "pregnancy",
        "Pregnant at the scan?",
        Severity.BLOCK,
        "Pregnancy: the abdominal wall is stretched and no reference applies.",
    ),
    Confounder(
        "amputation",
        "Limb amputated?",
        Severity.REVIEW,
        "Amputation: height and weight, and so SMI and BMI, do not mean what the references mean.",
    ),
    Confounder(
        "paralysis",
        "Hemi- or paraplegia?",
        Severity.REVIEW,
        "Paralysis: muscle below the lesion or on one side wastes for its own reason.",
    ),
    Confounder(
        "dialysis",
        "On dialysis?",
        Severity.REVIEW,
        "Dialysis: water moves area and density of muscle within hours.",
    ),
    Confounder(
        "recent_laparotomy",
        "Laparotomy in the last three months?",
        Severity.REVIEW,
        "Recent laparotomy: oedema or haematoma of the wall counts as muscle.",
    ),
)
"""The list of the product's design, in the order in which it is asked."""


def confounder_flags(answers: Mapping[str, bool | None]) -> tuple[Flag, ...]:
    """Flags of everything that was answered with yes; ``None`` or nothing: not asked."""
    return tuple(each.flag for each in CONFOUNDERS if answers.get(each.key))


def not_asked(answers: Mapping[str, bool | None]) -> tuple[str, ...]:
    """Questions without an answer."""
    return tuple(each.question for each in CONFOUNDERS if answers.get(each.key) is None)


class Scope(Enum):
    """Where a confounder is looked for."""

    EVERY_SLICE = auto()
    ABDOMEN = auto()
    SPINE = auto()


@dataclass(frozen=True)
class DetectedConfounder:
    """Something that is looked for in the image: code of its flag, its name for people, and where it can be seen."""

    code: str
    words: str
    scope: Scope


DETECTED_CONFOUNDERS: Final = (
    DetectedConfounder("metal", "metal", Scope.EVERY_SLICE),
    DetectedConfounder("arm_beside_body", "arms beside the body", Scope.EVERY_SLICE),
    DetectedConfounder("abdominal_fluid", "much fluid in the abdomen", Scope.ABDOMEN),
    DetectedConfounder("subcutaneous_oedema", "oedema under the skin", Scope.ABDOMEN),
    DetectedConfounder("one_sided_muscle", "one-sided loss of muscle", Scope.ABDOMEN),
    DetectedConfounder("one_sided_psoas", "unequal psoas", Scope.ABDOMEN),
    DetectedConfounder("hernia", "large hernia", Scope.ABDOMEN),
    DetectedConfounder("spine_curved", "curved spine", Scope.SPINE),
    DetectedConfounder("slice_oblique", "oblique slice", Scope.EVERY_SLICE),
)
"""Detected by rules that see what is pronounced; "looked for and not flagged" is not "absent" either."""

NOT_DETECTED: Final = ("oedema or haematoma within muscle", "flap", "stoma")
"""No rule tells these from muscle, wall or bowel: only a person sees them."""


def may_show_abdomen(level: str | None) -> bool:
    """Whether a slice is at a lumbar vertebra, or nobody knows where."""
    return level is None or level.startswith("L")


def codes_to_look_for(level: str | None, rule: LevelRule) -> tuple[str, ...]:
    """Codes of what can be looked for in a slice at a level that was chosen by a rule."""
    scopes = {Scope.EVERY_SLICE}
    if may_show_abdomen(level):
        scopes.add(Scope.ABDOMEN)
    if level is not None and rule is not LevelRule.SINGLE_SLICE:
        scopes.add(Scope.SPINE)
    return tuple(each.code for each in DETECTED_CONFOUNDERS if each.scope in scopes)


def looked_for(measurement: Measurement) -> tuple[str, ...]:
    """What was looked for in the image of a measurement, in words; nothing in measurements of earlier software."""
    codes = measurement.provenance.looked_for
    return tuple(each.words for each in DETECTED_CONFOUNDERS if each.code in codes)
