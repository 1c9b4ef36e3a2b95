"""What the check of layers says of many architectures with random weights, and what it costs.

For each network: the layer that is chosen, what is found of every layer with positions, and the images that went
through the network for the first explanation of two. The chosen layer is judged a second time, by a gradient: the
pixels that a cell's activation depends on most must lie where the cell is drawn. FIGUREGROUND_BENCH_NETWORKS lists the
networks that are wanted, all where it is not set; those of transformers are left out where it is not installed.
"""

__all__ = ["main"]

import importlib
import importlib.util
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import timm
import torch
import torchvision
from timing import print_table
from torch import Tensor, nn

from figureground.base.errors import FigureGroundError
from figureground.capture import LayerChoice, check_layers, choose_layer, look
from figureground.capture.grid import first_tensor
from figureground.capture.untouched import listening
from figureground.methods import Explainer

_TIMM = [
    "botnet26t_256",
    "coat_lite_tiny",
    "coatnet_pico_rw_224",
    "convit_tiny",
    "convnext_atto",
    "convnextv2_atto",
    "crossvit_tiny_240",
    "cspresnet50",
    "darknet53",
    "davit_tiny",
    "deit_tiny_distilled_patch16_224",
    "densenet121",
    "dla34",
    "dpn48b",
    "edgenext_xx_small",
    "efficientformer_l1",
    "efficientnet_b0",
    "efficientvit_b0",
    "eva02_tiny_patch14_224",
    "fastvit_t8",
    "focalnet_tiny_srf",
    "gcvit_xxtiny",
    "ghostnet_050",
    "gmlp_s16_224",
    "hgnet_tiny",
    "hiera_tiny_224",
    "hrnet_w18_small",
    "inception_next_atto",
    "inception_v4",
    "levit_128s",
    "maxvit_pico_rw_256",
    "mixer_s32_224",
    "mobilenetv2_100",
    "mobilenetv4_conv_small",
    "mobilevit_xxs",
    "mobilevitv2_050",
    "mvitv2_tiny",
    "nest_tiny",
    "nfnet_l0",
    "pit_ti_224",
    "poolformer_s12",
    "pvt_v2_b0",
    "regnety_002",
    "repvit_m0_9",
    "res2net50_26w_4s",
    "resmlp_12_224",
    "resnest14d",
    "resnet18",
    "resnetv2_50",
    "rexnet_100",
    "sequencer2d_s",
    "seresnet18",
    "skresnet18",
    "swin_tiny_patch4_window7_224",
    "swinv2_cr_tiny_224",
    "swinv2_tiny_window8_256",
    "tiny_vit_5m_224",
    "tnt_s_legacy_patch16_224",
    "twins_svt_small",
    "vgg11_bn",
    "visformer_tiny",
    "vit_medium_patch16_reg4_gap_256",
    "vit_tiny_patch16_224",
    "volo_d1_224",
    "xception41",
    "xcit_nano_12_p16_224",
]
_OF_ONE_SIZE = (
    "botnet",
    "coat",
    "crossvit",
    "gcvit",
    "levit",
    "mvit",
    "swin",
    "tnt",
    "vit",
    "xcit",
)
_TORCHVISION = [
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "inception_v3",
    "mnasnet0_5",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "resnet18",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "swin_t",
    "vgg11",
    "vit_b_16",
]
_TINY = {"hidden_sizes": [8, 16, 32, 64], "depths": [1, 1, 1, 1], "num_labels": 5}
_PLAIN = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_labels": 5}
_HUGGING_FACE: dict[str, dict[str, Any]] = {
    "ConvNext": _TINY,
    "ConvNextV2": _TINY,
    "Hiera": {"num_labels": 5, "embed_dim": 32, "depths": [1, 2, 2, 1], "num_heads": [1, 2, 4, 8]},
    "ViT": _PLAIN | {"intermediate_size": 64},
    "DeiT": _PLAIN | {"intermediate_size": 64},
    "Dinov2": _PLAIN | {"image_size": 224},
    "ResNet": _TINY | {"embedding_size": 8, "layer_type": "basic"},
    "RegNet": _TINY | {"embedding_size": 8, "groups_width": 8},
    "Swin": {"embed_dim": 24, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 4, 8], "num_labels": 5},
    "Segformer": {"num_labels": 5},
    "MobileViT": {"num_labels": 5},
    "PoolFormer": {"num_labels": 5},
}


def main() -> None:
    """Print a table, a line a network, and what was found in all."""
    rows, totals, oracle = [], Counter[str](), Counter[str]()
    for name, network, side in _networks():
        print(name, end=" | ", file=sys.stderr)
        torch.random.manual_seed(1)
        image = torch.rand(2, 3, side, side)
        try:
            cost = _cost(network, image)
            found, chosen = _findings(network, image)
            agreed = _peaks_at_its_place(network, image[:1], chosen)
        except FigureGroundError as error:
            rows.append([name, "refused", str(error), "", "", ""])
            print(error, file=sys.stderr)
            totals["networks refused"] += 1
            continue
        layers = Counter(verdict for verdict in found.values())
        totals.update(layers)
        oracle[f"{found[chosen.name]}, gradient {agreed}"] += 1
        told = ", ".join(f"{count} {verdict}" for verdict, count in layers.most_common())
        rows.append([name, chosen.name, found[chosen.name], agreed, cost, told])
        print(*rows[-1][1:], sep=" | ", file=sys.stderr)
    print_table(
        "Each network", ["network", "layer", "cells", "gradient", "images", "all layers"], rows
    )
    print_table("All layers", ["found", "layers"], _counts(totals))
    print_table("Chosen layers, judged twice", ["found", "networks"], _counts(oracle))


def _counts(of: Counter[str]) -> list[list[str]]:
    return [[word, str(count)] for word, count in of.most_common()]


def _networks() -> Iterator[tuple[str, nn.Module, int]]:
    """Name, network and side of its images."""
    for name in filter(_wanted, _TIMM):
        torch.random.manual_seed(0)
        network = timm.create_model(name, num_classes=10).eval()
        usual = int(network.default_cfg["input_size"][-1])
        fixed = network.default_cfg.get("fixed_input_size") or name.startswith(_OF_ONE_SIZE)
        yield f"timm:{name}", network, usual if fixed else 128
    for name in filter(_wanted, _TORCHVISION):
        torch.random.manual_seed(0)
        own = {"init_weights": True} if name in {"googlenet", "inception_v3"} else {}
        yield (
            f"torchvision:{name}",
            getattr(torchvision.models, name)(num_classes=10, **own).eval(),
            224 if name == "vit_b_16" else 128,
        )
    if importlib.util.find_spec("transformers") is None:
        return
    transformers = importlib.import_module("transformers")
    for name, options in _HUGGING_FACE.items():
        if not _wanted(name):
            continue
        torch.random.manual_seed(0)
        config = getattr(transformers, f"{name}Config")(**options)
        yield (
            f"hf:{name}",
            getattr(transformers, f"{name}ForImageClassification")(config).eval(),
            224,
        )


def _wanted(name: str) -> bool:
    """All, or those that an environment variable lists."""
    words = os.environ.get("FIGUREGROUND_BENCH_NETWORKS", "").split()
    return not words or name in words


def _findings(network: nn.Module, image: Tensor) -> tuple[dict[str, str], LayerChoice]:
    """Layer -> verdict, and the one that is chosen."""
    names = [seen.name for seen in look(network, image).spatial()]
    asked = [LayerChoice(name, "") for name in names]
    found = check_layers(network, image, asked, sparing=True)
    chosen = choose_layer(network, image)
    verdicts = {name: one.verdict for name, one in found.items()}
    return verdicts | {chosen.name: verdicts[chosen.name.partition("@")[0]]}, chosen


def _peaks_at_its_place(network: nn.Module, image: Tensor, layer: LayerChoice) -> str:
    """Of four cells, how many have their steepest pixels (beside those of the others) where they are drawn."""
    grid, kept = layer.grid, list[Tensor]()
    if grid is None:
        return "unknown"
    given = image.clone().requires_grad_()

    def keep(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> None:
        tensor = first_tensor(output)
        kept.extend([] if tensor is None else [tensor])

    with torch.enable_grad(), listening([network.get_submodule(layer.name)], keep):
        network(given)
    maps = grid.to_grid(kept[-1])
    (h, w), heats = grid.size, []
    cells = sorted({(int(y * h), int(x * w)) for y in (0.25, 0.75) for x in (0.25, 0.75)})
    for y, x in cells:
        (slope,) = torch.autograd.grad(maps[0, :, y, x].square().sum(), given, retain_graph=True)
        heats.append(nn.functional.adaptive_avg_pool2d(slope.abs().mean(1), (h, w))[0])
    stack = torch.stack(heats)
    shares = stack / stack.sum((1, 2), keepdim=True)
    shares = shares / shares.sum(0).clamp_min(1e-12) if len(cells) > 1 else shares
    right = 0
    for (y, x), share, heat in zip(cells, shares, stack, strict=True):
        weight = share * heat
        ty, tx = divmod(int(weight.argmax()), w)
        right += abs(ty - y) <= 1 and abs(tx - x) <= 1
    return f"{right} of {len(cells)}"


def _cost(network: nn.Module, image: Tensor) -> str:
    """Images that went through the network for the first explanation and for the next one."""
    passes: list[int] = []
    plain: Callable[..., Any] = network.forward

    def counted(images: Tensor, *args: Any, **options: Any) -> Any:
        passes.append(len(images))
        return plain(images, *args, **options)

    network.forward = counted  # type: ignore[method-assign]
    explainer = Explainer(network)
    explainer(image)
    first = len(passes)
    explainer(image)
    network.forward = plain  # type: ignore[method-assign]
    return f"{'+'.join(map(str, passes[:first]))}, then {'+'.join(map(str, passes[first:]))}"


if __name__ == "__main__":
    main()
