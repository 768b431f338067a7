"""What makes a muscle area mean something else and cannot be seen for sure: it is asked, not guessed.

"Not asked" is never "absent". What was detected in the image are flags of the measurement; what was asked stays apart
from them and acts on the comparison with cut-offs: it blocks it, or asks for a look.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sarcopenia.domain.results import Flag, Severity


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
