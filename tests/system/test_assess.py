import json
import subprocess
import sys
from dataclasses import replace

import jsonschema
import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner

from sarcopenia.cli.app import app
from sarcopenia.cli.assess import schema_text
from sarcopenia.exchange.ct_writer import write_ct_series
from sarcopenia.imaging import files_from_path, read_series
from sarcopenia.phantom import make_phantom
from tests.system.conftest import SPEC

pytestmark = pytest.mark.triton


@pytest.fixture
def assess(triton_url, monkeypatch):
    """Run `sarcopenia assess … --json`; gives exit code and the one object, checked against the schema."""
    monkeypatch.setenv("SARCOPENIA_TRITON_URL", triton_url)

    def run(*arguments):
        result = CliRunner().invoke(app, ["assess", *map(str, arguments), "--json"])
        told = json.loads(result.stdout)
        jsonschema.validate(told, json.loads(schema_text()))
        return result.exit_code, told

    return run


def test_a_phantom_is_measured_at_its_l3(assess, series, phantom):
    code, told = assess(series)
    assert code == 0
    assert told["level"] == "L3"
    assert told["slice_z_mm"] == pytest.approx(phantom.level_z_mm["L3"], abs=6)
    truth = phantom.true_composition(told["slice_index"])
    assert told["sma_cm2"] == pytest.approx(truth.sma_cm2, rel=0.08)
    assert told["sat_cm2"] == pytest.approx(truth.sat_cm2, rel=0.08)
    assert told["smd_hu"] == pytest.approx(truth.smd_hu, abs=4)
    uid = read_series(files_from_path(series)).chosen.sop_instance_uids[told["slice_index"]]
    assert told["slice_sop_instance_uid"] == uid
    assert {model["name"] for model in told["models"]} == {"spine_level", "body_compartments", "scan_quality"}


def test_smi_follows_the_height_that_is_given(assess, series, phantom):
    _, told = assess(series)
    assert told["smi_cm2_m2"] == pytest.approx(told["sma_cm2"] / phantom.header.height_m**2)
    _, given = assess(series, "--height-cm", "180", "--sex", "M")
    assert given["smi_cm2_m2"] == pytest.approx(given["sma_cm2"] / 1.8**2)
    assert given["patient"]["sex"] == "M"


def test_a_slice_is_given_by_index_or_uid(assess, series):
    code, by_index = assess(series, "--slice", 20)
    assert (code, by_index["slice_index"], by_index["level_rule"]) == (0, 20, "given_slice")
    _, by_uid = assess(series, "--slice", by_index["slice_sop_instance_uid"])
    assert by_uid["sma_cm2"] == by_index["sma_cm2"]


def test_masks_lie_on_the_native_slice(assess, series, tmp_path):
    code, told = assess(series, "--masks", tmp_path / "out.nii.gz")
    assert code == 0
    volume = read_series(files_from_path(series)).chosen
    plane = volume.geometry.plane(told["slice_index"])
    compartments, muscle = (nibabel.load(tmp_path / name) for name in ("out.nii.gz", "out_muscle.nii.gz"))
    for image in (compartments, muscle):
        assert image.shape == (volume.hu_zyx.shape[2], volume.hu_zyx.shape[1], 1)
        assert image.get_data_dtype() == np.uint8
        column_row = np.array([10.0, 20.0])
        ras = (image.affine @ [*column_row, 0, 1])[:3]
        lps = plane.to_lps_mm(column_row[::-1])
        assert np.allclose(ras, lps * [-1, -1, 1], atol=1e-3)
    area = np.count_nonzero(muscle.get_fdata()) * plane.pixel_area_mm2 / 100
    assert area == pytest.approx(told["sma_cm2"])
    assert set(np.unique(compartments.get_fdata())) == {0, 1, 2, 3, 4}


def test_a_scan_without_l3_is_a_finding(assess, tmp_path):
    chest = make_phantom(replace(SPEC, bottom_coordinate=13.0, top_coordinate=7.0))
    write_ct_series(chest.volume, tmp_path / "chest")
    code, told = assess(tmp_path / "chest")
    assert code == 0
    assert (told["verdict"], told["sma_cm2"], told["slice_index"]) == ("no_l3", None, None)
    assert "no_l3" in {flag["code"] for flag in told["flags"]}


def test_six_lumbar_vertebrae_are_ambiguous(assess, tmp_path):
    six = make_phantom(replace(SPEC, lumbar_count=6, bottom_coordinate=20.6))
    write_ct_series(six.volume, tmp_path / "six")
    code, told = assess(tmp_path / "six")
    assert (code, told["verdict"]) == (0, "ambiguous_level")
    assert told["slice_z_mm"] == pytest.approx(six.level_z_mm["L3"], abs=8)  # third from the last rib
    assert len(told["level_candidates"]) == 2


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--slice", "9999"], "slice_not_found"), (["--slice", "1.2.3"], "slice_not_found")]
)
def test_a_slice_that_is_not_there_is_an_input_error(assess, series, arguments, code):
    exit_code, told = assess(series, *arguments)
    assert exit_code == 2
    assert told["error"]["code"] == code


def test_what_cannot_be_read_is_an_input_error(assess, tmp_path):
    (tmp_path / "notes.txt").write_text("not an image")
    for path in (tmp_path / "notes.txt", tmp_path / "nowhere"):
        exit_code, told = assess(path)
        assert exit_code == 2
        assert told["error"]["next_step"]


def test_a_missing_server_is_an_inference_error(series, tmp_path, monkeypatch):
    monkeypatch.setenv("SARCOPENIA_TRITON_ENVIRONMENT", str(tmp_path))
    monkeypatch.setenv("SARCOPENIA_TRITON_GRPC_PORT", "9")
    monkeypatch.delenv("SARCOPENIA_TRITON_URL", raising=False)
    result = CliRunner().invoke(app, ["assess", str(series), "--json"])
    assert result.exit_code == 3
    assert json.loads(result.stdout)["error"]["code"] == "settings"


def test_people_get_a_table_and_programs_one_line(series, triton_url, monkeypatch):
    monkeypatch.setenv("SARCOPENIA_TRITON_URL", triton_url)
    command = [sys.executable, "-m", "sarcopenia", "assess", str(series)]
    table = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert "Skeletal muscle area" in table
    assert "Research use only" in table
    told = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True, timeout=120).stdout
    assert len(told.splitlines()) == 1


@pytest.mark.shared_data
def test_a_real_series_is_measured_near_its_drawn_l3(assess, shared_data):
    code, told = assess(shared_data / "dicom" / "arreaza.zip")
    assert code == 0
    assert told["slice_index"] == pytest.approx(51, abs=2)  # drawn mid-L3: slice 51.0; patient of the training split
    assert told["sma_cm2"] == pytest.approx(153.2, rel=0.06)  # drawn SMA of slice 50
    assert told["verdict"] == "accept"
