"""Data, augmentation, losses, resuming and publishing, on tiny things; needs torch, no real CT."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from inference_server.publish import publish_compartments, publish_spine  # noqa: E402
from inference_server.training.augmentation import TILE_YX, Augmenter, place_on_tiles  # noqa: E402
from inference_server.training.compartment_data import load_training_slices  # noqa: E402
from inference_server.training.networks import CompartmentNet, SpineNet, refine_by_phase  # noqa: E402
from inference_server.training.run_state import TrainingState  # noqa: E402
from inference_server.training.spine_augmentation import LABELS, TILE_ROWS, random_tile  # noqa: E402
from inference_server.training.spine_data import (  # noqa: E402
    load_example,
    phantom_example,
    row_labels,
    save_example,
)
from inference_server.training.splits import (  # noqa: E402
    COMPARTMENT_FOLDS,
    SPINE_FOLDS,
    TEST_NAMES,
    training_names,
)
from inference_server.training.train_compartments import CompartmentTraining, compartment_loss, train  # noqa: E402
from inference_server.training.train_spine import spine_loss  # noqa: E402
from sarcopenia.phantom import PhantomSpec, make_phantom  # noqa: E402

pytestmark = pytest.mark.training

REPOSITORY = Path(__file__).resolve().parents[3] / "model_repository"
SPEC = PhantomSpec(seed=3, pixel_spacing_mm=3.0, shape_yx=(112, 144), slice_spacing_mm=5.0)


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(SPEC)


@pytest.fixture(scope="module")
def data(phantom, tmp_path_factory):
    """A folder in the format of the annotated CT: every training name is the same phantom."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "volumes").mkdir()
    (folder / "labels").mkdir()
    names = training_names(COMPARTMENT_FOLDS, None)
    keys = [len(phantom.volume.hu_zyx) // 2]
    for name in names:
        for kind, voxels in (("volumes", phantom.volume.hu_zyx), ("labels", phantom.compartments_zyx)):
            image = nibabel.Nifti1Image(voxels.transpose(2, 1, 0), np.diag([-3.0, -3.0, 5.0, 1.0]))
            nibabel.save(image, folder / kind / f"{name}.nii.gz")
    entry = {"spacing_mm_zyx": [5.0, 3.0, 3.0], "key_slices": keys, "weak_slices": [keys[0] + 1], "levels_z": {}}
    (folder / "index.json").write_text(json.dumps(dict.fromkeys(names, entry)))
    return folder


@pytest.fixture(scope="module")
def slices(data):
    return load_training_slices(data, ("arreaza", "tcga0"))


def test_nobody_of_the_test_split_is_trained_on():
    trained = {name for folds in (COMPARTMENT_FOLDS, SPINE_FOLDS) for name in training_names(folds, None)}
    assert not trained & set(TEST_NAMES)


def test_a_held_out_fold_is_not_trained_on():
    for fold, names in enumerate(COMPARTMENT_FOLDS):
        assert not set(names) & set(training_names(COMPARTMENT_FOLDS, fold))


def test_shares_of_the_compartments_fill_every_pixel(slices):
    assert len(slices) == 4
    assert {item.weight for item in slices} == {1.0, 0.4}
    for item in slices:
        assert np.abs(item.share_cyx.astype(int).sum(axis=0) - 255).max() <= 3


def test_augmentation_keeps_shares_and_follows_its_seed(slices):
    first, again = (Augmenter(7)(place_on_tiles(slices)) for _ in range(2))
    assert torch.equal(first.hu, again.hu)
    assert first.hu.shape == (4, 1, *TILE_YX)
    assert (first.share.sum(1) - 1).abs().max() < 0.02
    assert not torch.equal(Augmenter(8)(place_on_tiles(slices)).hu, first.hu)


def test_the_compartment_loss_is_least_for_the_right_answer(slices):
    batch = place_on_tiles(slices)
    right = (batch.share * 20).requires_grad_()
    wrong = batch.share.roll(1, dims=1) * 20
    # Mixed pixels at the borders keep an entropy of their own, so the least loss is not zero.
    assert compartment_loss(right, batch) < 0.3
    assert compartment_loss(wrong, batch) > 3.0


def test_training_writes_weights_and_goes_on_where_it_stopped(data, tmp_path):
    options = CompartmentTraining(data, tmp_path, 0, steps=2, batch_size=2)
    weights = train(options)
    before = weights.read_bytes()
    assert train(options) == weights
    assert weights.read_bytes() == before
    assert (tmp_path / "log.csv").read_text().startswith("step,loss")


def test_a_run_resumes_with_the_same_weights_and_step(tmp_path):
    network = torch.nn.Linear(2, 1)
    state = TrainingState(network, 0.01, 10, tmp_path)
    state.advance(network(torch.ones(4, 2)).square().mean())
    state.save()
    other = torch.nn.Linear(2, 1)
    assert TrainingState(other, 0.01, 10, tmp_path).step == 1
    assert torch.equal(other.weight, network.weight)


def test_row_labels_follow_the_levels():
    levels = {"S1": 10.0, "L5": 23.0, "L4": 36.0, "L3": 50.0, "L2": 63.0, "L1": 76.0, "T12": 87.0}
    labels = row_labels(levels, 120)
    assert labels["coordinate_z"][50] == pytest.approx(15.0)
    assert labels["coordinate_z"][43] == pytest.approx(15.5)
    assert np.isnan(labels["coordinate_z"][110])
    assert labels["at_most_z"][110] == pytest.approx(11.4)
    assert labels["rib_z"][90] == 1
    assert labels["rib_z"][60] == 0
    assert labels["sacrum_z"][10] == 1
    assert labels["sacrum_z"][40] == 0


def test_a_chest_scan_is_bounded_only():
    labels = row_labels({}, 30, chest_only=True)
    assert np.isnan(labels["coordinate_z"]).all()
    assert (labels["at_most_z"] < 14).all()


def test_a_phantom_example_survives_its_file_and_its_tiles(phantom, tmp_path):
    example = phantom_example(phantom, "p", 2, np.random.default_rng(0))
    save_example(example, tmp_path)
    again = load_example(tmp_path / "p.npz")
    assert np.array_equal(again.variants, example.variants)
    tile = random_tile(again, np.random.default_rng(1))
    assert tile.projections_czw.shape == (2, TILE_ROWS, 96)
    assert tile.labels.shape == (len(LABELS), TILE_ROWS)
    known = np.isfinite(tile.labels[0])
    assert known.any()
    assert np.all(np.diff(tile.labels[0][known]) < 0.2)  # the coordinate falls towards the head


def test_six_lumbar_vertebrae_without_a_rib_are_not_taught():
    spec = replace(SPEC, lumbar_count=6, bottom_coordinate=18.5, top_coordinate=13.5)
    example = phantom_example(make_phantom(spec), "six", 1, np.random.default_rng(0))
    assert np.isnan(example.coordinate_z).all()


def test_the_spine_loss_is_least_for_the_right_answer():
    labels = torch.full((1, 5, 16), float("nan"))
    labels[:, 0] = torch.linspace(18, 12, 16)
    labels[:, 1] = float("inf")
    labels[:, 2:] = 1.0
    angle = 2 * torch.pi * labels[:, 0]
    raw = torch.stack(
        [labels[0, 0], torch.full((16,), -3.0), angle.cos()[0], angle.sin()[0], *[torch.full((16,), 9.0)] * 3]
    )
    assert spine_loss(raw[None], labels) < spine_loss(raw[None] + 0.5, labels)


def test_the_phase_refines_the_coordinate_but_never_by_more_than_half_a_vertebra():
    raw = torch.zeros(1, 7, 3)
    raw[0, 0] = torch.tensor([14.8, 15.3, 15.0])
    raw[0, 2] = 1.0  # phase zero: mid-body
    assert refine_by_phase(raw)[0].tolist() == pytest.approx([15.0, 15.0, 15.0])


def test_publishing_checks_the_export_and_writes_its_hash(tmp_path):
    for name in ("spine_level", "body_compartments"):
        (tmp_path / name / "configs").mkdir(parents=True)
        for config in ("config.pbtxt", "configs/gpu.pbtxt"):
            (tmp_path / name / config).write_text((REPOSITORY / name / config).read_text())
    torch.manual_seed(0)
    small = (8, 8, 8, 8, 8, 8)
    for path in (
        publish_spine(SpineNet(16).eval(), tmp_path),
        publish_compartments([CompartmentNet(small).eval(), CompartmentNet(small).eval()], tmp_path),
    ):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert digest in (path.parents[1] / "config.pbtxt").read_text()
        assert digest in (path.parents[1] / "configs" / "gpu.pbtxt").read_text()
