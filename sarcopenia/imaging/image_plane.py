"""One DICOM image of any orientation as HU with its plane: for sagittal reformats, which are no series to measure."""

import io
from dataclasses import dataclass

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_modality_lut

from sarcopenia.domain.geometry import PlaneGeometry


@dataclass(frozen=True)
class ImagePlane:
    """HU (float32, rows × columns as stored) and where they lie."""

    hu_yx: NDArray[np.float32]
    plane: PlaneGeometry


def read_image_plane(content: bytes) -> ImagePlane:
    """Read one uncompressed or plug-in-decodable DICOM CT image from its bytes (PS3.3 C.7.6.2, C.11.1)."""
    dataset = pydicom.dcmread(io.BytesIO(content))
    hu = np.asarray(apply_modality_lut(dataset.pixel_array, dataset), dtype=np.float32)
    orientation = [float(value) for value in dataset.ImageOrientationPatient]
    position = [float(value) for value in dataset.ImagePositionPatient]
    spacing = [float(value) for value in dataset.PixelSpacing]
    plane = PlaneGeometry(
        (position[0], position[1], position[2]),
        (orientation[0], orientation[1], orientation[2]),
        (orientation[3], orientation[4], orientation[5]),
        (spacing[0], spacing[1]),
        (hu.shape[0], hu.shape[1]),
    )
    return ImagePlane(hu, plane)
