"""Who takes part, where the masks lie in cropped images, and what training with the term does."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from figureground.base.errors import OptionError
from figureground.training import fit
from figureground.training.algorithms import make_algorithms, resolved
from figureground.training.algorithms.attribution_prior import (
    AttributionPrior,
    AttributionPriorOptions,
    energy_outside,
    gradient_outside,
)
from figureground.training.checkpoint import load_checkpoint
from figureground.training.crops import CropParameters

BOX = torch.tensor([[1.0, 0, 4, 2]])


@pytest.fixture
def begun(start, recipe, network, tmp_path):
    def make(*, boxes=None, settings=None, folder="run", **options: Any):
        prior = AttributionPrior(AttributionPriorOptions(**options), 3)
        held = {"boxes": [BOX] * 32 if boxes is None else boxes} | (settings or {})
        run = start(recipe(), network(), tmp_path / folder, algorithms=[prior], **held)
        return run, prior

    return make


def term(run, prior, batch):
    """The term of one pass."""
    prior.before_pass(batch, run)
    outputs = run.model(batch.images)
    losses = prior.change_losses({"cross_entropy": outputs.sum()}, outputs, batch, run)
    assert [*losses] == ["cross_entropy", "attribution_prior"]
    return losses["attribution_prior"]


def shares(run, batch, masks):
    """By the network's own parts: the tanh is the last layer with positions, then mean and linear layer."""
    network = run.network
    features = network[2](network[1](network[0](batch.images)))
    weight = network[6].weight[batch.labels.clamp(0, 2)]
    return energy_outside(torch.einsum("nc,nchw->nhw", weight, features), masks)


def test_the_term_is_the_mean_share_outside_the_boxes(begun):
    run, prior = begun(weight=2.5)
    batch = run.batches.make(torch.arange(8))
    masks = torch.zeros(8, 6, 6, dtype=torch.bool)
    masks[:, 0:2, 1:4] = True
    torch.testing.assert_close(term(run, prior, batch), 2.5 * shares(run, batch, masks).mean())
    assert prior.description() == {"guided": 32, "without boxes": 0, "layer": "2"}


def test_crops_and_flips_move_the_mask_with_the_image(begun, data):
    """Images are bright exactly in their boxes: so are the crops where their masks are."""
    rows = torch.arange(32)
    boxes = [torch.tensor([[n % 3, n % 4, n % 3 + 2, n % 4 + 3]]).float() for n in range(32)]
    images = torch.zeros(32, 1, 6, 6, dtype=torch.uint8)
    for image, box in zip(images, boxes, strict=True):
        x0, y0, x1, y1 = box[0].int().tolist()
        image[:, y0:y1, x0:x1] = 255
    run, prior = begun(boxes=boxes, settings={"images": images, "crop_padding": 2, "flip": True})
    seen = 0
    for batch in run.batches.epoch(0):
        masks = batch.images[:, 0] == 1
        assert batch.crops is not None
        assert torch.equal(prior._moved_masks(batch), masks)
        some = masks.flatten(1).any(1)
        wanted = shares(run, batch, masks)[some].mean()
        torch.testing.assert_close(term(run, prior, batch), wanted)
        seen += len(batch)
    assert seen == len(rows)


def test_who_has_no_box_no_class_or_no_place_takes_no_part(begun):
    boxes = [BOX if row != 2 else BOX[:0] for row in range(32)]
    run, prior = begun(boxes=boxes)
    batch = run.batches.make(torch.arange(8))
    labels, indices = batch.labels.clone(), batch.indices.clone()
    labels[3], labels[4], indices[5] = -1, 3, -1
    # of image 6 the box has left with the crop
    top, left = torch.full((2, 8), 1)
    crops = CropParameters(top, left, torch.zeros(8, dtype=torch.bool), 1)
    crops.top[6], crops.top[:6], crops.top[7] = 2, 1, 1
    boxes[6] = torch.tensor([[1.0, 0, 4, 1]])
    run, prior = begun(boxes=boxes, folder="again")
    batch = replace(batch, labels=labels, indices=indices, crops=crops)
    masks = torch.zeros(8, 6, 6, dtype=torch.bool)
    masks[:, 0:2, 1:4] = True
    wanted = shares(run, batch, masks)[[0, 1, 7]].mean()
    torch.testing.assert_close(term(run, prior, batch), wanted)
    told = prior.description()
    assert (told["guided"], told["without boxes"]) == (31, 1)
    assert "1 of 32 training images have no box" in told["warnings"][0]


def test_a_batch_without_boxes_has_no_term_and_no_slope(begun):
    run, prior = begun(boxes=[BOX if row > 15 else BOX[:0] for row in range(32)])
    found = term(run, prior, run.batches.make(torch.arange(8)))
    slopes = torch.autograd.grad(found, [*run.network.parameters()], materialize_grads=True)
    assert found.item() == 0
    assert not any(slope.any() for slope in slopes)


def test_training_with_the_term_moves_maps_into_the_boxes(start, recipe, network, tmp_path):
    def after(weight):
        prior = AttributionPrior(AttributionPriorOptions(weight=weight), 3)
        full = recipe(epochs=8, optimiser={"kind": "sgd", "lr": 0.1})
        name = tmp_path / str(weight)
        run = start(full, network(), name, algorithms=[prior], boxes=[BOX] * 32)
        fit(run)
        batch = run.batches.make(torch.arange(32))
        return shares(run, batch, prior._moved_masks(batch)).mean().item()

    assert after(5.0) < after(0.0) - 0.05


def test_the_gradient_term_is_the_mean_over_boxed_images_and_training_lowers_it(
    start, recipe, network, tmp_path
):
    def after(weight):
        prior = AttributionPrior(AttributionPriorOptions(kind="gradient", weight=weight), 3)
        full = recipe(epochs=8, optimiser={"kind": "sgd", "lr": 0.1})
        run = start(full, network(), tmp_path / str(weight), algorithms=[prior], boxes=[BOX] * 32)
        fit(run)
        batch = run.batches.make(torch.arange(32))
        images = batch.images.detach().clone().requires_grad_()
        masks = torch.zeros(32, 6, 6, dtype=torch.bool)
        masks[:, 0:2, 1:4] = True
        each = gradient_outside(run.network(images), images, masks)
        if weight:
            found = term(run, prior, batch)
            torch.testing.assert_close(found, weight * each.mean(), rtol=1e-4, atol=1e-7)
        return each.mean().item()

    assert after(3.0) < 0.7 * after(0.0)
    assert AttributionPriorOptions(kind="gradient").weight is None


def test_hooks_are_gone_after_a_step_and_after_one_that_failed(begun):
    run, prior = begun()
    batch = run.batches.make(torch.arange(8))
    term(run, prior, batch)
    assert not any(one._forward_hooks for one in run.network.modules())
    prior.before_pass(batch, run)
    prior.before_pass(batch, run)
    assert sum(len(one._forward_hooks) for one in run.network.modules()) == 1
    prior.change_losses({}, run.model(batch.images), batch, run)
    assert not any(one._forward_hooks for one in run.network.modules())


def test_a_run_that_was_stopped_ends_with_the_same_weights(start, recipe, network, tmp_path):
    full = resolved(recipe(checkpoint_every=1, algorithms=[{"attribution-prior": {}}]))

    class Stopped(Exception):  # noqa: N818 - not an error
        pass

    def stop(_stage, done, _total):
        if done == 6 * 8:
            raise Stopped

    def begin(folder):
        algorithms = make_algorithms(full, 3)
        held = {"boxes": [BOX] * 32, "crop_padding": 1, "flip": True}
        return start(full, network(norm=True), tmp_path / folder, algorithms=algorithms, **held)

    whole = begin("whole")
    fit(whole)
    with pytest.raises(Stopped):
        fit(begin("parts"), progress=stop)
    again = begin("parts")
    load_checkpoint(again)
    assert again.step == 5
    fit(again)
    for one, other in zip(whole.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_other_boxes_are_another_run(begun):
    identities = {
        begun(boxes=[box] * 32, folder=str(number))[1].identity()
        for number, box in enumerate([BOX, BOX + 1])
    }
    assert len(identities) == 2
    assert "" not in identities


@pytest.mark.parametrize("boxes", [None, [BOX[:0]] * 32])
def test_data_without_boxes_are_refused(boxes, start, recipe, network, tmp_path):
    prior = AttributionPrior(AttributionPriorOptions(), 3)
    with pytest.raises(OptionError, match="needs boxes: these data have none"):
        start(recipe(), network(), tmp_path / "run", algorithms=[prior], boxes=boxes)
