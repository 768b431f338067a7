"""docs/evidence/accuracy.md and repeatability.md: how well areas and densities agree with the drawings."""

from collections.abc import Sequence
from pathlib import Path

from inference_server.evaluation.markdown import interval, limits, number, plot, table, yes_no
from inference_server.evaluation.out_of_fold import EvaluatedSlice
from inference_server.evaluation.plots import bland_altman_plot
from inference_server.evaluation.reclassification import reclassified
from inference_server.evaluation.summaries import AgreementSummary, summarise
from inference_server.evaluation.test_split import SplitResult
from sarcopenia.clinical.method_comparison import bland_altman, mean_by_person

SLICE_COLUMNS = (
    "scan",
    "slice",
    "level",
    "Dice",
    "HD95 / mean of muscle, mm",
    "HD95 / mean of wall, mm",
    "drawn SMA, cm²",
    "SMA error, cm²",
    "SMA error, %",
    "SMD error, HU",
    "CoV, %",
)


def accuracy_page(out_of_fold: dict[str, Sequence[EvaluatedSlice]], split: SplitResult | None, plots: Path) -> str:
    """The page; ``out_of_fold`` by model (teacher, student), ``split`` of the published models if they were tested."""
    text = INTRODUCTION
    for model, slices in out_of_fold.items():
        text += f"## Out-of-fold: {model}\n\n" + agreement_section(slices, f"{model}, out-of-fold", plots)
    text += "## Visible test split, published models\n\n"
    if split is None:
        return text + NOT_TESTED
    text += TEST_INTRODUCTION
    text += agreement_section([item.evaluated for item in split.slices], "published models, test split", plots)
    flags = [
        (i.evaluated.agreement.name, str(i.evaluated.agreement.slice_index), ", ".join(i.flags)) for i in split.slices
    ]
    return text + "Flags that the product raised:\n\n" + table(("scan", "slice", "flags"), flags)


def agreement_section(slices: Sequence[EvaluatedSlice], title: str, plots: Path) -> str:
    """Figures of L2–L4, a Bland–Altman plot, re-classification, and every slice; other levels in the table only."""
    measured = [item for item in slices if item.is_measured_level]
    summary = summarise(measured)
    file_name = f"bland_altman_{title.replace(', ', '_').replace(' ', '_').replace('-', '_')}.png"
    agreements = [item.agreement for item in measured]
    bland_altman_plot(
        plots / file_name,
        f"SMA, L2–L4: {title}",
        [item.person for item in measured],
        [(a.sma_cm2 + a.reference_sma_cm2) / 2 for a in agreements],
        [a.sma_error_percent for a in agreements],
        summary.limits_slices,
    )
    text = _headline(summary) + _areas_in_cm2(measured)
    text += plot(file_name, f"Bland–Altman of the SMA in percent, {title}")
    text += _reclassification(measured) + _slice_table(slices)
    return text


def _headline(summary: AgreementSummary) -> str:
    rows = (
        ("muscle Dice", f"{summary.person_dice:.3f}", f"{summary.median_dice:.3f}", f"{summary.worst_dice:.3f}"),
        (
            "absolute SMA error, %",
            f"{summary.person_error:.1f}",
            f"{summary.median_error:.1f}",
            f"{summary.worst_error:.1f}",
        ),
    )
    columns = ("L2–L4", "median of persons' means", "median of slices", "worst slice")
    return (
        f"{summary.slices} slices of {summary.persons} persons at L2–L4.\n\n"
        + table(columns, rows)
        + f"- Mean signed SMA error, per person first (bootstrap by person): {interval(summary.signed_error)} %.\n"
        f"- Bland–Altman of the SMA in %, persons' means: {limits(summary.limits_persons)}.\n"
        f"- The same, slices pooled (not independent): {limits(summary.limits_slices)}.\n"
        f"- ICC(2,1) of the SMA over slices: {summary.icc:.3f}.\n"
        f"- Mean SMD error, per person first: {summary.density_error:+.1f} HU.\n"
        f"- Borders, median of slices: muscle HD95 {summary.hd95_mm:.1f} mm, mean {summary.surface_mm:.2f} mm; "
        f"wall HD95 {number(summary.wall_hd95_mm, '.1f')} mm, mean {number(summary.wall_surface_mm, '.2f')} mm.\n"
    )


def _areas_in_cm2(slices: Sequence[EvaluatedSlice]) -> str:
    errors = [item.agreement.sma_error_cm2 for item in slices]
    by_person = mean_by_person([item.person for item in slices], errors)
    return f"- Bland–Altman of the SMA in cm², persons' means: {limits(bland_altman(by_person))}.\n\n"


def _reclassification(slices: Sequence[EvaluatedSlice]) -> str:
    rows = [
        (r.profile, str(r.decided), f"{r.changed} ({_share(r.changed, r.decided)})", ", ".join(r.persons) or "–")
        for r in reclassified(slices)
    ]
    columns = ("profile", "slices decided by an SMA limit", "re-classified by the error", "persons")
    return RECLASSIFICATION + table(columns, rows)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "–"


def _slice_table(slices: Sequence[EvaluatedSlice]) -> str:
    return table(SLICE_COLUMNS, (_slice_row(item) for item in slices))


def _slice_row(item: EvaluatedSlice) -> tuple[str, ...]:
    a = item.agreement
    wall = "–" if a.wall is None else f"{a.wall.hd95_mm:.1f} / {a.wall.mean_mm:.2f}"
    return (
        a.name,
        str(a.slice_index),
        item.level or "–",
        f"{a.dice:.3f}",
        f"{a.muscle.hd95_mm:.1f} / {a.muscle.mean_mm:.2f}",
        wall,
        f"{a.reference_sma_cm2:.1f}",
        f"{a.sma_error_cm2:+.1f}",
        f"{a.sma_error_percent:+.1f}",
        number(a.smd_error_hu, "+.1f"),
        f"{item.sma_cov_percent:.1f}",
    )


def repeatability_page(split: SplitResult | None) -> str:
    """The same-day pair: part of the run of the test split."""
    if split is None:
        return REPEATABILITY + NOT_TESTED
    rows = [
        (d.person, d.level, *(f"{area:.1f}" for area in d.sma_cm2), f"{d.percent:+.1f}", f"{d.reference_percent:+.1f}")
        for d in split.same_day
    ]
    columns = (
        "person",
        "level",
        "first scan, cm²",
        "second scan, cm²",
        "difference, %",
        "difference of the drawings, %",
    )
    found = [
        (x.name, number(x.error_mm, "+.1f"), yes_no(x.right_vertebra), number(x.sma_cm2, ".1f")) for x in split.levels
    ]
    return (
        REPEATABILITY
        + table(columns, rows)
        + "Without help, each scan by its own found L3:\n\n"
        + table(("scan", "error of mid-L3, mm", "right vertebra", "SMA at the found L3, cm²"), found)
    )


NOT_TESTED = "Not run for the weights that are published now; `test_runs.csv` lists the runs of earlier versions.\n"
INTRODUCTION = """# Accuracy of areas and densities

Written by `sarcopenia models evaluate`. Reference: hand-drawn compartments ∩ −29..150 HU on native pixels, by people
who are not clinicians; moving the whole wall by one pixel changes the SMA by 3–6 %, and two readings differ by up to
3 %. L1 is outside of what the product is made for and stands in the tables of slices only.

Out-of-fold: every slice is measured by the networks of the fold that held its person out. These persons are also the
validation on which everything was chosen, so the figures are somewhat flattering. The calibration moves borders (offset
of the logit of bone), so each fold has the one that was fitted to the other folds. Slices without a level are single
slices at about L2–L3.

"""
TEST_INTRODUCTION = """By the product's own pipeline with the slice given, `gold0` against the clinician's own mask. Run
once for these weights (`test_runs.csv`); nothing was chosen on it. Seven of the ten slices at L2–L4 are one man.

"""
RECLASSIFICATION = """Re-classification: how often found and drawn SMA lie on different sides of a published limit,
every slice held against the L3 limit of the person's sex. No scan has a height, so limits of SMI decide nothing;
persons whose sex the source does not say are left out.

"""
REPEATABILITY = """# Repeatability

One man, scanned twice on one day (with contrast at 2 mm, then plain with low dose at 5 mm); both scans belong to the
visible test split, so these figures come from its one run. One pair is one pair: it bounds nothing. The scans differ in
contrast and dose, which the drawings alone show (last column).

"""
