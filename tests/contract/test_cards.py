"""The machine-readable part of each model card: complete, true to weights and config, and told to people too."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from inference_server.training.datasets.splits import PROJECT_SPLITS, training_names
from tests.contract.tiny_models import REPOSITORY

PROJECT = REPOSITORY.parent
KEYS = {
    "model",
    "version",
    "onnx_sha256",
    "notice",
    "intended_use",
    "training",
    "limits",
    "data",
    "parameters",
    "figures",
    "evidence",
}
MODELS = sorted(path.name for path in REPOSITORY.iterdir() if any(path.glob("*/model.onnx")))


@pytest.fixture(params=MODELS)
def folder(request: pytest.FixtureRequest) -> Path:
    return REPOSITORY / request.param


@pytest.fixture
def card(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "figures.json").read_text())


def version_of(folder: Path) -> str:
    (version,) = (path.parent.name for path in folder.glob("*/model.onnx"))
    return version


def test_the_card_is_of_the_weights_that_are_there(folder: Path, card: dict[str, Any]) -> None:
    digest = hashlib.sha256((folder / version_of(folder) / "model.onnx").read_bytes()).hexdigest()
    assert set(card) == KEYS
    assert (card["model"], card["version"], card["onnx_sha256"]) == (folder.name, version_of(folder), digest)


def test_parameters_are_those_of_the_config(folder: Path, card: dict[str, Any]) -> None:
    config = (folder / "config.pbtxt").read_text()
    assert card["parameters"]
    for key, value in card["parameters"].items():
        assert re.search(rf'key: "{key}" value: {{ string_value: "{re.escape(value)}" }}', config), key


def test_every_scan_of_the_splits_has_a_source_with_a_licence(card: dict[str, Any]) -> None:
    use_of = {name: source["use"] for source in card["data"] for name in source["names"]}
    splits = PROJECT_SPLITS
    trained = {*training_names(splits.compartment_folds, None), *training_names(splits.spine_folds, None)}
    assert set(use_of) == trained | set(splits.test_names)
    assert {name for name, use in use_of.items() if use == "test only"} == set(splits.test_names)
    assert all(source["licence"] and source["collection"] for source in card["data"])


def test_figures_say_on_what_they_were_measured(card: dict[str, Any]) -> None:
    assert set(card["figures"]) == {"validation_out_of_fold", "test_split"}
    assert "research use only" in card["notice"].lower()
    assert card["limits"]
    assert card["intended_use"]


def test_people_read_the_same_as_machines(folder: Path, card: dict[str, Any]) -> None:
    page = (folder / "card.md").read_text()
    for text in (card["onnx_sha256"], card["notice"], card["intended_use"], *card["limits"]):
        assert text in page
    for source in card["data"]:
        assert source["collection"] in page
        assert source["licence"] in page
    for value in (card["figures"]["test_split"] or {}).values():
        assert value in page


def test_quoted_pages_exist_once_a_card_has_figures_of_validation(card: dict[str, Any]) -> None:
    pages = [PROJECT / page for page in card["evidence"]]
    assert pages
    for page in card["figures"]["validation_out_of_fold"]:
        assert (PROJECT / "docs" / "evidence" / f"{page}.md").exists()
