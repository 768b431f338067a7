"""How often the error of the SMA moves a person across a published limit, for every profile of the product.

No scan of the data comes with a height, so only limits of SMA are decided; SMI limits stay blank, as in the product.
Every slice is held against the L3 limits as if it were at L3: the question is what the error does, not what the person
has. Slices of people whose sex the source does not say are left out.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from inference_server.evaluation.out_of_fold import EvaluatedSlice
from sarcopenia.clinical import ProfileSubject, Standing, all_profiles, compare_with_profiles
from sarcopenia.clinical.subject import REQUIRED_LEVEL
from sarcopenia.domain.volume import ContrastPhase, Sex


@dataclass(frozen=True)
class Reclassified:
    """One profile: slices it could decide, slices whose standing the error changed, and the people behind these."""

    profile: str
    decided: int
    changed: int
    persons: tuple[str, ...]


def reclassified(slices: Iterable[EvaluatedSlice]) -> list[Reclassified]:
    """Every profile of the product, in its order; profiles without a limit of SMA decide nothing."""
    chosen = list(slices)
    return [_under(profile_id, chosen) for profile_id in (profile.id for profile in all_profiles())]


def _under(profile_id: str, slices: list[EvaluatedSlice]) -> Reclassified:
    decided, changed = 0, []
    for item in slices:
        reference = standing(profile_id, item.agreement.reference_sma_cm2, item.sex)
        if reference is Standing.BLANK:
            continue
        decided += 1
        if standing(profile_id, item.agreement.sma_cm2, item.sex) is not reference:
            changed.append(item.person)
    return Reclassified(profile_id, decided, len(changed), tuple(dict.fromkeys(changed)))


def standing(profile_id: str, sma_cm2: float, sex: Sex) -> Standing:
    """Below, not below, or blank: an SMA at L3 under the SMA limit of one profile."""
    profile = next(profile for profile in all_profiles() if profile.id == profile_id)
    subject = ProfileSubject(sma_cm2, None, REQUIRED_LEVEL, sex, None, None, ContrastPhase.UNKNOWN, None)
    found = (c.standing for c in compare_with_profiles(subject, (profile,)) if c.measure == "sma_cm2")
    return next(found, Standing.BLANK)
