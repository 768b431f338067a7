"""Which patient of the annotated CT is for what: folds for training and validation, a test split never trained on.

The splits stand in ``splits.toml``: the one beside this module for the project's own data, and one in any other data
folder for that folder. Splits are by patient: nobody is in two folds of a model, or in a fold and in the test split.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sarcopenia.domain.errors import SettingsError

FILE_NAME: Final = "splits.toml"
Folds = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Patient:
    """A person with more than one scan, and the names of the scans."""

    name: str
    scans: tuple[str, ...]


@dataclass(frozen=True)
class Splits:
    """Names of scans by what they are for.

    Attributes
    ----------
    compartment_folds, spine_folds: validation names of each fold of a model; a fold trains on all the others.
    test_names: never trained on. unlabelled_names: scans without compartment labels, in no compartment fold.
    patients: who has more than one scan; every other name is a person of its own.
    """

    compartment_folds: Folds
    spine_folds: Folds
    test_names: tuple[str, ...] = ()
    unlabelled_names: tuple[str, ...] = ()
    patients: tuple[Patient, ...] = ()

    def patient_of(self, scan: str) -> str:
        """Whose scan it is."""
        return next((patient.name for patient in self.patients if scan in patient.scans), scan)

    def place_of(self, scan: str) -> str:
        """What a scan is for, in words: "test", "unlabelled", "fold 0", or "none"."""
        if scan in self.test_names:
            return "test"
        for folds in (self.compartment_folds, self.spine_folds):
            for index, names in enumerate(folds):
                if scan in names:
                    return f"fold {index}"
        return "unlabelled" if scan in self.unlabelled_names else "none"


def training_names(folds: Folds, held_out_fold: int | None) -> tuple[str, ...]:
    """Patients to train on when ``held_out_fold`` is validation; all of them for ``None``."""
    return tuple(name for index, names in enumerate(folds) if index != held_out_fold for name in names)


def splits_of(data: Path) -> Splits:
    """The splits of a data folder: its own, or those of the project where it brings none.

    Raises
    ------
    SettingsError: as `read_splits`.
    """
    own = data / FILE_NAME
    return read_splits(own) if own.exists() else PROJECT_SPLITS


def read_splits(path: Path) -> Splits:
    """Read and check a ``splits.toml``.

    Raises
    ------
    SettingsError: not TOML, an unknown or malformed key, or a person in two places, who is named.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from error
    known = {"test", "unlabelled", "folds", "patients"}
    folds, patients = content.get("folds", {}), content.get("patients", {})
    if unknown := (content.keys() - known) | {f"folds.{key}" for key in folds.keys() - {"compartments", "spine"}}:
        raise SettingsError(f"{path}: unknown {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}.")
    splits = Splits(
        tuple(_names(path, names) for names in folds.get("compartments", [])),
        tuple(_names(path, names) for names in folds.get("spine", [])),
        _names(path, content.get("test", [])),
        _names(path, content.get("unlabelled", [])),
        tuple(Patient(name, _names(path, scans)) for name, scans in patients.items()),
    )
    check_splits(splits, path)
    return splits


def _names(path: Path, value: Any) -> tuple[str, ...]:  # noqa: ANN401 - whatever the file holds
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise SettingsError(f"{path}: {value!r} should be a list of names.")
    return tuple(value)


def check_splits(splits: Splits, path: Path) -> None:
    """Refuse a person in two places; the two models may place the same person in folds of different number.

    Raises
    ------
    SettingsError: it names the person and ``path``.
    """
    claimed = [scan for patient in splits.patients for scan in patient.scans]
    if twice := {scan for scan in claimed if claimed.count(scan) > 1}:
        raise SettingsError(f"{path}: {', '.join(sorted(twice))} belongs to two patients.")
    test = ("test", splits.test_names)
    _refuse_shared(splits, path, [test, ("unlabelled", splits.unlabelled_names), *_named(splits.compartment_folds)])
    _refuse_shared(splits, path, [test, *_named(splits.spine_folds)])


def _named(folds: Folds) -> Iterable[tuple[str, tuple[str, ...]]]:
    return ((f"fold {index}", names) for index, names in enumerate(folds))


def _refuse_shared(splits: Splits, path: Path, places: list[tuple[str, tuple[str, ...]]]) -> None:
    place_of_patient: dict[str, str] = {}
    for place, names in places:
        for patient in dict.fromkeys(map(splits.patient_of, names)):
            if patient in place_of_patient:
                raise SettingsError(f"{path}: patient {patient} is in {place_of_patient[patient]} and in {place}.")
            place_of_patient[patient] = place


PROJECT_SPLITS: Final = read_splits(Path(__file__).with_name(FILE_NAME))
COMPARTMENT_FOLDS: Final = PROJECT_SPLITS.compartment_folds
SPINE_FOLDS: Final = PROJECT_SPLITS.spine_folds
TEST_NAMES: Final = PROJECT_SPLITS.test_names
