"""The pages of docs/evidence that can be measured."""

from collections.abc import Sequence
from enum import StrEnum

from sarcopenia.domain.errors import SettingsError


class Page(StrEnum):
    """Pages that can be asked for; repeatability belongs to accuracy."""

    ACCURACY = "accuracy"
    LEVELS = "levels"
    UNCERTAINTY = "uncertainty"
    QUALITY = "quality"
    CLASSIFIER = "classifier"
    ABLATION = "ablation"


def pages_of(names: Sequence[str] | None) -> tuple[Page, ...]:
    """Pages by their names; all of them without names.

    Raises
    ------
    SettingsError: there is no such page.
    """
    if unknown := sorted(set(names or ()) - set(Page)):
        raise SettingsError(f"There is no page {unknown[0]}.", f"Pages are {', '.join(Page)}.")
    return tuple(Page(name) for name in names or Page)
