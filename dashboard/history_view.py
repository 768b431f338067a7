"""Height, weight and BMI of a patient over time, and the one adult height of the SMI trend; without Streamlit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sarcopenia.clinical import bmi_kg_m2
from sarcopenia.records import ContextEntry, ContextKind, ContextSource, ScanContext

BY_PERSON: Final = (ContextSource.TYPED, ContextSource.MEASURED)
DOUBTFUL_SPREAD_M: Final = 0.03
"""Heights of one adult that differ by more point to a slip or another person, not to a day's change of posture."""


@dataclass(frozen=True)
class AgreedHeight:
    """The one height that makes every SMI of a trend, and how far the heights on record lie apart (m)."""

    entry: ContextEntry
    spread_m: float

    @property
    def value_m(self) -> float:
        """Height in m."""
        return float(self.entry.value)


@dataclass(frozen=True)
class BodyAtScan:
    """Height and weight that hold on the day of a scan; ``None`` where nobody said them."""

    study_date: date
    height: ContextEntry | None
    weight: ContextEntry | None


def agreed_height(history: Sequence[ContextEntry]) -> AgreedHeight | None:
    """The newest height that a person measured or typed, else the newest of the images; ``None``: nobody said one."""
    heights = [entry for entry in history if entry.kind is ContextKind.HEIGHT]
    if not heights:
        return None
    ranks = {ContextSource.DICOM: 0, ContextSource.TYPED: 1, ContextSource.MEASURED: 2}
    chosen = max(
        heights,
        key=lambda e: (e.source in BY_PERSON, e.valid_from or date.min, ranks[e.source], e.entry_id),
    )
    values = [float(entry.value) for entry in heights]
    return AgreedHeight(chosen, max(values) - min(values))


def height_words(agreed: AgreedHeight | None) -> str:
    """Which height the SMI of the trend uses, in a sentence."""
    if agreed is None:
        return "No SMI: no height is known. Enter it at a scan below."
    day = agreed.entry.valid_from.isoformat() if agreed.entry.valid_from else "no date"
    words = f"SMI uses one adult height for all points: {agreed.value_m:.2f} m ({agreed.entry.source.value}, {day})."
    if agreed.spread_m > DOUBTFUL_SPREAD_M:
        words += f" Heights on record differ by {100 * agreed.spread_m:.0f} cm: please check them."
    return words


def body_at_scan(study_date: date, context: ScanContext) -> BodyAtScan:
    """What holds at a scan."""
    return BodyAtScan(study_date, context.height, context.weight)


def history_rows(history: Sequence[ContextEntry]) -> list[dict[str, object]]:
    """Every height and weight that was ever said, in the order of its day."""
    entries = [entry for entry in history if entry.kind in (ContextKind.HEIGHT, ContextKind.WEIGHT)]
    return [
        {
            "From": None if entry.valid_from is None else entry.valid_from.isoformat(),
            "Fact": entry.kind.value,
            "Value": f"{float(entry.value):g} {entry.unit}",
            "Source": entry.source.value,
            "Author": entry.author,
            "Recorded (UTC)": f"{entry.recorded_at:%Y-%m-%d %H:%M}",
        }
        for entry in sorted(entries, key=lambda e: (e.valid_from or date.min, e.entry_id))
    ]


def bmi_rows(bodies: Sequence[BodyAtScan]) -> list[dict[str, object]]:
    """BMI on the day of every scan, with the facts it is made of and their day."""
    return [
        {
            "Study date": body.study_date.isoformat(),
            "BMI (kg/m²)": None if (bmi := _bmi(body)) is None else round(bmi, 1),
            "Weight": _told(body.weight),
            "Height": _told(body.height),
        }
        for body in bodies
    ]


def _bmi(body: BodyAtScan) -> float | None:
    weight = None if body.weight is None else float(body.weight.value)
    return bmi_kg_m2(weight, None if body.height is None else float(body.height.value))


def _told(entry: ContextEntry | None) -> str:
    if entry is None:
        return "not known"
    day = "no date" if entry.valid_from is None else entry.valid_from.isoformat()
    return f"{float(entry.value):g} {entry.unit} ({entry.source.value}, {day})"
