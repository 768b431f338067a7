"""What the agreement page counts, without Streamlit: rows, figures of agreement and one point per person.

Differences are AI minus reader, everywhere. Persons come first: a scan is the mean of its readers, a person the mean of
the scans; then every reading by itself, whose limits are too narrow where a person or a scan was read more than once.
Masks drawn blind to the AI, masks drawn after seeing it, and masks that were mended from it are never mixed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from sarcopenia.clinical.method_comparison import BlandAltman, bland_altman, icc_2_1, mean_by_person
from sarcopenia.domain.results import ModelIdentity
from sarcopenia.inference.contract import COMPARTMENT_CONTRACTS
from sarcopenia.records import MaskComparison, MaskFormat, ReviewState, StoredMeasurement, StoredReading

LIMITS_NEED: Final = 3
ICC_NEEDS: Final = 2
METHOD_WORDS: Final = {MaskFormat.NIFTI: "NIfTI", MaskFormat.SEG: "DICOM SEG", MaskFormat.TAG: "SliceOmatic tags"}
MENDED: Final = "strokes on the AI's mask"
_COMPARTMENT_MODELS: Final = frozenset(contract.name for contract in COMPARTMENT_CONTRACTS)
T = TypeVar("T")


class Group(StrEnum):
    """How a mask came about; groups are reported apart."""

    BLIND = "Drawn blind to the AI"
    NOT_BLIND = "Drawn after seeing the AI's mask"
    CORRECTED = "Corrected in this tool"


GROUP_WORDS: Final = {
    Group.BLIND: "Independent readings: these say how right the AI is.",
    Group.NOT_BLIND: "The reader had seen the AI's mask, which draws a reader towards it. Not pooled with the others.",
    Group.CORRECTED: (
        "Anchored: each mask started as the AI's, and only scans that somebody mended are here. These say how much was "
        "changed, not how right the AI is. Rejected corrections are left out."
    ),
}


@dataclass(frozen=True)
class Correction:
    """A stored version whose mask a person mended, against the models' own on the same slice: of which measurement."""

    stored: StoredMeasurement
    comparison: MaskComparison
    ai_measurement_id: int


@dataclass(frozen=True)
class AgreementRow:
    """One mask of one person against the AI's.

    Attributes
    ----------
    record: what is stored of it, for example "reading 5". models: the weights that made the AI's side.
    ai_measurement_id: the measurement whose mask the AI's is; ``None``: the models outlined the slice for this reading.
    """

    group: Group
    record: str
    patient_id: int
    scan_id: int
    slice_index: int
    reader: str
    method: str
    comparison: MaskComparison
    models: tuple[ModelIdentity, ...]
    ai_measurement_id: int | None
    recorded_at: datetime

    @property
    def ai_mask(self) -> str:
        """Where the AI's mask comes from."""
        made_for_it = "outlined for this reading"
        return made_for_it if self.ai_measurement_id is None else f"measurement {self.ai_measurement_id}"

    @property
    def difference_cm2(self) -> float:
        """Area of the AI minus the reader's."""
        return self.comparison.ai_sma_cm2 - self.comparison.sma_cm2

    @property
    def error_percent(self) -> float:
        """The same in % of the reader's area, which is never 0 for an uploaded mask; NaN for one erased wholly."""
        area = self.comparison.sma_cm2
        return 100 * self.difference_cm2 / area if area else float("nan")

    @property
    def difference_hu(self) -> float:
        """Density of the AI's muscle minus the reader's; NaN where one side is empty."""
        found, drawn = self.comparison.ai_smd_hu, self.comparison.smd_hu
        return float("nan") if found is None or drawn is None else found - drawn

    @property
    def weights(self) -> str:
        """Name, version and start of the hash of the network that outlined the muscle."""
        return weights_words(self.models, digits=12)


def weights_words(models: Iterable[ModelIdentity], digits: int) -> str:
    """Networks that outline muscle, each with its version and the first digits of its SHA-256."""
    found = (each for each in models if each.name in _COMPARTMENT_MODELS)
    return ", ".join(f"{each.name} {each.version} {each.onnx_sha256[:digits]}" for each in found)


def agreement_rows(readings: Sequence[StoredReading], corrections: Sequence[Correction]) -> tuple[AgreementRow, ...]:
    """What counts: the newest reading and the newest correction of each person on each scan, the oldest first."""
    read = _newest(readings, lambda each: (_same_name(each.reader), each.scan_id))
    usable = [each for each in corrections if not _is_rejected(each.stored)]
    mended = _newest(usable, lambda each: (_same_name(each.stored.author), each.stored.scan_id))
    return (*map(_row_of_reading, read), *map(_row_of_correction, mended))


def _newest(items: Iterable[T], key: Callable[[T], object]) -> list[T]:
    """The last item of each key, in the order of those."""
    last: dict[object, T] = {}
    for item in items:
        last.pop(key(item), None)
        last[key(item)] = item
    return list(last.values())


def _same_name(name: str) -> str:
    return " ".join(name.casefold().split())


def _is_rejected(stored: StoredMeasurement) -> bool:
    return stored.review is not None and stored.review.state is ReviewState.REJECTED


def _row_of_reading(reading: StoredReading) -> AgreementRow:
    return AgreementRow(
        group=Group.BLIND if reading.blind else Group.NOT_BLIND,
        record=f"reading {reading.reading_id}",
        patient_id=reading.patient_id,
        scan_id=reading.scan_id,
        slice_index=reading.slice_index,
        reader=reading.reader,
        method=METHOD_WORDS[reading.method],
        comparison=reading.comparison,
        models=reading.models,
        ai_measurement_id=reading.measurement_id,
        recorded_at=reading.recorded_at,
    )


def _row_of_correction(correction: Correction) -> AgreementRow:
    stored = correction.stored
    return AgreementRow(
        group=Group.CORRECTED,
        record=f"measurement {stored.measurement_id}",
        patient_id=stored.patient_id,
        scan_id=stored.scan_id,
        slice_index=stored.measurement.slice_index or 0,
        reader=stored.author,
        method=MENDED,
        comparison=correction.comparison,
        models=stored.measurement.provenance.models,
        ai_measurement_id=correction.ai_measurement_id,
        recorded_at=stored.stored_at,
    )


class Unit(StrEnum):
    """What is counted once."""

    PERSON = "person"
    READING = "reading"


class Measure(StrEnum):
    """What is compared."""

    DICE = "Dice"
    ERROR_PERCENT = "SMA error (%)"
    DIFFERENCE_CM2 = "SMA difference (cm²)"
    DIFFERENCE_HU = "SMD difference (HU)"


UNIT_OF: Final = {
    Measure.DICE: "1",
    Measure.ERROR_PERCENT: "%",
    Measure.DIFFERENCE_CM2: "cm2",
    Measure.DIFFERENCE_HU: "HU",
}


@dataclass(frozen=True)
class MeasureSummary:
    """One measure over persons or readings.

    Attributes
    ----------
    n: persons or readings with a value. median, worst: in the measure's unit; the worst Dice is the lowest, the worst
        difference the one farthest from zero, with its sign; ``None`` without any value.
    limits: Bland–Altman bias and limits of agreement with their 95 % confidence; ``None`` for fewer than three.
    icc: ICC(2,1) of the areas or densities themselves; ``None`` for fewer than two, for an estimate outside −1..1, and
        for Dice and %.
    blank_because: why limits or ICC are missing; "" where nothing is.
    """

    unit: Unit
    measure: Measure
    n: int
    median: float | None
    worst: float | None
    limits: BlandAltman | None
    icc: float | None
    blank_because: str


def summaries(rows: Sequence[AgreementRow]) -> tuple[MeasureSummary, ...]:
    """Every measure of one group's rows, per person first; rows of two groups must not be given together.

    Raises
    ------
    ValueError: rows of several groups.
    """
    if len({row.group for row in rows}) > 1:
        raise ValueError("groups are reported apart")
    return tuple(_summary(rows, unit, measure) for unit in Unit for measure in Measure)


def _summary(rows: Sequence[AgreementRow], unit: Unit, measure: Measure) -> MeasureSummary:
    known = [row for row in rows if np.isfinite(_value(row, measure))]
    values = _by_unit(known, unit, [_value(row, measure) for row in known])
    if not len(values):
        return MeasureSummary(unit, measure, 0, None, None, None, None, "no values")
    worst = float(values.min() if measure is Measure.DICE else values[np.abs(values).argmax()])
    limits, why_no_limits = _limits(values, unit, measure)
    icc, why_no_icc = _icc(known, unit, measure)
    because = "; ".join(dict.fromkeys(filter(None, (why_no_limits, why_no_icc))))
    return MeasureSummary(unit, measure, len(values), float(np.median(values)), worst, limits, icc, because)


def _value(row: AgreementRow, measure: Measure) -> float:
    """The measure of one row; NaN where it has none."""
    if measure is Measure.DICE:
        return row.comparison.dice
    if measure is Measure.ERROR_PERCENT:
        return row.error_percent
    return row.difference_cm2 if measure is Measure.DIFFERENCE_CM2 else row.difference_hu


def _by_unit(rows: Sequence[AgreementRow], unit: Unit, values: Sequence[float]) -> NDArray[np.float64]:
    """Values of readings, or their means per person: over the readers of a scan, then over the scans."""
    if unit is Unit.READING:
        return np.asarray(values, dtype=np.float64)
    person_of_scan = {row.scan_id: row.patient_id for row in rows}
    of_scans = mean_by_person([str(row.scan_id) for row in rows], values)
    return mean_by_person([str(person) for person in person_of_scan.values()], of_scans)


def _limits(values: NDArray[np.float64], unit: Unit, measure: Measure) -> tuple[BlandAltman | None, str]:
    if measure is Measure.DICE:
        return None, ""
    if len(values) < LIMITS_NEED:
        return None, f"limits of agreement need {LIMITS_NEED} {unit.value}s, there are {len(values)}"
    return bland_altman(values), ""


def _icc(rows: Sequence[AgreementRow], unit: Unit, measure: Measure) -> tuple[float | None, str]:
    """ICC of the areas or densities; readings count from two scans on, as two readers of one scan agree on its size."""
    if measure in (Measure.DICE, Measure.ERROR_PERCENT):
        return None, ""
    pairs = [_pair(row, measure) for row in rows]
    ours, theirs = (_by_unit(rows, unit, side) for side in zip(*pairs, strict=True))
    many = len(ours) if unit is Unit.PERSON else len({row.scan_id for row in rows})
    name = "persons" if unit is Unit.PERSON else "scans"
    if many < ICC_NEEDS:
        return None, f"ICC needs {ICC_NEEDS} {name}, there is 1"
    with np.errstate(divide="ignore", invalid="ignore"):
        icc = icc_2_1(ours, theirs)
    # The estimate leaves −1..1 where a few pairs differ more within than between, and is 0/0 where nothing differs.
    return (icc, "") if -1 <= icc <= 1 else (None, "these values give no usable ICC")


def _pair(row: AgreementRow, measure: Measure) -> tuple[float, float]:
    """What the reader and the AI found."""
    found = row.comparison
    if measure is Measure.DIFFERENCE_CM2:
        return found.sma_cm2, found.ai_sma_cm2
    return found.smd_hu or 0.0, found.ai_smd_hu or 0.0  # rows without a density are left out before


@dataclass(frozen=True)
class PersonPoint:
    """Mean areas of one person: the readers' and the AI's."""

    patient_id: int
    reader_cm2: float
    ai_cm2: float

    @property
    def mean_cm2(self) -> float:
        """Mean of both methods."""
        return (self.reader_cm2 + self.ai_cm2) / 2

    @property
    def difference_cm2(self) -> float:
        """AI minus reader."""
        return self.ai_cm2 - self.reader_cm2


def person_points(rows: Sequence[AgreementRow]) -> tuple[PersonPoint, ...]:
    """One point per person, in the order of their first reading."""
    person_of_scan = {row.scan_id: row.patient_id for row in rows}
    persons = dict.fromkeys(person_of_scan.values())
    readers = _by_unit(rows, Unit.PERSON, [row.comparison.sma_cm2 for row in rows])
    ai = _by_unit(rows, Unit.PERSON, [row.comparison.ai_sma_cm2 for row in rows])
    return tuple(PersonPoint(p, float(r), float(a)) for p, r, a in zip(persons, readers, ai, strict=True))
