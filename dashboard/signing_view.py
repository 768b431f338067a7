"""What a person confirms before a signature, in words and with its source. No Streamlit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dashboard.result_view import SEVERITY_WORDS, place_words
from dashboard.review_view import minute_words, version_words
from sarcopenia.domain.results import Flag
from sarcopenia.domain.volume import Sex
from sarcopenia.records import ContextEntry, ContextSource, ScanContext, StoredMeasurement
from sarcopenia.review import required_confirmations

SEX_WORDS: Final = {Sex.MALE: "male", Sex.FEMALE: "female", Sex.OTHER: "other", Sex.UNKNOWN: "not known"}


@dataclass(frozen=True)
class Confirmation:
    """One thing to confirm: its name as `sarcopenia.review.sign` asks for it, and what it says."""

    key: str
    words: str


def confirmations(stored: StoredMeasurement, context: ScanContext, asked: Sequence[Flag]) -> tuple[Confirmation, ...]:
    """Level, mask, person and every flag with its text; ``asked`` are the flags of what was answered with yes."""
    measurement = stored.measurement
    words = {
        "level": place_words(measurement),
        "mask": mask_words(stored),
        "sex and height": f"{sex_words(context.sex)}; {height_words(context.height)}",
    }
    for flag in (*asked, *measurement.flags):
        words[flag.code] = f"{SEVERITY_WORDS[flag.severity].lower()}: {flag.text}"
    return tuple(Confirmation(key, words[key]) for key in required_confirmations(measurement, asked))


def mask_words(stored: StoredMeasurement) -> str:
    """Who made the mask, and its area."""
    measurement = stored.measurement
    strokes = len(measurement.provenance.strokes)
    made = f"mended by {stored.author}, {strokes} strokes" if strokes else "as the models drew it"
    composition = measurement.composition
    return made if composition is None else f"{made}; SMA {composition.sma_cm2:.1f} cm²"


def sex_words(entry: ContextEntry | None) -> str:
    """Sex with its source."""
    if entry is None:
        return "sex not known"
    return f"sex {SEX_WORDS[Sex(str(entry.value))]} ({source_words(entry)})"


def height_words(entry: ContextEntry | None) -> str:
    """Height with its source."""
    if entry is None:
        return "height not known, so there is no SMI"
    return f"height {float(entry.value):.2f} m ({source_words(entry)})"


def source_words(entry: ContextEntry) -> str:
    """Where a fact comes from, who said it, and the day from which it holds."""
    day = "day not known" if entry.valid_from is None else entry.valid_from.isoformat()
    if entry.source is ContextSource.DICOM:
        return f"DICOM header, {day}"
    return f"{entry.source.value} by {entry.author}, {day}"


def signed_version_words(stored: StoredMeasurement, number: int, author: str) -> str:
    """Which version is signed, and in whose name."""
    made = f"**{version_words(stored, number)}**, stored {minute_words(stored.stored_at)}"
    return f"{made}, in the name of **{author}** and with the time of signing."
