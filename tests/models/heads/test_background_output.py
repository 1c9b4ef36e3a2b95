import pytest
import torch
from torch import nn

from figureground.base.errors import HeadError, OptionError
from figureground.models import ConstantBackground, add_background_output


@pytest.mark.parametrize("init", ["zeros", "default", "mean"])
@pytest.mark.parametrize("bias", [True, False])
def test_the_trained_rows_and_their_logits_are_kept(init: str, bias: bool):
    trained = nn.Linear(6, 4, bias=bias).double()
    before = {key: value.clone() for key, value in trained.state_dict().items()}
    grown = add_background_output(trained, init=init)
    features = torch.randn(3, 6, dtype=torch.float64)
    assert grown.out_features == 5
    assert (grown.bias is not None) == bias
    assert torch.equal(grown.weight[:4], trained.weight)
    torch.testing.assert_close(grown(features)[:, :4], trained(features), rtol=1e-12, atol=1e-12)
    assert all(torch.equal(value, before[key]) for key, value in trained.state_dict().items())


def test_the_new_row_starts_as_asked():
    trained = nn.Linear(100, 3)
    zeros = add_background_output(trained)
    assert zeros.weight[3].abs().max() == 0
    assert zeros.bias[3] == 0
    mean = add_background_output(trained, init="mean")
    features = torch.randn(2, 100)
    torch.testing.assert_close(mean(features)[:, 3], trained(features).mean(1))
    drawn = add_background_output(trained, init="default")
    assert drawn.weight[3].min() < -0.06
    assert drawn.weight[3].max() > 0.06
    assert 0.06 < drawn.weight[3].abs().max().item() <= 0.1  # uniform in ± 1 / √100


def test_the_new_row_trains_and_the_old_layer_does_not_notice():
    trained = nn.Linear(2, 2)
    grown = add_background_output(trained)
    grown(torch.ones(1, 2)).sum().backward()
    assert grown.weight.grad is not None
    assert grown.weight.grad[2].tolist() == [1.0, 1.0]
    assert trained.weight.grad is None


def test_a_drawn_row_follows_its_generator_and_the_global_stream_is_left_alone():
    trained = nn.Linear(5, 2)
    state = torch.random.get_rng_state()
    one, other = (
        add_background_output(trained, init="default", generator=torch.Generator().manual_seed(3))
        for _ in range(2)
    )
    add_background_output(trained)
    assert torch.equal(one.weight, other.weight)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_mode_and_type_are_those_of_the_old_layer():
    grown = add_background_output(nn.Linear(2, 2).half().eval())
    assert grown.weight.dtype == grown.bias.dtype == torch.float16
    assert not grown.training


def test_what_is_no_linear_layer_and_what_is_no_init_are_refused():
    with pytest.raises(OptionError, match="closest: 'zeros'"):
        add_background_output(nn.Linear(2, 2), init="zero")
    with pytest.raises(HeadError, match="needs a linear layer, got Bilinear"):
        add_background_output.__wrapped__(nn.Bilinear(2, 2, 2))  # type: ignore[attr-defined]


@pytest.mark.parametrize("trainable", [True, False])
def test_the_constant_logit_is_last_and_learns_only_when_it_may(trainable: bool):
    background = ConstantBackground(1.5, trainable=trainable)
    logits = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    found = background(logits)
    assert found.dtype == torch.float64
    assert found.tolist() == [[1.0, 2.0, 1.5], [3.0, 4.0, 1.5]]
    assert len(list(background.parameters())) == int(trainable)
    assert "tau" in background.state_dict()
    if trainable:
        found[:, 2].sum().backward()
        assert background.tau.grad == 2.0
