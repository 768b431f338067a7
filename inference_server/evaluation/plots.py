"""Plots of the evidence, small PNG files: Bland–Altman, scatter, risk–coverage, reliability. No anatomy."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from inference_server.evaluation.calibration import CalibrationReport
from inference_server.evaluation.uncertainty_analysis import RiskCoverage
from sarcopenia.clinical.method_comparison import BlandAltman

SIZE_INCH: Final = (5.2, 3.6)
DOTS_PER_INCH: Final = 90
MARKERS: Final = "osD^vP*X<>hd"


def _figure(title: str, x_label: str, y_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE_INCH, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(x_label, fontsize=9)
    axes.set_ylabel(y_label, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    """Write without date and version, so that the same figures give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})


def _by_group(axes: Axes, groups: Sequence[str], x: ArrayLike, y: ArrayLike, size: float) -> None:
    """One marker and colour per group: not colour alone."""
    names, x_values, y_values = np.array(groups), np.asarray(x), np.asarray(y)
    colours = mpl.color_sequences["tab10"]
    for i, name in enumerate(dict.fromkeys(groups)):
        chosen = names == name
        marker, colour = MARKERS[i % len(MARKERS)], colours[i % len(colours)]
        axes.scatter(x_values[chosen], y_values[chosen], size, label=name, marker=marker, color=colour, alpha=0.75)
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def bland_altman_plot(
    path: Path, title: str, persons: Sequence[str], means: ArrayLike, differences: ArrayLike, limits: BlandAltman
) -> None:
    """Differences in % against the mean SMA in cm², one marker per person, with bias and limits."""
    figure, axes = _figure(title, "mean of found and drawn SMA, cm²", "found minus drawn, %")
    _by_group(axes, persons, means, differences, 24)
    for line, style in ((limits.bias, "-"), (limits.lower, "--"), (limits.upper, "--")):
        axes.axhline(line.value, linestyle=style, color="black", linewidth=1)
        axes.axhspan(line.low, line.high, color="grey", alpha=0.12, linewidth=0)
    _save(figure, path)


def risk_coverage_plot(path: Path, title: str, curves: dict[str, RiskCoverage]) -> None:
    """Mean absolute error of what is kept, one line per measure."""
    figure, axes = _figure(title, "share of slices kept", "mean absolute SMA error of these, %")
    for (name, curve), style in zip(curves.items(), ("-", "--", ":", "-."), strict=False):
        axes.plot(curve.coverage, curve.risk_percent, style, label=f"{name}, area {curve.area:.1f} %")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7)
    _save(figure, path)


def reliability_plot(path: Path, title: str, report: CalibrationReport) -> None:
    """Share of wall against the probability of the wall, before and after temperature scaling."""
    figure, axes = _figure(title, "probability of the muscle wall", "share of muscle wall")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    for name, found, style in (("before", report.before, "s--"), ("after", report.after, "o-")):
        label = f"{name}, ECE {found.expected_error:.3f}"
        axes.plot(found.probability, found.share, style, markersize=4, label=label)
    axes.legend(fontsize=8)
    _save(figure, path)


def scatter_plot(
    path: Path, labels: tuple[str, str, str], groups: Sequence[str], x: ArrayLike, y: ArrayLike, *, logarithmic: bool
) -> None:
    """Two numbers against each other, one marker per group; ``labels`` are title, x and y."""
    figure, axes = _figure(*labels)
    _by_group(axes, groups, x, y, 10)
    if logarithmic:
        axes.set_xscale("log")
        axes.set_yscale("log")
    _save(figure, path)
