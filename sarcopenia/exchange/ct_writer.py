"""A `CtVolume` as a series of CT Image Storage objects (PS3.3 A.3): phantoms, demo patients, test data.

All attributes of type 1 and 2 of the modules Patient, General Study, Patient Study, General Series, Frame of Reference,
General Equipment, General Image, Image Plane, Image Pixel, CT Image and SOP Common are written. File names carry no
extension, as on a hospital's CD.
"""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from pydicom.valuerep import format_number_as_ds

from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.volume import ContrastPhase, CtVolume, SeriesHeader
from sarcopenia.imaging import InputFile

PHANTOM_COMMENT: Final = "phantom, not a patient"
RESCALE_INTERCEPT_HU: Final = -1024
COMPRESSIONS: Final[dict[str, UID]] = {
    "none": ExplicitVRLittleEndian,
    "deflate": DeflatedExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg2000": JPEG2000Lossless,
    "jpeg-ls": JPEGLSLossless,
}
"""Transfer syntaxes that can be written, all lossless."""
_PROTOCOL_OF_PHASE: Final = {
    ContrastPhase.NONE: "without contrast",
    ContrastPhase.ARTERIAL: "arterial",
    ContrastPhase.PORTAL_VENOUS: "portal venous",
    ContrastPhase.LATE: "delayed",
    ContrastPhase.CONTRAST_UNKNOWN_PHASE: "with contrast",
}
"""The phase has no attribute of its own in CT; like a scanner, the writer names it in the protocol."""
_MAX_SHORT_TEXT: Final = 16
_MAX_LONG_TEXT: Final = 64
_UID_ROOT: Final = "2.25."


@dataclass(frozen=True)
class CtWriteOptions:
    """How a series is written.

    Attributes
    ----------
    compression: a key of `COMPRESSIONS`.
    uid_seed: text from which study, series and SOP Instance UIDs follow; "" keeps those of the volume where it has
        some, and else derives them from its series hash.
    is_phantom: write "phantom, not a patient" into Image Comments; phantoms that name themselves get it in any case.
    series_number: Series Number (0020,0011).
    image_type: Image Type (0008,0008).
    patient_position: Patient Position (0018,5100).
    """

    compression: str = "none"
    uid_seed: str = ""
    is_phantom: bool = False
    series_number: int = 1
    image_type: tuple[str, ...] = ("ORIGINAL", "PRIMARY", "AXIAL")
    patient_position: str = "HFS"


def write_ct_series(volume: CtVolume, folder: Path, options: CtWriteOptions = CtWriteOptions()) -> tuple[Path, ...]:
    """Write a series into a folder, which is made where it is missing; file names IM00001, IM00002 … from the feet.

    Raises
    ------
    OSError: the folder cannot be written.
    ValueError: a voxel below −1024 HU, or an unknown compression.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for file in ct_series_bytes(volume, options):
        path = folder / file.name
        path.write_bytes(file.content)
        paths.append(path)
    return tuple(paths)


def ct_series_bytes(volume: CtVolume, options: CtWriteOptions = CtWriteOptions()) -> tuple[InputFile, ...]:
    """The same files as bytes, from the feet to the head."""
    common = _common(volume, options)
    return tuple(
        InputFile(f"IM{index + 1:05d}", _file_bytes(_image(volume, index, common, options), options))
        for index in range(volume.hu_zyx.shape[0])
    )


def _common(volume: CtVolume, options: CtWriteOptions) -> Dataset:
    """Everything that all images of the series share."""
    common = Dataset()
    common.SpecificCharacterSet = "ISO_IR 192"
    _put_patient(common, volume.header)
    _put_study_and_series(common, volume, options)
    _put_acquisition(common, volume.header)
    _put_pixel_format(common)
    if options.is_phantom or "phantom" in volume.header.manufacturer.lower():
        common.ImageComments = PHANTOM_COMMENT
    return common


def _put_patient(common: Dataset, header: SeriesHeader) -> None:
    """Modules Patient (C.7.1.1) and Patient Study (C.7.2.2)."""
    common.PatientName = header.patient.name
    common.PatientID = header.patient.patient_id
    if header.patient.issuer:
        common.IssuerOfPatientID = header.patient.issuer[:_MAX_LONG_TEXT]
    born = header.patient.birth_date
    common.PatientBirthDate = f"{born:%Y%m%d}" if born else ""
    common.PatientSex = header.sex.value
    if header.age_years is not None:
        common.PatientAge = f"{int(header.age_years):03d}Y"
    common.PatientSize = _decimal(header.height_m)
    common.PatientWeight = _decimal(header.weight_kg)


def _put_study_and_series(common: Dataset, volume: CtVolume, options: CtWriteOptions) -> None:
    """Modules General Study (C.7.2.1), General Series (C.7.3.1), Frame of Reference, General Equipment."""
    header = volume.header
    day = f"{header.study_date:%Y%m%d}" if header.study_date else ""
    common.StudyInstanceUID = _uid(volume, options, "study", header.study_instance_uid)
    common.SeriesInstanceUID = _uid(volume, options, "series", header.series_instance_uid)
    common.FrameOfReferenceUID = _derived_uid(common.StudyInstanceUID, "frame of reference")
    common.StudyDate = common.SeriesDate = common.AcquisitionDate = common.ContentDate = day
    common.StudyTime = common.SeriesTime = common.AcquisitionTime = common.ContentTime = "120000" if day else ""
    common.StudyID = common.ReferringPhysicianName = common.PositionReferenceIndicator = ""
    common.AccessionNumber = header.accession_number[:_MAX_SHORT_TEXT]
    common.Modality = "CT"
    common.SeriesNumber = options.series_number
    common.SeriesDescription = header.series_description[:_MAX_LONG_TEXT]
    common.BodyPartExamined = header.body_part.upper()[:_MAX_SHORT_TEXT]
    common.PatientPosition = options.patient_position
    common.Manufacturer = header.manufacturer[:_MAX_LONG_TEXT]
    common.ManufacturerModelName = header.model_name[:_MAX_LONG_TEXT]


def _put_acquisition(common: Dataset, header: SeriesHeader) -> None:
    """Modules CT Image (C.8.2.1) and Contrast/Bolus (C.7.6.4)."""
    common.AcquisitionNumber = 1
    common.KVP = _decimal(header.kvp)
    common.ConvolutionKernel = header.convolution_kernel[:_MAX_SHORT_TEXT]
    common.SliceThickness = _decimal(header.slice_thickness_mm)
    if header.contrast_phase in _PROTOCOL_OF_PHASE:
        common.ProtocolName = _PROTOCOL_OF_PHASE[header.contrast_phase]
    if header.contrast_agent:
        common.ContrastBolusAgent = header.contrast_agent[:_MAX_LONG_TEXT]


def _put_pixel_format(common: Dataset) -> None:
    """Module Image Pixel (C.7.6.3): 16 bits, unsigned, as most scanners store HU + 1024."""
    common.SamplesPerPixel = 1
    common.PhotometricInterpretation = "MONOCHROME2"
    common.BitsAllocated = common.BitsStored = 16
    common.HighBit = 15
    common.PixelRepresentation = 0
    common.RescaleIntercept, common.RescaleSlope, common.RescaleType = str(RESCALE_INTERCEPT_HU), "1", "HU"
    common.WindowCenter, common.WindowWidth = "40", "400"


def _image(volume: CtVolume, index: int, common: Dataset, options: CtWriteOptions) -> Dataset:
    """The object of one slice, without file meta information."""
    stored = volume.hu_zyx[index].astype(np.int32) - RESCALE_INTERCEPT_HU
    if stored.min() < 0:
        raise ValueError(f"slice {index} holds values below {RESCALE_INTERCEPT_HU} HU")
    image = Dataset()
    image.update(common)
    image.ImageType = list(options.image_type)
    image.SOPClassUID = CTImageStorage
    image.SOPInstanceUID = _uid(volume, options, f"slice {index}", volume.sop_instance_uids[index])
    image.InstanceNumber = index + 1
    _put_plane(image, volume.geometry.plane(index))
    image.PixelData = stored.astype("<u2").tobytes()
    return image


def _put_plane(image: Dataset, plane: PlaneGeometry) -> None:
    """Module Image Plane (C.7.6.2)."""
    image.ImagePositionPatient = [_decimal(v) for v in plane.origin_lps_mm]
    image.ImageOrientationPatient = [_decimal(v) for v in (*plane.row_direction_lps, *plane.column_direction_lps)]
    image.PixelSpacing = [_decimal(v) for v in plane.spacing_mm_yx]
    image.Rows, image.Columns = plane.shape_yx


def _file_bytes(image: Dataset, options: CtWriteOptions) -> bytes:
    syntax = COMPRESSIONS.get(options.compression)
    if syntax is None:
        raise ValueError(f"compression {options.compression!r} is none of {', '.join(COMPRESSIONS)}")
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax.is_encapsulated else syntax
    if syntax.is_encapsulated:
        image["PixelData"].VR = "OW"
        image.compress(syntax, generate_instance_uid=False)
    buffer = io.BytesIO()
    image.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _uid(volume: CtVolume, options: CtWriteOptions, role: str, own: str) -> str:
    """The volume's own UID where it has a valid one and no seed is given, else one that follows from seed and role."""
    if own and not options.uid_seed and UID(own).is_valid:
        return own
    return _derived_uid(options.uid_seed or volume.series_hash, role)


def _derived_uid(seed: str, role: str) -> str:
    """UUID-derived UID (PS3.5 B.2) of a text."""
    return _UID_ROOT + str(int(hashlib.sha256(f"{seed} {role}".encode()).hexdigest()[:32], 16))


def _decimal(value: float | None) -> str:
    """DICOM DS, at most 16 characters; "" for what is not stated."""
    return "" if value is None else format_number_as_ds(float(value))
