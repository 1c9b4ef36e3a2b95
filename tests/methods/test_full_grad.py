"""FullGrad: the numbers of an independent program, completeness, and a loop over channels."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn

from figureground.base.errors import HeadError
from figureground.base.seeds import generator
from figureground.capture import Directions
from figureground.capture.biases import Biases, BiasTape
from figureground.methods import Explainer, FullGrad
from figureground.methods.completeness import Completeness
from figureground.methods.full_grad import full_grad


def images(size: tuple[int, int] = (40, 56)) -> Tensor:
    return torch.rand(2, 3, *size, generator=generator(0))


def made(kind: Callable[..., nn.Module], *args: Any, **options: Any) -> Any:
    """A network with random weights and running statistics, the same in every run, in evaluation mode."""
    with torch.random.fork_rng():
        torch.set_rng_state(generator(0).get_state())
        net = kind(*args, **options).eval()
        with torch.no_grad():
            for name, value in net.state_dict().items():
                if name.endswith(("bias", "running_mean")):
                    value.add_(torch.randn(value.shape) * 0.1)
                if name.endswith("running_var"):
                    value.uniform_(0.5, 2.0)
        return net


def lenet() -> Any:
    """The network of the checkpoint, without its weights."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10, bias=False),
    )


def found_terms(net: nn.Module, pixels: Tensor, classes: list[int]) -> tuple[Tensor, Completeness]:
    """Maps and terms, of the explainer."""
    result = Explainer(net)(pixels, classes=classes, methods=FullGrad())
    ((terms,),) = result.details["full-grad"].values()
    return result.map_of("full-grad"), terms


def test_map_and_terms_are_those_of_the_independent_program(shared_data: Path):
    saved = load_file(shared_data / "weights" / "lenet_gap_cluttered_mnist.safetensors")
    by_shape = {tuple(value.shape): value for value in saved.values()}
    net = lenet()
    net.load_state_dict({name: by_shape[tuple(v.shape)] for name, v in net.state_dict().items()})
    with torch.no_grad():
        net[8].weight.div_(100)
    i, j = torch.meshgrid(torch.arange(20), torch.arange(28), indexing="ij")
    image = (((7 * i + 11 * j + i * j) % 23) / 22).expand(1, 3, 20, 28)
    maps, terms = found_terms(net, image, [8])
    assert terms.input.item() == pytest.approx(6.41382019, abs=1e-4)
    assert terms.biases.item() == pytest.approx(-0.32466839 + 0.00001622, abs=1e-5)
    assert terms.scores.item() == pytest.approx(6.08916802, abs=1e-4)
    assert terms.missing.item() < 1e-5
    found = maps[0, 0]
    assert found.shape == (20, 28)
    assert found.sum().item() == pytest.approx(1190.82474, rel=1e-4)
    assert found.max().item() == pytest.approx(5.49064, rel=1e-4)
    assert divmod(int(found.argmax()), 28) == (8, 16)
    assert found[0, 0].item() == pytest.approx(0.83265, rel=1e-4)
    assert found[-1, -1].item() == pytest.approx(1.50455, rel=1e-4)


PIECEWISE = {
    "resnet18": lambda: made(torchvision.models.resnet18, num_classes=7),
    "vgg11_bn": lambda: made(torchvision.models.vgg11_bn, num_classes=7),
    "squeezenet": lambda: made(torchvision.models.squeezenet1_1, num_classes=7),
    "densenet, norm and ReLU in one module": lambda: made(
        timm.create_model, "densenet121", num_classes=7
    ),
}


@pytest.mark.parametrize("name", PIECEWISE)
def test_input_and_bias_terms_add_up_to_the_logit(name: str):
    net, pixels = PIECEWISE[name]().double(), images((64, 48)).double()
    tape = BiasTape()
    with torch.no_grad(), tape:
        logits = net(pixels)
    directions = Directions(indices=torch.tensor([[1, 4], [0, 2]]))
    for k, terms in enumerate(Biases(tape, logits).gradients(directions)):
        first, biases = terms.sums
        wanted = directions.select(logits)[:, k].detach()
        assert (biases.abs() > 1e-6 * wanted.abs()).all()
        torch.testing.assert_close((first + biases).double(), wanted, rtol=1e-4, atol=1e-5)


def test_smooth_functions_leave_a_gap_that_is_told():
    body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Softplus(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net = made(nn.Sequential, *body, nn.Linear(8, 4))
    result = Explainer(net, layer="1")(images(), classes=[0, 3], methods=["full-grad", "grad-cam"])
    ((terms,),) = result.details["full-grad"].values()
    assert (terms.missing > 0.1).any()
    told = {(one.image, one.class_position) for one in result.problems if one.kind == "incomplete"}
    assert told == {tuple(at) for at in (terms.missing > 0.1).nonzero().tolist()}
    assert {one.method for one in result.problems if one.kind == "incomplete"} == {"full-grad"}
    assert found_terms(made(lenet), images(), [0])[1].missing.max() < 1e-4
    assert not Explainer(made(lenet))(images(), methods="full-grad").problems


def test_map_is_that_of_a_loop_over_layers_and_channels():
    net = made(torchvision.models.resnet18, num_classes=7)
    pixels = images((33, 47))
    classes = [5, 2]
    maps, _ = found_terms(net, pixels, classes)
    kept: list[tuple[Tensor, Tensor]] = []
    module: Any
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
        if type(module).__name__ == "BatchNorm2d":
            scale = module.weight / (module.running_var + module.eps).sqrt()
            shift = (module.bias - module.running_mean * scale).detach()
            module.register_forward_hook(lambda _m, _i, out, shift=shift: kept.append((shift, out)))
    pixels.requires_grad_()
    logits = net(pixels)
    for k, label in enumerate(classes):
        grads = torch.autograd.grad(
            logits[:, label].sum(), [pixels, *(out for _, out in kept)], retain_graph=True
        )
        layers = [pixels.detach() * grads[0]]
        layers += [g * shift[:, None, None] for (shift, _), g in zip(kept, grads[1:], strict=True)]
        for image in range(2):
            wanted = torch.zeros(33, 47)
            for layer in layers:
                values = layer[image].abs() - layer[image].abs().min()
                for channel in values / (values.max() + 1e-6):
                    wanted += F.interpolate(
                        channel[None, None], (33, 47), mode="bilinear", align_corners=True
                    )[0, 0]
            torch.testing.assert_close(maps[image, k], wanted, rtol=1e-3, atol=1e-3)


class Normalising(nn.Module):
    """Normalises inside, as a classifier of ours does."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.network((pixels - 0.4) / 0.3)
        return logits


def test_input_is_what_the_first_convolution_takes():
    net = made(lenet)
    inside, terms = found_terms(Normalising(net), images(), [3])
    outside, same = found_terms(net, (images() - 0.4) / 0.3, [3])
    torch.testing.assert_close(inside, outside)
    torch.testing.assert_close(terms.input, same.input)
    assert terms.missing.max() < 1e-4


class Framed(nn.Module):
    """Normalises, pads by 8 rows at the bottom and 4 columns at the right, and classifies."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.network(F.pad((pixels - 0.4) / 0.3, (0, 4, 0, 8)))
        return logits


def test_map_covers_the_images_where_they_are_padded_inside():
    net = made(lenet)
    found, same = found_terms(Framed(net), images(), [3])
    whole, terms = found_terms(net, F.pad((images() - 0.4) / 0.3, (0, 4, 0, 8)), [3])
    torch.testing.assert_close(same.biases, terms.biases)
    torch.testing.assert_close(same.input, terms.input)
    assert found.shape == (2, 1, 40, 56)
    pair = [F.avg_pool2d(one, 4).flatten() for one in (found, whole[..., :40, :56])]
    assert torch.corrcoef(torch.stack(pair))[0, 1] > 0.9


def test_map_has_the_size_of_the_image_where_a_convolution_pads_for_itself():
    net = made(timm.create_model, "mobilenetv2_035", num_classes=7, pad_type="same")
    assert found_terms(net, images((48, 64)), [3])[0].shape == (2, 1, 48, 64)


class Gated(nn.Module):
    """Weighs its channels by what two convolutions at a single position say."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.squeeze = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4, 5)

    def forward(self, pixels: Tensor) -> Tensor:
        maps = self.body(pixels).relu()
        gate = self.squeeze(maps.mean((2, 3), keepdim=True)).sigmoid()
        logits: Tensor = self.head((maps * gate).mean((2, 3)))
        return logits


def test_biases_without_a_place_are_no_part_of_the_map():
    net = made(Gated)
    tape = BiasTape()
    with torch.no_grad(), tape:
        logits = net(images())
    (terms,) = Biases(tape, logits).gradients(Directions(indices=torch.tensor([[1]])))
    assert [gradient[0, 0].numel() for _, gradient in terms.maps] == [38 * 54, 1]
    two = full_grad(replace(terms, maps=terms.maps[:1]))
    torch.testing.assert_close(full_grad(terms), two)
    assert full_grad(replace(terms, maps=())).sum() < two.sum()


class OfVectors(nn.Module):
    """A batch norm over the tokens of all images."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.norm, self.head = nn.Conv2d(3, 4, 8, 8), nn.BatchNorm1d(4), nn.Linear(4, 5)

    def forward(self, pixels: Tensor) -> Tensor:
        tokens = self.body(pixels).flatten(2).mT
        tokens = self.norm(tokens.flatten(0, 1)).view_as(tokens).relu()
        logits: Tensor = self.head(tokens).mean(1)
        return logits


def test_terms_of_vectors_are_those_of_their_image():
    _, terms = found_terms(made(OfVectors), images(), [0, 4])
    assert terms.missing.max() < 1e-5
    _, alone = found_terms(made(OfVectors), images()[1:], [0, 4])
    torch.testing.assert_close(alone.biases[0], terms.biases[1])


class TwoStems(nn.Module):
    """Two convolutions that both take the images."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 5, padding=2)
        self.head = nn.Linear(4, 5)

    def forward(self, pixels: Tensor) -> Tensor:
        maps = self.one(pixels).relu() + self.two(input=pixels).relu()
        logits: Tensor = self.head(maps.mean((2, 3)))
        return logits


def test_all_that_take_the_images_count():
    _, terms = found_terms(made(TwoStems), images(), [0, 4])
    assert terms.missing.max() < 1e-5


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("convnext_atto", "layer normalisation"),
        ("vit_tiny_patch16_224", "layer normalisation"),
        ("resnet18", "group normalisation"),
    ],
)
def test_norms_of_what_is_seen_are_refused_by_name(name: str, what: str):
    options = {"norm_layer": "groupnorm"} if name == "resnet18" else {}
    net = made(timm.create_model, name, num_classes=5, **options)
    with pytest.raises(HeadError, match=f"as it has {what} .*use layer-cam of several layers"):
        Explainer(net)(torch.rand(1, 3, 224, 224), methods="full-grad")
