"""The reader: files in, the chosen axial CT series and the reasons against all others out.

Headers first (no pixels), then grouping, ruling out and ranking; only the chosen series is decoded. When its pixels
turn out to be unusable, the next one in the ranking is tried.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sarcopenia.domain.errors import (
    BrokenSeriesError,
    InputError,
    MissingGeometryError,
    NoAxialSeriesError,
    NotReadableError,
    TooLargeError,
    UnsafeArchiveError,
    UnsupportedEncodingError,
    ValidationIssue,
    ValidationReport,
)
from sarcopenia.domain.volume import CtVolume
from sarcopenia.imaging.assembly import assemble
from sarcopenia.imaging.dicom_images import DicomImage, looks_like_dicom, read_images
from sarcopenia.imaging.files import InputFile, unpack_archives
from sarcopenia.imaging.grouping import Stack, group_stacks
from sarcopenia.imaging.nifti import looks_like_nifti, read_nifti
from sarcopenia.imaging.ranking import ranked, why_less_suitable
from sarcopenia.imaging.selection import RejectedSeries, SeriesSelection
from sarcopenia.imaging.suitability import Reason, reason_of, rule_out

LISTED_REASONS: Final = 8
"""A message names this many series; the report lists all."""
_ERROR_OF_REASON: Final[dict[str, type[InputError]]] = {
    "unsupported_encoding": UnsupportedEncodingError,
    "broken": BrokenSeriesError,
    "too_large": TooLargeError,
    "no_geometry": MissingGeometryError,
    "not_readable": NotReadableError,
    "not_axial": NoAxialSeriesError,
    "not_hu": InputError,
}
"""Reasons and errors, the one that came nearest to a measurement first: it names the error when nothing is left."""


@dataclass(frozen=True)
class _Outcome:
    """What became of the candidates: a volume or none, and all rejected ones."""

    chosen: CtVolume | None
    rejected: tuple[RejectedSeries, ...]


def read_series(files: Sequence[InputFile]) -> SeriesSelection:
    """Choose the axial CT series among files, archives and NIfTI volumes, and read it.

    Raises
    ------
    NotReadableError: no DICOM image and no NIfTI volume among the files.
    UnsafeArchiveError, TooLargeError: an archive or the whole upload is refused.
    NoAxialSeriesError, MissingGeometryError, BrokenSeriesError, UnsupportedEncodingError, InputError: images, but
        none that can be measured; the message names the reasons, ``report`` lists them.
    """
    with warnings.catch_warnings():
        # pydicom warns about every value that bends the standard; what matters is checked here.
        warnings.simplefilter("ignore")
        outcome = _read(unpack_archives(files))
    if outcome.chosen is None:
        raise _nothing_usable(outcome.rejected)
    return SeriesSelection(outcome.chosen, outcome.rejected)


def _read(files: Sequence[InputFile]) -> _Outcome:
    images: list[DicomImage] = []
    niftis: list[InputFile] = []
    for file in files:
        if looks_like_nifti(file.content):
            niftis.append(file)
        elif looks_like_dicom(file.content):
            images += read_images(file)
    if not images and not niftis:
        raise NotReadableError(f"None of the {len(files)} file(s) is a DICOM image or a NIfTI volume.")
    dicom = _choose_stack(group_stacks(images))
    nifti = _choose_nifti(niftis, dicom.chosen)
    rejected = sorted(
        dicom.rejected + nifti.rejected, key=lambda r: (r.description, r.series_instance_uid, r.reason_text)
    )
    return _Outcome(dicom.chosen or nifti.chosen, tuple(rejected))


def _choose_stack(stacks: Sequence[Stack]) -> _Outcome:
    """Try the usable stacks in the order of the ranking."""
    reasons = {stack: rule_out(stack) for stack in stacks}
    rejected = [_rejected(stack, reason) for stack, reason in reasons.items() if reason is not None]
    chosen: CtVolume | None = None
    winner: Stack | None = None
    for stack in ranked([stack for stack, reason in reasons.items() if reason is None]):
        if winner is not None:
            rejected.append(_rejected(stack, why_less_suitable(stack, winner)))
            continue
        try:
            chosen, winner = assemble(stack), stack
        except InputError as error:
            rejected.append(_rejected(stack, _reason_of_error(error)))
    return _Outcome(chosen, tuple(rejected))


def _choose_nifti(files: Sequence[InputFile], preferred: CtVolume | None) -> _Outcome:
    """Read NIfTI volumes, the largest file first (masks pack small); the first usable one wins, DICOM before all."""
    chosen: CtVolume | None = None
    rejected: list[RejectedSeries] = []
    for file in sorted(files, key=lambda f: (-len(f.content), f.name)):
        if preferred is not None or chosen is not None:
            reason = reason_of("less_suitable", "another file was taken")
            rejected.append(RejectedSeries("", file.name, reason.code, reason.text, 1))
            continue
        try:
            chosen = read_nifti(file)
        except UnsafeArchiveError:
            raise
        except InputError as error:
            reason = _reason_of_error(error)
            rejected.append(RejectedSeries("", file.name, reason.code, reason.text, 1))
    return _Outcome(chosen, tuple(rejected))


def _reason_of_error(error: InputError) -> Reason:
    """The reason for a candidate that failed while it was read."""
    code = next(c for c, kind in _ERROR_OF_REASON.items() if isinstance(error, kind))
    return Reason(code, error.message)


def _rejected(stack: Stack, reason: Reason) -> RejectedSeries:
    first = stack.first
    description = first.text("SeriesDescription") or f"series {first.text('SeriesNumber') or 'without a number'}"
    return RejectedSeries(first.text("SeriesInstanceUID"), description, reason.code, reason.text, len(stack.images))


def _nothing_usable(rejected: Sequence[RejectedSeries]) -> InputError:
    """The error for an upload of which nothing can be measured."""
    codes = {series.reason_code for series in rejected}
    kind = next((error for code, error in _ERROR_OF_REASON.items() if code in codes), NoAxialSeriesError)
    listed = "; ".join(_line(series).rstrip(".") for series in rejected[:LISTED_REASONS])
    more = f"; and {len(rejected) - LISTED_REASONS} more" if len(rejected) > LISTED_REASONS else ""
    errors = tuple(ValidationIssue(s.reason_code, _line(s), s.slice_count) for s in rejected)
    return kind(f"No axial CT series could be measured. {listed}{more}.", report=ValidationReport(errors=errors))


def _line(series: RejectedSeries) -> str:
    """Series and reason in one line; the reasons of NIfTI files begin with their name already."""
    if series.reason_text.startswith(series.description):
        return series.reason_text
    return f"{series.description}: {series.reason_text}"
