"""SliceOmatic ``.tag`` files: one byte per pixel of the image that they were drawn on.

Format (TomoVision, sliceOmatic manual, appendix D "TAG File Format"): lines of ASCII text with ``keyword:value`` pairs,
parted by space, comma, tab or line end, upper or lower case, ``*`` starts a comment; a form feed ends the header; then
the tags, row by row from the upper left. Which tag means what is the protocol's affair, not the format's.
"""

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.errors import InputError, NotReadableError
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.imaging.files import InputFile

SUFFIX: Final = ".tag"
HEADER_END: Final = b"\x0c"
MAX_HEADER_BYTES: Final = 4096
SPACING_TOLERANCE: Final = 0.01
"""Share of the pixel spacing: headers print few digits."""
POSITION_TOLERANCE_MM: Final = 0.5
"""Along the body axis; slices of a body composition scan lie farther apart."""
NEXT_STEP: Final = "Export the tags again from the series that lies beside them."


@dataclass(frozen=True)
class TagImage:
    """One tag file.

    Attributes
    ----------
    tags_yx: uint8 tags, rows and columns as in the DICOM image.
    spacing_mm_yx: distance between rows and columns; ``None`` where the header does not say.
    z_mm: patient z of the upper left pixel, LPS; ``None`` where the header does not say.
    """

    name: str
    tags_yx: NDArray[np.uint8]
    spacing_mm_yx: tuple[float, float] | None
    z_mm: float | None


def image_names(tag_name: str) -> tuple[str, ...]:
    """Names that the image of a tag file may have: SliceOmatic writes IM1.dcm.tag or IM1.tag beside IM1.dcm."""
    stem = PurePath(tag_name).stem
    return (stem, f"{stem}.dcm", f"{stem}.DCM", f"{stem}.ima", f"{stem}.IMA")


def read_tag(file: InputFile) -> TagImage:
    """Read one tag file.

    Raises
    ------
    NotReadableError: no header, no size, or more or fewer tags than the size says.
    InputError: more than one image, or tags wider than a byte.
    """
    header, end, body = file.content.partition(HEADER_END)
    if not end or len(header) > MAX_HEADER_BYTES:
        raise NotReadableError(f"{file.name} has no header of a SliceOmatic tag file.", NEXT_STEP)
    values = _pairs(header)
    columns, rows = (int(_number(values, key, file) or 0) for key in ("X", "Y"))
    if int(_number(values, "Z", file) or 1) != 1 or values.get("TYPE", "BYTE").upper() != "BYTE":
        raise InputError(f"{file.name} must hold one image of one byte per pixel.", NEXT_STEP)
    if min(rows, columns) < 1 or len(body) != rows * columns:
        raise NotReadableError(f"{file.name} holds {len(body)} tags for {rows} × {columns} pixels.", NEXT_STEP)
    across, down = (_number(values, key, file) for key in ("INC_X", "INC_Y"))
    spacing = (down, across) if down and across else None
    tags = np.frombuffer(body, np.uint8).reshape(rows, columns)
    return TagImage(file.name, tags, spacing, _number(values, "ORG_Z", file))


def check_plane(tag: TagImage, plane: PlaneGeometry) -> None:
    """Hold a tag file to the image that it is said to belong to.

    Raises
    ------
    InputError: another size, pixel spacing or position: it was drawn on another series or slice.
    """
    if tag.tags_yx.shape != plane.shape_yx:
        has, should = (" × ".join(map(str, shape)) for shape in (tag.tags_yx.shape, plane.shape_yx))
        raise InputError(f"{tag.name} has {has} pixels, its image {should}.", NEXT_STEP)
    if tag.spacing_mm_yx is not None and not np.allclose(
        tag.spacing_mm_yx, plane.spacing_mm_yx, rtol=SPACING_TOLERANCE
    ):
        raise InputError(
            f"{tag.name} has pixels of {tag.spacing_mm_yx} mm, its image {plane.spacing_mm_yx}.", NEXT_STEP
        )
    if tag.z_mm is not None and abs(tag.z_mm - plane.origin_lps_mm[2]) > POSITION_TOLERANCE_MM:
        raise InputError(
            f"{tag.name} was drawn at z = {tag.z_mm:.1f} mm, its image lies at {plane.origin_lps_mm[2]:.1f} mm.",
            NEXT_STEP,
        )


def _pairs(header: bytes) -> dict[str, str]:
    text = re.sub(r"\*[^\r\n]*", "", header.decode("ascii", errors="replace"))
    parted = (word.partition(":") for word in re.split(r"[\s,]+", text))
    return {key.upper(): value for key, colon, value in parted if colon}


def _number(values: dict[str, str], key: str, file: InputFile) -> float | None:
    if key not in values:
        return None
    try:
        return float(values[key])
    except ValueError as error:
        raise NotReadableError(f"{file.name}: {key} is {values[key]!r}, not a number.", NEXT_STEP) from error
