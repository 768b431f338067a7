"""Pixels known only to be no muscle wall teach just that."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from inference_server.training.compartments.augmentation import Augmenter, Batch, place_on_tiles  # noqa: E402
from inference_server.training.compartments.train import compartment_loss  # noqa: E402
from inference_server.training.datasets.compartment_data import NOT_WALL, NativeSlice, to_model_grid  # noqa: E402
from inference_server.training.datasets.partial_labels import completed_share  # noqa: E402
from sarcopenia.domain.results import Compartment  # noqa: E402
from sarcopenia.phantom import PhantomSpec, make_phantom  # noqa: E402

pytestmark = pytest.mark.training
WALL = Compartment.MUSCLE_WALL
SPEC = PhantomSpec(
    seed=3, pixel_spacing_mm=3.0, shape_yx=(112, 144), slice_spacing_mm=6.0, bottom_coordinate=15.2, top_coordinate=14.9
)


@pytest.fixture(scope="module")
def natives() -> tuple[NativeSlice, NativeSlice]:
    """One slice with its compartments, and the same where only "wall or not" is known."""
    phantom = make_phantom(SPEC)
    truth = phantom.compartments_zyx[0]
    partial = np.where(truth == WALL, WALL, NOT_WALL).astype(np.uint8)
    partial[truth == Compartment.OUTSIDE] = Compartment.OUTSIDE
    plane = phantom.volume.geometry.plane(0)
    return tuple(NativeSlice("p", 0, phantom.volume.hu_zyx[0], labels, plane, True) for labels in (truth, partial))


def test_the_gradient_is_that_of_not_being_the_wall():
    logits = torch.randn(1, 5, 4, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    share, known = torch.zeros(1, 5, 4, 4), torch.ones(1, 1, 4, 4)
    target = completed_share(share, known, logits.softmax(1))
    (found,) = torch.autograd.grad(-(target * logits.log_softmax(1)).sum(), logits, retain_graph=True)
    (expected,) = torch.autograd.grad(-torch.log(1 - logits.softmax(1)[:, WALL]).sum(), logits)
    assert torch.allclose(found, expected, atol=1e-5)


def test_whole_labels_and_unknown_pixels_stay_as_they_are(natives):
    batch = place_on_tiles([to_model_grid(natives[0])])
    probability = torch.full_like(batch.share, 0.2)
    assert (completed_share(batch.share, batch.known, probability) - batch.share).abs().max() < 0.02
    assert completed_share(torch.zeros(1, 5, 2, 2), torch.zeros(1, 1, 2, 2), torch.full((1, 5, 2, 2), 0.2)).sum() == 0


def test_the_loss_asks_a_muscle_mask_only_for_the_wall(natives):
    whole, partial = (place_on_tiles([to_model_grid(native)]) for native in natives)
    right = whole.share * 20
    permuted = right.clone()
    permuted[:, [1, 3, 4]] = right[:, [3, 4, 1]]
    too_much = right.clone()
    too_much[:, WALL] += right[:, Compartment.VISCERAL_CAVITY]
    too_much[:, Compartment.VISCERAL_CAVITY] = 0
    assert compartment_loss(permuted, partial) == pytest.approx(float(compartment_loss(right, partial)), abs=0.02)
    assert compartment_loss(permuted, whole) > compartment_loss(right, whole) + 1
    assert compartment_loss(too_much, partial) > compartment_loss(right, partial) + 2


def test_augmentation_does_not_fill_in_what_is_not_known(natives):
    changed: Batch = Augmenter(3)(place_on_tiles([to_model_grid(natives[1])] * 4))
    missing = changed.known - changed.share.sum(1, keepdim=True)
    assert missing.min() > -0.03
    assert (missing > 0.5).sum() > 1000
