"""Splits and training options from TOML: what is read, and what is refused by name."""

import re
from pathlib import Path

import pytest

from inference_server.training.config import read_config
from inference_server.training.datasets.splits import (
    COMPARTMENT_FOLDS,
    PROJECT_SPLITS,
    SPINE_FOLDS,
    TEST_NAMES,
    read_splits,
    splits_of,
    training_names,
)
from sarcopenia.domain.errors import SettingsError

OWN = """
test = ["t1"]
unlabelled = ["u1"]
[folds]
compartments = [["a", "b1"], ["c"]]
spine = [["c"], ["a", "b2"]]
[patients]
b = ["b1", "b2"]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "splits.toml"
    path.write_text(text)
    return path


def test_the_project_trains_on_nobody_of_its_test_split():
    trained = {name for folds in (COMPARTMENT_FOLDS, SPINE_FOLDS) for name in training_names(folds, None)}
    assert not trained & set(TEST_NAMES)
    assert len(COMPARTMENT_FOLDS) == 3
    assert PROJECT_SPLITS.patient_of("juno1") == PROJECT_SPLITS.patient_of("juno0")


def test_a_data_folder_rules_over_its_own_scans(tmp_path):
    assert splits_of(tmp_path) is PROJECT_SPLITS
    write(tmp_path, OWN)
    own = splits_of(tmp_path)
    assert own.compartment_folds == (("a", "b1"), ("c",))
    assert own.spine_folds == (("c",), ("a", "b2"))
    assert [own.place_of(name) for name in ("t1", "u1", "c", "b2", "x")] == [
        "test", "unlabelled", "fold 1", "fold 1", "none",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[folds]\ncompartments = [["a"], ["b", "a"]]', "patient a is in fold 0 and in fold 1"),
        ('test = ["a2"]\n[folds]\nspine = [["a1"]]\n[patients]\nann = ["a1", "a2"]', "patient ann is in test"),
        ('unlabelled = ["a"]\n[folds]\ncompartments = [["a"]]', "patient a is in unlabelled"),
        ('[patients]\nann = ["a"]\nbea = ["a"]', "a belongs to two patients"),
        ('tests = ["a"]', "unknown tests"),
        ('[folds]\nquality = [["a"]]', "unknown folds.quality"),
        ('test = "a"', "should be a list of names"),
        ("test = [", "cannot be read"),
    ],
)
def test_what_would_spoil_the_validation_is_refused_by_name(tmp_path, text, said):
    with pytest.raises(SettingsError, match=re.escape(said)):
        read_splits(write(tmp_path, text))


def test_a_file_of_ones_own_overrides_only_what_it_names(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text("threads = 8\n[body_compartments]\ncycle_ends = [40, 60]\nlearning_rate = 1\n")
    own, defaults = read_config(path), read_config()
    assert own.threads == 8
    assert own.body_compartments.cycle_ends == (40, 60)
    assert own.body_compartments.learning_rate == 1.0
    assert own.body_compartments.batch_size == defaults.body_compartments.batch_size
    assert own.pretrain == defaults.pretrain


def test_a_seed_reaches_every_training():
    seeded = read_config().with_seed(5)
    assert {section.seed for section in (seeded.pretrain, seeded.body_compartments, seeded.distil)} == {5}
    assert seeded.phantoms == read_config().phantoms


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[pretrain]\nstep = 5", "unknown pretrain.step"),
        ("[spine]\nsteps = 5", "unknown spine"),
        ('[pretrain]\nsteps = "many"', "pretrain.steps = 'many'"),
        ("[distil]\nsteps = 0.5", "distil.steps = 0.5"),
        ("[body_compartments]\ncycle_ends = 100", "body_compartments.cycle_ends = 100"),
        ("pretrain = 3", "pretrain = 3"),
        ("threads = true", "threads = True"),
    ],
)
def test_a_wrong_key_or_value_is_refused_by_name(tmp_path, text, said):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=re.escape(said)):
        read_config(path)
