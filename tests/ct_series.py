"""Small CT series for the reader's tests: written as DICOM bytes, bent where a test needs it."""

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pydicom

from sarcopenia.domain.geometry import VolumeGeometry, regular_geometry
from sarcopenia.domain.volume import CtVolume, SeriesHeader
from sarcopenia.imaging import InputFile

Edit = Callable[[pydicom.Dataset], None]


def make_volume(geometry: VolumeGeometry | None = None, *, seed: int = 0, **header: object) -> CtVolume:
    """Random HU on a grid: every voxel is its own landmark."""
    geometry = geometry or regular_geometry((20, 40, 50), (5.0, 0.8, 0.7), (-17.5, -16.0, -300.0))
    hu = np.random.default_rng(seed).integers(-1024, 1500, geometry.shape_zyx).astype(np.int16)
    defaults = {"series_description": "Abdomen", "slice_thickness_mm": 5.0, "kvp": 120.0}
    # The seed stands in for the hash that a reader would compute: it names the UIDs.
    fields = SeriesHeader(**(defaults | header))
    return CtVolume(hu, geometry, fields, ("",) * hu.shape[0], f"seed {seed}")


def with_origins(geometry: VolumeGeometry, origins: list[tuple[float, float, float]]) -> VolumeGeometry:
    return replace(geometry, slice_origins_lps_mm=tuple(origins), shape_zyx=(len(origins), *geometry.shape_zyx[1:]))


def edited(files: tuple[InputFile, ...], edit: Edit) -> tuple[InputFile, ...]:
    """The same files after a change to each data set."""
    return tuple(InputFile(file.name, _edited(file.content, edit)) for file in files)


def _edited(content: bytes, edit: Edit) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(content))
    edit(dataset)
    if "SOPInstanceUID" in dataset:
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    if "SOPClassUID" in dataset:
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def setting(**attributes: object) -> Edit:
    """An edit that sets attributes, ``None`` deletes."""

    def edit(dataset: pydicom.Dataset) -> None:
        for keyword, value in attributes.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)

    return edit
