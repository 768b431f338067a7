"""The experimental classifier in words and numbers, without Streamlit; shown only where research is on."""

from typing import Final

from sarcopenia.domain.results import PatternFinding

LABEL: Final = "pattern classifier trained on simulated muscle loss; not independent of the measurement"
EXPERIMENTAL: Final = "Experimental"
NOT_ASKED: Final = "This scan was measured while research was off; upload it again to ask the classifier."


def probability_words(pattern: PatternFinding) -> str:
    """The answer as a percentage, and what it is a probability of."""
    return f"Probability of the pattern of low muscle: {100 * pattern.low_muscle_probability:.0f} %"


def attention_rows(pattern: PatternFinding) -> list[dict[str, object]]:
    """One row per slice of the slab, from the feet: how much of the answer comes from it, in %."""
    pairs = zip(pattern.slice_indices, pattern.slice_attention, strict=True)
    return [{"Slice (from the feet)": index, "Attention (%)": round(100 * share, 1)} for index, share in pairs]


def weights_words(pattern: PatternFinding) -> str:
    """Which weights answered."""
    return f"{pattern.model.name} version {pattern.model.version}, ONNX SHA-256 {pattern.model.onnx_sha256}"
