"""What an explainer returns: raw maps, and how to look at them and keep them."""

__all__ = ["Explanation"]

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, overload

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from figureground.base.claim import Claim, claimed
from figureground.base.errors import OptionError, unknown_option
from figureground.base.identity import file_name
from figureground.base.record import provenance, write_atomically, write_json
from figureground.base.shapes import Images, Logits
from figureground.capture import LayerChoice
from figureground.maps import overlay
from figureground.maps.concepts import concept_panel
from figureground.maps.image_files import png_bytes
from figureground.maps.window import Window
from figureground.methods.dff import Concepts
from figureground.methods.display import Cell, cut_lines, html_table
from figureground.methods.fixations.points import Fixations
from figureground.methods.method import CamMethod
from figureground.methods.photos import Photos
from figureground.methods.plan import ExplanationProblem

_SHOWN = 8  # images that a notebook shows
_LINES = 5  # of classes, and of problems, in a text


class Drawing(TypedDict, total=False):
    """How maps are painted, as ``figureground.maps.overlay`` takes it."""

    colour_map: str
    alpha: float
    alpha_by_value: bool
    contour: float | None


@dataclass(frozen=True, repr=False)
class Explanation:
    """Maps of one batch, raw, with everything needed to read them.

    Args:
        images: ``(N, C, H, W)`` as they were given.
        logits: ``(N, L)`` float32.
        classes: ``(N, K)`` class numbers; None where the targets were functions.
        scores: ``(N, K)`` logits of the classes, or values of the target functions.
        maps: Method -> raw maps ``(N, K, h, w)``; K = 1 for class-free methods, one per concept for
            ``dff``. With several layers that are not fused, method -> layer -> maps.
        methods: Name -> the method with its options.
        layers: The layers and why.
        details: Method -> layer -> what else a method found, in parts; see ``concepts`` and ``fixations``.
        problems: Maps that should not be read, and why.
        class_name: Finds the name of a class number.
        photos: The photos, where the explainer was given photos.
    """

    images: Images
    logits: Logits
    classes: Tensor | None
    scores: Tensor
    maps: dict[str, Tensor | dict[str, Tensor]]
    methods: Mapping[str, CamMethod]
    layers: tuple[LayerChoice, ...]
    details: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    problems: tuple[ExplanationProblem, ...] = ()
    class_name: Callable[[int], str] | None = None
    photos: Photos | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: of images that are part of a larger batch this part alone."""
        return {**self.__dict__, "images": self.images.clone()}

    @property
    def probabilities(self) -> Tensor:
        """``(N, L)``: softmax of the logits; for one logit its sigmoid."""
        return self.logits.softmax(1) if self.logits.shape[1] > 1 else self.logits.sigmoid()

    @property
    def concepts(self) -> dict[str, Concepts]:
        """Layer -> the concepts that ``dff`` found; empty where it was not asked for."""
        return {layer: parts[0] for layer, parts in self._details_of("dff").items()}

    @property
    def fixations(self) -> tuple[tuple[Fixations, ...], ...]:
        """N tuples of K point sets that ``cnn-fixations`` found; empty where it was not asked for."""
        for parts in self._details_of("cnn-fixations").values():
            return tuple(
                tuple(one for part in parts for one in part[n]) for n in range(len(self.images))
            )
        return ()

    def _details_of(self, kind: str) -> dict[str, list[Any]]:
        """Layer -> what the first method of this kind found beside its maps."""
        names = (name for name, method in self.methods.items() if method.name == kind)
        return self.details.get(next(names, kind), {})

    def map_of(self, method: str, layer: str | None = None) -> Tensor:
        """Raw maps ``(N, K, h, w)`` of one method.

        Args:
            method: Its name.
            layer: The layer, where there are several.

        Returns:
            The maps.

        Raises:
            OptionError: The method or layer is not among the results.
        """  # noqa: DOC501 - unknown_option makes an OptionError
        if method not in self.maps:
            raise unknown_option("result of method", method, self.maps)
        found = self.maps[method]
        if isinstance(found, Tensor):
            return found
        if layer is None:
            raise OptionError(f"{method} has maps of several layers; say which: {', '.join(found)}")
        if layer not in found:
            raise unknown_option("layer in the results", layer, found)
        return found[layer]

    @property
    def canvas(self) -> Literal["photo", "network"]:
        """What can be painted on at best: the photos, where the explainer was given photos."""
        return "network" if self.photos is None else "photo"

    @overload
    def overlay(
        self,
        method: str | None = None,
        *,
        layer: str | None = None,
        on: Literal["network"] = "network",
        images: Images | None = None,
        **drawing: Unpack[Drawing],
    ) -> UInt8[Tensor, "N K H W 3"]: ...

    @overload
    def overlay(
        self,
        method: str | None = None,
        *,
        layer: str | None = None,
        on: Literal["network", "photo"],
        images: Images | None = None,
        **drawing: Unpack[Drawing],
    ) -> UInt8[Tensor, "N K H W 3"] | list[UInt8[Tensor, "K _ _ 3"]]: ...

    def overlay(
        self,
        method: str | None = None,
        *,
        layer: str | None = None,
        on: Literal["network", "photo"] = "network",
        images: Images | None = None,
        **drawing: Unpack[Drawing],
    ) -> UInt8[Tensor, "N K H W 3"] | list[UInt8[Tensor, "K _ _ 3"]]:
        """Each image with each of its maps painted over it.

        Args:
            method: Its name; the first one where omitted.
            layer: The layer, where there are several; the first one where omitted.
            on: ``photo`` paints on the photos that the explainer was given, each at its own size and shape; what the
                network did not see of them is dark behind a line. ``network`` paints on what the network saw.
            images: ``(N, 3, H, W)`` in [0, 1] to paint on, in place of those given to the explainer
                (which are stretched to [0, 1] where they were normalised for the network).
            **drawing: ``colour_map``, ``alpha``, ``alpha_by_value`` and ``contour`` of ``figureground.maps.overlay``.

        Returns:
            ``(N, K, H, W, 3)`` uint8; on photos, N tensors ``(K, H, W, 3)``.

        Raises:
            OptionError: ``on="photo"``, and the explainer was given tensors.
        """
        name = method if method is not None else next(iter(self.maps))
        kept = self.maps.get(name)
        maps = self.map_of(name, layer or (next(iter(kept)) if isinstance(kept, dict) else None))
        if on == "photo":
            if self.photos is None:
                raise OptionError(
                    "there is no photo to paint on, since the explainer was given a tensor; give it photos: "
                    "explainer([Image.open('cat.jpg')])"
                )
            surfaces = [self.surface(n) for n in range(len(maps))]
            return [
                overlay(
                    pixels.expand(maps.shape[1], -1, -1, -1), one.cpu(), window=window, **drawing
                )
                for (pixels, window), one in zip(surfaces, maps, strict=True)
            ]
        n, k = maps.shape[:2]
        shown = _displayable(self.images if images is None else images)
        repeated = shown[:, None].expand(-1, k, -1, -1, -1).flatten(0, 1)
        painted = overlay(repeated, maps.flatten(0, 1), **drawing)
        return painted.reshape(n, k, *painted.shape[1:])

    def surface(self, image: int) -> tuple[Images, Window | None]:
        """What the maps of an image are painted on at best.

        Args:
            image: Position in the batch.

        Returns:
            ``(1, C, H, W)`` in [0, 1]: the photo, and where its maps lie; else what the network saw, and None.
        """
        if self.photos is None:
            return _displayable(self.images[image : image + 1]), None
        return self.photos.pixels[image][None], self.photos.windows[image]

    def picture(self, image: int) -> UInt8[np.ndarray, "H W 3"]:
        """An image without any map.

        Args:
            image: Position in the batch.

        Returns:
            The photo where the explainer was given photos, else what the network saw.
        """
        pixels = self.surface(image)[0][0].expand(3, -1, -1).mul(255).round().to(torch.uint8)
        return pixels.permute(1, 2, 0).cpu().contiguous().numpy()

    def label(self, image: int, position: int) -> str:
        """The name (else the number) of a class that was asked for.

        Args:
            image: Position in the batch.
            position: Position among the classes.

        Returns:
            A word or number.
        """
        if self.classes is None:
            return f"target {position}"
        index = int(self.classes[image, position])
        return str(index) if self.class_name is None else self.class_name(index)

    def save(self, folder: Path | str) -> Path:
        """Write overlays (PNG), raw maps (``maps.npz``) and, last, ``record.json``.

        Args:
            folder: Where; made where absent.

        Returns:
            The folder; it is complete once it holds ``record.json``. What was saved there before is replaced.

        Raises:
            DataError: The folder holds something else, is in use, or cannot be written to.
        """
        with claimed(folder, "explanation", writes=("maps.npz", "record.json")) as claim:
            self._save(claim)
        return Path(folder)

    def _save(self, claim: Claim) -> None:
        """The files; those of an earlier explanation go."""
        arrays: dict[str, Any] = {"logits": self.logits.cpu().numpy()}
        pictures: dict[str, tuple[str, str | None, tuple[int, ...]]] = {}
        for method, layer, maps in self.stacks():
            arrays[f"{method}/{layer}" if layer else method] = maps.cpu().numpy()
            for at in np.ndindex(*maps.shape[:2]):
                words = [f"{at[0]:05d}", method, layer and file_name(layer), str(at[1])]
                pictures["-".join(filter(None, words)) + ".png"] = (method, layer, at)
        earlier = [name for name in claim.files if Path(name).name == name]
        claim.mark({}, dict.fromkeys([*earlier, *pictures]))
        for name in ("record.json", *(name for name in earlier if name not in pictures)):
            (claim.folder / name).unlink(missing_ok=True)
        for (method, layer), names in groupby(pictures, lambda name: pictures[name][:2]):
            painted = self.overlay(method, layer=layer, on=self.canvas)
            for name in names:
                image, position = pictures[name][2]
                picture = painted[image][position].cpu().numpy()
                write_atomically(claim.folder / name, png_bytes(picture))
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        write_atomically(claim.folder / "maps.npz", buffer.getvalue())
        claim.mark({}, pictures)
        write_json(claim.folder / "record.json", self._record(list(pictures)))

    def _record(self, files: list[str]) -> dict[str, object]:
        return {
            "schema": 1,
            "kind": "explanation",
            "provenance": provenance(),
            "layers": [{"name": choice.name, "reason": choice.reason} for choice in self.layers],
            "methods": {name: repr(method) for name, method in self.methods.items()},
            "classes": None if self.classes is None else self.classes.tolist(),
            "scores": self.scores.tolist(),
            "problems": list(self.problems),
            "images": files,
        }

    def stacks(self) -> Iterator[tuple[str, str | None, Tensor]]:
        """The maps of each method and layer.

        Yields:
            Method, layer (None where there is one tensor) and raw maps ``(N, K, h, w)``.
        """
        for method, found in self.maps.items():
            if isinstance(found, Tensor):
                yield method, None, found
            else:
                yield from ((method, layer, maps) for layer, maps in found.items())

    def __repr__(self) -> str:
        """At most twenty lines: layers, maps, classes of the first images, and problems."""
        plural = "" if len(self.images) == 1 else "s"
        sizes = [f"{_words(m, layer)}: {tuple(maps.shape)}" for m, layer, maps in self.stacks()]
        named = range(self.scores.shape[1])
        classes = [
            f"image {n}: " + ", ".join(f"{self.label(n, k)} {self._score(n, k)}" for k in named)
            for n in range(len(self.images))
        ]
        lines = [
            f"Explanation of {len(self.images)} image{plural}",
            *cut_lines([f"layer {layer}" for layer in self.layers], 3),
            *cut_lines(["maps " + ", ".join(sizes)], 1),
            *cut_lines(classes, _LINES),
            *cut_lines([f"problem: {self._told(one)}" for one in self.problems], _LINES),
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """A table for notebooks: image, each class with its probability, its maps; those of any class stand once."""
        columns = [(method, layer) for method, layer, _ in self.stacks()]
        columns.sort(key=lambda one: not self.methods[one[0]].class_specific)
        count, rows = self.scores.shape[1], list[list[Cell | str]]()
        painted = {one: self._pictures(*one) for one in columns}
        for n, k in np.ndindex(min(len(self.images), _SHOWN), count):
            row: list[Cell | str] = [] if k else [Cell(self.picture(n), "image", count)]
            row.append(f"{self.label(n, k)}\n{self._score(n, k)}")
            for one in columns:
                specific = self.methods[one[0]].class_specific
                if specific or not k:
                    problem = self._problem(*one, (n, k))
                    span = 1 if specific else count
                    row.append(Cell(painted[one][n][k], _words(*one), span, problem))
            rows.append(row)
        more = len(self.images) - _SHOWN
        below = [f"and {more} more images"] * (more > 0)
        below.append(f"layer {', '.join(map(str, self.layers))}")
        return html_table(["", "", *(_words(*one) for one in columns)], rows, below)

    def _pictures(self, method: str, layer: str | None) -> list[list[np.ndarray]]:
        """The overlays of each image that is shown; concepts in one."""
        if self.methods[method].name != "dff":
            drawn = self.overlay(method, layer=layer, on=self.canvas)
            return [[one.cpu().numpy() for one in drawn[n]] for n in range(min(len(drawn), _SHOWN))]
        maps, panels = self.map_of(method, layer), []
        for n in range(min(len(maps), _SHOWN)):
            pixels, window = self.surface(n)
            one, most = maps[n : n + 1].to(pixels.device), maps.amax((0, 2, 3))
            panels.append(concept_panel(pixels, one, window=window, largest=most))
        return [[panel[0].cpu().numpy()] for panel in panels]

    def _score(self, image: int, position: int) -> str:
        """The probability of a class; of a function its value."""
        if self.classes is None:
            return f"{float(self.scores[image, position]):.3g}"
        index, given = int(self.classes[image, position]), self.probabilities[image]
        single = given[0] if index else 1 - given[0]
        return f"{100 * float(given[index] if len(given) > 1 else single):.3g} %"

    def _problem(self, method: str, layer: str | None, at: tuple[int, int]) -> str:
        """What is wrong with a map, or an empty text."""
        mine = (one for one in self.problems if one.method == method and layer in {None, one.layer})
        return next((one.message for one in mine if (one.image, one.class_position) == at), "")

    def _told(self, problem: ExplanationProblem) -> str:
        """A problem in a line."""
        specific = self.methods[problem.method].class_specific
        about = f", {self.label(problem.image, problem.class_position)}" if specific else ""
        return f"{problem.method}, image {problem.image}{about}: {problem.message}"


def _words(method: str, layer: str | None) -> str:
    """A method and its layer, where it has maps of several."""
    return f"{method} {layer}" if layer else method


def _displayable(images: Images) -> Images:
    """Images within [0, 1] unchanged; others stretched to it, each by its own range. Three or one channels."""
    shown = images.detach().float()
    if shown.shape[1] not in {1, 3}:
        shown = shown[:, :3] if shown.shape[1] > 3 else shown[:, :1]
    low, high = shown.amin((1, 2, 3), keepdim=True), shown.amax((1, 2, 3), keepdim=True)
    outside = (low < 0) | (high > 1)
    return torch.where(
        outside, (shown - low) / (high - low).clamp_min(torch.finfo(shown.dtype).tiny), shown
    )
