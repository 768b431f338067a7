"""Measurements by hand, for tests of what the pages say."""

from dataclasses import replace

from sarcopenia.domain.results import (
    BodyComposition,
    ImageQuality,
    LevelRule,
    Measurement,
    ModelIdentity,
    Provenance,
    Uncertainty,
    Verdict,
)

PROVENANCE = Provenance(
    (ModelIdentity("spine_level", "1", "ab" * 32, "FP32", "fake"),),
    "0.1.0",
    LevelRule.MID_L3,
    "cd" * 32,
    (-150, -50),
    1,
)
MEASURED = Measurement(
    level="L3",
    slice_index=42,
    slice_z_mm=-512.5,
    slice_sop_instance_uid="1.2.3",
    composition=BodyComposition(140.0, 38.0, 30.0, 200.0, 120.0, 10.0, (-150, -50)),
    slab_sma_cm2=139.0,
    uncertainty=Uncertainty((139.0, 141.0), 1.0, 3.0),
    quality=ImageQuality(3.0, 10.0, 0.01),
    flags=(),
    verdict=Verdict.ACCEPT,
    provenance=PROVENANCE,
)
WITHOUT_L3 = Measurement(None, None, None, None, None, None, None, None, (), Verdict.NO_L3, PROVENANCE)


def with_sma(sma_cm2, **changes):
    """The same measurement with another area."""
    return replace(MEASURED, composition=replace(MEASURED.composition, sma_cm2=sma_cm2), **changes)
