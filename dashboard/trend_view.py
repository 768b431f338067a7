"""A patient's measurements over time as plain data and words, without Streamlit; `trend_figure` draws them.

One point per study with an L3 whose number may be used. What is comparable, what lies beyond measurement error and what
may be told per year is decided by `sarcopenia.clinical.trend`; SMI uses one adult height for all points.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import pairwise
from typing import Final

from dashboard.result_view import CM2, NOT_REVIEWED, RESEARCH_USE
from dashboard.review_view import review_words, version_words
from sarcopenia.clinical import smi_cm2_m2
from sarcopenia.clinical.trend import (
    TREND_LEVEL,
    Z95,
    AnnualChange,
    Change,
    MeasurementErrors,
    Outcome,
    TrendProtocol,
    TrendValue,
    annual_change,
    comparable_runs,
    is_post_operative,
    judge_change,
    sma_errors,
    why_not_comparable,
)
from sarcopenia.domain.results import BodyComposition, Landmark, Verdict
from sarcopenia.domain.volume import SeriesHeader
from sarcopenia.inference.contract import SCAN_QUALITY
from sarcopenia.records import EventKind, ReviewState, StoredEvent, StoredMeasurement

POST_OPERATIVE: Final = "post-operative"


@dataclass(frozen=True)
class Measure:
    """One curve: key, short name, unit, long name, colour."""

    key: str
    name: str
    unit: str
    long_name: str
    colour: str

    @property
    def label(self) -> str:
        """Name with unit, for axes and columns."""
        return f"{self.name} ({self.unit})"


SMA: Final = Measure("sma", "SMA", CM2, "Skeletal muscle area", "#D55E00")
SMI: Final = Measure("smi", "SMI", "cm²/m²", "Skeletal muscle index", "#0072B2")
VAT: Final = Measure("vat", "VAT", CM2, "Visceral fat area", "#56B4E9")
MEASURES: Final = (
    SMA,
    SMI,
    Measure("smd", "SMD", "HU", "Skeletal muscle density", "#009E73"),
    Measure("sat", "SAT", CM2, "Subcutaneous fat area", "#E69F00"),
    VAT,
    Measure("imat", "IMAT", CM2, "Intermuscular fat area", "#CC79A7"),
)


@dataclass(frozen=True)
class TrendScan:
    """The newest version of one dated scan; ``version`` counts the versions of the scan from 1."""

    scan_id: int
    study_date: date
    stored: StoredMeasurement
    version: int
    header: SeriesHeader

    @property
    def signed(self) -> bool:
        """Whether a person signed this version."""
        return self.stored.is_signed


@dataclass(frozen=True)
class TrendPoint:
    """One value of a scan; ``broken_because`` says what keeps it apart from the point before, empty joins the line."""

    scan: TrendScan
    value: TrendValue
    broken_because: tuple[str, ...]
    post_operative: bool

    @property
    def half_bar(self) -> float | None:
        """Half the error bar: 1.96 SD of the scan's own uncertainty, ``None`` where that is not known."""
        return None if self.value.sd is None else Z95 * self.value.sd


@dataclass(frozen=True)
class Trend:
    """One measure of a patient over time; ``errors`` is ``None`` where its measurement error is not known."""

    measure: Measure
    points: tuple[TrendPoint, ...]
    errors: MeasurementErrors | None

    @cached_property
    def runs(self) -> tuple[tuple[TrendPoint, ...], ...]:
        """Comparable points together; the first of each run is its baseline."""
        found, left = [], list(self.points)
        for run in comparable_runs([point.value for point in self.points]):
            found.append(tuple(left[: len(run)]))
            left = left[len(run) :]
        return tuple(found)

    def point_of(self, scan_id: int) -> TrendPoint | None:
        """Point of a scan; ``None`` where it has none."""
        return next((point for point in self.points if point.scan.scan_id == scan_id), None)

    def change(self, before: TrendPoint, after: TrendPoint) -> Change:
        """What may be said of two points."""
        return judge_change(before.value, after.value, self.errors)

    def per_year(self, run: Sequence[TrendPoint]) -> AnnualChange:
        """Change per year over a run."""
        return annual_change([point.value for point in run], self.errors)


def trend_scans(scans: Sequence[TrendScan]) -> tuple[tuple[TrendScan, ...], tuple[str, ...]]:
    """Scans that stand in the trend, one per study in the order of their dates, and why the others do not.

    Of several series of a study a signed one goes first, then the one that was stored last.
    """
    chosen: dict[tuple[date, str], TrendScan] = {}
    left_out = []
    for scan in sorted(scans, key=lambda each: (each.study_date, each.signed, each.scan_id)):
        reason = why_no_point(scan.stored)
        if reason:
            left_out.append(f"{_described(scan)}: {reason}")
            continue
        study = (scan.study_date, scan.header.study_instance_uid)
        if study in chosen:
            left_out.append(f"{_described(chosen[study])}: another series of the study stands for it")
        chosen[study] = scan
    return tuple(chosen.values()), tuple(left_out)


def _described(scan: TrendScan) -> str:
    return f"{scan.study_date}, {scan.header.series_description or 'no description'}"


def why_no_point(stored: StoredMeasurement) -> str:
    """Why a measurement gets no point of an L3 trend; "" when it does."""
    measurement, review = stored.measurement, stored.review
    if measurement.verdict is Verdict.NO_L3 or measurement.composition is None:
        return "L3 is not in the scan"
    if review is not None and review.state is ReviewState.REJECTED:
        return f"rejected by {review.author}"
    if measurement.verdict is Verdict.AMBIGUOUS_LEVEL:
        return "the level is ambiguous: a person must choose"
    if measurement.level != TREND_LEVEL:
        return f"measured at {measurement.level or 'an unknown level'}, not at {TREND_LEVEL}"
    return "the number must not be used: see its flags" if measurement.verdict is Verdict.REJECT else ""


def build_trend(
    scans: Sequence[TrendScan], measure: Measure, height_m: float | None, events: Sequence[StoredEvent]
) -> Trend:
    """One measure of scans that `trend_scans` chose; a scan without the value (no height) has no point."""
    points: list[TrendPoint] = []
    for scan in scans:
        value = _trend_value(scan, measure, height_m)
        if value is None:
            continue
        broken_because = why_not_comparable(points[-1].value, value) if points else ()
        points.append(TrendPoint(scan, value, broken_because, _is_post_operative(scan.study_date, events)))
    return Trend(measure, tuple(points), _errors(measure, height_m))


def _trend_value(scan: TrendScan, measure: Measure, height_m: float | None) -> TrendValue | None:
    measurement = scan.stored.measurement
    if measurement.composition is None:
        raise ValueError("a trend point needs a measured slice")
    value = _value(measurement.composition, measure, height_m)
    if value is None:
        return None
    known_spread = measurement.uncertainty is not None and measure in (SMA, SMI)
    sd = measurement.uncertainty.sma_cov_percent / 100 * value if measurement.uncertainty and known_spread else None
    return TrendValue(scan.study_date, value, sd, _protocol(scan, measure))


def _value(composition: BodyComposition, measure: Measure, height_m: float | None) -> float | None:
    if measure == SMI:
        return smi_cm2_m2(composition.sma_cm2, height_m)
    value: float | None = getattr(composition, f"{measure.key}_{'hu' if measure.unit == 'HU' else 'cm2'}")
    return value


def _protocol(scan: TrendScan, measure: Measure) -> TrendProtocol:
    provenance = scan.stored.measurement.provenance
    return TrendProtocol(
        level=scan.stored.measurement.level,
        level_rule=provenance.place_rule,
        landmark=provenance.landmark or Landmark.MID_BODY,  # a level that the model finds is the middle of the body
        contrast_phase=scan.header.contrast_phase,
        kvp=scan.header.kvp,
        spectral=scan.header.spectral,
        model_sha256=weights(scan.stored),
        corrected=bool(provenance.strokes),
        range_hu=provenance.vat_range_hu if measure == VAT else None,
    )


def weights(stored: StoredMeasurement) -> tuple[str, ...]:
    """Hashes of the models that make the number; `scan_quality` only judges it."""
    models = stored.measurement.provenance.models
    return tuple(sorted(each.onnx_sha256 for each in models if each.name != SCAN_QUALITY))


def _errors(measure: Measure, height_m: float | None) -> MeasurementErrors | None:
    if measure == SMA:
        return sma_errors()
    return sma_errors().scaled(height_m**-2) if measure == SMI and height_m else None


def _is_post_operative(day: date, events: Sequence[StoredEvent]) -> bool:
    operations = [each for each in events if each.kind is EventKind.OPERATION and each.withdrawn is None]
    return any(is_post_operative(day, each.first_day, each.last_day) for each in operations)


def change_words(change: Change, measure: Measure) -> str:
    """One comparison in a sentence; a pair that may not be compared has no difference."""
    span = f"{change.before.day} to {change.after.day} ({(change.after.day - change.before.day).days} days)"
    if change.outcome is Outcome.NOT_COMPARABLE:
        return f"{span}: **{change.outcome}** ({', '.join(change.reasons)})"
    told = f"{span}: {_difference_words(change, f' {measure.unit}')}"
    if change.mdc95 is None:
        return f"{told}, **{change.outcome}**: {', '.join(change.reasons)}"
    return f"{told}, **{change.outcome}** (±{change.mdc95.value:.1f} {measure.unit})"


def error_words(change: Change, measure: Measure) -> str:
    """What the MDC95 of a pair is made of."""
    limit = change.mdc95
    if limit is None:
        return ""
    combined = "not known" if limit.combined is None else f"±{limit.combined:.1f}"
    pairs = f"{limit.repeat_pairs} repeat pair" + ("" if limit.repeat_pairs == 1 else "s")
    return (
        f"MDC95 ±{limit.value:.1f} {measure.unit}, decided by {limit.decided_by}: the largest of the product's own "
        f"repeatability ±{limit.repeatability:.1f} ({pairs}: few pairs bound nothing), the published lower bound "
        f"±{limit.published:.1f}, and the two scans' combined uncertainty {combined}."
    )


def rate_words(rate: AnnualChange, measure: Measure) -> str:
    """The change per year with its interval, or why there is none."""
    if rate.per_year is None or rate.percent_per_year is None:
        return f"No change per year: {rate.reason}."
    cm2, percent = rate.per_year, rate.percent_per_year
    how = "two scans" if rate.points == 2 else f"weighted regression over {rate.points} scans"
    if cm2.low <= 0 <= cm2.high:
        how += "; the interval includes no change"
    return (
        f"{_signed(cm2.value)} {measure.unit} per year (95 % CI {_signed(cm2.low)} to {_signed(cm2.high)}); "
        f"{_signed(percent.value)} % per year ({_signed(percent.low)} to {_signed(percent.high)}); {how}."
    )


def _signed(number: float) -> str:
    return f"{number:+.1f}".replace("-", "−")


def trend_words(trend: Trend) -> str:
    """The chart in words, for people who do not see it."""
    if not trend.points:
        return f"{trend.measure.long_name} over time. No values."
    values = "; ".join(f"{point.value.day}: {point.value.value:.1f}" for point in trend.points)
    words = [change_words(trend.change(run[0], run[-1]), trend.measure) for run in trend.runs if len(run) > 1]
    told = f" Change: {'; '.join(words)}." if words else ""
    return f"{trend.measure.long_name} ({trend.measure.unit}) over time. {values}.{told}".replace("**", "")


def trend_rows(trend: Trend) -> list[dict[str, object]]:
    """The exact numbers beside the chart, one row a point."""
    before: dict[int, TrendPoint] = {after.scan.scan_id: earlier for earlier, after in pairwise(trend.points)}
    baselines = {point.scan.scan_id: run[0] for run in trend.runs for point in run}
    rows = []
    for point in trend.points:
        scan, earlier = point.scan, before.get(point.scan.scan_id)
        rows.append(
            {
                "Study date": scan.study_date.isoformat(),
                trend.measure.label: round(point.value.value, 1),
                "± (ensemble)": None if point.half_bar is None else round(point.half_bar, 1),
                "Since the scan before": "first scan" if earlier is None else _cell(trend.change(earlier, point)),
                "MDC95 of the two": "" if earlier is None else _limit(trend.change(earlier, point)),
                "Since the baseline of its run": _since_baseline(trend, baselines[scan.scan_id], point),
                "Protocol": protocol_words(scan.header),
                "Marks": POST_OPERATIVE if point.post_operative else "",
                "Version": version_words(scan.stored, scan.version),
                "Review": review_words(scan.stored),
            }
        )
    return rows


def protocol_words(header: SeriesHeader) -> str:
    """Contrast phase, tube voltage and slice thickness: what a value may be compared across, or not."""
    phase = header.contrast_phase.value.replace("_", " ")
    kvp = "kV not known" if header.kvp is None else f"{header.kvp:g} kV"
    thickness = "thickness not known" if header.slice_thickness_mm is None else f"{header.slice_thickness_mm:g} mm"
    return f"contrast {phase} · {kvp} · {thickness}"


def _since_baseline(trend: Trend, baseline: TrendPoint, point: TrendPoint) -> str:
    return "baseline" if point is baseline else _cell(trend.change(baseline, point))


def _limit(change: Change) -> str:
    return "" if change.mdc95 is None else f"±{change.mdc95.value:.1f}, {change.mdc95.decided_by}"


def _cell(change: Change) -> str:
    if change.outcome is Outcome.NOT_COMPARABLE:
        return f"{change.outcome}: {', '.join(change.reasons)}"
    return f"{_difference_words(change)}, {change.outcome}"


def _difference_words(change: Change, unit: str = "") -> str:
    percent = "" if change.percent is None else f" ({_signed(change.percent)} %)"
    return f"{_signed(change.difference)}{unit}{percent}"


def csv_rows(trends: Sequence[Trend], patient_id: str) -> list[dict[str, object]]:
    """Every point of every measure with its provenance, for the download; one row a point."""
    rows = []
    for trend in trends:
        for point, row in zip(trend.points, trend_rows(trend), strict=True):
            stored = point.scan.stored
            review = stored.review
            models = [f"{m.name} {m.version} {m.onnx_sha256}" for m in stored.measurement.provenance.models]
            rows.append(
                {
                    "Patient ID": patient_id,
                    "Measure": trend.measure.name,
                    "Unit": trend.measure.unit,
                    "Value": row.pop(trend.measure.label),
                    **row,
                    "Level": stored.measurement.level,
                    "Level rule": stored.measurement.provenance.level_rule.value,
                    "Reviewer": review.author if review is not None and point.scan.signed else "",
                    "Signed": "signed" if point.scan.signed else NOT_REVIEWED,
                    "Models": "; ".join(models),
                    "Use": RESEARCH_USE,
                }
            )
    return rows
