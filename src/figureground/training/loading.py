"""Batches that other processes make ready: decoding and augmenting, in torch's DataLoader."""

__all__ = ["Loaded", "Loader", "Request", "default_workers"]

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from figureground.base.errors import DataError, ImageError
from figureground.data.fitting import Window
from figureground.data.streamed import Decoded, StreamedImages
from figureground.training.source_pixels import SourcePixels
from figureground.training.streams import derived_seed
from figureground.training.transforms import Transforms

_Begin: TypeAlias = tuple[Tensor, Window | None]  # an image, and which part of it is the stored one
_MOST = 8
_AHEAD = 2  # batches of each process


def default_workers() -> int:
    """Processes that decode where a recipe names no number: one for each core, at most eight."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(_MOST, cores or 1)


@dataclass(frozen=True)
class Request:
    """Images of a batch.

    Args:
        rows: Which images.
        purpose: Keeps random numbers of different images independent.
        position: Epoch, step and the like.
        slot: Number of the first in its step, where an image may come twice in it; None where it cannot.
        augmented: Whether the transforms are applied.
    """

    rows: list[int]
    purpose: str = ""
    position: tuple[int, ...] = ()
    slot: int | None = None
    augmented: bool = True

    def seed(self, base: int, at: int) -> int:
        """Of the random numbers of one of the images.

        Args:
            base: The run's seed.
            at: Which of them.

        Returns:
            Whoever asks, in whatever order.
        """
        where = () if self.slot is None else (self.slot + at,)
        return derived_seed(base, self.purpose, *self.position, *where, self.rows[at])


@dataclass(frozen=True)
class Loaded:
    """What was asked for.

    Args:
        pixels: ``(N, C, H, W)`` uint8.
        sources: Where the pixels come from; None where nobody asked.
        damaged: Row of an image that cannot be decoded -> why; it is black.
    """

    pixels: Tensor
    sources: SourcePixels | None = None
    damaged: dict[int, str] = field(default_factory=dict)

    def pin_memory(self) -> "Loaded":
        """In memory that a GPU copies from while it computes; DataLoader calls this."""
        return Loaded(self.pixels.pin_memory(), self.sources, self.damaged)


class Loader:
    """Images by request, from memory or files, with their transforms.

    Args:
        images: ``(M, C, H, W)`` uint8 in the CPU's memory, or images that are streamed.
        transforms: Of the training; None for none.
        seed: The run's.
        workers: Processes; 0 for none.
        geometry: Whether somebody asks where pixels come from.
        pin: Whether batches go on to a GPU.
    """

    def __init__(
        self,
        images: Tensor | StreamedImages,
        transforms: Transforms | None,
        *,
        seed: int,
        workers: int = 0,
        geometry: bool = False,
        pin: bool = False,
    ) -> None:
        self._items = _Items(images, transforms, seed=seed, geometry=geometry)
        self._wanted = _Wanted()
        self._workers = workers
        self._loader: DataLoader[Loaded] | None = None
        self._pin = pin

    def one(self, request: Request) -> Loaded:
        """One batch, made by this process.

        Args:
            request: Its images.

        Returns:
            The batch.
        """
        return self._items[request]

    def of(self, images: Tensor, request: Request) -> Loaded:
        """Given images with the transforms.

        Args:
            images: ``(N, C, H, W)`` uint8, on the CPU.
            request: For the random numbers.

        Returns:
            The batch.
        """
        return self._items.transformed([(image, None) for image in images], request)

    def __call__(self, requests: Iterable[Request]) -> Iterator[Loaded]:
        """Batches in order, made ahead by the other processes.

        Args:
            requests: One for each batch.

        Yields:
            The batches.

        Raises:
            DataError: A process died.
            RuntimeError: What went wrong in one of them otherwise.
        """
        self._wanted.requests = requests
        if self._loader is None:
            self._loader = DataLoader(
                self._items,
                batch_size=None,
                sampler=self._wanted,
                num_workers=self._workers,
                collate_fn=_same,
                pin_memory=self._pin,
                persistent_workers=self._workers > 0,
                prefetch_factor=_AHEAD if self._workers else None,
                generator=torch.Generator(),  # or it would draw from the global one
            )
        try:
            yield from self._loader
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise DataError(
                f"one of {self._workers} processes that decode images died, mostly for want of memory; fewer of them: "
                f"data.workers={self._workers // 2} ({str(error).splitlines()[0]})"
            ) from error


class _Wanted(Sampler[Request]):
    """The requests of one epoch; processes that live on are asked for the next one's."""

    requests: Iterable[Request] = ()

    def __iter__(self) -> Iterator[Request]:
        return iter(self.requests)


class _Items(Dataset[Loaded]):
    """Makes one batch."""

    def __init__(
        self,
        images: Tensor | StreamedImages,
        transforms: Transforms | None,
        *,
        seed: int,
        geometry: bool,
    ) -> None:
        self._images, self._transforms = images, transforms
        self._seed, self._geometry = seed, geometry

    def __getitem__(self, request: Request) -> Loaded:
        plain = self._transforms is None or not request.augmented
        if plain or isinstance(self._images, Tensor) or not self._from_original:
            found = self._decoded(request.rows)
            if plain:
                return Loaded(found.pixels, damaged=found.damaged)
            done = self.transformed([(image, None) for image in found.pixels], request)
            return Loaded(done.pixels, done.sources, found.damaged)
        return self._from_originals(self._images, request)

    def transformed(self, images: list[_Begin], request: Request) -> Loaded:
        """Each image with its own random numbers."""
        assert self._transforms is not None  # noqa: S101 - the caller has looked
        pixels, sources = [], []
        for at, (image, window) in enumerate(images):
            done, places = self._transforms(
                image, window, seed=request.seed(self._seed, at), geometry=self._geometry
            )
            pixels.append(done)
            if places is not None:
                sources.append(places)
        places = torch.stack(sources) if sources else None
        return Loaded(
            torch.stack(pixels),
            None if places is None else SourcePixels(places[:, 0], places[:, 1]),
        )

    def _from_originals(self, images: StreamedImages, request: Request) -> Loaded:
        """From photos at their own size."""
        damaged: dict[int, str] = {}
        found: list[_Begin] = []
        for row in request.rows:
            try:
                found.append(images.original(row))
            except ImageError as error:
                damaged[row] = str(error)
                found.append((torch.zeros(images.shape[1:], dtype=torch.uint8), None))
        done = self.transformed(found, request)
        return Loaded(done.pixels, done.sources, damaged)

    @property
    def _from_original(self) -> bool:
        return self._transforms is not None and self._transforms.from_original

    def _decoded(self, rows: list[int]) -> Decoded:
        if isinstance(self._images, Tensor):
            return Decoded(self._images[torch.tensor(rows)])
        return self._images.decoded(rows)


def _same(loaded: Any) -> Any:  # noqa: ANN401 - as DataLoader has it
    return loaded
