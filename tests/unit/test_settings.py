"""Settings: one table, one reader, errors that name the variable."""

import dataclasses
import typing
from pathlib import Path

import pytest

from sarcopenia.domain.errors import SettingsError
from sarcopenia.inference.contract import CONTRACTS
from sarcopenia.settings import SETTINGS, Settings

GOOD_VALUES = {
    "data_dir": ("/srv/data", Path("/srv/data")),
    "database_url": ("postgresql://db/records", "postgresql://db/records"),
    "blob_url": ("s3://bucket/blobs", "s3://bucket/blobs"),
    "model_repository": ("/srv/models", Path("/srv/models")),
    "triton_environment": ("/srv/triton", Path("/srv/triton")),
    "triton_url": ("triton:8001", "triton:8001"),
    "triton_http_port": ("9000", 9000),
    "triton_grpc_port": ("9001", 9001),
    "triton_metrics_port": ("9002", 9002),
    "compartment_model": ("body_compartments_teacher", "body_compartments_teacher"),
    "research": ("on", True),
    "signers": ("Ann Lee, Ben Roth", frozenset({"Ann Lee", "Ben Roth"})),
    "dashboard_port": ("9501", 9501),
    "lease_s": ("2.5", 2.5),
    "poll_s": ("0.2", 0.2),
    "max_attempts": ("5", 5),
}


def test_table_and_dataclass_name_the_same_settings() -> None:
    assert [s.name for s in SETTINGS] == [f.name for f in dataclasses.fields(Settings)]
    assert all(s.help.endswith(".") and s.default for s in SETTINGS)


@pytest.mark.parametrize("name", [setting.name for setting in SETTINGS])
def test_each_variable_reaches_its_field_with_the_declared_type(name: str) -> None:
    text, expected = GOOD_VALUES[name]
    value = getattr(Settings.from_environment({f"SARCOPENIA_{name.upper()}": text}), name)
    declared = typing.get_type_hints(Settings)[name]
    assert value == expected
    kinds = typing.get_args(declared) or (declared,)
    assert isinstance(value, tuple(typing.get_origin(kind) or kind for kind in kinds))


def test_defaults_in_words_are_the_defaults_in_fact() -> None:
    settings = Settings.from_environment({})
    for setting in SETTINGS:
        if setting.default[0].isdigit():
            assert f"{getattr(settings, setting.name):g}" == setting.default


def test_default_database_and_blobs_lie_in_the_data_folder() -> None:
    settings = Settings.from_environment({"SARCOPENIA_DATA_DIR": "/srv/data"})
    assert settings.database_url == "sqlite:////srv/data/records.sqlite3"
    assert settings.blob_url == "file:///srv/data/blobs"
    assert settings.triton_url is None


def names_of(**environment: str) -> list[str]:
    return [contract.name for contract in Settings.from_environment(environment).models.contracts]


def test_settings_choose_the_models_and_no_others() -> None:
    usual = names_of()
    assert usual == [contract.name for contract in CONTRACTS]
    chosen = names_of(SARCOPENIA_COMPARTMENT_MODEL="body_compartments_teacher", SARCOPENIA_RESEARCH="On")
    assert set(usual) - set(chosen) == {"body_compartments"}
    assert set(chosen) - set(usual) == {"body_compartments_teacher", "sarcopenia_classifier"}


def test_relative_data_folder_becomes_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.from_environment({"SARCOPENIA_DATA_DIR": "data"}).data_dir == tmp_path / "data"


def test_blank_variable_means_default() -> None:
    assert Settings.from_environment({"SARCOPENIA_TRITON_URL": "  ", "SARCOPENIA_LEASE_S": ""}).lease_s == 60


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("SARCOPENIA_DASHBOARD_PORT", "http"),
        ("SARCOPENIA_DASHBOARD_PORT", "70000"),
        ("SARCOPENIA_DASHBOARD_PORT", "-1"),
        ("SARCOPENIA_LEASE_S", "0"),
        ("SARCOPENIA_LEASE_S", "nan"),
        ("SARCOPENIA_LEASE_S", "soon"),
        ("SARCOPENIA_MAX_ATTEMPTS", "0"),
        ("SARCOPENIA_TRITON_URL", "http://triton:8000"),
        ("SARCOPENIA_TRITON_URL", "triton"),
        ("SARCOPENIA_DATABASE_URL", "records.sqlite3"),
        ("SARCOPENIA_COMPARTMENT_MODEL", "spine_level"),
        ("SARCOPENIA_RESEARCH", "perhaps"),
    ],
)
def test_bad_value_names_the_variable_and_what_to_do(variable: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({variable: text})
    assert variable in caught.value.message
    assert text in caught.value.message
    assert variable in caught.value.next_step
