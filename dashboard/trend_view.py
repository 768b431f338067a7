"""A patient's measurements over time as plain data and one plotly figure, without Streamlit.

One marker per study with an L3 that may be used; slices at other levels and rejected ones are left out. The line breaks
where two neighbours are not comparable: other level rule, contrast phase or tube voltage, models, or a person's
correction. Error bars are ±2 standard deviations of the ensemble; repositioning and scanner are not in them.
"""

from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final

import plotly.graph_objects as go

from dashboard.result_view import NOT_REVIEWED, PersonAtScan
from sarcopenia.clinical import smi_cm2_m2
from sarcopenia.domain.results import Landmark, Measurement, Verdict
from sarcopenia.domain.volume import SeriesHeader
from sarcopenia.inference.contract import SCAN_QUALITY

ERROR_SD: Final = 2.0


@dataclass(frozen=True)
class Measure:
    """One curve: key, name with unit for the axis, digits, colour."""

    key: str
    label: str
    digits: int
    colour: str


MEASURES: Final = (
    Measure("sma", "SMA (cm²)", 1, "#D55E00"),
    Measure("smi", "SMI (cm²/m²)", 1, "#0072B2"),
    Measure("smd", "SMD (HU)", 1, "#009E73"),
)


@dataclass(frozen=True)
class TrendScan:
    """One scan for the trend: what was measured, the person at that date, and whether a person reviewed it."""

    scan_id: int
    study_date: date
    measurement: Measurement
    header: SeriesHeader
    person: PersonAtScan
    reviewed: bool
    corrected: bool


@dataclass(frozen=True)
class TrendPoint:
    """Values of one scan (``None``: not known) and the errors of SMA and SMI; ``broken_because`` "" joins the line."""

    scan: TrendScan
    sma: float
    smi: float | None
    smd: float | None
    sma_error: float
    broken_because: str

    def value(self, measure: Measure) -> float | None:
        """Value of one curve."""
        found: float | None = getattr(self, measure.key)
        return found

    def error(self, measure: Measure) -> float:
        """Half the error bar of one curve; 0 where none is known."""
        if measure.key == "smi" and self.smi is not None:
            return self.sma_error * self.smi / self.sma
        return self.sma_error if measure.key == "sma" else 0.0


def trend_points(scans: tuple[TrendScan, ...]) -> tuple[TrendPoint, ...]:
    """Points in the order of their dates: the newest scan of each study that may stand in a trend."""
    of_study = {(scan.study_date, scan.header.study_instance_uid): scan for scan in scans if may_stand_in_trend(scan)}
    ordered = sorted(of_study.values(), key=lambda scan: scan.study_date)
    previous: TrendScan | None = None
    points = []
    for scan in ordered:
        points.append(_point(scan, "" if previous is None else why_not_comparable(previous, scan)))
        previous = scan
    return tuple(points)


def may_stand_in_trend(scan: TrendScan) -> bool:
    """Whether a scan was measured at L3 and its number may be used."""
    verdict = scan.measurement.verdict
    return scan.measurement.level == "L3" and verdict in (Verdict.ACCEPT, Verdict.REVIEW)


def _point(scan: TrendScan, broken_because: str) -> TrendPoint:
    composition, uncertainty = scan.measurement.composition, scan.measurement.uncertainty
    if composition is None:
        raise ValueError("a trend point needs a measured slice")
    spread = 0.0 if uncertainty is None else uncertainty.sma_cov_percent / 100 * composition.sma_cm2
    smi = smi_cm2_m2(composition.sma_cm2, scan.person.height_m)
    return TrendPoint(scan, composition.sma_cm2, smi, composition.smd_hu, ERROR_SD * spread, broken_because)


def why_not_comparable(before: TrendScan, after: TrendScan) -> str:
    """What changed between two scans so that the line breaks; "" when nothing did."""
    changes = {
        "level": (before.measurement.level, after.measurement.level),
        "level rule": (before.measurement.provenance.level_rule, after.measurement.provenance.level_rule),
        "landmark in the vertebra": (_landmark(before), _landmark(after)),
        "contrast phase": (before.header.contrast_phase, after.header.contrast_phase),
        "tube voltage": (before.header.kvp, after.header.kvp),
        "models": (_weights(before), _weights(after)),
        "correction by a person": (before.corrected, after.corrected),
    }
    return ", ".join(name for name, (old, new) in changes.items() if old != new)


def _landmark(scan: TrendScan) -> Landmark:
    """Where the slice was taken; a level that the model finds is the middle of the body."""
    return scan.measurement.provenance.landmark or Landmark.MID_BODY


def _weights(scan: TrendScan) -> tuple[str, ...]:
    """Hashes of the models that make the number; `scan_quality` only judges it."""
    return tuple(m.onnx_sha256 for m in scan.measurement.provenance.models if m.name != SCAN_QUALITY)


def trend_figure(points: tuple[TrendPoint, ...], measure: Measure) -> go.Figure:
    """Markers with error bars, joined where neighbours are comparable; the axis starts at zero."""
    figure = go.Figure()
    for run in _runs(points, measure):
        figure.add_trace(_trace(run, measure))
    for before, point in pairwise(points):
        if point.broken_because:
            _mark_break(figure, before.scan.study_date, point)
    values = [value for point in points if (value := point.value(measure)) is not None]
    top = max(values, default=1.0) * 1.25
    figure.update_layout(
        height=270,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        showlegend=False,
        xaxis_title="Study date",
        yaxis={"title": measure.label, "range": [min(0.0, *values, 0.0), max(top, 1.0)]},
    )
    return figure


def _mark_break(figure: go.Figure, before: date, point: TrendPoint) -> None:
    """A dotted line between two scans that are not comparable, with the reason."""
    between = before + (point.scan.study_date - before) / 2
    figure.add_vline(x=between.isoformat(), line={"dash": "dot", "width": 1, "color": "#888888"})
    figure.add_annotation(
        x=between.isoformat(),
        y=0.02,
        yref="paper",
        yanchor="bottom",
        textangle=-90,
        showarrow=False,
        text=point.broken_because,
        font={"size": 11, "color": "#888888"},
        xanchor="left",
    )


def _runs(points: tuple[TrendPoint, ...], measure: Measure) -> list[list[TrendPoint]]:
    """Comparable neighbours together."""
    runs: list[list[TrendPoint]] = []
    for point in points:
        if point.value(measure) is None:
            continue
        if not runs or point.broken_because:
            runs.append([])
        runs[-1].append(point)
    return runs


def _trace(run: list[TrendPoint], measure: Measure) -> go.Scatter:
    reviewed = ["signed" if point.scan.reviewed else NOT_REVIEWED for point in run]
    return go.Scatter(
        x=[point.scan.study_date for point in run],
        y=[point.value(measure) for point in run],
        error_y={"type": "data", "array": [point.error(measure) for point in run], "thickness": 1},
        mode="lines+markers",
        line={"color": measure.colour},
        marker={"size": 11, "symbol": ["circle" if point.scan.reviewed else "circle-open" for point in run]},
        customdata=[[point.scan.scan_id, words] for point, words in zip(run, reviewed, strict=True)],
        hovertemplate="%{x|%Y-%m-%d}: %{y:.1f}<br>%{customdata[1]}<br>click to open<extra></extra>",
    )


def trend_rows(points: tuple[TrendPoint, ...]) -> list[dict[str, object]]:
    """The exact numbers beside the charts."""
    return [
        {
            "Study date": point.scan.study_date.isoformat(),
            "SMA (cm²)": round(point.sma, 1),
            "± (2 SD of the ensemble)": round(point.sma_error, 1),
            "SMI (cm²/m²)": None if point.smi is None else round(point.smi, 1),
            "SMD (HU)": None if point.smd is None else round(point.smd, 1),
            "Level": point.scan.measurement.level or "unknown",
            "Contrast phase": point.scan.header.contrast_phase.value.replace("_", " "),
            "kV": point.scan.header.kvp,
            "Not comparable with the scan before": point.broken_because or "",
            "Review": "signed" if point.scan.reviewed else NOT_REVIEWED,
        }
        for point in points
    ]


def trend_words(points: tuple[TrendPoint, ...], measure: Measure) -> str:
    """The chart in words, for people who do not see it."""
    told = [
        f"{point.scan.study_date:%Y-%m-%d}: {value:.{measure.digits}f}"
        for point in points
        if (value := point.value(measure)) is not None
    ]
    return f"{measure.label} over time. " + ("; ".join(told) if told else "No values.")
