"""A CT series as the product sees it: voxels in HU, their geometry, and the part of the header that matters."""

from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.errors import ValidationReport
from sarcopenia.domain.geometry import VolumeGeometry


class Sex(StrEnum):
    """Administrative sex, DICOM Patient's Sex (0010,0040)."""

    MALE = "M"
    FEMALE = "F"
    OTHER = "O"
    UNKNOWN = ""


class ContrastPhase(StrEnum):
    """Contrast phase as far as the header tells; a guess from free text is marked by the reader."""

    NONE = "none"
    ARTERIAL = "arterial"
    PORTAL_VENOUS = "portal_venous"
    LATE = "late"
    CONTRAST_UNKNOWN_PHASE = "contrast_unknown_phase"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class PatientHeader:
    """Identity as written in the images; ``None`` or "" where absent. De-identified by leaving it empty."""

    patient_id: str = ""
    issuer: str = ""
    name: str = ""
    birth_date: date | None = None


@dataclass(frozen=True)
class SeriesHeader:
    """What the product keeps of a DICOM header. Units in the names; ``None`` = not stated, never guessed.

    Attributes
    ----------
    kvp: peak tube voltage, kV (0018,0060).
    slice_thickness_mm: nominal thickness (0018,0050).
    age_years: Patient's Age (0010,1010) in years at the scan, or from birth date and study date.
    height_m, weight_kg: Patient's Size and Weight (0010,1020), (0010,1030).
    hu_calibrated: False when Rescale Type, Modality or Pixel data say that values are not Hounsfield units.
    spectral: name of a spectral result (virtual monoenergetic, VNC, photon counting …), "" for a normal image.
    """

    study_instance_uid: str = ""
    series_instance_uid: str = ""
    accession_number: str = ""
    study_date: date | None = None
    series_description: str = ""
    manufacturer: str = ""
    model_name: str = ""
    kvp: float | None = None
    convolution_kernel: str = ""
    slice_thickness_mm: float | None = None
    contrast_agent: str = ""
    contrast_phase: ContrastPhase = ContrastPhase.UNKNOWN
    body_part: str = ""
    sex: Sex = Sex.UNKNOWN
    age_years: float | None = None
    height_m: float | None = None
    weight_kg: float | None = None
    hu_calibrated: bool = True
    spectral: str = ""
    patient: PatientHeader = field(default_factory=PatientHeader)

    def deidentified(self) -> "SeriesHeader":
        """The same header without name, ids, birth date, UIDs, accession number and dates."""
        return replace(
            self,
            study_instance_uid="",
            series_instance_uid="",
            accession_number="",
            study_date=None,
            patient=PatientHeader(),
        )


@dataclass(frozen=True)
class CtVolume:
    """A CT series ready to be measured.

    Attributes
    ----------
    hu_zyx: int16 Hounsfield units, native rows and columns, slices from feet to head.
    geometry: where the voxels lie.
    header: the part of the header that matters.
    sop_instance_uids: SOP Instance UID of every slice; "" for formats that have none (NIfTI).
    series_hash: SHA-256 (hex) of pixels and geometry: the same series uploaded twice has the same hash.
    report: what the reader repaired or wants to be known.
    """

    hu_zyx: NDArray[np.int16]
    geometry: VolumeGeometry
    header: SeriesHeader
    sop_instance_uids: tuple[str, ...]
    series_hash: str
    report: ValidationReport = field(default_factory=ValidationReport)

    def __post_init__(self) -> None:
        if self.hu_zyx.shape != self.geometry.shape_zyx or len(self.sop_instance_uids) != self.hu_zyx.shape[0]:
            raise ValueError("voxels, geometry and SOP Instance UIDs must describe the same slices")
