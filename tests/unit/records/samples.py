"""Hand-made volumes, measurements and pictures, and a clock that tests turn."""

from datetime import UTC, datetime, timedelta

import numpy as np

from sarcopenia.domain.geometry import regular_geometry
from sarcopenia.domain.results import (
    BodyComposition,
    CompartmentMap,
    Flag,
    ImageQuality,
    LevelAnchor,
    LevelFinding,
    LevelRule,
    Measurement,
    ModelIdentity,
    Provenance,
    Uncertainty,
    Verdict,
    VertebraPosition,
)
from sarcopenia.domain.volume import CtVolume, PatientHeader, SeriesHeader
from sarcopenia.records import (
    MaskComparison,
    MaskFormat,
    NewMeasurement,
    NewReading,
    ReadingMasks,
    ScoutImage,
    StoredArrays,
    StoredSlice,
)

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def make_volume(series_hash: str = "a" * 64, **header: object) -> CtVolume:
    """A tiny volume; ``patient_id``, ``name`` and so on go to the patient, the rest to the series header."""
    names = {"patient_id", "issuer", "name", "birth_date"}
    patient = PatientHeader(**{key: value for key, value in header.items() if key in names})
    series = {key: value for key, value in header.items() if key not in names}
    return CtVolume(
        np.zeros((2, 3, 4), np.int16),
        regular_geometry((2, 3, 4), (5.0, 0.8, 0.8)),
        SeriesHeader(patient=patient, **series),
        ("1.2.3", "1.2.4"),
        series_hash,
    )


def make_measurement(sma_cm2: float = 151.5) -> Measurement:
    """A measurement with a value in every field."""
    return Measurement(
        level="L3",
        slice_index=41,
        slice_z_mm=-612.5,
        slice_sop_instance_uid="1.2.3.4",
        composition=BodyComposition(sma_cm2, 38.25, 30.5, 180.0, 120.0, 9.75, (-150, -50)),
        slab_sma_cm2=150.0,
        uncertainty=Uncertainty((150.0, 152.0, 153.0), 1.01, 2.5),
        quality=ImageQuality(3.0, 12.5, 0.01),
        flags=(Flag("thick_slices", "The slices are thick."),),
        verdict=Verdict.REVIEW,
        provenance=Provenance(
            (ModelIdentity("body_compartments", "1", "f" * 64, "FP32", "onnxruntime"),),
            "0.1.0",
            LevelRule.MID_L3,
            "a" * 64,
            (-150, -50),
            3,
        ),
    )


def make_level() -> LevelFinding:
    l3 = VertebraPosition("L3", -612.5, 41, 2.5)
    return LevelFinding((VertebraPosition("L4", -648.0, 34, 2.0), l3), l3, (), LevelAnchor.BOTH, 5, 0.97)


def make_arrays(seed: int = 0) -> StoredArrays:
    random = np.random.default_rng(seed)
    hu_yx = random.integers(-1024, 1500, (6, 5)).astype(np.int16)
    muscle_yx = random.random((6, 5)) < 0.4
    maps = CompartmentMap(
        random.integers(0, 5, (6, 5)).astype(np.uint8), muscle_yx, random.random((6, 5)).astype(np.float32)
    )
    scout = ScoutImage(random.integers(-1024, 1500, (7, 4)).astype(np.int16), (2.5, 2.0), np.linspace(-700, -600, 7))
    plane = regular_geometry((1, 6, 5), (5.0, 0.8, 0.7)).plane(0)
    return StoredArrays(StoredSlice(hu_yx, plane, maps), scout, scout)


def new_measurement(**changes: object) -> NewMeasurement:
    fields = {
        "measurement": make_measurement(),
        "level": make_level(),
        "arrays": make_arrays(),
        "author": "sarcopenia 0.1.0",
    }
    return NewMeasurement(**(fields | changes))


def new_reading(scan_id: int, **changes: object) -> NewReading:
    random = np.random.default_rng(3)
    fields = {
        "scan_id": scan_id,
        "measurement_id": None,
        "slice_index": 1,
        "reader": "Ann",
        "blind": True,
        "method": MaskFormat.TAG,
        "masks": ReadingMasks(random.random((6, 5)) < 0.5, random.random((6, 5)) < 0.5),
        "comparison": MaskComparison(150.25, 148.5, 40.5, None, 0.9625),
        "models": make_measurement().provenance.models,
        "author": "Ann",
    }
    return NewReading(**(fields | changes))
