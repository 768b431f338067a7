"""Between what is stored and what is assessed: the files of an upload as input, a measured slice as it is stored."""

from sarcopenia.assessment.events import Assessment
from sarcopenia.imaging import InputFile
from sarcopenia.records import Records, StoredSlice


def upload_files(records: Records, upload_id: int) -> list[InputFile]:
    """What was given in one upload. Raises `RecordNotFoundError`: no such upload, or its bytes are gone."""
    return [InputFile(name, content) for name, content in records.uploads.read(upload_id)]


def stored_slice(assessment: Assessment) -> StoredSlice | None:
    """The measured slice; ``None`` where nothing was measured."""
    arrays = assessment.arrays
    return None if arrays is None else StoredSlice(arrays.hu_yx, arrays.plane, arrays.compartments)
