"""From a CT volume to a measurement: level, slab, compartments, tissues, areas, uncertainty, flags, provenance."""

from sarcopenia.assessment.events import (
    Assessment,
    AssessmentArrays,
    AssessmentEvent,
    AssessmentFinished,
    AssessmentOptions,
    Scout,
    Scouts,
    Stage,
    StageEvent,
)
from sarcopenia.assessment.pipeline import assess, run_assessment

__all__ = [
    "Assessment",
    "AssessmentArrays",
    "AssessmentEvent",
    "AssessmentFinished",
    "AssessmentOptions",
    "Scout",
    "Scouts",
    "Stage",
    "StageEvent",
    "assess",
    "run_assessment",
]
