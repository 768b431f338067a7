"""How well four, five and six lumbar vertebrae are told apart, on phantoms that no training has seen."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from sarcopenia.assessment.level import find_level
from sarcopenia.assessment.spine_projection import coarse_block, find_midline, project_spine
from sarcopenia.inference.port import ModelClient
from sarcopenia.phantom import make_phantom, random_spec

FIRST_SEED: Final = 3100
"""Training phantoms have seeds below 1000."""
COUNTS: Final = (4, 5, 6)


@dataclass(frozen=True)
class LumbarCount:
    """One phantom: its lumbar vertebrae, the count found (``None``: an anchor was not seen), error of L3 in mm."""

    seed: int
    true: int
    found: int | None
    l3_error_mm: float | None


def count_on_phantoms(models: ModelClient, phantoms: int) -> Iterator[LumbarCount]:
    """Abdomen-pelvis phantoms with four, five and six lumbar vertebrae in turn."""
    for seed in range(FIRST_SEED, FIRST_SEED + phantoms):
        true = COUNTS[seed % len(COUNTS)]
        spec = replace(random_spec(seed), bottom_coordinate=20.6, top_coordinate=9.5, lumbar_count=true)
        phantom = make_phantom(replace(spec, centre_offset_mm_yx=(0.0, 0.0)))
        block = coarse_block(phantom.volume)
        projections = project_spine(block, find_midline(block))
        level = find_level(phantom.volume, models.locate_spine(projections.hu_czw), projections.z_mm)
        error = None if level.l3 is None else level.l3.z_mm - phantom.level_z_mm["L3"]
        yield LumbarCount(seed, true, level.lumbar_count, error)
