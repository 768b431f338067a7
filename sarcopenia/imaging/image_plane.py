"""One DICOM image of any orientation as HU with its plane: for sagittal reformats, which are no series to measure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.errors import MissingGeometryError, NotReadableError
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.imaging.dicom_images import read_images
from sarcopenia.imaging.files import InputFile
from sarcopenia.imaging.pixels import decode_hu


@dataclass(frozen=True)
class ImagePlane:
    """HU (float32, rows × columns as stored) and where they lie."""

    hu_yx: NDArray[np.float32]
    plane: PlaneGeometry


def read_image_plane(content: bytes) -> ImagePlane:
    """Read one DICOM CT image, or the first frame of one, from its bytes; HU as `read_series` makes them.

    Raises
    ------
    NotReadableError: not DICOM, or pixels that cannot be decoded.
    MissingGeometryError: no position, orientation or pixel spacing (PS3.3 C.7.6.2).
    """
    images = read_images(InputFile("image", content))[:1]
    hu_yx = next(decode_hu(images), None)
    if hu_yx is None:
        raise NotReadableError("The file is not a DICOM image whose pixels can be read.")
    plane = images[0].plane
    if plane is None:
        raise MissingGeometryError("The image does not say where it lies or how large a pixel is.")
    return ImagePlane(hu_yx.astype(np.float32), plane)
