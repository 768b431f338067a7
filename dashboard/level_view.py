"""What the choice of a level says, without Streamlit: names, distances to vertebrae, candidates, table of levels."""

from dataclasses import dataclass, replace
from typing import Final

from sarcopenia.domain.results import LevelAnchor, LevelFinding, Measurement, VertebraPosition, vertebra_label

VERTEBRAE: Final = tuple(vertebra_label(coordinate) for coordinate in range(11, 19))
"""Names that a person may give to a slice, T11 to S1."""
TARGET: Final = "L3"
NORMAL_LUMBAR_COUNT: Final = 5
COUNT_WORDS: Final = {4: "four", 5: "five", 6: "six"}
ORDINALS: Final = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth"}
THIRD: Final = 3
"""L3 is the third lumbar vertebra, counted from either end of five."""
HIDDEN_WITHIN_MM: Final = 12.0
"""A name this near to a candidate would be read as the candidate's own; bodies lie 20 mm and more apart."""
ANCHOR_WORDS: Final = {
    LevelAnchor.BOTH: "counted between the last rib and the sacrum",
    LevelAnchor.SACRUM: "counted from the sacrum; the last rib is not in view",
    LevelAnchor.LAST_RIB: "counted from the last rib; the sacrum is not in view",
    LevelAnchor.NONE: "recognised by shape alone; neither the last rib nor the sacrum is in view",
}


@dataclass(frozen=True)
class Proposal:
    """The vertebra that the model sees nearest to a slice, and the slice's distance in mm, positive to the head."""

    label: str
    distance_mm: float

    @property
    def words(self) -> str:
        """The proposal in a sentence."""
        away = round(abs(self.distance_mm))
        side = "above" if self.distance_mm > 0 else "below"
        place = "at its middle" if not away else f"{away} mm {side} its middle"
        return f"Nearest vertebra as counted by the model: {self.label}; this slice lies {place}."


def proposal_at(level: LevelFinding | None, z_mm: float) -> Proposal | None:
    """The nearest vertebra that was found; ``None`` where none was."""
    if level is None or not level.vertebrae:
        return None
    nearest = min(level.vertebrae, key=lambda vertebra: abs(vertebra.z_mm - z_mm))
    return Proposal(nearest.label, z_mm - nearest.z_mm)


def nearest_to_target(level: LevelFinding | None) -> VertebraPosition | None:
    """The vertebra of the list that lies nearest to L3, for scans without it; ``None`` where none was found."""
    found = () if level is None else level.vertebrae
    named = [vertebra for vertebra in found if vertebra.label in VERTEBRAE]
    steps_to_l3 = VERTEBRAE.index(TARGET)
    return min(named, key=lambda vertebra: abs(VERTEBRAE.index(vertebra.label) - steps_to_l3), default=None)


def drawn_levels(level: LevelFinding | None, *, ambiguous: bool) -> tuple[VertebraPosition, ...]:
    """What is drawn on the scouts: every vertebra; where a person must choose, both candidates as "L3?" instead."""
    if level is None or not ambiguous:
        return () if level is None else level.vertebrae
    doubtful = tuple(replace(candidate, label=f"{TARGET}?") for candidate in level.candidates)
    others = (
        vertebra
        for vertebra in level.vertebrae
        if all(abs(vertebra.z_mm - candidate.z_mm) > HIDDEN_WITHIN_MM for candidate in doubtful)
    )
    return (*others, *doubtful)


def vertebra_words(label: str, level: LevelFinding | None) -> str:
    """Name of a vertebra in the list; a lumbar one says so where not five were counted."""
    count = None if level is None else level.lumbar_count
    if count in (None, NORMAL_LUMBAR_COUNT) or not label.startswith("L"):
        return label
    return f"{label} (transitional anatomy: {_count(count)} lumbar)"


def _count(number: int | None) -> str:
    return COUNT_WORDS.get(number or 0, str(number))


def counted_words(level: LevelFinding | None) -> str:
    """What the search for L3 saw, in a sentence."""
    if level is None or not level.vertebrae:
        return "No vertebra was recognised in this scan."
    seen = f"{level.vertebrae[-1].label} to {level.vertebrae[0].label}"
    words = f"The model sees {seen}, {ANCHOR_WORDS[level.anchor]}."
    return words if level.lumbar_count is None else f"{words} Lumbar vertebrae: {_count(level.lumbar_count)}."


def candidate_words(level: LevelFinding, candidate: VertebraPosition) -> str:
    """From which end a candidate is the third vertebra, and which it is from the other end.

    With six lumbar vertebrae the third from the rib lies above the third from the sacrum; with four, below it.
    """
    upper = candidate.z_mm == max(other.z_mm for other in level.candidates)
    count = level.lumbar_count or NORMAL_LUMBAR_COUNT
    other = ORDINALS.get(count - THIRD + 1, f"number {count - THIRD + 1}")
    if upper == (count > NORMAL_LUMBAR_COUNT):
        return f"Third vertebra below the last rib, {other} above the sacrum."
    return f"Third vertebra above the sacrum, {other} below the last rib."


def level_rows(level: LevelFinding, measurement: Measurement) -> list[dict[str, object]]:
    """Table of the vertebrae from head to feet, with their distance to the measured slice if there is one."""
    measured_mm = measurement.slice_z_mm
    rows: list[dict[str, object]] = []
    for vertebra in reversed(level.vertebrae):
        row = {
            "Vertebra": vertebra.label,
            "Slice": vertebra.slice_index,
            "z (mm)": round(vertebra.z_mm, 1),
            "Spread (mm)": round(vertebra.spread_mm, 1),
        }
        distance = {} if measured_mm is None else {"Above measured slice (mm)": round(vertebra.z_mm - measured_mm, 1)}
        rows.append(row | distance)
    return rows
