"""Data, augmentation, losses, resuming and publishing, on tiny things; needs torch, no real CT."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from inference_server.publish import (  # noqa: E402
    compare_walls,
    compartments_export,
    publish,
    published_state,
    spine_export,
)
from inference_server.training.compartments.augmentation import TILE_YX, Augmenter, Batch, place_on_tiles, resize  # noqa: E402
from inference_server.training.compartments.distil import Distillation, distil, distillation_loss, load_student  # noqa: E402
from inference_server.training.compartments.pretrain import Pretraining, hide_patches, pretrain  # noqa: E402
from inference_server.training.compartments.train import (  # noqa: E402
    CompartmentTraining,
    compartment_loss,
    load_member,
    relative_area_error,
    scale_at,
    thinness,
    train,
)
from inference_server.training.datasets.axial_phantoms import FIRST_SEED, generate, load_slices  # noqa: E402
from inference_server.training.datasets.compartment_data import load_training_slices  # noqa: E402
from inference_server.training.datasets.splits import (  # noqa: E402
    COMPARTMENT_FOLDS,
    SPINE_FOLDS,
    TEST_NAMES,
    training_names,
)
from inference_server.training.networks import (  # noqa: E402
    Calibration,
    CompartmentNet,
    ServedCompartments,
    ServedSpineNet,
    SpineNet,
    StudentNet,
    TeacherMembers,
    refine_by_phase,
)
from inference_server.training.run_state import TrainingState, cosine_cycles  # noqa: E402
from inference_server.training.spine.augmentation import LABELS, TILE_ROWS, random_tile  # noqa: E402
from inference_server.training.spine.data import (  # noqa: E402
    load_example,
    phantom_example,
    row_labels,
    save_example,
)
from inference_server.training.spine.train import spine_loss  # noqa: E402
from sarcopenia.domain.results import Compartment  # noqa: E402
from sarcopenia.inference.contract import AIR_HU, BODY_COMPARTMENTS_CONTRACT  # noqa: E402
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
    folds = json.dumps([list(fold) for fold in COMPARTMENT_FOLDS[:2]])
    (folder / "splits.toml").write_text(f"unlabelled = ['cort0']\n[folds]\ncompartments = {folds}\n")
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


def test_the_area_error_is_signed_by_nothing_but_size():
    wall = torch.zeros(2, 1, 40, 40)
    wall[:, :, 10:30, 10:30] = 1
    found = wall.clone()
    found[1, :, 10:20] = 0
    error = relative_area_error(found, wall, torch.ones_like(wall))
    assert error[0] == 0
    assert error[1] == pytest.approx(200 / 600)


def test_a_thin_wall_weighs_more_than_a_thick_one():
    wall = torch.zeros(1, 1, 60, 60)
    wall[..., 5:8, :] = 1
    wall[..., 25:55, :] = 1
    weight = thinness(wall)
    assert weight[0, 0, 6, 30] > 0.7
    assert weight[0, 0, 40, 30] == pytest.approx(0, abs=1e-5)
    assert weight[0, 0, 15, 30] == 0


def test_images_grow_in_the_first_cycle_only(slices):
    assert [scale_at(step, 100) for step in (0, 24, 30, 60, 99, 150)] == [0.5, 0.5, 0.72, 1.0, 1.0, 1.0]
    small = resize(place_on_tiles(slices), 0.5)
    assert small.hu.shape[2:] == (112, 144)
    assert torch.allclose(small.share.sum(1), torch.ones(4, 112, 144), atol=0.02)


def test_the_learning_rate_comes_down_at_the_end_of_every_cycle():
    factor = cosine_cycles((100, 200))
    assert factor(99) < 0.01
    assert factor(160) > 0.3
    assert factor(199) < 0.01
    assert 0 < factor(0) < 0.05


def test_soft_tissue_is_hidden_more_often_than_air():
    hu = torch.full((4, 1, 224, 288), float(AIR_HU))
    hu[..., 64:160, 64:208] = 50
    hidden = hide_patches(hu, torch.Generator().manual_seed(0))
    assert set(hidden.unique().tolist()) == {0.0, 1.0}
    assert hidden[..., 64:160, 64:208].mean() > 0.6
    assert hidden[..., :48, :].mean() < 0.15


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """Pre-training, the members of a fold and their student, each of a few steps."""
    folder = tmp_path_factory.mktemp("runs")
    phantoms = folder / "axial_phantoms"
    generate(phantoms, FIRST_SEED)
    started = pretrain(Pretraining(data, phantoms, folder / "pretrain", 0, steps=1, batch_size=2))
    train(
        CompartmentTraining(
            data, phantoms, folder / "teacher", 0, pretrained=started, cycle_ends=(1, 2, 3), batch_size=2
        )
    )
    distil(
        Distillation(
            data,
            phantoms,
            folder / "student",
            (folder / "teacher",),
            0,
            pool=8,
            steps=1,
            batch_size=2,
            learning_rate=0.0,
        )
    )
    return folder


def test_phantom_slices_survive_their_file(runs):
    (path,) = (runs / "axial_phantoms").glob("*.npz")
    slices = load_slices(path)
    assert len(slices) == 6
    for item in slices:
        assert item.hu_yx.shape == item.known_yx.shape == item.share_cyx.shape[1:]
        assert (item.share_cyx[Compartment.MUSCLE_WALL] > 127).sum() * 2.25 > 3000  # mm²


def test_a_run_goes_on_where_it_stopped(data, runs):
    before = (runs / "teacher" / "weights.pt").read_bytes()
    options = CompartmentTraining(
        data, runs / "axial_phantoms", runs / "teacher", 0, cycle_ends=(1, 2, 3), batch_size=2
    )
    assert [path.name for path in train(options)] == ["cycle0.pt", "cycle1.pt", "cycle2.pt"]
    assert (runs / "teacher" / "weights.pt").read_bytes() == before
    assert (runs / "teacher" / "log.csv").read_text().startswith("step,loss")


def test_members_start_from_the_pretrained_weights(runs):
    started = torch.load(runs / "pretrain" / "weights.pt", weights_only=True)
    member = load_member(runs / "teacher" / "cycle0.pt").state_dict()
    key = "body.down_2.convs.conv_0.conv.weight"
    fresh = CompartmentNet().state_dict()[key]
    assert (member[key] - started[key]).abs().mean() < 0.1 * (fresh - started[key]).abs().mean()


def test_a_student_that_learned_nothing_yet_is_its_teacher(runs):
    """Same encoder, each head the decoder of its member: the last head answers as the last member does."""
    student = load_student(runs / "student" / "weights.pt")
    member = load_member(runs / "teacher" / "cycle2.pt")
    own = dict(student.heads[2].upcat_1.named_parameters())
    for key, value in member.body.upcat_1.named_parameters():
        assert torch.equal(own[key], value)
    assert torch.equal(student.body.conv_0.conv_0.conv.weight, member.body.conv_0.conv_0.conv.weight)


def test_the_distillation_loss_is_least_for_the_answer_of_the_teacher(slices):
    batch = place_on_tiles(slices[:2])
    unlabelled = Batch(batch.hu, batch.share, torch.zeros_like(batch.known), batch.weight)
    answers = torch.stack([batch.share, batch.share.roll(1, 1)], dim=1)
    right = answers.clamp(1e-4, 1).log()
    swapped = right.flip(1)
    assert distillation_loss(right, unlabelled, answers) < distillation_loss(swapped, unlabelled, answers)
    # Where labels were drawn they count for every head, also for one whose member says something else.
    assert distillation_loss(right, batch, answers) > distillation_loss(right, unlabelled, answers) + 1


def test_served_answers_come_with_the_mirror_image_behind_each_member():
    torch.manual_seed(0)
    served = ServedCompartments(
        TeacherMembers([CompartmentNet().eval(), CompartmentNet().eval()]), Calibration()
    ).eval()
    image = torch.randint(-200, 200, (1, 1, 32, 64), dtype=torch.int16)
    with torch.no_grad():
        straight, mirrored = served(image), served(image.flip(-1)).flip(-1)
    assert straight.shape == (1, 4, 5, 32, 64)
    for member in (0, 2):
        assert (straight[:, member].int() - mirrored[:, member + 1].int()).abs().max() <= 1


def test_a_higher_temperature_makes_softer_probabilities():
    torch.manual_seed(0)
    network = StudentNet().eval()
    image = torch.randint(-200, 200, (1, 1, 32, 32), dtype=torch.int16)
    with torch.no_grad():
        sharp, soft = (ServedCompartments(network, Calibration(temperature))(image) for temperature in (0.2, 5.0))
    assert sharp.amax(2).float().mean() > soft.amax(2).float().mean() + 10


def test_the_offset_is_that_of_bone_alone():
    torch.manual_seed(0)
    network = StudentNet().eval()
    image = torch.randint(-200, 200, (1, 1, 32, 32), dtype=torch.int16)
    with torch.no_grad():
        plain, offset = (ServedCompartments(network, Calibration(bone_offset=o))(image).float() for o in (0.0, 2.0))
    others = [c for c in Compartment if c is not Compartment.SPINE_BONE]
    assert (offset[:, :, Compartment.SPINE_BONE] >= plain[:, :, Compartment.SPINE_BONE]).all()
    assert (offset[:, :, others] <= plain[:, :, others] + 1).all()
    odds = offset[:, :, Compartment.SPINE_BONE] / plain[:, :, Compartment.SPINE_BONE]
    sure = (plain[:, :, Compartment.SPINE_BONE] > 20) & (plain[:, :, Compartment.SPINE_BONE] < 60)
    assert odds[sure].mean() > 2


def test_a_run_resumes_with_the_same_weights_and_step(tmp_path):
    network = torch.nn.Linear(2, 1)
    state = TrainingState(network, 0.01, (10,), tmp_path)
    state.advance(network(torch.ones(4, 2)).square().mean())
    state.save()
    other = torch.nn.Linear(2, 1)
    assert TrainingState(other, 0.01, (10,), tmp_path).step == 1
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


def test_a_missing_coronal_projection_stays_air_and_teaches_no_rib(phantom):
    example = phantom_example(phantom, "p", 1, np.random.default_rng(0))
    variants = example.variants.copy()
    variants[:, 1] = AIR_HU
    tile = random_tile(replace(example, variants=variants), np.random.default_rng(1))
    assert (tile.projections_czw[1] == AIR_HU).all()
    assert np.isnan(tile.labels[LABELS.index("rib_z")]).all()
    assert np.isfinite(tile.labels[LABELS.index("sacrum_z")]).any()


def test_no_rib_is_served_without_a_coronal_projection_and_its_mirror_image_changes_nothing():
    torch.manual_seed(0)
    served = ServedSpineNet(SpineNet(16).eval())
    projections = torch.randint(-500, 800, (2, 2, 32, 96), dtype=torch.int16)
    projections[1, 1] = AIR_HU
    mirrored = torch.stack([projections[:, 0], projections[:, 1].flip(-1)], dim=1)
    with torch.no_grad():
        answers, again = served(projections), served(mirrored)
    assert answers[3][0].min() > 0
    assert answers[3][1].max() == 0
    for one, other in zip(answers, again, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


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


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")
    for name in ("spine_level", "body_compartments"):
        (folder / name / "configs").mkdir(parents=True)
        for config in ("config.pbtxt", "configs/gpu.pbtxt"):
            (folder / name / config).write_text((REPOSITORY / name / config).read_text())
    return folder


def test_publishing_writes_the_hash_and_weights_that_training_can_start_from(repository):
    torch.manual_seed(0)
    network = SpineNet(16).eval()
    path = publish(spine_export(network), repository)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for config in ("config.pbtxt", "configs/gpu.pbtxt"):
        assert digest in (path.parents[1] / config).read_text()
    stored = published_state(path)
    for key, value in network.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.allclose(stored[f"network.{key}"], value, atol=2e-3)


def test_publishing_a_student_fills_its_parameters(repository):
    torch.manual_seed(0)
    export = compartments_export(
        StudentNet(2).eval(), BODY_COMPARTMENTS_CONTRACT, {"precision": "FP32, stored half"}, Calibration(1.5, -0.5)
    )
    path = publish(export, repository)
    assert "FP32, stored half" in (path.parents[1] / "config.pbtxt").read_text()
    assert path.stat().st_size < 4_000_000


def test_a_parameter_that_the_config_lacks_is_refused(repository):
    export = replace(spine_export(SpineNet(16).eval()), parameters={"no_such_parameter": "1"})
    with pytest.raises(ValueError, match="no_such_parameter"):
        publish(export, repository)


def test_weights_that_move_the_wall_are_refused():
    answer = np.zeros((1, 2, 5, 32, 32), np.uint8)
    answer[:, :, 0] = 200
    answer[:, :, 2, 8:24, 8:24] = 255
    compare_walls(answer, answer)
    with pytest.raises(ValueError, match="muscle wall"):
        compare_walls(np.roll(answer, 1, axis=-1), answer)


def test_the_average_of_a_short_run_forgets_its_start(tmp_path):
    network = torch.nn.Linear(1, 1, bias=False)
    state = TrainingState(network, 0.0, (40,), tmp_path)
    with torch.no_grad():
        network.weight.fill_(1.0)
    start = state.average.module.weight.item()
    for _ in range(30):
        state.average.update_parameters(network)
    assert state.average.module.weight.item() == pytest.approx(1, abs=0.02 * abs(1 - start) + 1e-6)
