"""DICOM images by their headers: one `DicomImage` for every frame, read without pixels, and where it lies.

A multi-frame image (Enhanced CT, PS3.3 A.38) becomes one `DicomImage` per frame; its functional groups
(PS3.3 C.7.6.16) are laid flat into a header of the classic form, so that nothing later needs to know the difference.
"""

import io
import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, MediaStorageDirectoryStorage

from sarcopenia.domain.errors import UnsafeArchiveError
from sarcopenia.domain.geometry import PlaneGeometry, Vector
from sarcopenia.imaging.files import InputFile, most_unpacked_bytes

DICOM_MAGIC: Final = b"DICM"
_MAGIC_OFFSET: Final = 128
_BARE_STARTS: Final = (b"\x02\x00", b"\x08\x00")
"""First group of a DICOM data set that was stored without preamble, little endian."""
_META_BYTES: Final = 2048
"""The file meta information lies within."""
_META_LENGTH_AT: Final = 140
"""Value of File Meta Information Group Length (0002,0000), the first element after the preamble."""
ORTHOGONAL_WITHIN: Final = 0.01


@dataclass(frozen=True, eq=False)
class DicomImage:
    """One image: its file, the frame inside it (0-based), and its header in the classic form, without pixels."""

    file: InputFile
    frame: int
    header: Dataset

    @cached_property
    def plane(self) -> PlaneGeometry | None:
        """Where the image lies, from Image Plane attributes (PS3.3 C.7.6.2); ``None`` where one is missing."""
        orientation = _numbers(self.header, "ImageOrientationPatient", 6)
        position = _numbers(self.header, "ImagePositionPatient", 3)
        spacing = _numbers(self.header, "PixelSpacing", 2)
        shape = (self.integer("Rows"), self.integer("Columns"))
        if not (orientation and position and spacing) or min(spacing) <= 0 or min(shape) <= 0:
            return None
        directions = _unit_vectors(orientation)
        if directions is None:
            return None
        return PlaneGeometry(_vector(position), *directions, (spacing[0], spacing[1]), shape)

    def text(self, keyword: str) -> str:
        """Value of an attribute as plain text, "" where absent; several values joined by a backslash as in DICOM."""
        value = _value(self.header, keyword)
        if value is None:
            return ""
        values = value if isinstance(value, (list, pydicom.multival.MultiValue)) else [value]
        return "\\".join(str(v).strip() for v in values)

    def number(self, keyword: str) -> float | None:
        """First value of a numeric attribute; ``None`` where absent, empty or not a finite number."""
        try:
            value = float(self.text(keyword).split("\\")[0])
        except ValueError:
            return None
        return value if math.isfinite(value) else None

    def integer(self, keyword: str) -> int:
        """Value of an integer attribute, 0 where absent."""
        return int(self.number(keyword) or 0)

    @property
    def image_type(self) -> tuple[str, ...]:
        """Image Type (0008,0008) in capitals, for example ("ORIGINAL", "PRIMARY", "AXIAL")."""
        return tuple(part for part in self.text("ImageType").upper().split("\\") if part)

    @property
    def transfer_syntax(self) -> pydicom.uid.UID:
        """Transfer Syntax UID (0002,0010); Implicit VR Little Endian for a bare data set."""
        meta = getattr(self.header, "file_meta", None)
        return pydicom.uid.UID(getattr(meta, "TransferSyntaxUID", None) or ImplicitVRLittleEndian)


def looks_like_dicom(content: bytes) -> bool:
    """Whether the bytes start as DICOM does, with or without the preamble of PS3.10."""
    magic = content[_MAGIC_OFFSET : _MAGIC_OFFSET + len(DICOM_MAGIC)]
    return magic == DICOM_MAGIC or content[:2] in _BARE_STARTS


def read_images(file: InputFile) -> tuple[DicomImage, ...]:
    """Headers of all frames of a DICOM file; empty for a DICOMDIR and for what turns out not to be DICOM.

    Raises
    ------
    UnsafeArchiveError: a deflated data set that explodes in size.
    """
    _refuse_explosion(file)
    header = _read_header(file.content)
    if header is None or _value(header, "SOPClassUID") == MediaStorageDirectoryStorage:
        return ()
    if "PerFrameFunctionalGroupsSequence" not in header:
        return (DicomImage(file, 0, header),)
    try:
        return tuple(DicomImage(file, i, frame) for i, frame in enumerate(_flat_frames(header)))
    except Exception:  # damaged functional groups fail in many ways
        return ()


def _refuse_explosion(file: InputFile) -> None:
    """Inflate a data set of Deflated Explicit VR (PS3.5 A.5) only as far as is accepted."""
    if DeflatedExplicitVRLittleEndian.encode() not in file.content[:_META_BYTES]:
        return
    meta_length = int.from_bytes(file.content[_META_LENGTH_AT : _META_LENGTH_AT + 4], "little")
    packed = file.content[_META_LENGTH_AT + 4 + meta_length :]
    limit = most_unpacked_bytes(len(packed))
    inflate = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    try:
        exploded = len(inflate.decompress(packed, limit + 1)) > limit
    except zlib.error:
        return
    if exploded:
        raise UnsafeArchiveError(f"{file.name} would unpack to more than {limit // 1024**2} MB.")


def _read_header(content: bytes) -> Dataset | None:
    forced = content[_MAGIC_OFFSET : _MAGIC_OFFSET + len(DICOM_MAGIC)] != DICOM_MAGIC
    try:
        header = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True, force=forced)
    except Exception:  # pydicom raises many things on what only looks like DICOM
        return None
    meta_names_class = "MediaStorageSOPClassUID" in getattr(header, "file_meta", ())
    return header if "SOPClassUID" in header or meta_names_class else None


def _value(header: Dataset, keyword: str) -> Any:  # noqa: ANN401 - as many types as DICOM has
    """Value of an attribute; ``None`` where absent, and where it is too damaged to be converted."""
    try:
        return header.get(keyword)
    except Exception:  # elements are converted when they are first asked for, and fail in many ways
        return None


def _flat_frames(header: Dataset) -> Iterable[Dataset]:
    shared = _first(header.get("SharedFunctionalGroupsSequence"))
    common = Dataset()
    common.update({e.tag: e for e in header if not e.keyword.endswith("FunctionalGroupsSequence")})
    for group in header.PerFrameFunctionalGroupsSequence:
        frame = Dataset()
        frame.update(common)
        for groups in (shared, group):
            _lay_flat(groups, frame)
        if "FrameType" in frame:
            frame.ImageType = frame.FrameType
        frame.file_meta = header.file_meta
        yield frame


def _lay_flat(groups: Dataset | None, frame: Dataset) -> None:
    """Copy the attributes of every functional group macro (a sequence of one item) into the frame's header."""
    for element in groups or ():
        macro = _first(element.value) if element.VR == "SQ" else None
        if macro is not None:
            frame.update({inner.tag: inner for inner in macro})


def _first(sequence: Sequence[Dataset] | None) -> Dataset | None:
    return sequence[0] if sequence else None


def _numbers(header: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    try:
        values = tuple(float(v) for v in _value(header, keyword) or ())
    except (TypeError, ValueError):
        return None
    return values if len(values) == count and all(map(math.isfinite, values)) else None


def _unit_vectors(orientation: tuple[float, ...]) -> tuple[Vector, Vector] | None:
    """Row and column direction, normalised; ``None`` unless both have a length and are orthogonal."""
    row, column = np.asarray(orientation[:3]), np.asarray(orientation[3:])
    lengths = float(np.linalg.norm(row)), float(np.linalg.norm(column))
    if any(abs(length - 1) > ORTHOGONAL_WITHIN for length in lengths) or abs(row @ column) > ORTHOGONAL_WITHIN:
        return None
    return _vector(row / lengths[0]), _vector(column / lengths[1])


def _vector(values: Iterable[float]) -> Vector:
    x, y, z = (float(v) for v in values)
    return x, y, z
