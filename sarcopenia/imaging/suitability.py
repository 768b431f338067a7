"""What rules a stack out, in words. Checked from the surest to the softest: a series is told the first that holds."""

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydicom.uid import UID

from sarcopenia.imaging.dicom_images import DicomImage
from sarcopenia.imaging.files import MAX_FILES
from sarcopenia.imaging.grouping import Stack
from sarcopenia.imaging.header import may_be_in_hu, spectral_name
from sarcopenia.imaging.pixels import can_decode

MAX_MATRIX: Final = 1024
"""Rows or columns; the largest matrix of body CT."""
MAX_OBLIQUE_DEG: Final = 20.0
"""Beyond it a section through the trunk is no cross-section: areas grow by 1/cos, 6 % at 20°."""
REASONS: Final = {
    "no_pixel_data": "it holds no image (a report, plan or other document)",
    "not_ct": "it is not CT",
    "localiser": "it is a localiser (scout) for planning the scan",
    "secondary_capture": "it is a picture of a screen, not CT data",
    "derived": "it is a projection or another derived picture, not a section",
    "no_geometry": "its images say neither where they lie nor how large a pixel is",
    "not_axial": "its slices are not axial",
    "too_large": "its images are larger than the product accepts",
    "not_hu": "its values are not Hounsfield units",
    "unsupported_encoding": "no installed decoder reads its compression",
    "too_few_slices": "it has too few slices",
    "broken": "it is damaged, or several scans are entangled in it",
    "not_readable": "it cannot be read",
    "less_suitable": "another series suits better",
}
"""Codes of `RejectedSeries` with their words; some are followed by details."""

_MODALITY_NAMES: Final = {
    "PT": "PET",
    "MR": "MR",
    "NM": "nuclear medicine",
    "US": "ultrasound",
    "CR": "plain radiography",
    "DX": "plain radiography",
    "XA": "angiography",
    "SEG": "a segmentation",
    "RTDOSE": "a radiotherapy dose",
}
_CAPTURE_TYPES: Final = frozenset({"SCREEN SAVE", "DOSE_INFO", "DOSE", "RGB", "REPORT", "PROTOCOL", "CAPTURE"})
_DERIVED_TYPES: Final = re.compile(
    r"(MIP|MINIP|MNIP|MIN_IP|MAX_IP|THICK_MIP|PROJECTION.*|VOLREND.*|VRT|3D|VOLUME_RENDER.*|SUBTRACT.*|PERFUSION.*|"
    r"CURVED|CPR|BONE_REMOVAL|MAXIMUM|MINIMUM)"
)
_DERIVED_WORDS: Final = re.compile(r"\bmip\b|\bminip\b|\bvrt?\b|\bsubtr\w*|\bvolume render\w*", re.I)
_SCOUT_WORDS: Final = re.compile(r"\b(scout|topo(gram)?|surview|localis?z?er|scano(gram)?|pilot)\b", re.I)
_DOSE_WORDS: Final = re.compile(r"\bdose (report|info|record)|\bpatient protocol\b|\bdosis", re.I)


@dataclass(frozen=True)
class Reason:
    """Why a stack is not measured: a code of `REASONS` and the whole sentence."""

    code: str
    text: str


def reason_of(code: str, details: str = "") -> Reason:
    """Make the sentence for a code, with details in brackets."""
    text = REASONS[code]
    return Reason(code, f"{text[0].upper()}{text[1:]}{f' ({details})' if details else ''}.")


def rule_out(stack: Stack) -> Reason | None:
    """First reason that holds against a stack by its header alone; ``None`` when it may be measured."""
    for check in (_content_reason, _image_type_reason, _geometry_reason, _encoding_reason):
        reason = check(stack)
        if reason is not None:
            return reason
    return None


def _content_reason(stack: Stack) -> Reason | None:
    image = stack.first
    modality = image.text("Modality")
    if not (image.integer("Rows") and image.integer("Columns")):
        return reason_of(
            "no_pixel_data", "dose report" if _DOSE_WORDS.search(image.text("SeriesDescription")) else modality
        )
    if modality != "CT":
        return reason_of("not_ct", _MODALITY_NAMES.get(modality, modality or "modality not stated"))
    return None


def _image_type_reason(stack: Stack) -> Reason | None:
    image, types = stack.first, stack.first.image_type
    description = image.text("SeriesDescription")
    if "LOCALIZER" in types or _SCOUT_WORDS.search(description):
        return reason_of("localiser")
    captured = "SecondaryCapture" in _sop_class_keyword(image) or bool(_CAPTURE_TYPES.intersection(types))
    if captured or image.integer("SamplesPerPixel") > 1:
        return reason_of("secondary_capture", "dose report" if _DOSE_WORDS.search(description) else "")
    if any(_DERIVED_TYPES.fullmatch(t) for t in types) or _DERIVED_WORDS.search(description):
        return reason_of("derived", "\\".join(types))
    return None


def _geometry_reason(stack: Stack) -> Reason | None:
    plane = stack.first.plane
    if plane is None:
        return reason_of("no_geometry")
    if oblique_degrees(stack) > MAX_OBLIQUE_DEG:
        return reason_of("not_axial", f"tilted by {oblique_degrees(stack):.0f}° to the axial plane")
    if max(plane.shape_yx) > MAX_MATRIX:
        return reason_of("too_large", f"{plane.shape_yx[0]} × {plane.shape_yx[1]} pixels")
    if len(stack.images) > MAX_FILES:
        return reason_of("too_large", f"{len(stack.images)} images")
    return None


def _encoding_reason(stack: Stack) -> Reason | None:
    image = stack.first
    if not may_be_in_hu(image):
        return reason_of("not_hu", spectral_name(image) or image.text("RescaleType"))
    if not all(map(can_decode, stack.images)):
        return reason_of("unsupported_encoding", image.transfer_syntax.name)
    return None


def _sop_class_keyword(image: DicomImage) -> str:
    return UID(image.text("SOPClassUID")).keyword


def oblique_degrees(stack: Stack) -> float:
    """Angle between the slices and the axial plane of the patient in degrees; 90 without geometry."""
    plane = stack.first.plane
    return 90.0 if plane is None else float(np.degrees(np.arccos(min(1.0, abs(float(plane.normal_lps[2]))))))
