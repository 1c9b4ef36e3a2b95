"""Features of Tiny ImageNet for ``rare_class_tiny_imagenet.py``: a small teacher's own, or MobileNetV2's.

command:   none; it is imported
expected:  the small teacher, of 100 classes with 90 images each, is right in a quarter of the cases or so
"""

__all__ = ["Features", "features_of"]

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from figureground.base.seeds import generator
from figureground.data import LabeledImages, in_memory, shared_folder
from figureground.data.loaders.packed_sets import pack
from figureground.data.packs import ImagePack
from figureground.models import Classifier, load_classifier
from figureground.studies.training.train import train
from figureground.training.algorithms.background_splitting import ClusterPseudoLabeler, PseudoLabels
from figureground.training.last_linear import outputs_and_features
from figureground.training.recipe import changed
from figureground.training.trained import load_trained

KNOWN = 100  # the classes below are the teacher's


@dataclass(frozen=True)
class Features:
    """Of the training and the test images, standardised, with their classes, and pseudo-labels of the former."""

    x: Tensor
    labels: Tensor
    test_x: Tensor
    test_labels: Tensor
    pseudo: dict[str, PseudoLabels]


def features_of(name: str, given: argparse.Namespace) -> Features:
    """A teacher's features and answers, from the cache where they are there.

    Args:
        name: ``own`` or ``imagenet``.
        given: Options of the experiment.

    Returns:
        Standardised features, and pseudo-labels.
    """
    size = given.teacher_size if name == "own" else given.imagenet_size
    kept = given.out / f"features-{name}-{size}-{given.teacher_epochs if name == 'own' else 0}.npz"
    if not kept.exists():
        network = _own_teacher(given) if name == "own" else _imagenet(given.imagenet_size)
        arrays = {}
        for part, data in (("train", _pack("train25k")), ("test", _pack("val5k"))):
            arrays |= {f"{part}_labels": data.labels.numpy()}
            logits, features = _asked(network, data, size)
            arrays |= {f"{part}_logits": logits.half().numpy(), part: features.numpy()}
        given.out.mkdir(parents=True, exist_ok=True)
        np.savez(kept, **arrays)
    with np.load(kept) as held:
        arrays = {key: torch.from_numpy(held[key]) for key in held}
    mean, std = arrays["train"].mean(0), arrays["train"].std(0).clamp_min(1e-6)
    logits = arrays["train_logits"].float()
    hard = PseudoLabels(logits.argmax(1), logits.shape[1])
    pseudo = {
        "hard": hard,
        "soft": PseudoLabels(hard.hard, hard.num_classes, logits.softmax(1).half()),
        "k-means": ClusterPseudoLabeler(100).label(arrays["train"]),
        "permuted": hard.permuted(generator(0)),
    }
    x, test_x = ((arrays[part] - mean) / std for part in ("train", "test"))
    return Features(x, arrays["train_labels"], test_x, arrays["test_labels"], pseudo)


@torch.inference_mode()
def _asked(network: Classifier, data: LabeledImages, size: int) -> tuple[Tensor, Tensor]:
    """Logits and features, a few hundred images at a time."""
    parts = []
    for start in range(0, len(data), 256):
        rows = torch.arange(start, min(start + 256, len(data)))
        images = in_memory(data.subset(rows), (size, size)).pixels
        parts.append(outputs_and_features(network, images.float() / 255))
    return torch.cat([one for one, _ in parts]), torch.cat([one for _, one in parts])


def _own_teacher(given: argparse.Namespace) -> Classifier:
    """A small network of the classes 0 to 99, trained by the engine from images of these alone."""
    folder = given.out / f"teacher-{given.teacher_size}-{given.teacher_epochs}"
    images = given.out / "teacher_pictures"
    held = ImagePack(_pack_file("train25k"))
    for row, label in enumerate(held.labels.tolist()):
        path = images / f"{label:03d}" / f"{row}.jpg"
        if label < KNOWN and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(held.encoded(row))
    size = [given.teacher_size] * 2
    recipe = changed({
        "name": "teacher", "epochs": given.teacher_epochs, "batch_size": 128, "channels_last": True,
        "data": {"name": "folder", "root": str(images)},
        "model": {"name": "figureground:cifar-resnet20", "preprocessing": {"size": size}},
        "augmentation": {"crop_padding": 6, "flip": True},
        "optimiser": {"kind": "sgd", "lr": 0.2, "weight_decay": 5e-4, "nesterov": True},
        "schedule": {"kind": "one-cycle", "warm_up": 0.2},
    })  # fmt: skip
    if not (folder / "record.json").exists():
        record = train(recipe, folder, resume=(folder / "recipe.yaml").exists())
        print(
            f"teacher: validation accuracy {record.last['accuracy']:.3f} of 100 classes", flush=True
        )
    return load_trained(folder, "last")


def _imagenet(size: int) -> Classifier:
    """MobileNetV2 with ImageNet weights, which has seen the rare classes."""
    shared = shared_folder()
    assert shared is not None
    return load_classifier(
        "timm:mobilenetv2_100",
        weights=shared / "weights" / "mobilenetv2_100_imagenet1001.safetensors",
        arguments={"num_classes": 1001, "pad_type": "same"},
        preprocessing={
            "size": size,
            "resize": "stretch",
            "crop_fraction": 1.0,
            "mean": 0.5,
            "std": 0.5,
        },
    )


def _pack_file(name: str) -> Path:
    shared = shared_folder()
    if shared is None:
        raise SystemExit("the shared data is absent (FIGUREGROUND_SHARED)")
    return shared / "packs" / f"tiny_imagenet_{name}.npz"


def _pack(name: str) -> LabeledImages:
    return pack(_pack_file(name), train=None)
