import pytest
import torch
from torch import Tensor, nn

from figureground.base.errors import OptionError, ShapeError
from figureground.models import SpinalHead, SpinalStyle


def _count(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def _slow_twin(head: SpinalHead, features: list[float], splits: int) -> list[float]:
    """The definition with lists: parts by ceiling, wrapped; each layer sees a part and the layer before."""
    state = {key: value.tolist() for key, value in head.state_dict().items()}
    size = -(-len(features) // splits)
    before: list[float] = []
    spine: list[float] = []
    for layer in range(len(head.hidden)):
        first = layer % splits * size
        seen = [features[(first + i) % len(features)] for i in range(size)] + before
        rows, shifts = state[f"hidden.{layer}.1.weight"], state[f"hidden.{layer}.1.bias"]
        sums = [
            sum(w * x for w, x in zip(row, seen, strict=True)) + shift
            for row, shift in zip(rows, shifts, strict=True)
        ]
        before = [max(value, 0.0) for value in sums]
        spine += before
    rows, shifts = state["output.1.weight"], state["output.1.bias"]
    return [
        sum(w * x for w, x in zip(row, spine, strict=True)) + shift
        for row, shift in zip(rows, shifts, strict=True)
    ]


def test_the_published_head_has_1863691_parameters():
    head = SpinalHead(1024, 11, width=512)
    assert _count(head) == head.num_parameters == 1_863_691
    assert _count(nn.Linear(1024, 11)) == 11_275


@pytest.mark.parametrize("style", ["vgg", "resnet", SpinalStyle(0.1, batch_norm=False)])
@pytest.mark.parametrize(("layers", "splits"), [(1, 1), (1, 2), (4, 2), (6, 2), (4, 4), (3, 5)])
def test_the_closed_formula_counts_what_is_there(
    style: str | SpinalStyle, layers: int, splits: int
):
    head = SpinalHead(11, 3, width=5, layers=layers, splits=splits, style=style)
    assert head.num_parameters == _count(head)


def test_width_one_is_computed_by_hand():
    head = SpinalHead(4, 1, width=1, layers=3, splits=2, style="resnet")
    values = [[1.0, 2.0], [3.0, 4.0, -1.0], [1.0, -1.0, 0.5]]
    linear = [block[1] for block in head.hidden] + [head.output[1]]  # type: ignore[index]
    with torch.no_grad():
        for layer, row in zip(linear, [*values, [1.0, 10.0, 100.0]], strict=True):
            layer.weight.copy_(torch.tensor([row]))
            layer.bias.fill_(0.25)
    # h1 = 1·1 + 2·2 + ¼ = 5.25; h2 = 3·3 + 4·4 - 5.25 + ¼ = 20; h3 = 1·1 - 1·2 + 20/2 + ¼ = 9.25
    found = head(torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0]]))
    assert found[0].item() == 5.25 + 200.0 + 925.0 + 0.25
    # h1 = ¼; h2 = max(-¼ + ¼, 0) = 0; h3 = ¼
    assert found[1].item() == 0.25 + 0.0 + 25.0 + 0.25


@pytest.mark.parametrize(("features", "layers", "splits"), [(7, 5, 2), (5, 4, 4), (6, 1, 2)])
def test_logits_equal_the_slow_twin(features: int, layers: int, splits: int):
    head = SpinalHead(features, 3, width=4, layers=layers, splits=splits, style="resnet").double()
    rows = torch.randn(2, features, dtype=torch.float64)
    expected = [_slow_twin(head, row, splits) for row in rows.tolist()]
    torch.testing.assert_close(head(rows), torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize(("features", "splits"), [(7, 2), (5, 4), (9, 4)])
def test_no_feature_is_lost_when_the_parts_do_not_divide(features: int, splits: int):
    head = SpinalHead(features, 2, width=8, layers=splits, splits=splits, style="resnet").double()
    rows = torch.randn(16, features, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(head(rows).square().sum(), rows)
    assert (gradient.abs().amax(0) > 0).all()


def test_style_vgg_is_random_in_training_and_style_resnet_never():
    rows = torch.randn(8, 6)
    vgg, resnet = (SpinalHead(6, 2, width=16, style=style).train() for style in ("vgg", "resnet"))
    assert not torch.equal(vgg(rows), vgg(rows))
    assert torch.equal(resnet(rows), resnet(rows))
    assert torch.equal(vgg.eval()(rows), vgg(rows))
    kinds = [type(module) for module in vgg.hidden[0].children()]
    assert kinds == [nn.Dropout, nn.Linear, nn.BatchNorm1d, nn.ReLU]
    assert vgg.style.dropout == 0.5


def test_weights_survive_saving_and_the_parts_are_not_among_them():
    one, other = SpinalHead(5, 2, width=3), SpinalHead(5, 2, width=3)
    assert "parts" not in one.state_dict()
    other.load_state_dict(one.state_dict())
    rows = torch.randn(2, 5)
    torch.testing.assert_close(one.eval()(rows), other.eval()(rows))


def test_what_cannot_be_is_refused():
    for wrong in ({"width": 0}, {"layers": 0}, {"splits": 0}):
        with pytest.raises(OptionError, match=f"{next(iter(wrong))} must be at least 1, got 0"):
            SpinalHead(4, 2, **wrong)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="cannot cut 2 features into 3 parts"):
        SpinalHead(2, 2, splits=3)
    with pytest.raises(OptionError, match="closest: 'resnet'"):
        SpinalHead(4, 2, style="resnets")
    with pytest.raises(OptionError, match=r"dropout must be in \[0, 1\)"):
        SpinalStyle(dropout=1.0)


def test_features_of_another_length_are_refused():
    head = SpinalHead(4, 2)
    wrong: Tensor = torch.zeros(3, 5)
    with pytest.raises(ShapeError, match=r"needs features \(N, 4\), got \(3, 5\)"):
        head(wrong)
