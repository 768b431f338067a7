"""The pages of docs/evidence that can be measured; apart, because the command line names them without torch."""

from enum import StrEnum


class Page(StrEnum):
    """Pages that can be asked for; repeatability belongs to accuracy."""

    ACCURACY = "accuracy"
    LEVELS = "levels"
    UNCERTAINTY = "uncertainty"
    QUALITY = "quality"
    CLASSIFIER = "classifier"
    ABLATION = "ablation"
