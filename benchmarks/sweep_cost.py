"""What the perturbation methods cost, in plain forward passes of the same network on the same image."""

__all__ = ["main"]

import importlib.util
import os
from collections.abc import Callable
from functools import partial

import torch
import torchvision
from timing import machine, print_table, seconds
from torch import Tensor, nn

import figureground as fg
from figureground.base.seeds import seed_everything
from figureground.capture import Above, LayerChoice, run_once

_ROUNDS = int(os.environ.get("FIGUREGROUND_BENCH_ROUNDS", "5"))
_FEW, _CLASSES = 64, list(range(10))


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    seed_everything(0)
    network = torchvision.models.resnet50(weights=None).eval()
    image = torch.rand(1, 3, 224, 224)
    cost = partial(_cost, unit=partial(_forward, network, image))
    rows = [[name, f"{cost(job):.2f}"] for name, job in _jobs(network, image).items()]
    for name, job, masks in _scored(network, image):
        rows.append([name, f"{(cost(job) - 1) / masks:.2f} a mask"])
    rows += [[name, f"{cost(job):.2f}"] for name, job in _replays(network, image).items()]
    rows += [[name, f"{cost(job):.1f}"] for name, job in _peers(network, image).items()]
    title = f"sweeps, ResNet-50, random weights, 224×224, one image, in plain passes of it ({machine()})"
    print_table(title, ["what", "cost"], rows)


def _forward(network: nn.Module, image: Tensor) -> None:
    with torch.no_grad():
        network(image)


def _cost(job: Callable[[], object], unit: Callable[[], object]) -> float:
    """Median of the ratios of job and unit, alternating."""
    job()
    unit()
    ratios = sorted(seconds(job) / seconds(unit) for _ in range(_ROUNDS))
    return ratios[len(ratios) // 2]


def _jobs(network: nn.Module, image: Tensor) -> dict[str, Callable[[], object]]:
    """Whole maps from nothing, the shared pass included."""
    head = fg.Explainer(network, layer="layer4")
    inner = fg.Explainer(network, layer="layer4.2.conv2")
    early = fg.Explainer(network, layer="layer3")
    for explainer in (head, inner, early):
        explainer.look(image)
    score = fg.ReciproCAM("logit")
    return {
        "grad-cam, layer4": lambda: head(image, 0, "grad-cam"),
        "ablation-cam, layer4 (2,048 channels, linear head)": lambda: head(
            image, 0, "ablation-cam"
        ),
        "the same, 10 classes": lambda: head(image, _CLASSES, "ablation-cam"),
        "ablation-cam, layer4.2.conv2 (512 channels)": lambda: inner(image, 0, "ablation-cam"),
        "recipro-cam, layer4 (49 positions)": lambda: head(image, 0, "recipro-cam"),
        "recipro-cam, layer3 (196 positions)": lambda: early(image, 0, score),
    }


def _scored(network: nn.Module, image: Tensor) -> list[tuple[str, Callable[[], object], int]]:
    """Methods that score changed images, for a few masks."""
    plain = fg.Explainer(network, layer="layer4")
    half = fg.Explainer(network, layer="layer4", precision="bf16")
    for explainer in (plain, half):
        explainer.look(image)
    few, rise = fg.ScoreCAM(channels=_FEW), fg.RISE(_FEW)
    packed = image.contiguous(memory_format=torch.channels_last)
    return [
        ("score-cam", lambda: plain(image, 0, few), _FEW + 1),
        ("score-cam, 10 classes", lambda: plain(image, _CLASSES, few), _FEW + 1),
        ("score-cam, bf16", lambda: half(image, 0, few), _FEW + 1),
        ("score-cam, bf16, channels last", lambda: half(packed, 0, few), _FEW + 1),
        ("rise", lambda: plain(image, 0, rise), _FEW),
        ("rise, bf16, channels last", lambda: half(packed, 0, rise), _FEW),
    ]


def _replays(network: nn.Module, image: Tensor) -> dict[str, Callable[[], object]]:
    """The part above layer4 alone, made to run although a linear head would do."""
    run = run_once(network, image, [LayerChoice("layer4", "")])
    layer = LayerChoice("layer4", "", run.grids["layer4"])
    above, own = Above(network, image, layer), run.activations["layer4"]

    def sweep() -> None:
        for start in range(0, own.shape[1], 64):
            maps = own.repeat(64, 1, 1, 1)
            maps[torch.arange(64), start + torch.arange(64)] = 0
            above.logits(maps, keep=False)

    return {
        "Above, layer4: made": lambda: Above(network, image, layer),
        "2,048 replays above layer4, copied 64 at a time": sweep,
    }


def _peers(network: nn.Module, image: Tensor) -> dict[str, Callable[[], object]]:
    """Other packages, where they are installed; of few channels, as all would take hours."""
    if importlib.util.find_spec("pytorch_grad_cam") is None:
        return {}
    from pytorch_grad_cam import AblationCAM  # noqa: PLC0415
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: PLC0415

    share = _FEW / 2048
    cam = AblationCAM(network, [network.layer4], ratio_channels_to_ablate=share)
    target = [ClassifierOutputTarget(0)]
    name = f"pytorch-grad-cam: ablation-cam, layer4, {_FEW} of 2,048 channels"
    return {name: lambda: cam(input_tensor=image, targets=target)}


if __name__ == "__main__":
    main()
