import torch

from figureground.metrics.robustness.gradients import (
    differentiable,
    input_with_output,
    loss_gradient,
)


def linear(images):
    return torch.cat([images.flatten(1).sum(1, keepdim=True), torch.zeros(len(images), 1)], 1)


def test_gradient_of_a_linear_score_is_known_in_closed_form():
    images = torch.rand(3, 1, 2, 2, generator=torch.Generator().manual_seed(21))
    found = loss_gradient(linear, images, torch.tensor([0, 1, 0]))
    sigmoid = images.flatten(1).sum(1).sigmoid()
    expected = sigmoid - torch.tensor([1.0, 0.0, 1.0])
    assert torch.allclose(found, expected[:, None, None, None].expand_as(images))


def test_graphs_are_recorded_in_a_caller_that_forbids_them():
    with torch.inference_mode():
        images = torch.rand(2, 1, 2, 2)
        with differentiable():
            leaf, logits = input_with_output(linear, images)
            assert logits.requires_grad
            assert leaf.is_leaf
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
