"""The part of EWGSOP2 that CT cannot see: screening, strength and performance, and what each would change.

Sarcopenia by EWGSOP2 begins with low strength; muscle quantity confirms it, and low performance makes it severe. CT
measures quantity, and EWGSOP2 gives no CT number, so nothing here adds up to a diagnosis. Source: Cruz-Jentoft AJ et
al., Age Ageing 2019;48:16, table 3.
"""

from dataclasses import dataclass
from typing import Final

from sarcopenia.domain.volume import Sex

LOW_GRIP_KG: Final = {Sex.MALE: 27.0, Sex.FEMALE: 16.0}
LOW_GAIT_SPEED_M_S: Final = 0.8
POSITIVE_SARC_F: Final = 4


@dataclass(frozen=True)
class FunctionTests:
    """What was tested beside the scan: grip strength (kg), gait speed (m/s), SARC-F (0–10); ``None`` = not tested."""

    grip_kg: float | None
    gait_speed_m_s: float | None
    sarc_f: float | None


def ewgsop2_words(tests: FunctionTests, sex: Sex) -> tuple[str, ...]:
    """One sentence for screening, strength and performance: the value and what it changes, or that it is missing."""
    return (_screening_words(tests.sarc_f), _strength_words(tests.grip_kg, sex), _speed_words(tests.gait_speed_m_s))


def _screening_words(sarc_f: float | None) -> str:
    if sarc_f is None:
        return f"SARC-F not asked: {POSITIVE_SARC_F} points or more would call for a test of strength."
    if sarc_f >= POSITIVE_SARC_F:
        return f"SARC-F {sarc_f:g} (≥ {POSITIVE_SARC_F}): positive, strength should be tested."
    return f"SARC-F {sarc_f:g} (< {POSITIVE_SARC_F}): negative; it misses many, so a doubt is a reason to test."


def _strength_words(grip_kg: float | None, sex: Sex) -> str:
    limit = LOW_GRIP_KG.get(sex)
    if grip_kg is None:
        return "Grip strength not tested: without low strength EWGSOP2 does not speak of sarcopenia, whatever the CT."
    if limit is None:
        return f"Grip strength {grip_kg:g} kg: its limit needs a sex, which is not known."
    if grip_kg < limit:
        return (
            f"Grip strength {grip_kg:g} kg (< {limit:g}): sarcopenia is probable by EWGSOP2; low muscle quantity would "
            "confirm it, for which EWGSOP2 gives no CT number."
        )
    return f"Grip strength {grip_kg:g} kg (≥ {limit:g}): not low; a small muscle area alone is no sarcopenia."


def _speed_words(gait_speed_m_s: float | None) -> str:
    if gait_speed_m_s is None:
        return f"Gait speed not tested: {LOW_GAIT_SPEED_M_S:g} m/s or less would make a confirmed sarcopenia severe."
    if gait_speed_m_s <= LOW_GAIT_SPEED_M_S:
        return f"Gait speed {gait_speed_m_s:g} m/s (≤ {LOW_GAIT_SPEED_M_S:g}): makes a confirmed sarcopenia severe."
    return f"Gait speed {gait_speed_m_s:g} m/s (> {LOW_GAIT_SPEED_M_S:g}): not low."
