"""Simulated wasting, bags with their truth, network and export, training and report; tiny things, no real CT."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

import nibabel  # noqa: E402
from torch import nn  # noqa: E402

from inference_server.evaluation import classifier_report  # noqa: E402
from inference_server.evaluation.classifier_report import (  # noqa: E402
    AMOUNTS_MM,
    ClassifiedBag,
    auroc,
    figures,
    report,
)
from inference_server.publish import Export, answers, compare, torch_answers, write_onnx  # noqa: E402
from inference_server.training.classifier.bags import (  # noqa: E402
    MIDDLE,
    OFFSETS_MM,
    Slab,
    Wasting,
    phantom_slab,
    plain_bag,
    random_wasting,
    scan_slabs,
    sma_cm2,
    sma_limit_cm2,
    varied_bag,
    waste,
)
from inference_server.training.classifier.network import (  # noqa: E402
    SLICE_FEATURES,
    AttentionHead,
    ServedClassifier,
    SliceEncoder,
)
from inference_server.training.classifier.train import (  # noqa: E402
    PHANTOM_GROUP,
    BagDrawer,
    BagFeatures,
    ClassifierTraining,
    load_classifier,
    load_segmentation,
    train,
)
from inference_server.training.compartments.wasting import change_muscle_bulk, infiltrate_muscle  # noqa: E402
from inference_server.training.datasets.compartment_data import KEY_WEIGHT, LabelledSlice  # noqa: E402
from inference_server.training.networks import CompartmentNet, StudentNet  # noqa: E402
from sarcopenia.domain.errors import SettingsError  # noqa: E402
from sarcopenia.domain.results import Compartment  # noqa: E402
from sarcopenia.domain.volume import Sex  # noqa: E402
from sarcopenia.inference.contract import SARCOPENIA_CLASSIFIER_CONTRACT as CONTRACT  # noqa: E402

pytestmark = pytest.mark.training

RING_HU = {
    Compartment.OUTSIDE: -1000,
    Compartment.SUBCUTANEOUS: -100,
    Compartment.MUSCLE_WALL: 50,
    Compartment.VISCERAL_CAVITY: -90,
    Compartment.SPINE_BONE: 300,
}


def ring(radius=60.0, name="ring", shape=(160, 192)):
    """A round trunk: fat, a wall of 16 pixels (24 mm) in which a bone lies at the back, and a cavity of fat."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    distance = np.hypot(y - shape[0] / 2, x - shape[1] / 2)
    bone = np.hypot(y - shape[0] / 2 - radius + 8, x - shape[1] / 2) < 14
    steps = np.searchsorted([radius - 16, radius, radius + 12], distance)
    order = [
        Compartment.VISCERAL_CAVITY,
        Compartment.MUSCLE_WALL,
        Compartment.SUBCUTANEOUS,
        Compartment.OUTSIDE,
    ]
    labels = np.where(bone, int(Compartment.SPINE_BONE), np.array([int(c) for c in order])[steps])
    hu = np.vectorize(RING_HU.get)(labels).astype(np.int16)
    share = np.stack([(labels == c) * 255 for c in range(5)]).astype(np.uint8)
    return LabelledSlice(name, 0, hu, share, np.full(shape, 255, np.uint8), KEY_WEIGHT)


def slab(radius=60.0, sex=Sex.MALE):
    return Slab("ring", sex, (ring(radius),) * len(OFFSETS_MM))


def changed(amount_mm, item=None):
    batch = waste((item or ring(),), Wasting(amount_mm, seed=3))
    return batch, float(sma_cm2(batch)[0])


@pytest.fixture(scope="module")
def segmentation(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("segmentation") / "weights.pt"
    torch.save(CompartmentNet().state_dict(), path)
    return path


def test_muscle_shrinks_and_grows_with_the_amount_and_zero_changes_nothing():
    still, area = changed(0.0)
    areas = [changed(mm)[1] for mm in (-12.0, -6.0, 6.0, 12.0)]
    assert areas == sorted(areas)
    assert areas[1] < area < areas[2]
    assert torch.allclose(still.hu, waste((ring(),), Wasting()).hu, atol=0.5)


def test_the_lost_thickness_is_about_what_was_asked_for():
    # Away from the bone the wall loses 6 mm of 24 mm on average over the groups, which differ by a third.
    _, area = changed(0.0)
    losses = [1 - float(sma_cm2(waste((ring(),), Wasting(-6.0, seed=seed)))[0]) / area for seed in range(8)]
    assert np.mean(losses) == pytest.approx(6 / 24, abs=0.06)
    assert np.std(losses) > 0.005


def test_labels_and_pixels_move_together_and_bone_stays():
    before, after = changed(0.0)[0], changed(-8.0)[0]
    wall = after.share[:, Compartment.MUSCLE_WALL] > 0.95
    assert (after.hu[:, 0][wall] > 0).float().mean() > 0.99
    assert torch.allclose(after.share.sum(1), torch.ones_like(after.share[:, 0]), atol=1e-3)
    bone_before, bone_after = (b.share[:, Compartment.SPINE_BONE].sum() for b in (before, after))
    assert float(bone_after) == pytest.approx(float(bone_before), rel=0.03)
    fat_before, fat_after = (b.share[:, Compartment.VISCERAL_CAVITY].sum() for b in (before, after))
    assert fat_after > fat_before


def test_every_item_of_a_batch_has_its_own_amount():
    batch = waste((ring(), ring()), Wasting())
    amount = torch.tensor([-8.0, 0.0])
    random = torch.Generator().manual_seed(0)
    hu, share, known = change_muscle_bulk(batch.hu, batch.share, batch.known, amount, random)
    assert float((share[1] - batch.share[1]).abs().max()) < 1e-3
    assert share[0, Compartment.MUSCLE_WALL].sum() < 0.9 * share[1, Compartment.MUSCLE_WALL].sum()
    assert hu.shape == batch.hu.shape
    assert known.shape == batch.known.shape


def test_fat_streaks_take_the_asked_share_of_muscle_and_leave_the_rest():
    batch = waste((ring(),), Wasting())
    random = torch.Generator().manual_seed(1)
    hu = infiltrate_muscle(batch.hu, batch.share, torch.tensor([0.2]), torch.tensor([-10.0]), random)
    wall = batch.share[0, Compartment.MUSCLE_WALL] > 0.99
    assert float((hu[0, 0][wall] < -30).float().mean()) == pytest.approx(0.2, abs=0.07)
    assert float(hu[0, 0][wall].median()) == pytest.approx(40, abs=6)
    outside = batch.share[0, Compartment.MUSCLE_WALL] == 0
    assert torch.equal(hu[0, 0][outside], batch.hu[0, 0][outside])


def test_the_limits_are_those_of_the_profile_and_an_unknown_sex_has_none():
    assert sma_limit_cm2(Sex.MALE) == 114.0
    assert sma_limit_cm2(Sex.FEMALE) == 89.8
    with pytest.raises(ValueError, match="matsubara"):
        sma_limit_cm2(Sex.UNKNOWN)


def test_random_wasting_brings_a_person_to_both_sides_of_the_limit_and_near_the_target():
    random = np.random.default_rng(0)
    person = slab()
    changes = [random_wasting(person, random) for _ in range(10)]
    ratios = np.array([float(sma_cm2(waste(person.slices[:1], w))[0]) / person.limit_cm2 for w in changes])
    assert (ratios < 1).any()
    assert (ratios > 1).any()
    assert ratios.min() > 0.45
    assert ratios.max() < 1.7


def test_one_change_runs_through_the_whole_slab_and_sex_decides_the_truth():
    man, woman = (plain_bag(slab(54.0, sex), Wasting(seed=4)) for sex in (Sex.MALE, Sex.FEMALE))
    assert man.sma_cm2 == woman.sma_cm2
    assert (man.is_low, woman.is_low) == (True, False)
    wasted = plain_bag(slab(), Wasting(-9.0, 0.1, -5.0, seed=4))
    assert wasted.slab_hu.dtype == np.int16
    assert all(np.array_equal(part, wasted.slab_hu[MIDDLE]) for part in wasted.slab_hu)


def test_a_varied_bag_keeps_its_truth_but_for_the_pose_and_differs_between_slices():
    plain = plain_bag(slab(), Wasting())
    bag = varied_bag(slab(), Wasting(), np.random.default_rng(2))
    assert bag.sma_cm2 == pytest.approx(plain.sma_cm2, rel=0.15)
    assert not np.array_equal(bag.slab_hu[0], bag.slab_hu[1])


def test_a_phantom_slab_is_made_once_and_low_by_its_own_muscle(tmp_path):
    made = phantom_slab(tmp_path, 60_001)
    written = (tmp_path / "phantom60001.npz").stat().st_mtime_ns
    again = phantom_slab(tmp_path, 60_001)
    assert (tmp_path / "phantom60001.npz").stat().st_mtime_ns == written
    assert len(made.slices) == len(OFFSETS_MM)
    assert np.array_equal(made.slices[MIDDLE].hu_yx, again.slices[MIDDLE].hu_yx)
    assert 30 < plain_bag(made, Wasting()).sma_cm2 < 300


def test_the_encoder_stays_as_it_was_and_counts_the_body(segmentation):
    encoder = SliceEncoder(load_segmentation(segmentation))
    head = AttentionHead()
    ServedClassifier(encoder, head).train()
    assert not any(module.training for module in encoder.modules())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    small, large = (torch.from_numpy(ring(radius).hu_yx)[None, None] for radius in (45.0, 60.0))
    features = torch.cat([encoder(small), encoder(large)])
    assert features.shape == (2, SLICE_FEATURES)
    assert float(features[1, -1] / features[0, -1]) == pytest.approx((72 / 57) ** 2, rel=0.03)


def test_padding_with_air_changes_no_feature_that_is_summed(segmentation):
    encoder = SliceEncoder(load_segmentation(segmentation))
    image = torch.from_numpy(ring().hu_yx)[None, None]
    padded = nn.functional.pad(image, (0, 32, 0, 32), value=-1000)
    assert float(encoder(padded)[0, -1]) == pytest.approx(float(encoder(image)[0, -1]), rel=1e-5)


def test_attention_sums_to_one_and_does_not_depend_on_the_order():
    torch.manual_seed(0)
    head = AttentionHead().eval()
    features = torch.randn(3, 5, SLICE_FEATURES)
    logit, attention = head(features)
    assert torch.allclose(attention.sum(1), torch.ones(3))
    turned, attention_turned = head(features.flip(1))
    assert torch.allclose(turned, logit, atol=1e-6)
    assert torch.allclose(attention_turned.flip(1), attention, atol=1e-6)


def test_a_student_is_told_from_a_member_by_its_weights(tmp_path):
    torch.save(StudentNet(2).state_dict(), tmp_path / "student.pt")
    student = load_segmentation(tmp_path / "student.pt")
    assert isinstance(student, StudentNet)
    assert len(student.heads) == 2
    assert SliceEncoder(student)(torch.zeros(1, 1, 32, 32)).shape == (1, SLICE_FEATURES)


def test_the_export_answers_like_torch_for_any_number_and_size_of_slices(segmentation, tmp_path):
    served = ServedClassifier(SliceEncoder(load_segmentation(segmentation)), AttentionHead()).eval()
    example = torch.randint(-1000, 300, (2, 3, 32, 64), dtype=torch.int16)
    export = Export(served, CONTRACT, example, {0: "batch", 1: "slice", 2: "y", 3: "x"})
    write_onnx(export, tmp_path / "model.onnx")
    for images in (example, example[:1, :1].repeat(1, 7, 2, 1)):
        found = answers(tmp_path / "model.onnx", CONTRACT, images)
        compare(found, torch_answers(replace(export, example=images)), CONTRACT, (1e-3, 1))
        assert found[0].shape == (len(images), 1)
        assert found[1].shape == images.shape[:2]


def features_of(low, offset, count=5):
    """Bags whose class shows in one feature."""
    values = np.random.default_rng(len(low)).normal(size=(len(low), count, SLICE_FEATURES)).astype(np.float32)
    values[:, :, 0] += 4 * low[:, None] + offset
    return BagFeatures(values, np.where(low, 80.0, 120.0), np.full(len(low), 100.0))


def test_batches_balance_classes_and_people_however_many_bags_they_have():
    rare = features_of(np.arange(100) < 10, 0.0)
    phantoms = features_of(np.arange(40) < 35, 1000.0)
    drawn, low = BagDrawer({"a": rare, PHANTOM_GROUP: phantoms}).draw(4000, np.random.default_rng(0))
    assert float(low.mean()) == pytest.approx(0.5, abs=0.04)
    assert float((drawn[:, 0, 0] > 500).float().mean()) == pytest.approx(0.5, abs=0.04)
    assert 3 <= drawn.shape[1] <= 5


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder in the format of the annotated CT: two women and a man in two folds, and one of unknown sex."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "volumes").mkdir()
    (folder / "labels").mkdir()
    people = {"ann": "female 50 y", "eve": "female", "bob": "male, thin", "kim": "abdomen"}
    for name in people:
        item = ring(50.0)
        labels = item.share_cyx.argmax(0).astype(np.uint8)
        for kind, image in (("volumes", item.hu_yx), ("labels", labels)):
            volume = nibabel.Nifti1Image(np.repeat(image.T[:, :, None], 3, axis=2), np.diag([-1.5, -1.5, 5.0, 1.0]))
            nibabel.save(volume, folder / kind / f"{name}.nii.gz")
    entry = {"spacing_mm_zyx": [5.0, 1.5, 1.5], "key_slices": [1], "weak_slices": [0], "levels_z": {"L3": 1.0}}
    (folder / "index.json").write_text(json.dumps({name: entry | {"what": what} for name, what in people.items()}))
    (folder / "splits.toml").write_text('[folds]\ncompartments = [["ann", "kim"], ["bob", "eve"]]\n')
    return folder


def test_a_slab_repeats_the_nearest_slice_and_nobody_of_unknown_sex_is_used(data):
    (found,) = scan_slabs(data, "ann")
    assert [item.slice_index for item in found.slices] == [0, 0, 1, 1, 1]
    assert found.sex is Sex.FEMALE
    assert scan_slabs(data, "kim") == []


def test_training_resumes_and_the_report_covers_the_people_that_were_held_out(
    data, segmentation, tmp_path, monkeypatch
):
    monkeypatch.setattr(classifier_report, "UNSEEN_PHANTOMS", range(60_000, 60_001))
    monkeypatch.setattr(classifier_report, "AMOUNTS_MM", AMOUNTS_MM[:1])
    options = ClassifierTraining(
        data, tmp_path / "phantoms", tmp_path / "fold1", segmentation, 1, bags=2, phantom_count=1, steps=2, batch_size=2
    )
    weights = train(options)
    assert {path.stem for path in (tmp_path / "fold1" / "features").iterdir()} == {"ann", PHANTOM_GROUP}
    before = weights.read_bytes()
    assert train(options).read_bytes() == before
    classifier = load_classifier(segmentation, tmp_path / "fold1")
    found = report(data, tmp_path / "phantoms", [classifier, classifier])
    assert [row.group for row in found.persons] == ["ann", "bob", "eve"]
    assert found.pooled.persons == 3
    assert found.pooled.bags == 3
    assert [row.bags for row in found.phantoms] == [1, 1]
    assert {bag.fold for bag in found.bags if bag.name == "ann"} == {0}


def test_a_head_is_not_joined_to_another_encoder(segmentation, tmp_path):
    torch.save(AttentionHead().state_dict(), tmp_path / "weights.pt")
    (tmp_path / "segmentation.sha256").write_text(hashlib.sha256(segmentation.read_bytes()).hexdigest())
    assert isinstance(load_classifier(segmentation, tmp_path), ServedClassifier)
    torch.save(CompartmentNet().state_dict(), tmp_path / "other.pt")
    with pytest.raises(SettingsError, match="other weights"):
        load_classifier(tmp_path / "other.pt", tmp_path)


def test_auroc_counts_pairs_and_is_blank_without_both_classes():
    assert auroc([0.9, 0.4, 0.6, 0.4], [True, True, False, False]) == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    assert np.isnan(auroc([0.5, 0.6], [True, True]))


def test_figures_hold_the_answers_against_the_rule():
    bags = [
        ClassifiedBag("a", 0, 80.0, 89.8, 0.9),
        ClassifiedBag("a", 0, 85.0, 89.8, 0.2),
        ClassifiedBag("b", 1, 100.0, 114.0, 0.7),
        ClassifiedBag("b", 1, 95.0, 89.8, 0.1),
    ]
    found = figures("all", bags)
    assert (found.persons, found.bags, found.low) == (2, 4, 3)
    assert found.accuracy == pytest.approx(0.75)
    assert found.sensitivity == pytest.approx(2 / 3)
    assert found.specificity == 1.0
    assert found.auroc == 1.0
    # 100 cm² is low for a man, 95 cm² is not for a woman: no area alone can tell.
    assert found.area_auroc == pytest.approx(2 / 3)
