"""Pseudo-labels from a classifier's predictions, or from clusters of features."""

__all__ = ["ClusterPseudoLabeler", "PseudoLabeler", "cached_labels"]

import hashlib
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor, nn

from figureground.base.errors import DataError, OptionError, ShapeError
from figureground.base.record import write_atomically
from figureground.capture.untouched import borrowed
from figureground.data.packs import NO_ARRAY
from figureground.data.streamed import StreamedImages
from figureground.training.algorithms.background_splitting.pseudo_labels import PseudoLabels
from figureground.training.last_linear import outputs_and_features

ImageSource = (
    Any  # a Tensor (n, C, H, W), or anything with a length whose items are images or (image, label)
)


class PseudoLabeler:
    """A teacher's predictions for every image, once, without any random change of the images.

    Args:
        teacher: Images in [0, 1] to logits; put into evaluation mode meanwhile.
        soft: Whether probabilities of all its classes are stored, float16, besides the most probable one.
        temperature: Of the shares.
        size: Height and width that the teacher wants, where the images have another.
        batch_size: Images at a time.
        cache: Folder where labels are stored, under a key of teacher, options and images.

    Raises:
        OptionError: The temperature is not positive, or the batch size is below 1.

    References:
        Mullapudi et al. (2021), arXiv:2008.12873: hard labels of a network trained on ImageNet. *Differs:* their code
        makes them with the random crops of training; here equal images have equal labels.

    Examples:
        >>> teacher = nn.Flatten()  # an image of two pixels is its own logits
        >>> images = torch.tensor([[0, 255], [255, 0]], dtype=torch.uint8)[:, None, None]
        >>> PseudoLabeler(teacher).label(images).hard.tolist()
        [1, 0]
    """

    def __init__(
        self,
        teacher: nn.Module,
        *,
        soft: bool = False,
        temperature: float = 1.0,
        size: tuple[int, int] | None = None,
        batch_size: int = 256,
        cache: Path | None = None,
    ) -> None:
        if temperature <= 0 or batch_size < 1:
            raise OptionError(
                f"temperature {temperature} and batch_size {batch_size} must be positive"
            )
        self.teacher, self.soft, self.temperature = teacher, soft, temperature
        self.size, self.batch_size, self.cache = size, batch_size, cache

    def label(self, images: ImageSource) -> PseudoLabels:
        """Pseudo-labels in the order of the images; from the cache where they are there.

        Args:
            images: uint8 or float in [0, 1], ``(n, C, H, W)``; or a data set whose items are such images of one
                size, with or without a label.

        Returns:
            The labels, on the CPU.

        Raises:
            OptionError: Two readings of the data set, or two predictions of the teacher, differ: something is random.
            ShapeError: There are no images.
        """
        if self.cache is None:
            return self._made(images)
        key = self.key(images)
        return cached_labels(self.cache, key, lambda: self._made(images))

    def _made(self, images: ImageSource) -> PseudoLabels:
        """The labels, made."""
        self._check(images)
        hard, soft = [], []
        for batch in self._batches(images):
            logits = self._logits(batch)
            hard.append(logits.argmax(1).cpu())
            if self.soft:
                soft.append((logits / self.temperature).softmax(1).half().cpu())
        shares = torch.cat(soft) if soft else None
        return PseudoLabels(torch.cat(hard), int(logits.shape[1]), shares)

    def features(self, images: ImageSource) -> Float[Tensor, "n D"]:
        """What the teacher's last linear layer is given, for ``ClusterPseudoLabeler``.

        Args:
            images: As for ``label``.

        Returns:
            ``(n, D)`` on the CPU.
        """
        self._check(images)
        parts = [
            outputs_and_features(self.teacher, batch)[1].cpu() for batch in self._batches(images)
        ]
        return torch.cat(parts)

    def key(self, images: ImageSource) -> str:
        """Stands for the teacher's weights, the options and the images; costs one reading of those in memory.

        Args:
            images: As for ``label``.

        Returns:
            24 hexadecimal digits.
        """
        digest = hashlib.sha256(f"{self.soft}|{self.temperature}|{self.size}".encode())
        # its structure too: weights alone do not distinguish a ReLU from a Tanh; addresses in memory are no structure
        digest.update(re.sub(r" at 0x[0-9a-fA-F]+", "", repr(self.teacher)).encode())
        digest.update(repr(getattr(self.teacher, "preprocessing", None)).encode())
        for name, value in (*self.teacher.state_dict().items(), *self.teacher.named_buffers()):
            digest.update(f"{name}{tuple(value.shape)}".encode() + _bytes(value))
        if isinstance(images, StreamedImages):
            digest.update(images.identity().encode())
            return digest.hexdigest()[:24]
        for batch in self._batches(images, prepared=False):
            digest.update(f"{tuple(batch.shape[1:])}".encode() + _bytes(batch))
        return digest.hexdigest()[:24]

    def _check(self, images: ImageSource) -> None:
        """Read the first images twice and predict twice: it must make no difference."""
        if not len(images):
            raise ShapeError("no images to label")
        first, again = (self._logits(next(self._batches(images))) for _ in range(2))
        if not torch.equal(first, again):
            raise OptionError(
                "pseudo-labels must not depend on chance: give the images as for evaluation, without random changes"
            )

    def _logits(self, images: Tensor) -> Tensor:
        with borrowed(self.teacher), torch.no_grad():
            return self.teacher(images).float()

    def _batches(self, images: ImageSource, *, prepared: bool = True) -> Iterator[Tensor]:
        """The images as the teacher takes them, on its device."""
        where = next((p.device for p in self.teacher.parameters()), torch.device("cpu"))
        for start in range(0, len(images), self.batch_size):
            end = min(start + self.batch_size, len(images))
            batch = (
                images[start:end]
                if isinstance(images, Tensor | StreamedImages)
                else _stacked(images, start, end)
            )
            yield self._prepared(batch.to(where)) if prepared else batch

    def _prepared(self, batch: Tensor) -> Tensor:
        images = batch.float() / 255 if batch.dtype == torch.uint8 else batch
        if self.size is not None and tuple(images.shape[2:]) != tuple(self.size):
            images = F.interpolate(images, self.size, mode="bilinear", antialias=True)
        return images


class ClusterPseudoLabeler:
    """Clusters of features as pseudo-classes, by k-means on small batches.

    Args:
        clusters: K.
        spherical: Whether features are scaled to length 1 first.
        seed: Of the clusters' first centres.

    Raises:
        OptionError: There is no cluster.

    References:
        Sculley (2010). Web-scale k-means clustering. WWW.

    Examples:
        >>> features = torch.tensor([[0.0, 1.0], [5.0, 0.0], [0.0, 2.0], [6.0, 0.1]])
        >>> a, b, c, d = ClusterPseudoLabeler(2).label(features).hard.tolist()
        >>> a == c, b == d, a == b
        (True, True, False)
    """

    def __init__(self, clusters: int, *, spherical: bool = True, seed: int = 0) -> None:
        if clusters < 1:
            raise OptionError(f"clusters is at least 1, got {clusters}")
        self.clusters, self.spherical, self.seed = clusters, spherical, seed

    def label(self, features: Float[Tensor, "n D"]) -> PseudoLabels:
        """The cluster of each row.

        Args:
            features: One row per image.

        Returns:
            Hard labels.

        Raises:
            OptionError: Fewer rows than clusters.
        """
        if len(features) < self.clusters:
            raise OptionError(f"{self.clusters} clusters of {len(features)} images")
        rows = F.normalize(features, dim=1) if self.spherical else features
        fitted = MiniBatchKMeans(
            self.clusters, n_init=4, max_iter=50, batch_size=2048, random_state=self.seed
        )
        found = fitted.fit_predict(rows.detach().cpu().double().numpy())
        return PseudoLabels(torch.from_numpy(found.astype(np.int64)), self.clusters)


def cached_labels(folder: Path, key: str, make: Callable[[], PseudoLabels]) -> PseudoLabels:
    """Pseudo-labels from a folder; made and put there where they are not yet.

    Args:
        folder: Holds a file for each key.
        key: Stands for all that they depend on.
        make: Makes them.

    Returns:
        The labels, with their key.
    """
    place = folder / f"pseudo-{key}.npz"
    if place.exists():
        return _read(place, key)
    made = replace(make(), key=key)
    _write(place, made)
    return made


def _stacked(images: ImageSource, start: int, end: int) -> Tensor:
    """Some items of a data set, labels left out."""
    items = [images[row] for row in range(start, end)]
    return torch.stack([item[0] if isinstance(item, tuple | list) else item for item in items])


def _bytes(value: Tensor) -> bytes:
    return value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _write(path: Path, labels: PseudoLabels) -> None:
    buffer = io.BytesIO()
    arrays = {"hard": labels.hard.numpy(), "num_classes": np.array(labels.num_classes)}
    if labels.soft is not None:
        arrays["soft"] = labels.soft.numpy()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())


def _read(path: Path, key: str) -> PseudoLabels:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            soft = torch.from_numpy(stored["soft"]) if "soft" in stored else None
            return PseudoLabels(
                torch.from_numpy(stored["hard"]), int(stored["num_classes"]), soft, key
            )
    except (KeyError, *NO_ARRAY) as error:
        raise DataError(f"cannot read {path}: {error}; remove it to have it made anew") from error
