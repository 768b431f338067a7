"""Which patient of the annotated CT is for what: three fixed folds for training, a test split that is never trained on.

Splits are by patient and fixed (see the data's own README); validation is always out-of-fold.
"""

from typing import Final

COMPARTMENT_FOLDS: Final = (("arreaza", "luad47"), ("tcga0", "sarcoma0"), ("cort0", "luad16"))
"""Validation patients of each fold of `body_compartments`; a fold trains on the other two."""

SPINE_FOLDS: Final = (
    ("arreaza", "A027284"),
    ("tcga0", "A058062", "sarcoma0"),
    ("cort0", "A046441", "A067967"),
    ("tsex0", "A062055", "lidc0", "cmb0"),
)
"""Validation patients of each fold of `spine_level`; names starting with A are sagittal reformats."""

TEST_NAMES: Final = ("juno0", "juno1", "gold0", "luad12", "luad94")


def training_names(folds: tuple[tuple[str, ...], ...], held_out_fold: int | None) -> tuple[str, ...]:
    """Patients to train on when ``held_out_fold`` is validation; all of them for ``None``."""
    return tuple(name for index, names in enumerate(folds) if index != held_out_fold for name in names)
