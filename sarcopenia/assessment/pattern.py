"""The experimental pattern classifier on a slab: asked where research is on, and never part of a measurement."""

from collections.abc import Sequence

import numpy as np

from sarcopenia.assessment.segmentation import SegmentedSlice
from sarcopenia.domain.results import PatternFinding
from sarcopenia.inference.contract import SARCOPENIA_CLASSIFIER
from sarcopenia.inference.port import ModelClient


def find_pattern(
    slice_indices: Sequence[int], slab: Sequence[SegmentedSlice], models: ModelClient
) -> PatternFinding | None:
    """Ask about a slab, given in any order; ``None`` where research is off.

    Raises
    ------
    InferenceError: the model could not be asked.
    """
    ordered = sorted(zip(slice_indices, slab, strict=True), key=lambda pair: pair[0])
    pattern = models.classify_slab(np.stack([found.model_hu_yx for _, found in ordered]))
    if pattern is None:
        return None
    return PatternFinding(
        low_muscle_probability=pattern.low_muscle_probability,
        slice_indices=tuple(index for index, _ in ordered),
        slice_attention=tuple(pattern.slice_attention_n.tolist()),
        model=next(each for each in models.identities() if each.name == SARCOPENIA_CLASSIFIER),
    )
