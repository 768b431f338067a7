"""A small CT series, and assessors that do what a test needs; also imported by worker processes of the tests."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from sarcopenia.assessment import (
    Assessment,
    AssessmentArrays,
    AssessmentEvent,
    AssessmentFinished,
    AssessmentOptions,
    Scout,
    Scouts,
    Stage,
    StageEvent,
)
from sarcopenia.domain.geometry import regular_geometry
from sarcopenia.domain.volume import CtVolume
from sarcopenia.exchange.ct_writer import ct_series_bytes
from sarcopenia.inference.port import ModelClient
from sarcopenia.settings import Settings
from tests.unit.records.samples import make_arrays, make_level, make_measurement, make_volume

Hook = Callable[[Stage], None]


def settings_in(folder: Path) -> Settings:
    return Settings.from_environment({"SARCOPENIA_DATA_DIR": str(folder)})


def series_files(fill_hu: int = 40, **header: object) -> list[tuple[str, bytes]]:
    """DICOM files of a series of six slices; another ``fill_hu`` makes another series."""
    shape = (6, 16, 16)
    hu_zyx = np.full(shape, fill_hu, np.int16) + np.arange(6, dtype=np.int16)[:, None, None]
    hu_zyx[:, 0, 0] = -1024
    volume = CtVolume(
        hu_zyx,
        regular_geometry(shape, (5.0, 1.0, 1.0)),
        replace(make_volume(**header).header, manufacturer="phantom"),
        tuple(f"2.25.{fill_hu + 2000}{index}" for index in range(6)),
        f"{fill_hu:064d}",
    )
    return [(file.name, file.content) for file in ct_series_bytes(volume)]


class ScriptedAssessor:
    """Tells every stage, calls ``hook`` after each, and finishes with the sample measurement; counts its runs."""

    def __init__(self, hook: Hook = lambda stage: None, *, found_l3: bool = True) -> None:
        self.runs = 0
        self._hook = hook
        self._found_l3 = found_l3

    def __call__(self, volume: CtVolume, models: ModelClient, options: AssessmentOptions) -> Iterator[AssessmentEvent]:
        self.runs += 1
        for index, stage in enumerate(Stage):
            yield StageEvent(stage, index, len(Stage), f"Stage {stage}")
            self._hook(stage)
        yield AssessmentFinished(self._assessment())

    def _assessment(self) -> Assessment:
        sample = make_arrays()
        scout = Scout(sample.sagittal.hu_zx, sample.sagittal.spacing_mm_zx, sample.sagittal.z_mm)
        picture = AssessmentArrays(sample.slice.hu_yx, sample.slice.compartments, sample.slice.plane)
        arrays = picture if self._found_l3 else None
        return Assessment(make_measurement(), arrays, make_level(), Scouts(scout, scout))
