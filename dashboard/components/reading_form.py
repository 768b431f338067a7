"""The form that takes a mask which a person drew outside: choose the scan, bring the files, say what they are.

The AI's mask is not shown here, so that who reads the next scan stays blind to it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from dashboard import state
from dashboard.result_view import NOT_REVIEWED
from dashboard.services import Services, scan_series
from sarcopenia.agreement import FORMATS, GivenMask, MaskLabels, Reader, add_reading, mask_labels
from sarcopenia.domain.errors import InferenceError, InputError, SarcopeniaError
from sarcopenia.imaging import InputFile
from sarcopenia.records import ScanSummary, StoredReading

BLIND, NOT_BLIND = "Yes, blind", "No"
LONGEST_NAME = 255
SCANS_SHOWN = 100


@dataclass(frozen=True)
class Entry:
    """One filled form."""

    scan_id: int
    scan_words: str
    given: GivenMask
    reader: Reader


@dataclass(frozen=True)
class Waiting:
    """An entry whose slice the models could not outline, and why."""

    entry: Entry
    error: InferenceError


@st.cache_resource(scope="session", show_spinner=False)
def _waiting() -> list[Waiting]:
    """Entries of this session that wait for the models; leaving the page does not lose them."""
    return []


@st.fragment
def show_form(services: Services) -> None:
    """Take one mask after the other; the models are asked where they must outline its slice."""
    for number, each in enumerate(_waiting()):
        _show_waiting(services, number, each)
    _show_last(services)
    # Each entry has widgets of its own, so that the next form is empty; only the reader's name stays.
    entry_key = f"{state.last_reading()}-{len(_waiting())}"
    scan = _choose_scan(services, entry_key)
    files = st.file_uploader(
        f"The mask: {FORMATS}, with their images where the scan was not uploaded under the same names",
        accept_multiple_files=True,
        key=f"mask-{entry_key}",
    )
    labels = _labels(files)
    with st.form(f"reading-{entry_key}"):
        muscle = _choose_muscle(labels)
        name = st.text_input("Who drew it", value=state.person(), max_chars=LONGEST_NAME, key="reading-name")
        blind = st.radio("Drawn without seeing the AI's mask?", [BLIND, NOT_BLIND], index=None, horizontal=True)
        pressed = st.form_submit_button("Compare", type="primary")
    if not pressed or (files and labels is None):
        return
    if scan is None or not muscle or blind is None or not name.strip():
        given = {
            "the scan": scan,
            "the mask": files,
            "which label is muscle": muscle or not files,
            "who drew it": name.strip(),
            "whether it was drawn without seeing the AI's mask": blind,
        }
        st.warning(f"Still missing: {', '.join(words for words, value in given.items() if not value)}.")
        return
    reader = Reader(name, blind == BLIND, author=state.person() or name.strip())
    _compare(services, Entry(*scan, GivenMask(_inputs(files), muscle), reader))


def _choose_scan(services: Services, entry_key: str) -> tuple[int, str] | None:
    """Id and words of the chosen scan."""
    left, right = st.columns([1, 2])
    text = left.text_input(
        "Search scans",
        key="reading-search",
        icon=":material/search:",
        help="Patient's name or ID, series, study date (YYYY-MM-DD) or the number of the scan.",
    )
    scans = services.records.scans.search(text, SCANS_SHOWN)
    read = Counter(each.scan_id for each in services.records.readings.all())
    words = {scan.scan_id: _scan_words(services, scan, read[scan.scan_id]) for scan in scans}
    chosen = right.selectbox(
        "Scan",
        list(words),
        index=0 if len(words) == 1 else None,
        format_func=words.__getitem__,
        placeholder="Choose the scan that was drawn on" if words else "No scan matches",
        key=f"scan-{entry_key}-{text}",  # a new search is a new choice: the only match is then chosen
    )
    if len(scans) == SCANS_SHOWN:
        right.caption(f"The newest {SCANS_SHOWN} that match; search to reach every other scan.")
    return None if chosen is None else (chosen, words[chosen])


def _scan_words(services: Services, scan: ScanSummary, readings: int) -> str:
    name = services.records.patients.get(scan.patient_id).display_name
    words = f"{name} · {scan.study_date or 'no date'} · {scan.header.series_description or 'no description'}"
    read = f" · {readings} read" if readings else ""
    return f"{words} · scan {scan.scan_id}{read}"


def _inputs(files: Sequence[UploadedFile]) -> tuple[InputFile, ...]:
    return tuple(InputFile(file.name, file.getvalue()) for file in files)


def _labels(files: Sequence[UploadedFile]) -> MaskLabels | None:
    """What the files of the mask say of themselves; a mask that cannot be read is told at once."""
    if not files:
        return None
    try:
        return _labels_of(tuple(file.file_id for file in files), files)
    except InputError as error:
        _show_refusal(error)
        return None


@st.cache_data(scope="session", max_entries=4, show_spinner="Reading the mask …")
def _labels_of(file_ids: tuple[str, ...], _files: Sequence[UploadedFile]) -> MaskLabels:
    """Read once for each upload: packed masks of whole series take a moment."""
    return mask_labels(_inputs(_files))


def _choose_muscle(found: MaskLabels | None) -> tuple[str, ...]:
    """Labels that count as muscle."""
    if found is None:
        return ()
    if len(found.labels) == 1 and found.muscle:
        st.caption(f"Label {found.labels[0]} counts as muscle: the mask holds no other.")
        return found.muscle
    chosen = st.multiselect(
        f"Which labels of the mask are muscle? It holds {', '.join(found.labels)}.",
        found.labels,
        default=found.muscle,
        placeholder="Choose one, or all parts of the muscle",
    )
    return tuple(chosen)


def _compare(services: Services, entry: Entry) -> None:
    """Store the reading and start anew; what is wrong with the entry stays beside the filled form."""
    try:
        reading = _stored(services, entry)
    except InferenceError as error:
        _waiting().append(Waiting(entry, error))
    except SarcopeniaError as error:
        _show_refusal(error)
        return
    else:
        state.reading_stored(reading.reading_id)
    st.rerun()


def _stored(services: Services, entry: Entry) -> StoredReading:
    volume = scan_series(entry.scan_id)
    with st.spinner("Comparing … On another slice than the measured one, the models outline the muscle now (seconds)."):
        return add_reading(services.records, services.models, volume, entry.scan_id, entry.given, entry.reader)


def _show_refusal(error: SarcopeniaError) -> None:
    st.error(f"**The mask was not taken.** {error.message}\n\n{error.next_step}", icon=":material/error:")


def _show_waiting(services: Services, number: int, waiting: Waiting) -> None:
    """One entry that the models have not answered yet, with a way to ask again and one to give up."""
    entry = waiting.entry
    st.warning(
        f"**{waiting.error.title}.** {waiting.error.message}\n\nNothing is lost: the mask by {entry.reader.name} for "
        f"{entry.scan_words} is kept until this browser tab is closed. Try again when the server is back; the System "
        "page shows its state.",
        icon=":material/hourglass_top:",
    )
    again, drop, _ = st.columns([1, 1, 4])
    if again.button("Try again", key=f"again-{number}", type="primary", width="stretch"):
        _try_again(services, number, waiting)
    if drop.button("Discard", key=f"discard-{number}", width="stretch"):
        del _waiting()[number]
        st.rerun()


def _try_again(services: Services, number: int, waiting: Waiting) -> None:
    try:
        reading = _stored(services, waiting.entry)
    except InferenceError as error:
        _waiting()[number] = replace(waiting, error=error)
        st.toast(f"{error.title}: still waiting.", icon=":material/hourglass_top:")
        return
    except SarcopeniaError as error:
        _show_refusal(error)
        return
    del _waiting()[number]
    state.reading_stored(reading.reading_id)
    st.rerun()


def _show_last(services: Services) -> None:
    found = next((each for each in services.records.readings.all() if each.reading_id == state.last_reading()), None)
    if found is not None:
        whose = services.records.patients.get(found.patient_id).display_name
        st.success(_reading_words(found, whose), icon=":material/check:")


def _reading_words(reading: StoredReading, whose: str) -> str:
    found = reading.comparison
    return (
        f"Stored: {whose}, scan {reading.scan_id}, slice {reading.slice_index} from the feet, read by "
        f"{reading.reader}. Dice {found.dice:.3f}; SMA {found.sma_cm2:.1f} cm² by the reader, "
        f"{found.ai_sma_cm2:.1f} cm² by the AI ({NOT_REVIEWED})."
    )
