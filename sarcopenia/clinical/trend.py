"""Whether a value has changed between scans, or only its measurement; and the change per year, where one may be told.

The minimal detectable change (MDC95) of a pair is the largest of what was published, the product's own repeatability,
and the two scans' combined uncertainty: in 95 of 100 pairs of an unchanged person the difference stays inside. Only
comparable scans are held against it. Values of one measure cross this module in that measure's unit.
"""

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Final

import numpy as np

from sarcopenia.clinical.method_comparison import Interval
from sarcopenia.domain.results import Landmark, LevelRule
from sarcopenia.domain.volume import ContrastPhase

Z95: Final = 1.96
TREND_LEVEL: Final = "L3"
KV_CLASS_WIDTH: Final = 5.0
"""Scanners offer tube voltages in steps of 10 kV or more; a smaller difference is how one setting is written down."""
MIN_RATE_DAYS: Final = 90
"""Under three months a yearly rate multiplies the measurement error by four and more."""
DAYS_PER_YEAR: Final = 365.25
POST_OPERATIVE_DAYS: Final = 30
"""Days after an operation in which oedema and catabolism move the numbers; the window of 30-day outcomes."""


class Outcome(StrEnum):
    """What may be said of two scans."""

    LOSS = "loss beyond measurement error"
    GAIN = "gain beyond measurement error"
    WITHIN = "within measurement error"
    NOT_COMPARABLE = "not comparable"
    NOT_JUDGED = "not judged"


class ErrorSource(StrEnum):
    """What decided an MDC95: the largest of the three does."""

    PUBLISHED = "published"
    REPEATABILITY = "the product's own repeatability"
    COMBINED = "the two scans' combined uncertainty"


@dataclass(frozen=True)
class TrendProtocol:
    """How a value came about, as far as it decides what it may be compared with.

    Attributes
    ----------
    kvp: tube voltage in kV, ``None`` where not stated. spectral: kind of a spectral image, "" for a normal one.
    model_sha256: hashes of the weights that made the value.
    corrected: a person mended the mask or moved the level.
    range_hu: the HU range of the measure where it can be chosen, else ``None``.
    """

    level: str | None
    level_rule: LevelRule
    landmark: Landmark
    contrast_phase: ContrastPhase
    kvp: float | None
    spectral: str
    model_sha256: tuple[str, ...]
    corrected: bool
    range_hu: tuple[int, int] | None = None


@dataclass(frozen=True)
class TrendValue:
    """One value of one study; ``sd`` is the scan's own uncertainty (1 SD, same unit), ``None`` where not known.

    ``unusable_because`` forbids every comparison, for example because the number was rejected.
    """

    day: date
    value: float
    sd: float | None
    protocol: TrendProtocol
    unusable_because: str = ""


@dataclass(frozen=True)
class RepeatPairs:
    """Pairs of scans of one person and day: differences in percent of each pair's mean."""

    differences_percent: tuple[float, ...]
    source: str

    @property
    def sd_percent(self) -> float:
        """SD of one measurement, √(Σd²/2n) (Dahlberg 1940); |d|/√2 for one pair, which bounds nothing."""
        return math.sqrt(sum(d**2 for d in self.differences_percent) / (2 * len(self.differences_percent)))

    @property
    def mdc95_percent(self) -> float:
        """1.96 · √2 · SD."""
        return Z95 * math.sqrt(2) * self.sd_percent


@dataclass(frozen=True)
class MeasurementErrors:
    """What is known of one measure's error: published SDD95 in its unit by tube voltage, and own repeat pairs."""

    same_kv: float
    other_kv: float
    citation: str
    repeats: RepeatPairs

    def scaled(self, factor: float) -> "MeasurementErrors":
        """Errors of the measure times a constant, such as 1/height² for the SMI."""
        return replace(self, same_kv=self.same_kv * factor, other_kv=self.other_kv * factor)


@dataclass(frozen=True)
class Mdc95:
    """Minimal detectable change of a pair, what decided it, and all that were asked (``None``: not known)."""

    value: float
    decided_by: ErrorSource
    published: float
    repeatability: float
    combined: float | None
    repeat_pairs: int


@dataclass(frozen=True)
class Change:
    """Two scans held against each other; ``mdc95`` is ``None`` and ``reasons`` say why where they may not be."""

    before: TrendValue
    after: TrendValue
    outcome: Outcome
    mdc95: Mdc95 | None
    reasons: tuple[str, ...] = ()

    @property
    def difference(self) -> float:
        """Later minus earlier value."""
        return self.after.value - self.before.value

    @property
    def percent(self) -> float | None:
        """Difference in percent of the earlier value; ``None`` where that is not above zero."""
        return 100 * self.difference / self.before.value if self.before.value > 0 else None


@dataclass(frozen=True)
class AnnualChange:
    """Change per year with its 95 % confidence interval, and in percent of the first value; or why there is none."""

    points: int
    per_year: Interval | None
    percent_per_year: Interval | None
    reason: str = ""


@cache
def sma_errors() -> MeasurementErrors:
    """What is known of the error of the SMA, cm²; from `trend.toml`."""
    data = tomllib.loads(resources.files("sarcopenia.clinical").joinpath("trend.toml").read_text(encoding="utf-8"))
    published, own = data["published"], data["repeatability"]
    repeats = RepeatPairs(tuple(own["differences_percent"]), own["source"])
    return MeasurementErrors(published["same_kv_cm2"], published["other_kv_cm2"], published["citation"], repeats)


def is_same_kv(first: float | None, second: float | None) -> bool:
    """Whether two tube voltages are one setting of the scanner; an unknown one is never shown to be."""
    return first is not None and second is not None and abs(first - second) <= KV_CLASS_WIDTH


def why_not_comparable(before: TrendValue, after: TrendValue) -> tuple[str, ...]:
    """What differs between two scans, or forbids a comparison at all; empty when they are comparable."""
    old, new = before.protocol, after.protocol
    changes = (
        ("level", old.level != new.level),
        ("level rule", old.level_rule is not new.level_rule),
        ("landmark in the vertebra", old.landmark is not new.landmark),
        ("contrast phase", old.contrast_phase is not new.contrast_phase),
        ("tube voltage", old.kvp != new.kvp and not is_same_kv(old.kvp, new.kvp)),
        ("spectral image", old.spectral != new.spectral),
        ("models", old.model_sha256 != new.model_sha256),
        ("correction by a person", old.corrected != new.corrected),
        ("HU range", old.range_hu != new.range_hu),
    )
    forbidden = [value.unusable_because for value in (before, after) if value.unusable_because]
    levels = {str(p.level or "an unknown level"): p.level for p in (old, new) if p.level != TREND_LEVEL}
    elsewhere = [f"measured at {words}, not at {TREND_LEVEL}" for words in levels]
    return tuple(dict.fromkeys([*(name for name, changed in changes if changed), *elsewhere, *forbidden]))


def mdc95(before: TrendValue, after: TrendValue, errors: MeasurementErrors) -> Mdc95:
    """Minimal detectable change of a pair: the largest of published, own repeatability, combined uncertainty."""
    same_kv = is_same_kv(before.protocol.kvp, after.protocol.kvp)
    published = errors.same_kv if same_kv else errors.other_kv
    repeatability = errors.repeats.mdc95_percent / 100 * (abs(before.value) + abs(after.value)) / 2
    combined = None if before.sd is None or after.sd is None else Z95 * math.hypot(before.sd, after.sd)
    asked = {ErrorSource.REPEATABILITY: repeatability, ErrorSource.PUBLISHED: published}
    if combined is not None:
        asked[ErrorSource.COMBINED] = combined
    decided_by = max(asked, key=asked.__getitem__)
    pairs = len(errors.repeats.differences_percent)
    return Mdc95(asked[decided_by], decided_by, published, repeatability, combined, pairs)


def judge_change(before: TrendValue, after: TrendValue, errors: MeasurementErrors | None) -> Change:
    """Hold two scans against their MDC95; ``errors`` is ``None`` for a measure whose error nobody has measured."""
    reasons = why_not_comparable(before, after)
    if reasons:
        return Change(before, after, Outcome.NOT_COMPARABLE, None, reasons)
    if errors is None:
        return Change(before, after, Outcome.NOT_JUDGED, None, ("its measurement error is not known",))
    limit, difference = mdc95(before, after, errors), after.value - before.value
    if abs(difference) <= limit.value:
        return Change(before, after, Outcome.WITHIN, limit)
    return Change(before, after, Outcome.LOSS if difference < 0 else Outcome.GAIN, limit)


def comparable_runs(values: Sequence[TrendValue]) -> tuple[tuple[TrendValue, ...], ...]:
    """Values in the order of their days, cut where one is not comparable with the first (the baseline) of its run."""
    runs: list[list[TrendValue]] = []
    for value in values:
        if not runs or why_not_comparable(runs[-1][0], value):
            runs.append([])
        runs[-1].append(value)
    return tuple(tuple(run) for run in runs)


def annual_change(values: Sequence[TrendValue], errors: MeasurementErrors | None) -> AnnualChange:
    """Change per year over scans in the order of their days.

    Two scans: their difference with their MDC95, only where it is beyond. Three or more: weighted least squares with
    the points' standard errors taken as known, widened by the Birge ratio (Birge RT, Phys Rev 1932;40:207) where they
    scatter about the line by more. No rate for fewer than 90 days or scans that are not comparable.
    """
    reason = _why_no_rate(values, errors)
    if reason or errors is None:
        return AnnualChange(len(values), None, None, reason)
    first, last = values[0], values[-1]
    if len(values) == 2:
        years = _years(first, last)
        difference, half = last.value - first.value, mdc95(first, last, errors).value
        rate = Interval(difference / years, (difference - half) / years, (difference + half) / years)
    else:
        rate = _regression(values, errors)
    percent = 100 / first.value
    return AnnualChange(len(values), rate, Interval(rate.value * percent, rate.low * percent, rate.high * percent))


def _why_no_rate(values: Sequence[TrendValue], errors: MeasurementErrors | None) -> str:
    if len(values) < 2:
        return "a rate needs two comparable scans"
    first = values[0]
    differing = dict.fromkeys(reason for value in values for reason in why_not_comparable(first, value))
    if differing:
        return f"the scans are not comparable ({', '.join(differing)})"
    return "its measurement error is not known" if errors is None else _why_too_little(values, errors)


def _why_too_little(values: Sequence[TrendValue], errors: MeasurementErrors) -> str:
    first, last = values[0], values[-1]
    if first.value <= 0:
        return "the first value is zero"
    days = (last.day - first.day).days
    if days < MIN_RATE_DAYS:
        return f"{days} days are too short for a yearly rate (at least {MIN_RATE_DAYS})"
    if len(values) == 2 and judge_change(first, last, errors).outcome is Outcome.WITHIN:
        return "the difference is within measurement error"
    return ""


def _years(first: TrendValue, value: TrendValue) -> float:
    return (value.day - first.day).days / DAYS_PER_YEAR


def standard_error(value: TrendValue, errors: MeasurementErrors) -> float:
    """Error of one point (1 SD): the largest of the three that decide an MDC95, each as an error of one scan."""
    same_kv = is_same_kv(value.protocol.kvp, value.protocol.kvp)
    published = (errors.same_kv if same_kv else errors.other_kv) / (Z95 * math.sqrt(2))
    return max(value.sd or 0.0, published, errors.repeats.sd_percent / 100 * abs(value.value))


def _regression(values: Sequence[TrendValue], errors: MeasurementErrors) -> Interval:
    """Slope per year with its 95 % confidence interval."""
    from statsmodels.regression.linear_model import WLS  # noqa: PLC0415 # a second to load; only long trends need it

    years = np.array([_years(values[0], value) for value in values])
    weights = np.array([standard_error(value, errors) ** -2 for value in values])
    model = WLS([value.value for value in values], np.column_stack([np.ones_like(years), years]), weights=weights)
    birge = max(1.0, float(model.fit().scale))
    fit = model.fit(cov_type="fixed scale", cov_kwds={"scale": birge}, use_t=False)
    low, high = fit.conf_int(alpha=0.05)[1]
    return Interval(float(fit.params[1]), float(low), float(high))


def is_post_operative(day: date, operation_from: date, operation_to: date | None = None) -> bool:
    """Whether a scan lies within 30 days after an operation; one of its very day is taken to come before it."""
    return operation_from < day and (day - (operation_to or operation_from)).days <= POST_OPERATIVE_DAYS
