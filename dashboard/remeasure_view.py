"""Which scans may be measured again with the present models, without Streamlit.

A new measurement of the models becomes the newest version of a scan, so only scans whose newest version is the models'
own, and which nobody signed or rejected, are measured again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sarcopenia.domain.results import ModelIdentity
from sarcopenia.inference.contract import SARCOPENIA_CLASSIFIER, SCAN_QUALITY
from sarcopenia.records import ScanSummary

_NOT_OF_THE_NUMBER = (SCAN_QUALITY, SARCOPENIA_CLASSIFIER)


@dataclass(frozen=True)
class RemeasurePlan:
    """Scans of other weights: those to measure again, and those that people signed, rejected or corrected."""

    again: tuple[ScanSummary, ...]
    kept: tuple[ScanSummary, ...]


def remeasure_plan(scans: Sequence[ScanSummary], present: Sequence[ModelIdentity]) -> RemeasurePlan:
    """Sort the scans that were measured with other weights than the present ones."""
    served = _weights(present)
    older = [scan for scan in scans if scan.latest and _weights(scan.latest.measurement.provenance.models) != served]
    kept = [scan for scan in older if scan.latest and scan.latest.is_by_person]
    return RemeasurePlan(tuple(scan for scan in older if scan not in kept), tuple(kept))


def _weights(models: Sequence[ModelIdentity]) -> set[tuple[str, str]]:
    """Name and hash of the models that make the number."""
    return {(model.name, model.onnx_sha256) for model in models if model.name not in _NOT_OF_THE_NUMBER}


def kept_words(plan: RemeasurePlan) -> str:
    """What is left as people left it."""
    if not plan.kept:
        return ""
    days = ", ".join("no date" if scan.study_date is None else scan.study_date.isoformat() for scan in plan.kept)
    return f"Not measured again, because a person signed, rejected or corrected the newest version: {days}."
