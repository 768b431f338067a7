"""Which of several usable axial CT stacks is measured.

`RANKING` is compared from top to bottom; the highest stack is chosen, and the first line on which another one loses is
the reason it is given. Deterministic: of equals the one that was acquired first wins, or else the lower UID.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sarcopenia.imaging.grouping import Stack
from sarcopenia.imaging.header import is_in_hu, spectral_name
from sarcopenia.imaging.stacking import THICK_ABOVE_MM
from sarcopenia.imaging.suitability import Reason, reason_of

FEW_SLICES: Final = 5
"""Bolus tracking and biopsy guidance make a handful of slices; taken only when there is nothing better."""
LONG_ENOUGH_MM: Final = 60.0
"""About two lumbar vertebrae: the least that a level can be told from."""
COVERAGE_STEP_MM: Final = 10.0
"""Reconstructions of one scan differ by less in length."""

_ABDOMEN_WORDS: Final = re.compile(
    r"abd|pelv|becken|bekken|bauch|buik|rumpf|stamm|trunk|lumb|\blws\b|liver|leber|foie|hepat|kidney|\bnier|renal|"
    r"colon|\b(tap|cap|bap|wb)\b|whole ?body|ganzk",
    re.I,
)
_ELSEWHERE_WORDS: Final = re.compile(
    r"head|brain|skull|kopf|sch[aä]del|cr[aâá]ne|hoofd|neuro|neck|hals|\bcou\b|chest|thora|t[oó]rax|lung|poumon|heart|"
    r"cardi|coron|breast|knee|foot|ankle|hand|wrist|elbow|shoulder|extremit|\bleg\b|\barm\b|\bc[- ]?spine|\bhws\b",
    re.I,
)
_SHARP_WORDS: Final = re.compile(r"bone|lung|knochen|sharp|edge|detail|\bos\b|poumon|pulm|hueso", re.I)
_SHARP_KERNEL: Final = re.compile(r"[a-z]{1,2}(5[5-9]|[6-9]\d).*|y[a-d]|[del]|fc(3\d|5\d|8\d)", re.I)
"""Siemens B/I/Br/Bl from 55 on, Philips YA–YD, D, E, L, Canon FC30–39, FC50–59, FC80–89; GE names are words."""


def _is_long_enough(stack: Stack) -> float:
    return float(len(stack.images) >= FEW_SLICES and stack.coverage_mm >= LONG_ENOUGH_MM)


def _shows_abdomen(stack: Stack) -> float:
    """1 where the header speaks of the abdomen, 0 where it speaks of another region only, else one half."""
    texts = " ".join(stack.first.text(k) for k in ("SeriesDescription", "BodyPartExamined", "ProtocolName"))
    if _ABDOMEN_WORDS.search(texts.replace("_", " ")):
        return 1.0
    return 0.0 if _ELSEWHERE_WORDS.search(texts.replace("_", " ")) else 0.5


def _is_stated_in_hu(stack: Stack) -> float:
    return float(is_in_hu(stack.first))


def _is_plain_energy(stack: Stack) -> float:
    return float(not spectral_name(stack.first))


def _is_original(stack: Stack) -> float:
    return float("DERIVED" not in stack.first.image_type)


def _has_soft_kernel(stack: Stack) -> float:
    kernel = stack.first.text("ConvolutionKernel").split("\\")[0]
    named = _SHARP_WORDS.search(f"{kernel} {stack.first.text('SeriesDescription')}".replace("_", " "))
    return float(not named and not _SHARP_KERNEL.fullmatch(kernel))


def _is_thin_enough(stack: Stack) -> float:
    return float((stack.first.number("SliceThickness") or 0.0) <= THICK_ABOVE_MM)


def _coverage(stack: Stack) -> float:
    return round(stack.coverage_mm / COVERAGE_STEP_MM)


def _slice_count(stack: Stack) -> float:
    return float(len(stack.images))


def _early_number(stack: Stack) -> float:
    return -float(stack.first.integer("SeriesNumber"))


@dataclass(frozen=True)
class Preference:
    """One line of the ranking: higher scores win; ``words`` say what the winner has."""

    words: str
    score: Callable[[Stack], float]


RANKING: Final = (
    Preference("it covers more than a few slices", _is_long_enough),
    Preference("it shows the abdomen by its description", _shows_abdomen),
    Preference("its values are stated to be Hounsfield units", _is_stated_in_hu),
    Preference("it is a normal image, not a spectral result", _is_plain_energy),
    Preference("it is original, not derived", _is_original),
    Preference("it has a soft-tissue kernel", _has_soft_kernel),
    Preference(f"its slices are not thicker than {THICK_ABOVE_MM} mm", _is_thin_enough),
    Preference("it covers more of the body", _coverage),
    Preference("it has more slices", _slice_count),
    Preference("it has the lower series number", _early_number),
)


def ranked(stacks: Sequence[Stack]) -> list[Stack]:
    """Stacks from the most to the least suitable."""
    return sorted(sorted(stacks, key=_acquisition_order), key=lambda s: [p.score(s) for p in RANKING], reverse=True)


def _acquisition_order(stack: Stack) -> tuple[int, int, str, str, str, str]:
    """Order of equals: the first acquired one, then the lower UIDs."""
    first = stack.first
    numbers = first.integer("AcquisitionNumber"), first.integer("TemporalPositionIdentifier")
    times = first.text("AcquisitionTime"), first.text("ContentTime")
    return (*numbers, *times, first.text("SeriesInstanceUID"), first.text("SOPInstanceUID"))


def why_less_suitable(loser: Stack, winner: Stack) -> Reason:
    """Reason for a usable stack that was not chosen: the first line of `RANKING` on which it loses."""
    if not _is_long_enough(loser) and _is_long_enough(winner):
        return reason_of("too_few_slices", f"{len(loser.images)} over {loser.coverage_mm:.0f} mm")
    lost = (p.words for p in RANKING if p.score(loser) < p.score(winner))
    return reason_of("less_suitable", next(lost, "they are equal; the one acquired first was taken"))
