"""The layer that is chosen by itself, and maps from it, over the architectures of timm and torchvision."""

from dataclasses import dataclass
from typing import Any

import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file
from torch import nn

from figureground.base.errors import HeadError
from figureground.methods import Explainer


@dataclass(frozen=True)
class Architecture:
    """What is known of one: layer, positions for an image, and whether average pooling and a linear layer follow."""

    layer: str
    positions: tuple[int, int]
    linear: bool = True
    image: tuple[int, int] = (96, 64)


A = Architecture
VIT = "encoder.layers.encoder_layer_1.ln_1"
ARCHITECTURES = {
    "torchvision:resnet18": A("layer4", (3, 2)),
    "torchvision:densenet121": A("features", (3, 2)),
    "torchvision:alexnet": A("features.11", (5, 3), linear=False),
    "torchvision:mobilenet_v2": A("features", (3, 2)),
    "torchvision:mobilenet_v3_small": A("features", (3, 2), linear=False),
    "torchvision:efficientnet_b0": A("features", (3, 2)),
    "torchvision:convnext_tiny": A("features", (3, 2), linear=False),
    "torchvision:regnet_y_400mf": A("trunk_output", (3, 2)),
    "torchvision:inception_v3": A("Mixed_7c", (2, 1), image=(128, 96)),
    "torchvision:googlenet": A("inception5b", (3, 2)),
    "torchvision:squeezenet1_1": A("features", (5, 3)),
    "torchvision:shufflenet_v2_x0_5": A("conv5", (3, 2)),
    "torchvision:mnasnet0_5": A("layers", (3, 2)),
    "torchvision:vit": A(VIT, (4, 4), linear=False, image=(64, 64)),
    "torchvision:swin_t": A("norm", (3, 2)),
    "timm:mobilenetv2_100": A("bn2", (3, 2)),
    "timm:mobilenetv4_conv_small": A("blocks", (3, 2), linear=False),
    "timm:convnextv2_atto": A("stages", (3, 2), linear=False),
    "timm:regnetx_002": A("s4", (3, 2)),
    "timm:vit_tiny_patch16_224": A("blocks.11.norm1", (6, 4), linear=False),
    "timm:deit_tiny_distilled_patch16_224": A("blocks.11.norm1", (6, 4), linear=False),
    "timm:vit_medium_patch16_reg4_gap_256": A("blocks", (6, 4), linear=False),
    "timm:vit_base_patch16_siglip_224": A("norm", (6, 4), linear=False),
    "timm:beit_base_patch16_224": A("blocks.11", (6, 4), linear=False),
    "timm:swinv2_cr_tiny_224": A("stages", (3, 2)),
    "timm:swinv2_tiny_window8_256": A("norm", (3, 2)),
    "timm:maxvit_pico_rw_256": A("norm", (3, 2)),
    "timm:pvt_v2_b0": A("stages", (3, 2)),
    "timm:poolformer_s12": A("stages", (3, 2), linear=False),
    "timm:xcit_nano_12_p16_224": A("cls_attn_blocks.1.norm1", (6, 4), linear=False),
    "timm:cait_xxs24_224": A("blocks_token_only.1.norm1", (6, 4), linear=False),
    "timm:edgenext_xx_small": A("stages", (3, 2), linear=False),
    "timm:mobilevit_xxs": A("final_conv", (3, 2)),
    "timm:ghostnet_050": A("blocks", (3, 2), linear=False),
    "timm:mixer_s32_224": A("norm", (3, 2)),
    "timm:nfnet_l0": A("final_act", (3, 2)),
    "timm:rexnet_100": A("features", (3, 2)),
    "timm:hrnet_w18_small": A("final_layer", (3, 2)),
    "timm:focalnet_tiny_srf": A("norm", (3, 2)),
}
WITH_SIZE = ("vit_", "deit", "beit", "swin", "mixer", "xcit", "cait", "maxvit")


def build(name: str, image: tuple[int, int]) -> nn.Module:
    """Random weights; a head or batch norm that would make every map blank is filled."""
    torch.random.manual_seed(0)
    source, kind = name.split(":")
    if name == "torchvision:vit":
        net = torchvision.models.VisionTransformer(64, 16, 2, 2, 32, 64)
    elif source == "torchvision":
        own = {"init_weights": False} if kind in {"googlenet", "inception_v3"} else {}
        own |= {"aux_logits": False} if kind == "googlenet" else {}
        net = getattr(torchvision.models, kind)(**own)
    else:
        size: dict[str, Any] = {"img_size": image} if kind.startswith(WITH_SIZE) else {}
        net = timm.create_model(kind, num_classes=1000, **size)
    heads = [m for m in net.modules() if isinstance(m, nn.Linear) and m.out_features == 1000]
    for head in heads:
        nn.init.normal_(head.weight, std=0.1)
    return net.eval()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_default_layer_and_its_maps(name: str):
    known = ARCHITECTURES[name]
    net = build(name, known.image)
    images = torch.rand(2, 3, *known.image, generator=torch.Generator().manual_seed(1))
    explainer = Explainer(net)
    classes = list(range(0, 1000, 125))
    result = explainer(images, classes=classes, methods=["grad-cam", "eigen-cam", "hires-cam"])
    assert explainer.layer.name == known.layer
    for method, count in {"grad-cam": 8, "eigen-cam": 1, "hires-cam": 8}.items():
        maps = result.map_of(method)
        assert maps.shape == (2, count, *known.positions)
        assert maps.isfinite().all()
    assert result.map_of("grad-cam").amax((1, 2, 3)).gt(0).all()
    assert result.map_of("hires-cam").abs().amax((2, 3)).gt(0).float().mean() > 0.9
    assert result.map_of("eigen-cam").abs().amax((2, 3)).gt(0).all()
    if not known.linear:
        with pytest.raises(HeadError, match="use hires-cam or grad-cam"):
            explainer(images, methods="cam")
        return
    maps = explainer(images, classes=classes, methods="cam").map_of("cam")
    heads = [m for m in net.modules() if isinstance(m, nn.Linear) and m.out_features == 1000]
    bias = heads[-1].bias[classes].detach() if heads else 0  # a convolutional head keeps its own
    scale = result.scores.abs().amax()
    torch.testing.assert_close(
        (maps.mean((2, 3)) + bias) / scale, result.scores / scale, rtol=0, atol=1e-4
    )


def test_squeezenet_with_trained_weights_is_a_class_map_already(shared_data):
    net = torchvision.models.squeezenet1_1()
    net.load_state_dict(load_file(shared_data / "weights" / "squeezenet1_1_imagenet.safetensors"))
    images = torch.rand(1, 3, 128, 96, generator=torch.Generator().manual_seed(1))
    result = Explainer(net)(images, classes="top3", methods="cam")
    assert result.layers[0].name == "features"
    torch.testing.assert_close(result.map_of("cam").mean((2, 3)), result.scores)
