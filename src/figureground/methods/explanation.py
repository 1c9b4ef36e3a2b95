"""What an explainer returns: raw maps, and how to look at them and keep them."""

__all__ = ["Explanation"]

import base64
import html
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from figureground.base.claim import Claim, claimed
from figureground.base.errors import OptionError, unknown_option
from figureground.base.identity import file_name
from figureground.base.record import provenance, write_atomically, write_json
from figureground.base.shapes import Images, Logits
from figureground.capture import LayerChoice
from figureground.maps import overlay
from figureground.methods.dff import Concepts
from figureground.methods.fixations.points import Fixations
from figureground.methods.method import CamMethod
from figureground.methods.plan import ExplanationProblem

_SHOWN = 8  # images that a notebook shows


@dataclass(frozen=True)
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

    def overlay(
        self,
        method: str | None = None,
        *,
        layer: str | None = None,
        images: Images | None = None,
        colour_map: str = "inferno",
        alpha_by_value: bool = False,
    ) -> UInt8[Tensor, "N K H W 3"]:
        """Each image with each of its maps painted over it.

        Args:
            method: Its name; the first one where omitted.
            layer: The layer, where there are several; the first one where omitted.
            images: ``(N, 3, H, W)`` in [0, 1] to paint on, in place of those given to the explainer
                (which are stretched to [0, 1] where they were normalised for the network).
            colour_map: Name of a colour map.
            alpha_by_value: Paint low values lightly.

        Returns:
            ``(N, K, H, W, 3)`` uint8.
        """
        name = method if method is not None else next(iter(self.maps))
        kept = self.maps.get(name)
        maps = self.map_of(name, layer or (next(iter(kept)) if isinstance(kept, dict) else None))
        n, k = maps.shape[:2]
        shown = _displayable(self.images if images is None else images)
        repeated = shown[:, None].expand(-1, k, -1, -1, -1).flatten(0, 1)
        painted = overlay(
            repeated, maps.flatten(0, 1), colour_map=colour_map, alpha_by_value=alpha_by_value
        )
        return painted.reshape(n, k, *painted.shape[1:])

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
        for method, layer, maps in self._each():
            arrays[f"{method}/{layer}" if layer else method] = maps.cpu().numpy()
            for at in np.ndindex(*maps.shape[:2]):
                words = [f"{at[0]:05d}", method, layer and file_name(layer), str(at[1])]
                pictures["-".join(filter(None, words)) + ".png"] = (method, layer, at)
        earlier = [name for name in claim.files if Path(name).name == name]
        claim.mark({}, dict.fromkeys([*earlier, *pictures]))
        for name in ("record.json", *(name for name in earlier if name not in pictures)):
            (claim.folder / name).unlink(missing_ok=True)
        for (method, layer), names in groupby(pictures, lambda name: pictures[name][:2]):
            painted = self.overlay(method, layer=layer).cpu().numpy()
            for name in names:
                write_atomically(claim.folder / name, _png(painted[pictures[name][2]]))
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

    def _each(self) -> Iterator[tuple[str, str | None, Tensor]]:
        """Method, layer (None where there is one tensor) and maps."""
        for method, found in self.maps.items():
            if isinstance(found, Tensor):
                yield method, None, found
            else:
                yield from ((method, layer, maps) for layer, maps in found.items())

    def _repr_html_(self) -> str:
        """A table of overlays for notebooks: a row per image and class, a column per method."""
        rows = []
        stacks = {(m, layer): self.overlay(m, layer=layer) for m, layer, _ in self._each()}
        for image, position in np.ndindex(min(len(self.images), _SHOWN), self.scores.shape[1]):
            cells = "".join(
                _cell(
                    f"{m} {layer or ''}",
                    painted[image, position if self.methods[m].class_specific else 0].cpu().numpy(),
                )
                for (m, layer), painted in stacks.items()
            )
            rows.append(f"<tr><th>{html.escape(self.label(image, position))}</th>{cells}</tr>")
        more = len(self.images) - _SHOWN
        note = f"<p>and {more} more images</p>" if more > 0 else ""
        return f"<table>{''.join(rows)}</table>{note}<p>layer {html.escape(', '.join(map(str, self.layers)))}</p>"


def _cell(title: str, image: np.ndarray) -> str:
    code = base64.b64encode(_png(image)).decode()
    return f'<td><img alt="{html.escape(title)}" src="data:image/png;base64,{code}"><br>{html.escape(title)}</td>'


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


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
