"""The one tree of errors, branching by what the person can do about them.

* SarcopeniaError
  + InputError              -> choose another file or series
    - NotReadableError        not DICOM, not NIfTI, or damaged
    - UnsafeArchiveError      a zip that leaves its folder or explodes in size
    - TooLargeError           more bytes, files or pixels than the product accepts
    - UnsupportedEncodingError  a transfer syntax no installed decoder reads
    - NoAxialSeriesError      readable images, but no axial CT series among them
    - MissingGeometryError    pixels without spacing, position or orientation
    - BrokenSeriesError       slices missing, entangled or irregular beyond repair
    - SliceNotFoundError      the slice asked for is not in the series
    - NoBodyError             no body to measure on the slice
  + InferenceError          -> retry; the upload is kept
    - ServerUnavailableError  no inference server answers
    - ModelUnavailableError   the server runs, a model does not
    - InferenceTimeoutError   no answer within the deadline
    - QueueFullError          the server refuses more work for now
    - InferenceRejectedError  the server refuses the tensors as sent
  + RecordError             -> look at the record again
    - RecordNotFoundError     nothing under that id
    - ConflictError           somebody else was first (stale edit, second child)
      . LeaseLostError          another worker has taken the job over
    - PermissionDeniedError   the person may not do that
    - IdentityQuestionError   the same patient id with other birth date, sex or name
  + ExchangeError           -> check the destination
  + SettingsError           -> correct the setting that is named

``code`` is stable and goes into logs and JSON; ``message`` says what happened; ``next_step`` what to do.
"""

from dataclasses import dataclass
from typing import ClassVar


class SarcopeniaError(Exception):
    """Base of all errors that the product raises on purpose."""

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"
    default_next_step: ClassVar[str] = "Try again; if it stays, send the log to your administrator."

    def __init__(self, message: str, next_step: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step or self.default_next_step


@dataclass(frozen=True)
class ValidationIssue:
    """One finding about an input: a stable code, a sentence, how many files or slices it concerns."""

    code: str
    message: str
    count: int = 1


@dataclass(frozen=True)
class ValidationReport:
    """What a check of an input found; travels inside an `InputError` or beside a result."""

    errors: tuple[ValidationIssue, ...] = ()
    warnings: tuple[ValidationIssue, ...] = ()


class InputError(SarcopeniaError):
    """The input cannot be measured; another file or series can."""

    code = "input"
    title = "This scan cannot be measured"
    default_next_step = "Choose another series or file."

    def __init__(self, message: str, next_step: str | None = None, report: ValidationReport | None = None) -> None:
        super().__init__(message, next_step)
        self.report = report or ValidationReport()


class NotReadableError(InputError):
    """Neither DICOM nor NIfTI, or damaged."""

    code = "not_readable"
    title = "No readable images"
    default_next_step = "Upload a DICOM folder, its files, one .zip of them, or a .nii/.nii.gz file."


class UnsafeArchiveError(InputError):
    """A zip archive that would leave its folder or explode in size."""

    code = "unsafe_archive"
    title = "The archive was refused"
    default_next_step = "Unpack the archive on your computer, check it, and upload the folder."


class TooLargeError(InputError):
    """More bytes, files or pixels than the product accepts."""

    code = "too_large"
    title = "Too much for one upload"
    default_next_step = "Upload one CT series of the abdomen only."


class UnsupportedEncodingError(InputError):
    """A transfer syntax that no installed decoder reads."""

    code = "unsupported_encoding"
    title = "The image compression is not supported"
    default_next_step = "Export the series again as uncompressed or JPEG 2000 lossless DICOM."


class NoAxialSeriesError(InputError):
    """Readable images, but no axial CT series among them."""

    code = "no_axial_series"
    title = "No axial CT series found"
    default_next_step = "Choose the original axial CT series of the abdomen."


class MissingGeometryError(InputError):
    """Pixels without spacing, position or orientation: areas cannot be known."""

    code = "missing_geometry"
    title = "The images carry no geometry"
    default_next_step = "Export the original series with pixel spacing, position and orientation."


class BrokenSeriesError(InputError):
    """Slices missing, entangled or irregular beyond repair."""

    code = "broken_series"
    title = "The series is damaged"
    default_next_step = "Export the whole series again from the PACS."


class SliceNotFoundError(InputError):
    """The slice asked for is not in the series."""

    code = "slice_not_found"
    title = "That slice is not in the series"
    default_next_step = "Give a slice index counted from the feet (0-based) or a SOP Instance UID of the series."


class NoBodyError(InputError):
    """Nothing that looks like a body on the slice."""

    code = "no_body"
    title = "No body on this slice"
    default_next_step = "Choose a slice through the abdomen."


class InferenceError(SarcopeniaError):
    """The models could not be asked; the upload is kept and can be retried."""

    code = "inference"
    title = "The inference server did not answer"
    default_next_step = "Your upload is kept. Retry in a minute; the System page shows the server's state."


class ServerUnavailableError(InferenceError):
    """No inference server answers."""

    code = "server_unavailable"
    title = "The inference server is down"


class ModelUnavailableError(InferenceError):
    """The server runs, but a model does not answer."""

    code = "model_unavailable"
    title = "A model is not available"


class InferenceTimeoutError(InferenceError):
    """No answer within the deadline."""

    code = "inference_timeout"
    title = "The inference server took too long"


class QueueFullError(InferenceError):
    """The server refuses more work for now."""

    code = "queue_full"
    title = "The inference server is busy"


class InferenceRejectedError(InferenceError):
    """The server refuses the tensors as sent: versions of dashboard and models do not fit."""

    code = "inference_rejected"
    title = "The inference server refused the request"
    default_next_step = "Dashboard and models do not fit together: tell your administrator."


class RecordError(SarcopeniaError):
    """The stored record and the request do not fit."""

    code = "record"
    title = "The record could not be changed"
    default_next_step = "Reload the page and look at the record again."


class RecordNotFoundError(RecordError):
    """Nothing is stored under that id."""

    code = "record_not_found"
    title = "Not found"


class ConflictError(RecordError):
    """Somebody else was first: a stale edit, or a second correction of the same measurement."""

    code = "conflict"
    title = "Somebody else changed this first"


class LeaseLostError(ConflictError):
    """A worker was silent for longer than its lease, and another one has taken the job over."""

    code = "lease_lost"
    title = "Another worker has taken the job over"
    default_next_step = "Nothing to do: the other worker finishes the job."


class PermissionDeniedError(RecordError):
    """The person may not do that."""

    code = "permission_denied"
    title = "Not permitted"
    default_next_step = "Ask somebody who may, or your administrator for the permission."


class IdentityQuestionError(RecordError):
    """The same patient id came with another birth date, sex or name: a person must decide."""

    code = "identity_question"
    title = "Is this the same patient?"
    default_next_step = "Compare the two identities and say whether they are one person."


class ExchangeError(SarcopeniaError):
    """Something could not be written or sent."""

    code = "exchange"
    title = "The export failed"
    default_next_step = "Check the destination and try again."


class SettingsError(SarcopeniaError):
    """A setting or the machine is not as the product needs it."""

    code = "settings"
    title = "The set-up is not complete"
    default_next_step = "Correct the setting that is named and start again."
