"""What stands beside the viewer, without Streamlit: the state of editing, its numbers, and words for other scans."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

from dashboard.result_view import acceptance_words
from dashboard.review_view import review_words, version_words
from sarcopenia.assessment.composition import body_composition
from sarcopenia.assessment.correction import fold
from sarcopenia.domain.results import BodyComposition, CompartmentMap, Measurement
from sarcopenia.domain.strokes import Stroke
from sarcopenia.records import StoredDraft, StoredMeasurement, StoredSlice


@dataclass(frozen=True)
class Editing:
    """What is being looked at: the newest version, the slice with the models' own mask, and the person's draft."""

    stored: StoredMeasurement
    model: StoredSlice
    draft: StoredDraft | None

    @property
    def strokes(self) -> tuple[Stroke, ...]:
        """Strokes of the draft; without one those of the version."""
        return self.stored.measurement.provenance.strokes if self.draft is None else self.draft.strokes

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to store."""
        return self.strokes != self.stored.measurement.provenance.strokes

    @cached_property
    def mended(self) -> CompartmentMap:
        """The models' mask with the strokes folded in."""
        return fold(self.model.compartments, self.model.hu_yx, self.strokes)

    @cached_property
    def composition(self) -> BodyComposition:
        """Areas and density of the mask as it is drawn now."""
        return body_composition(
            self.model.hu_yx,
            self.mended.compartments_yx,
            self.model.plane.pixel_area_mm2,
            self.stored.measurement.provenance.vat_range_hu,
            self.mended.muscle_yx if self.strokes else None,
        )


def draft_words(editing: Editing) -> str:
    """That a draft is not stored yet, and what storing it does; "" without a draft."""
    if editing.draft is None:
        return ""
    if not editing.is_changed:
        return "The draft is what is stored already: there is nothing to store."
    if editing.strokes:
        return "Draft, not stored yet. It survives a reload of the page."
    return "Draft, not stored yet: all strokes are dropped. Storing it makes a version with the AI's own mask again."


def uncertainty_words(measurement: Measurement, *, mended: bool) -> str:
    """CoV of the area beside the limits of the weights; "" where nothing was measured."""
    uncertainty, rule = measurement.uncertainty, measurement.provenance.acceptance
    if uncertainty is None:
        return ""
    words = f"Spread of the AI's answers (CoV of the SMA): **{uncertainty.sma_cov_percent:.1f} %**."
    if rule is not None:
        words += f" Limits of these weights: {acceptance_words(rule)}."
    return f"{words} It is that of the AI's mask, not of the mended one." if mended else words


def scan_words(study_date: date | None, stored: StoredMeasurement, version: int) -> str:
    """A measured scan in a line: day, area and its level, which version, and whether a person has looked."""
    day = "no date" if study_date is None else study_date.isoformat()
    measurement = stored.measurement
    area = "" if measurement.composition is None else f"SMA {measurement.composition.sma_cm2:.1f} cm²"
    at = f"at {measurement.level or 'an unknown level'}, slice {measurement.slice_index}"
    return f"**{day}** · **{area}** {at} · {version_words(stored, version)} · {review_words(stored)}"
