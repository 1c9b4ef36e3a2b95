import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from figureground.base.errors import OptionError
from figureground.models import CifarResNet, load_classifier
from figureground.models.cifar_resnet import _Block


def _slow_twin(state: dict[str, Tensor], images: Tensor, blocks: int) -> Tensor:
    """The network written from the paper, out of its weights alone."""

    def normed(features: Tensor, name: str) -> Tensor:
        mean, variance, scale, shift = (
            state[f"{name}.{key}"][:, None, None]
            for key in ("running_mean", "running_var", "weight", "bias")
        )
        return (features - mean) / (variance + 1e-5).sqrt() * scale + shift

    hidden = functional.conv2d(images, state["conv1.weight"], padding=1)
    hidden = normed(hidden, "bn1").clamp(min=0)
    for stage in (1, 2, 3):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            inner = functional.conv2d(
                hidden, state[f"{name}.conv1.weight"], stride=stride, padding=1
            )
            inner = normed(inner, f"{name}.bn1").clamp(min=0)
            inner = functional.conv2d(inner, state[f"{name}.conv2.weight"], padding=1)
            inner = normed(inner, f"{name}.bn2")
            shortcut = torch.zeros_like(inner)
            first = (inner.shape[1] - hidden.shape[1]) // 2
            thinned = hidden[:, :, ::stride, ::stride]
            shortcut[:, first : first + hidden.shape[1]] = thinned
            hidden = (inner + shortcut).clamp(min=0)
    return hidden.flatten(2).mean(2) @ state["linear.weight"].T + state["linear.bias"]


def test_logits_equal_the_slow_twin():
    network = CifarResNet(20, num_classes=4).double()
    network(torch.rand(4, 3, 16, 24, dtype=torch.float64))  # moves the running averages off 0 and 1
    network.eval()
    images = torch.rand(2, 3, 18, 22, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(network(images), _slow_twin(network.state_dict(), images, 3))


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85)])
def test_parameters_are_as_many_as_in_the_papers_table_6(depth: int, millions: float):
    count = sum(parameter.numel() for parameter in CifarResNet(depth).parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.006)


def test_a_learnt_shortcut_is_a_convolution_and_its_norm():
    network = CifarResNet(8, widths=(4, 8, 8, 16), shortcut="convolution").double().eval()
    blocks = [module for module in network.modules() if isinstance(module, _Block)]
    assert [block.downsample is not None for block in blocks] == [True, True, True]
    features = torch.rand(2, 8, 6, 4, dtype=torch.float64)
    block = blocks[2]
    assert block.downsample is not None
    conv, norm = block.downsample
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    thinned = features[:, :, ::2, ::2].permute(0, 2, 3, 1) @ conv.weight[:, :, 0, 0].T
    shortcut = (thinned / (1 + 1e-5) ** 0.5).permute(0, 3, 1, 2)
    inner = block.bn2(block.conv2(block.bn1(block.conv1(features)).relu()))
    torch.testing.assert_close(block(features), (inner + shortcut).relu())
    assert norm.running_mean.abs().sum() == 0


def test_channels_may_grow_without_a_stride():
    network = CifarResNet(8, widths=(4, 9, 10, 12))
    assert network(torch.rand(2, 3, 8, 6)).shape == (2, 10)
    features = torch.rand(2, 4, 3, 5)
    block = network.get_submodule("layer1.0")
    assert isinstance(block, _Block)
    padded = block._shortcut(features)
    assert torch.equal(padded[:, 2:6], features)
    assert padded[:, :2].abs().sum() == padded[:, 6:].abs().sum() == 0


def test_a_shortcut_that_does_not_exist_is_refused():
    with pytest.raises(OptionError, match="no shortcut 'conv'; closest: 'convolution'"):
        CifarResNet(8, shortcut="conv")


def test_a_depth_that_cannot_be_is_refused():
    for depth in (2, 18, 21):
        with pytest.raises(OptionError, match=r"6 n \+ 2"):
            CifarResNet(depth)


def test_published_weights_reach_their_accuracy(shared_data: Path):
    weights = shared_data / "weights" / "resnet20_cifar10.safetensors"
    classifier = load_classifier("figureground:cifar-resnet20", weights=weights)
    pack = np.load(shared_data / "packs" / "cifar10_jpeg.npz")
    data, offsets = pack["data"], pack["off"]
    chosen = np.flatnonzero(pack["test"])[::20]
    stored = [Image.open(io.BytesIO(data[offsets[i] : offsets[i + 1]].tobytes())) for i in chosen]
    views = torch.stack([classifier.preprocessing.view(image)[0] for image in stored])
    with torch.no_grad():
        found = classifier(views / 255).argmax(1).numpy()
    assert tuple(pack["classes"]) == classifier.class_names
    # 81.0 % on all 10,000; 500 of them give a standard error of 1.8 points
    assert (found == pack["label"][chosen]).mean() == pytest.approx(0.81, abs=0.04)
