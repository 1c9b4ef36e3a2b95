"""What the perturbation methods cost, in plain forward passes of the same network on the same image."""

__all__ = ["main"]

import contextlib
import importlib.util
import io
import os
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import timm
import torch
import torchvision
from timing import machine, median_ratio, peak_megabytes, print_table
from torch import Tensor, nn

import figureground as fg
from figureground.base.seeds import seed_everything
from figureground.capture import Above, LayerChoice, run_once
from figureground.methods import METHODS

_ROUNDS = int(os.environ.get("FIGUREGROUND_BENCH_ROUNDS", "5"))
_FEW, _CLASSES = 64, list(range(10))
_STEP = "forward and backward pass of training"
_IN_MEMORY: dict[str, object] = {
    _STEP: None,
    "grad-cam": "grad-cam",
    "ablation-cam": "ablation-cam",
    "recipro-cam": "recipro-cam",
    "score-cam(channels=64)": fg.ScoreCAM(channels=_FEW),
    "rise(masks=64)": fg.RISE(_FEW),
    "full-grad": "full-grad",
}


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
    for name, job, masks in _peers(network, image):
        whole = cost(job, rounds=min(_ROUNDS, 3))
        rows.append(
            [name, f"{whole:.1f}" if masks == 1 else f"{whole:.0f}, {whole / masks:.2f} a mask"]
        )
    title = f"sweeps, ResNet-50, random weights, 224×224, one image, in plain passes of it ({machine()})"
    print_table(title, ["what", "cost"], rows)
    title = f"attention, ViT-B/16, random weights, one image, in plain passes of it ({machine()})"
    print_table(title, ["what", "cost"], _transformer())
    title = f"every method, MobileNetV2, one class, in plain passes of it ({machine()})"
    print_table(title, ["method", "cost"], _every_method())
    title = "memory beyond the network itself, ResNet-50, one image, each in a process of its own"
    with get_context("spawn").Pool(1, maxtasksperchild=1) as processes:
        rows = [[name, f"{processes.apply(_memory, (name,)):.0f} MB"] for name in _IN_MEMORY]
    print_table(title, ["what", "peak"], rows)


def _forward(network: nn.Module, image: Tensor) -> None:
    with torch.no_grad():
        network(image)


def _cost(job: Callable[[], object], unit: Callable[[], object], rounds: int = _ROUNDS) -> float:
    """Median of the ratios of job and unit, alternating, without what a peer prints."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return median_ratio(job, unit, rounds=rounds)


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
        "full-grad": lambda: head(image, 0, "full-grad"),
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


def _transformer() -> list[list[str]]:
    """Maps from the attention of two ViT-B/16, in passes of each."""
    # torchvision's attention is nn.MultiheadAttention, which nothing can look into: its queries, keys and values are
    # computed once more
    network = torchvision.models.vit_b_16(weights=None)
    nn.init.normal_(network.heads.head.weight, std=0.02)  # torchvision leaves zeros
    names = ("cls-attention", "attention-rollout", "attention-gradient", "le-grad", "recipro-cam")
    image, rows = torch.rand(1, 3, 224, 224), []
    for maker, one in (
        ("timm", timm.create_model("vit_base_patch16_224")),
        ("torchvision", network),
    ):
        explainer = fg.Explainer(one.eval())
        explainer.look(image)
        cost = partial(_cost, unit=partial(_forward, one, image))
        rows += [
            [f"{name}, {maker}", f"{cost(partial(explainer, image, 0, name)):.2f}"]
            for name in names
        ]
    return rows


def _every_method() -> list[list[str]]:
    """All that a convolutional network can be asked, each from nothing."""
    network = torchvision.models.mobilenet_v2(weights=None).eval()
    image = torch.rand(1, 3, 224, 224)
    explainer = fg.Explainer(network)
    explainer.look(image)
    cost = partial(_cost, unit=partial(_forward, network, image))
    few = {"score-cam": fg.ScoreCAM(channels=32), "rise": fg.RISE(100)}
    of_attention = {"attention", "attention-gradients"}
    names = [name for name, entry in METHODS.items() if not entry.needs & of_attention]
    return [
        [name, f"{cost(partial(explainer, image, 0, few.get(name, name))):.2f}"] for name in names
    ]


def _memory(name: str) -> float:
    """Megabytes that one job needs at most, beyond what the process held before."""
    torch.set_num_threads(1)
    network = torchvision.models.resnet50(weights=None).eval()
    image = torch.rand(1, 3, 224, 224)
    explainer = fg.Explainer(network, layer="layer4")
    explainer.look(image)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    before = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    if name == _STEP:
        network(image).square().mean().backward()
    else:
        explainer(image, 0, _IN_MEMORY[name])
    return peak_megabytes() - before


def _peers(network: nn.Module, image: Tensor) -> list[tuple[str, Callable[[], object], int]]:
    """Other packages, where they are installed; of few channels, as all would take hours."""
    jobs = [("captum: FeatureAblation, 49 squares", _captum(network, image), 49)]
    if importlib.util.find_spec("pytorch_grad_cam") is not None:
        jobs += _pytorch_grad_cam(network, image)
    if importlib.util.find_spec("torchcam") is not None:
        name = "torch-cam: score-cam, layer1 (256 channels)"
        jobs.append((name, _torchcam(network, image), 256))
    return jobs


def _captum(network: nn.Module, image: Tensor) -> Callable[[], object]:
    from captum.attr import FeatureAblation  # noqa: PLC0415

    cells = torch.arange(49).reshape(1, 1, 7, 7).float()
    squares = torch.nn.functional.interpolate(cells, size=224).long()
    ablation = FeatureAblation(network)
    return lambda: ablation.attribute(image, target=0, feature_mask=squares)


def _pytorch_grad_cam(
    network: nn.Module, image: Tensor
) -> list[tuple[str, Callable[[], object], int]]:
    from pytorch_grad_cam import AblationCAM, FullGrad, ScoreCAM  # noqa: PLC0415
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: PLC0415

    target = [ClassifierOutputTarget(0)]

    def job(kind: type, *layers: nn.Module, **options: float) -> Callable[[], object]:
        def run() -> None:
            # made for each run: one that waits keeps the activations of all runs of the others
            with kind(network, list(layers), **options) as cam:
                cam(input_tensor=image, targets=target)

        return run

    share = _FEW / 2048
    name = f"pytorch-grad-cam: ablation-cam, layer4, {_FEW} of 2,048 channels"
    return [
        (name, job(AblationCAM, network.layer4, ratio_channels_to_ablate=share), _FEW),
        (
            "pytorch-grad-cam: score-cam, layer1 (256 channels)",
            job(ScoreCAM, network.layer1),
            256,
        ),
        ("pytorch-grad-cam: full-grad", job(FullGrad), 1),
    ]


def _torchcam(network: nn.Module, image: Tensor) -> Callable[[], object]:
    from torchcam.methods import ScoreCAM  # noqa: PLC0415

    def run() -> None:
        with ScoreCAM(network, "layer1") as extractor:
            extractor(0, network(image))

    return run


if __name__ == "__main__":
    main()
