"""What a map costs, in plain forward passes of the same network on the same batch: ours and other packages'."""

__all__ = ["main"]

import contextlib
import importlib.util
import io
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torchvision
from timing import machine, median_ratio, print_table
from torch import Tensor, nn

import figureground as fg
from figureground.maps import normalise, resize
from figureground.methods import EigenCAM

_ROUNDS = int(os.environ.get("FIGUREGROUND_BENCH_ROUNDS", "5"))
_CLASSES = 1000
_BATCH = int(os.environ.get("FIGUREGROUND_BENCH_BATCH", "16"))
_SIDE = int(os.environ.get("FIGUREGROUND_BENCH_SIDE", "224"))
_SHARED = ("grad-cam", "grad-cam++", "hires-cam", "layer-cam", "eigen-cam")


@dataclass(frozen=True)
class _Bench:
    """One network, one batch, one class for every image."""

    network: nn.Module
    images: Tensor
    device: str
    target: int = 281

    def forward(self) -> None:
        with torch.no_grad():
            self.network(self.images)

    def cost(self, job: Callable[[], object]) -> float:
        return median_ratio(job, self.forward, rounds=_ROUNDS, device=self.device)

    def memory(self, job: Callable[[], object]) -> list[str]:
        """A cell with the peak of a GPU's memory beyond what is held before; none on the CPU."""
        if self.device != "cuda":
            return []
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        job()
        return [f"{(torch.cuda.max_memory_allocated() - before) / 2**20:.0f}"]

    def ours(self, *methods: object, **options: object) -> Callable[[], fg.Explanation]:
        explainer = fg.Explainer(self.network, layer="layer4", **options)
        return lambda: explainer(self.images, classes=[self.target], methods=list(methods))


def main() -> None:
    """Measure and print."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    bench = _make(device)
    rows = [*_our_rows(bench), *_their_rows(bench)]
    title = f"Cost of maps: ResNet-50, {_SIDE}², batch {_BATCH}, fp32, median of {_ROUNDS} ({machine(device)})"
    print_table(
        title,
        [
            "maps",
            "by",
            "forward passes",
            *(["MB beyond the network"] if device == "cuda" else []),
            "largest difference to ours in [0, 1]",
        ],
        rows,
    )
    _print_reduced_precision(bench)


def _make(device: str) -> _Bench:
    """Random weights, and a head that makes logits of a usual size; the cost does not depend on the values."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.random.manual_seed(0)
        network = torchvision.models.resnet50(weights=None).eval().to(device)
    coarse = torch.rand(_BATCH, 3, 8, 8, generator=generator)
    images = resize(coarse, (_SIDE, _SIDE), how="cubic").to(device)
    return _Bench(network, (images - 0.45) / 0.225, device)


def _our_rows(bench: _Bench) -> list[list[str]]:
    asked = {
        name: bench.ours(name)
        for name in (*_SHARED, "cam", "xgrad-cam", "grad-cam-elementwise", "eigen-grad-cam")
    }
    asked["all of the first five in one request"] = bench.ours(*_SHARED)
    asked["cnn-fixations"] = bench.ours("cnn-fixations")
    asked["dff, 5 concepts"] = bench.ours("dff")
    explainer = fg.Explainer(bench.network, layer="layer4")
    everything = list(range(_CLASSES))
    asked["cam of all 1,000 classes"] = lambda: explainer(
        bench.images, classes=everything, methods="cam"
    )
    asked["grad-cam of all 1,000 classes"] = lambda: explainer(
        bench.images, classes=everything, methods="grad-cam"
    )
    return [
        [name, "figureground", f"{bench.cost(job):.2f}", *bench.memory(job), ""]
        for name, job in asked.items()
    ]


def _their_rows(bench: _Bench) -> list[list[str]]:
    """Other packages, where they are installed."""
    jobs = []
    if _there("pytorch_grad_cam"):
        import pytorch_grad_cam as peer  # noqa: PLC0415

        jobs += [
            (name, "pytorch-grad-cam", _pytorch_grad_cam(bench, kind), method)
            for name, kind, method in (
                ("grad-cam", peer.GradCAM, "grad-cam"),
                # its stabiliser 1e-6 exceeds g² behind average pooling: another map
                ("grad-cam++", peer.GradCAMPlusPlus, None),
                ("hires-cam", peer.HiResCAM, "hires-cam"),
                ("layer-cam", peer.LayerCAM, "layer-cam"),
                ("eigen-cam", peer.EigenCAM, EigenCAM(center=True, sign="raw")),
                # the sign is left to the SVD: compared by eye only
                ("eigen-grad-cam", peer.EigenGradCAM, None),
            )
        ]
    if _there("torchcam"):
        from torchcam import methods as theirs  # noqa: PLC0415

        kinds = (("grad-cam", theirs.GradCAM), ("layer-cam", theirs.LayerCAM))
        jobs += [(name, "torch-cam", _torchcam(bench, kind), name) for name, kind in kinds]
    if _there("captum"):
        jobs.append(("grad-cam", "captum", _captum(bench), "grad-cam"))
    return [
        [
            name,
            package,
            f"{bench.cost(job):.2f}",
            *bench.memory(job),
            "" if method is None else f"{_difference(bench, job(), method):.1e}",
        ]
        for name, package, job, method in jobs
    ]


def _there(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _pytorch_grad_cam(bench: _Bench, kind: type) -> Callable[[], Tensor]:
    """Maps at image size, each in [0, 1], as that package returns them."""
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: PLC0415

    cam = kind(model=bench.network, target_layers=[bench.network.layer4])
    targets = [ClassifierOutputTarget(bench.target)] * _BATCH

    def run() -> Tensor:
        with contextlib.redirect_stdout(io.StringIO()):
            return torch.from_numpy(np.asarray(cam(input_tensor=bench.images, targets=targets)))

    return run


def _torchcam(bench: _Bench, kind: type) -> Callable[[], Tensor]:
    def run() -> Tensor:
        with kind(bench.network, target_layer="layer4") as extractor:
            images = bench.images.clone().requires_grad_()
            logits = bench.network(images)
            return extractor(bench.target, logits)[0].detach()

    return run


def _captum(bench: _Bench) -> Callable[[], Tensor]:
    from captum.attr import LayerGradCam  # noqa: PLC0415

    cam = LayerGradCam(bench.network, bench.network.layer4)

    def run() -> Tensor:
        maps = cam.attribute(bench.images, target=bench.target, relu_attributions=True)
        return maps[:, 0].detach()

    return run


def _difference(bench: _Bench, theirs: Tensor, method: object) -> float:
    """Largest difference after both are cut at zero, scaled to [0, 1] and brought to one size."""
    result = bench.ours(method)()
    ours = next(iter(result.maps.values()))[:, 0].cpu()
    theirs = normalise(theirs.float().cpu(), relu=True)
    ours = normalise(ours, relu=True)
    if theirs.shape != ours.shape:
        ours = normalise(resize(ours, (theirs.shape[-2], theirs.shape[-1])))
    return float((ours - theirs).abs().max())


def _print_reduced_precision(bench: _Bench) -> None:
    """bf16 and channels_last, against our own fp32 and pytorch-grad-cam's fp32."""
    fp32 = bench.ours("grad-cam")().maps["grad-cam"].flatten(2)
    packed = _Bench(
        bench.network.to(memory_format=torch.channels_last),
        bench.images.contiguous(memory_format=torch.channels_last),
        bench.device,
    )
    job = packed.ours("grad-cam", precision="bf16")
    bf16 = job().maps["grad-cam"].flatten(2)
    correlation = torch.stack(
        [
            torch.corrcoef(torch.stack([a, b]))[0, 1]
            for a, b in zip(fp32[:, 0], bf16[:, 0], strict=True)
        ]
    )

    def plain() -> None:
        with torch.no_grad(), torch.autocast(bench.device, torch.bfloat16):
            packed.network(packed.images)

    in_forward = median_ratio(job, plain, rounds=_ROUNDS, device=bench.device)
    rows = [
        ["cost in bf16 forward passes", f"{in_forward:.2f}"],
        [
            "correlation with our fp32 map: least, median",
            f"{float(correlation.min()):.4f}, {float(correlation.median()):.4f}",
        ],
    ]
    if _there("pytorch_grad_cam"):
        from pytorch_grad_cam import GradCAM  # noqa: PLC0415

        theirs = _pytorch_grad_cam(_make(bench.device), GradCAM)
        speed_up = median_ratio(theirs, job, rounds=_ROUNDS, device=bench.device)
        rows.append(["times faster than pytorch-grad-cam's Grad-CAM (fp32)", f"{speed_up:.1f}"])
    print_table("Grad-CAM with bf16 autocast and channels_last", ["", ""], rows)


if __name__ == "__main__":
    main()
