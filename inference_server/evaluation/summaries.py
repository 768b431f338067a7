"""The headline figures of a set of measured slices, per person first and then pooled."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference_server.evaluation.out_of_fold import EvaluatedSlice
from sarcopenia.clinical.method_comparison import (
    BlandAltman,
    Interval,
    bland_altman,
    icc_2_1,
    mean_by_person,
    mean_with_bootstrap,
)


@dataclass(frozen=True)
class AgreementSummary:
    """Figures of n slices of some persons.

    Attributes
    ----------
    median_dice, worst_dice: over slices; person_dice: median over the persons' mean Dice.
    median_error, worst_error: absolute SMA error in %, over slices; person_error: the same, median over the persons'
        means. signed_error: mean signed SMA error in %, mean over persons, with a bootstrap by person.
    density_error: mean signed SMD error in HU over persons. hd95_mm, surface_mm: medians of the muscle's borders.
    wall_hd95_mm, wall_surface_mm: of the wall's, NaN where no slice has a wall. icc: of the SMA over slices.
    limits_persons, limits_slices: Bland–Altman of the SMA in %, over the persons' means and over slices.
    """

    slices: int
    persons: int
    median_dice: float
    worst_dice: float
    person_dice: float
    median_error: float
    worst_error: float
    person_error: float
    signed_error: Interval
    density_error: float
    hd95_mm: float
    surface_mm: float
    wall_hd95_mm: float
    wall_surface_mm: float
    icc: float
    limits_persons: BlandAltman
    limits_slices: BlandAltman


def summarise(slices: Sequence[EvaluatedSlice]) -> AgreementSummary:
    """Figures of slices of at least three persons.

    Raises
    ------
    ValueError: too few persons for limits of agreement.
    """
    agreements = [item.agreement for item in slices]
    persons = [item.person for item in slices]
    dice = np.array([a.dice for a in agreements])
    error = np.array([a.sma_error_percent for a in agreements])
    by_person = mean_by_person(persons, error)
    walls = [a.wall for a in agreements if a.wall is not None]
    return AgreementSummary(
        slices=len(agreements),
        persons=len(by_person),
        median_dice=float(np.median(dice)),
        worst_dice=float(dice.min()),
        person_dice=float(np.median(mean_by_person(persons, dice))),
        median_error=float(np.median(np.abs(error))),
        worst_error=float(np.abs(error).max()),
        person_error=float(np.median(mean_by_person(persons, np.abs(error)))),
        signed_error=mean_with_bootstrap(by_person),
        density_error=float(mean_by_person(persons, [a.smd_error_hu for a in agreements]).mean()),
        hd95_mm=float(np.median([a.muscle.hd95_mm for a in agreements])),
        surface_mm=float(np.median([a.muscle.mean_mm for a in agreements])),
        wall_hd95_mm=float(np.median([w.hd95_mm for w in walls])) if walls else float("nan"),
        wall_surface_mm=float(np.median([w.mean_mm for w in walls])) if walls else float("nan"),
        icc=icc_2_1([a.reference_sma_cm2 for a in agreements], [a.sma_cm2 for a in agreements]),
        limits_persons=bland_altman(by_person),
        limits_slices=bland_altman(error),
    )
