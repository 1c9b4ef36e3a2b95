"""Quarter turns, and the head that has to tell them."""

import pytest
import torch

from figureground.base.errors import OptionError, ShapeError
from figureground.training import fit
from figureground.training.algorithms.rotation import Rotation, RotationOptions
from figureground.training.algorithms.rotation.turning import turned
from figureground.training.streams import stream


def test_each_image_is_turned_by_its_own_number():
    images = torch.rand(4, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    found = turned(images, torch.tensor([3, 0, 2, 1]))
    for n, quarters in enumerate([3, 0, 2, 1]):
        assert torch.equal(found[n], torch.rot90(images[n], quarters, (1, 2)))


def test_images_that_are_not_square_are_refused():
    with pytest.raises(ShapeError, match="need square images"):
        turned(torch.zeros(1, 1, 2, 3), torch.tensor([1]))


def test_the_term_is_the_cross_entropy_of_the_turns(start, recipe, network, tmp_path):
    algorithm = Rotation(RotationOptions(lam=2.0), 3)
    run = start(recipe(), network(), tmp_path, algorithms=[algorithm])
    batch = next(run.batches.epoch(0))
    found = algorithm.change_losses(
        {"cross_entropy": torch.tensor(1.0)}, torch.zeros(8, 3), batch, run
    )
    assert found["cross_entropy"] == 1
    quarters = torch.randint(4, (8,), generator=stream(0, "turns", 0, 0)).tolist()
    assert len(set(quarters)) > 1
    images = [torch.rot90(one, k, (1, 2)) for one, k in zip(batch.images, quarters, strict=True)]
    features = run.network[:-1](torch.stack(images))
    log_share = (
        features @ run.extras["rotation"].weight.T + run.extras["rotation"].bias
    ).log_softmax(1)
    wanted = -sum(log_share[n, k] for n, k in enumerate(quarters)) / 8
    torch.testing.assert_close(found["rotation"], 2 * wanted)
    weight = run.network[0].weight
    assert torch.autograd.grad(found["rotation"], weight)[0].abs().sum() > 0


def test_the_head_learns_and_the_classifier_stays_as_it_is(start, recipe, network, tmp_path):
    algorithm = Rotation(RotationOptions(), 3)
    run = start(recipe(), network(), tmp_path, algorithms=[algorithm])
    before = run.extras["rotation"].weight.detach().clone()
    fit(run)
    assert not torch.equal(before, run.extras["rotation"].weight)
    assert run.network.state_dict().keys() == network().state_dict().keys()
    assert not run.network[-1]._forward_hooks


def test_a_network_without_a_linear_layer_is_refused():
    with pytest.raises(OptionError, match="ends in a linear layer"):
        Rotation(RotationOptions(), 3).modules(torch.nn.Conv2d(1, 1, 1))
