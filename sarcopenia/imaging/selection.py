"""What the reader hands back: the chosen series as a volume, and every other one with the reason in words."""

from dataclasses import dataclass

from sarcopenia.domain.volume import CtVolume


@dataclass(frozen=True)
class RejectedSeries:
    """A series that was not chosen.

    Attributes
    ----------
    series_instance_uid: its UID, "" for NIfTI; a series that holds several stacks appears once for each.
    description: Series Description (0008,103E), or the file name.
    reason_code: stable code, see `sarcopenia.imaging.suitability.REASONS`.
    reason_text: the reason in words.
    slice_count: number of images.
    """

    series_instance_uid: str
    description: str
    reason_code: str
    reason_text: str
    slice_count: int


@dataclass(frozen=True)
class SeriesSelection:
    """The chosen series and the rejected ones, sorted by description and UID."""

    chosen: CtVolume
    rejected: tuple[RejectedSeries, ...]
