"""`sarcopenia assess`: one scan from a path to numbers, as a table for people or one JSON object for programs.

The JSON object follows the shipped ``assess.schema.json``.
"""

from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from sarcopenia.assessment import Assessment, AssessmentFinished, AssessmentOptions, StageEvent, assess
from sarcopenia.clinical import smi_cm2_m2
from sarcopenia.domain.errors import ExchangeError, SarcopeniaError
from sarcopenia.domain.results import Measurement
from sarcopenia.domain.volume import CtVolume, Sex
from sarcopenia.exchange.nifti_writer import write_slice_nifti
from sarcopenia.imaging import SeriesSelection, files_from_path, read_series
from sarcopenia.inference.port import ModelClient

RESEARCH_USE: Final = "Research use only – not a medical device. AI – not reviewed."
MASK_SUFFIX: Final = ".nii.gz"
MASK_NOTE: Final = "Research use only - not a medical device. AI - not reviewed."
"""In the file itself; its header takes ASCII only."""


@dataclass(frozen=True)
class AssessRequest:
    """What was asked on the command line; ``height_m``, ``weight_kg`` and ``sex`` go before the header's values."""

    path: Path
    slice_choice: int | str | None
    masks: Path | None
    height_m: float | None
    weight_kg: float | None
    sex: Sex | None


def slice_choice(text: str | None) -> int | str | None:
    """A slice index where the text is a whole number, else a SOP Instance UID."""
    if text is None:
        return None
    return int(text) if text.lstrip("-").isdigit() else text


def read_scan(request: AssessRequest) -> SeriesSelection:
    """Read the path and choose its series; raises an `InputError` of the fitting kind."""
    return read_series(files_from_path(request.path))


def run_with_progress(volume: CtVolume, models: ModelClient, request: AssessRequest, console: Console) -> Assessment:
    """Run the assessment and draw its stages on the console (standard error)."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("Starting", total=None)
        for event in assess(volume, models, AssessmentOptions(slice_choice=request.slice_choice)):
            if isinstance(event, StageEvent):
                progress.update(task, description=f"{event.index + 1}/{event.total} {event.text}")
            elif isinstance(event, AssessmentFinished):
                return event.assessment
    raise RuntimeError("an assessment ended without a result")


def write_masks(assessment: Assessment, volume: CtVolume, path: Path) -> tuple[Path, ...]:
    """Write compartments and muscle of the measured slice, never flipped or resampled; nothing without a slice.

    Raises
    ------
    ExchangeError: the path does not end in .nii.gz or cannot be written.
    """
    if not path.name.endswith(MASK_SUFFIX):
        raise ExchangeError(f"{path} must end in {MASK_SUFFIX}.", "Give --masks a name such as masks.nii.gz.")
    arrays = assessment.arrays
    if arrays is None:
        return ()
    muscle_path = path.with_name(path.name.removesuffix(MASK_SUFFIX) + "_muscle" + MASK_SUFFIX)
    thickness = volume.header.slice_thickness_mm or volume.geometry.spacing_mm_zyx[0] or 1.0
    try:
        write_slice_nifti(arrays.compartments.compartments_yx, arrays.plane, thickness, path, MASK_NOTE)
        write_slice_nifti(
            arrays.compartments.muscle_yx.astype("uint8"), arrays.plane, thickness, muscle_path, MASK_NOTE
        )
    except OSError as error:
        raise ExchangeError(f"{path} could not be written: {error.strerror}.", "Choose another folder.") from error
    return path, muscle_path


def result_object(assessment: Assessment, selection: SeriesSelection, request: AssessRequest) -> dict[str, Any]:
    """The result as one JSON-ready object, as ``assess.schema.json`` describes it."""
    measurement, header = assessment.measurement, selection.chosen.header
    height_m = request.height_m if request.height_m is not None else header.height_m
    weight_kg = request.weight_kg if request.weight_kg is not None else header.weight_kg
    sex = request.sex if request.sex is not None else header.sex
    return {
        **_areas(measurement, height_m),
        "slice_index": measurement.slice_index,
        "slice_z_mm": measurement.slice_z_mm,
        "slice_sop_instance_uid": measurement.slice_sop_instance_uid,
        "level": measurement.level,
        "level_rule": measurement.provenance.level_rule.value,
        "flags": [{"code": f.code, "text": f.text, "severity": f.severity.value} for f in measurement.flags],
        "verdict": measurement.verdict.value,
        "uncertainty": _uncertainty(measurement),
        "quality": _quality(measurement),
        "acceptance": None if measurement.provenance.acceptance is None else asdict(measurement.provenance.acceptance),
        "vertebrae": _vertebrae(assessment),
        "level_candidates": _candidates(assessment),
        "patient": {
            "sex": sex.value or None,
            "height_m": height_m,
            "weight_kg": weight_kg,
            "age_years": header.age_years,
        },
        "series": {
            "series_instance_uid": header.series_instance_uid or None,
            "description": header.series_description,
            "series_hash": measurement.provenance.series_hash,
            "rejected": [{"description": r.description, "reason": r.reason_text} for r in selection.rejected],
        },
        "models": [
            {
                "name": m.name,
                "version": m.version,
                "onnx_sha256": m.onnx_sha256,
                "precision": m.precision,
                "backend": m.backend,
            }
            for m in measurement.provenance.models
        ],
        "software_version": measurement.provenance.software_version,
        "notice": RESEARCH_USE,
    }


def _areas(measurement: Measurement, height_m: float | None) -> dict[str, Any]:
    composition = measurement.composition
    names = ("sma_cm2", "smd_hu", "lama_cm2", "sat_cm2", "vat_cm2", "imat_cm2")
    areas: dict[str, Any] = {name: getattr(composition, name) if composition else None for name in names}
    smi = smi_cm2_m2(composition.sma_cm2, height_m) if composition and height_m is not None else None
    return {**areas, "smi_cm2_m2": smi, "vat_range_hu": list(measurement.provenance.vat_range_hu)}


def _uncertainty(measurement: Measurement) -> dict[str, Any] | None:
    uncertainty = measurement.uncertainty
    if uncertainty is None:
        return None
    return {
        "sma_cov_percent": uncertainty.sma_cov_percent,
        "entropy": uncertainty.entropy,
        "variance": uncertainty.variance,
        "member_sma_cm2": list(uncertainty.member_sma_cm2),
        "level_spread_mm": uncertainty.level_spread_mm,
        "slab_sma_cm2": measurement.slab_sma_cm2,
    }


def _quality(measurement: Measurement) -> dict[str, Any] | None:
    quality = measurement.quality
    if quality is None:
        return None
    return asdict(quality) | {"degradation": None if quality.degradation is None else quality.degradation.value}


def _vertebrae(assessment: Assessment) -> list[dict[str, Any]]:
    level = assessment.level
    return [
        {"label": v.label, "z_mm": v.z_mm, "slice_index": v.slice_index, "spread_mm": v.spread_mm}
        for v in (level.vertebrae if level is not None else ())
    ]


def _candidates(assessment: Assessment) -> list[dict[str, Any]]:
    """Both possible L3 when the count is ambiguous; else empty."""
    level = assessment.level
    if level is None:
        return []
    pairs = zip(level.candidates, level.candidate_sma_cm2, strict=True)
    return [{"slice_index": c.slice_index, "z_mm": c.z_mm, "sma_cm2": area} for c, area in pairs]


def error_object(error: SarcopeniaError) -> dict[str, Any]:
    """An error as the JSON object that is printed instead of a result."""
    return {"error": {"code": error.code, "message": error.message, "next_step": error.next_step}}


def result_table(result: dict[str, Any]) -> Table:
    """The result as a table for people."""
    table = Table(title=f"Body composition at {result['level'] or 'the given slice'}", caption=RESEARCH_USE)
    table.add_column("Measure")
    table.add_column("Value", justify="right")
    for name, key, unit, digits in ROWS:
        value = result[key]
        table.add_row(name, "–" if value is None else f"{value:.{digits}f} {unit}".strip())
    table.add_row("Slice (from the feet, 0-based)", str(result["slice_index"]))
    table.add_row("Verdict", result["verdict"])
    for flag in result["flags"]:
        table.add_row(f"Flag: {flag['code']}", flag["text"])
    return table


ROWS: Final = (
    ("Skeletal muscle area (SMA)", "sma_cm2", "cm²", 1),
    ("Skeletal muscle index (SMI)", "smi_cm2_m2", "cm²/m²", 1),
    ("Skeletal muscle density (SMD)", "smd_hu", "HU", 1),
    ("Low-attenuation muscle (LAMA)", "lama_cm2", "cm²", 1),
    ("Subcutaneous fat (SAT)", "sat_cm2", "cm²", 1),
    ("Visceral fat (VAT)", "vat_cm2", "cm²", 1),
    ("Intermuscular fat (IMAT)", "imat_cm2", "cm²", 1),
    ("Slice position (patient z)", "slice_z_mm", "mm", 1),
)


def schema_text() -> str:
    """The shipped JSON schema of the result."""
    return resources.files("sarcopenia.cli").joinpath("assess.schema.json").read_text(encoding="utf-8")
