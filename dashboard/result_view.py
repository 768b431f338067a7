"""What a result says in words and numbers, without Streamlit: rows of the card, flags, distances to profiles.

SMI and every comparison are computed here from the stored measurement and the context valid at the scan's date.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

from sarcopenia.clinical import (
    NAMES,
    UNITS,
    ProfileComparison,
    ProfileSubject,
    Standing,
    compare_with_profiles,
    confounder_flags,
    smi_cm2_m2,
)
from sarcopenia.domain.results import (
    AcceptanceRule,
    Flag,
    Landmark,
    LevelRule,
    Measurement,
    Severity,
    SliceRegistration,
    Verdict,
)
from sarcopenia.domain.volume import SeriesHeader, Sex

NOT_REVIEWED: Final = "AI – not reviewed"
RESEARCH_USE: Final = "Research use only – not a medical device"
MISSING: Final = "–"
CM2: Final = "cm²"
SMA_HINT: Final = "Muscle wall, −29 to 150 HU."
SMD_HINT: Final = "Mean HU of skeletal muscle (−29 to 150 HU). Contrast and tube voltage move it."


@dataclass(frozen=True)
class PersonAtScan:
    """Height, weight and sex that hold at the scan, ``None`` or unknown where nobody said them.

    ``answers`` to the questions of `sarcopenia.clinical.confounders`, by key; those that were not asked are missing.
    """

    height_m: float | None
    weight_kg: float | None
    sex: Sex
    answers: tuple[tuple[str, bool], ...] = ()

    @property
    def confounders(self) -> tuple[Flag, ...]:
        """Flags of what was answered with yes."""
        return confounder_flags(dict(self.answers))


@dataclass(frozen=True)
class Figure:
    """One number of the card: short name, unit, long name, the number, and a hint: definition, or why it is blank."""

    name: str
    unit: str
    long_name: str
    text: str
    hint: str


VERDICT_WORDS: Final = {
    Verdict.ACCEPT: "Measured; no flag was raised.",
    Verdict.REVIEW: "Measured. Please review: see the flags.",
    Verdict.REJECT: "Measured, but the number must not be used: see the flags.",
    Verdict.AMBIGUOUS_LEVEL: "The level is ambiguous: a person must choose.",
    Verdict.NO_L3: "L3 is not in this scan. Nothing was measured.",
}
LANDMARK_WORDS: Final = {
    Landmark.MID_BODY: "middle of the body",
    Landmark.TRANSVERSE_PROCESSES: "both transverse processes",
    Landmark.INFERIOR_ENDPLATE: "inferior end-plate",
}
STANDING_WORDS: Final = {Standing.BELOW: "below", Standing.NOT_BELOW: "not below"}
SEVERITY_WORDS: Final = {Severity.INFO: "For information", Severity.REVIEW: "Review", Severity.BLOCK: "Stop"}


def age_years(header: SeriesHeader, birth_date: date | None, study_date: date | None) -> float | None:
    """Age at the scan as its images state it, else completed years from the birth date; ``None``: not known."""
    if header.age_years is not None:
        return header.age_years
    if birth_date is None or study_date is None or birth_date > study_date:
        return None
    before_birthday = (study_date.month, study_date.day) < (birth_date.month, birth_date.day)
    return float(study_date.year - birth_date.year - before_birthday)


def figures(measurement: Measurement, person: PersonAtScan) -> tuple[Figure, ...]:
    """The numbers of the card; empty when nothing was measured."""
    composition = measurement.composition
    if composition is None:
        return ()
    smi = smi_cm2_m2(composition.sma_cm2, person.height_m)
    low, high = composition.vat_range_hu
    at = "" if measurement.level == "L3" else f" at {measurement.level or 'unknown level'}"
    numbers = (
        (f"SMA{at}", CM2, "Skeletal muscle area", composition.sma_cm2, SMA_HINT),
        (f"SMI{at}", "cm²/m²", "Skeletal muscle index", smi, _smi_hint(person)),
        ("SMD", "HU", "Skeletal muscle density", composition.smd_hu, SMD_HINT),
        ("LAMA", CM2, "Low-attenuation muscle", composition.lama_cm2, "Muscle of −29 to 29 HU."),
        ("SAT", CM2, "Subcutaneous fat", composition.sat_cm2, "Subcutaneous layer, −190 to −30 HU."),
        ("VAT", CM2, "Visceral fat", composition.vat_cm2, f"Visceral cavity, {low} to {high} HU."),
        ("IMAT", CM2, "Intermuscular fat", composition.imat_cm2, "Muscle wall, −190 to −30 HU."),
    )
    return tuple(
        Figure(name, unit, long_name, MISSING if value is None else f"{value:.1f}", hint)
        for name, unit, long_name, value, hint in numbers
    )


def _smi_hint(person: PersonAtScan) -> str:
    if person.height_m is None:
        return "SMA / height². Blank: no height is known; enter it below."
    return f"SMA / height², height {person.height_m:.2f} m."


def certainty_words(measurement: Measurement) -> str:
    """How sure the number is: spread of the ensemble, mean of the slab, level, image; "" when not measured."""
    uncertainty = measurement.uncertainty
    if uncertainty is None:
        return ""
    parts = [f"spread of the ensemble (CoV) {uncertainty.sma_cov_percent:.1f} %"]
    if measurement.slab_sma_cm2 is not None:
        parts.append(f"mean of ±10 mm {measurement.slab_sma_cm2:.1f} cm²")
    if uncertainty.level_spread_mm is not None:
        parts.append(f"level ±{uncertainty.level_spread_mm:.0f} mm")
    if measurement.quality is not None and measurement.quality.predicted_ssim is not None:
        parts.append(f"image quality (predicted SSIM) {measurement.quality.predicted_ssim:.2f}")
    return "How sure: " + " · ".join(parts)


def place_words(measurement: Measurement) -> str:
    """Which slice was measured, in a sentence."""
    if measurement.slice_index is None or measurement.slice_z_mm is None:
        return "No slice was measured."
    rule = {
        LevelRule.MID_L3: "middle of L3, found by the model",
        LevelRule.GIVEN_SLICE: f"slice given by a person, near {measurement.level or 'an unknown level'}",
        LevelRule.PERSON: f"{measurement.level}{_landmark_words(measurement)}, chosen by a person",
        LevelRule.REGISTERED: f"{measurement.level}, at the place of another scan's slice, found by registration",
        LevelRule.SINGLE_SLICE: "the only level of this series; which one is not known",
    }[measurement.provenance.level_rule]
    place = f"counted from the feet, the first is 0; z = {measurement.slice_z_mm:.1f} mm"
    return f"Slice {measurement.slice_index} ({place}): {rule}."


def _landmark_words(measurement: Measurement) -> str:
    landmark = measurement.provenance.landmark
    return "" if landmark is None else f" ({LANDMARK_WORDS[landmark]})"


def sorted_flags(measurement: Measurement, person: PersonAtScan) -> tuple[Flag, ...]:
    """Flags of the measurement and of what was asked, the gravest first."""
    order = [Severity.BLOCK, Severity.REVIEW, Severity.INFO]
    return tuple(sorted((*measurement.flags, *person.confounders), key=lambda flag: order.index(flag.severity)))


def comparisons(measurement: Measurement, person: PersonAtScan, header: SeriesHeader) -> tuple[ProfileComparison, ...]:
    """Distances to the cut-off profiles; none when nothing was measured."""
    subject = profile_subject(measurement, person, header)
    return () if subject is None else compare_with_profiles(subject)


def profile_subject(measurement: Measurement, person: PersonAtScan, header: SeriesHeader) -> ProfileSubject | None:
    """What is held against published values; ``None`` when nothing was measured."""
    composition = measurement.composition
    if composition is None:
        return None
    return ProfileSubject(
        sma_cm2=composition.sma_cm2,
        smd_hu=composition.smd_hu,
        level=measurement.level,
        sex=person.sex,
        height_m=person.height_m,
        weight_kg=person.weight_kg,
        contrast_phase=header.contrast_phase,
        kvp=header.kvp,
        spectral=header.spectral,
        blocked_because=_why_blocked(measurement, person),
    )


def _why_blocked(measurement: Measurement, person: PersonAtScan) -> str:
    """Texts of the flags that forbid a comparison; the verdict itself where it forbids one without a flag."""
    texts = [flag.text for flag in (*measurement.flags, *person.confounders) if flag.severity is Severity.BLOCK]
    if not texts and measurement.verdict in (Verdict.REJECT, Verdict.AMBIGUOUS_LEVEL):
        texts = [VERDICT_WORDS[measurement.verdict]]
    return " ".join(texts)


def comparison_rows(found: tuple[ProfileComparison, ...]) -> list[dict[str, str]]:
    """Table of the comparisons, those with an answer first."""
    ranked = sorted(found, key=lambda comparison: comparison.standing is Standing.BLANK)
    return [
        {
            "Profile": c.profile.name,
            "Measure": f"{NAMES[c.measure]} ({UNITS[c.measure]})",
            "Value": MISSING if c.value is None else f"{c.value:.1f}",
            "Limit": MISSING if c.limit is None else f"{c.limit.operator} {c.limit.value:g}",
            "Distance": MISSING if c.distance is None else f"{c.distance:+.1f}",
            "Result": STANDING_WORDS[c.standing] if c.distance is not None else f"not compared: {c.reason}",
            "Population": c.profile.population,
            "Citation": c.profile.citation,
        }
        for c in ranked
    ]


def acceptance_words(rule: AcceptanceRule) -> str:
    """The limits of the served weights in a sentence."""
    words = f"CoV of the SMA: review above {rule.cov_review_percent:g} %, reject above {rule.cov_reject_percent:g} %"
    if rule.ssim_review is None or rule.ssim_reject is None:
        return words
    return f"{words}; predicted SSIM: review below {rule.ssim_review:g}, reject below {rule.ssim_reject:g}"


def provenance_rows(measurement: Measurement) -> list[dict[str, str]]:
    """Where the number comes from, one row a fact."""
    provenance = measurement.provenance
    rows = [
        {"Fact": "Software", "Value": provenance.software_version},
        {"Fact": "Level rule", "Value": provenance.level_rule.value},
        {"Fact": "Series (SHA-256)", "Value": provenance.series_hash},
        {"Fact": "Averaged slices", "Value": str(provenance.averaged_slices)},
        {"Fact": "VAT range", "Value": f"{provenance.vat_range_hu[0]} to {provenance.vat_range_hu[1]} HU"},
    ]
    if provenance.registration is not None:
        rows.append({"Fact": "Registered to", "Value": _registration_words(provenance.registration)})
    if provenance.acceptance is not None:
        rows.append({"Fact": "Limits of acceptance", "Value": acceptance_words(provenance.acceptance)})
    for model in provenance.models:
        weights = f"version {model.version}, {model.precision}, {model.backend}, ONNX SHA-256 {model.onnx_sha256}"
        rows.append({"Fact": f"Model {model.name}", "Value": weights})
    return rows


def _registration_words(registration: SliceRegistration) -> str:
    match = registration.match
    return (
        f"measurement {registration.baseline_measurement_id}, series {registration.baseline_series_hash}; "
        f"shift {match.shift_mm:+.1f} mm, rotation {match.rotation_deg:.1f}°, similarity {match.similarity:.2f}"
    )
