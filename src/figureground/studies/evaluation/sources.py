"""Where maps come from: what a source of maps is, and our methods on a model as one."""

__all__ = ["ExplainerMaps", "MapBatch", "MapSource", "MethodSpecs"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from figureground.base.errors import DataError, OptionError
from figureground.base.shapes import Logits, Maps
from figureground.capture import LayerChoice
from figureground.methods import CamMethod, Explainer, Explanation, find_methods
from figureground.models import Classifier
from figureground.studies.evaluation.items import SetProblem
from figureground.studies.evaluation.sets import EvaluationBatch

_CLASSES = ("true", "predicted", "both")
MethodSpecs = str | CamMethod | Sequence[str | CamMethod] | Mapping[str, CamMethod]


@dataclass(frozen=True, eq=False)
class MapBatch:
    """Raw maps of one batch: one for each picture and row of the tables.

    Args:
        maps: Row -> ``(N, h, w)`` float32; a map that could not be had is NaN.
        logits: Of the model on these pictures; None where no model ran.
        problems: Maps that could not be had or show nothing, and why.
        ready: Rows whose maps lie in [0, 1] by construction and must not be normalised.
    """

    maps: dict[str, Maps]
    logits: Logits | None = None
    problems: tuple[SetProblem, ...] = ()
    ready: frozenset[str] = frozenset()


@runtime_checkable
class MapSource(Protocol):
    """Anything that has maps of pictures."""

    @property
    def rows(self) -> tuple[str, ...]:
        """Names of the rows of the tables, in order."""

    @property
    def facts(self) -> dict[str, str]:
        """Row -> what a record should say of it; equal facts mean equal maps of equal pictures."""

    @property
    def layers(self) -> tuple[LayerChoice, ...]:
        """The layers that are explained, as far as they are known; none where no model takes part."""

    @property
    def needs_labels(self) -> bool:
        """Whether every picture must have a class index."""

    def __call__(self, batch: EvaluationBatch) -> MapBatch:
        """Maps of a batch that is not empty."""


class ExplainerMaps:
    """Maps of our methods: one pass of the network for each batch, whatever the number of methods.

    Methods that occur twice with different options take one more pass; so does asking for the maps of both the
    true and the predicted class (the prediction must be known first).

    Args:
        classifier: The model, on its device, in evaluation mode.
        methods: Names or configured methods; or row name -> configured method.
        classes: ``true``, ``predicted`` or ``both``. Class-free methods have one row either way.
        explainer: Where layers or precision are to be said; made from the classifier where None.

    Raises:
        OptionError: An unknown word; or ``dff``, which makes several maps.
    """

    def __init__(
        self,
        classifier: Classifier,
        methods: MethodSpecs,
        *,
        classes: str = "true",
        explainer: Explainer | None = None,
    ) -> None:
        if classes not in _CLASSES:
            raise OptionError(f"no classes '{classes}'; known: {', '.join(_CLASSES)}")
        named = dict(methods) if isinstance(methods, Mapping) else find_methods(methods)
        if any(method.name == "dff" for method in named.values()):
            raise OptionError(
                "dff makes a map per concept, not one that could be measured; leave it out"
            )
        self._methods = named
        self._classes = classes
        self._classifier = classifier
        self._explainer = explainer or Explainer(classifier)
        self._device = next(iter(classifier.buffers())).device

    @property
    def layers(self) -> tuple[LayerChoice, ...]:
        """The layers; empty before the first batch where the choice is left to us."""
        return self._explainer.layers

    @property
    def needs_labels(self) -> bool:
        """Whether the true class of every picture is explained."""
        specific = any(method.class_specific for method in self._methods.values())
        return specific and self._classes != "predicted"

    @property
    def rows(self) -> tuple[str, ...]:
        """One row for each method, two for a class-specific one if both classes are asked for."""
        return tuple(row for name in self._methods for row in self._rows_of(name))

    @property
    def facts(self) -> dict[str, str]:
        """Row -> the method with its options and the class that it explains."""
        return {
            row: f"{self._methods[name]!r}, {self._class_words(name, position)}"
            for name in self._methods
            for position, row in enumerate(self._rows_of(name))
        }

    def __call__(self, batch: EvaluationBatch) -> MapBatch:
        """Raw maps of every row.

        Args:
            batch: At least one picture.

        Returns:
            The maps, the logits, and the maps that show nothing.

        Raises:
            DataError: The true class is asked for, and a picture has none.
        """
        images = batch.images.to(self._device).contiguous(memory_format=torch.channels_last)
        wanted = self._wanted(images, batch.labels.to(self._device))
        maps: dict[str, Tensor] = {}
        problems: list[SetProblem] = []
        logits: Tensor | None = None
        for group in self._groups():
            explanation = self._explainer(images, wanted, list(group.values()))
            logits = explanation.logits
            for name, method in group.items():
                maps |= self._split(name, explanation.map_of(method.name))
            problems += self._problems(explanation, group, batch.names)
        return MapBatch({row: maps[row] for row in self.rows}, logits, tuple(problems))

    def _wanted(self, images: Tensor, labels: Tensor) -> Tensor | None:
        """Classes to explain, (N, K); None for the predicted one."""
        if not self.needs_labels:
            return None
        if (labels < 0).any():
            raise DataError(
                "maps for the true class need a label for every picture; ask for classes 'predicted'"
            )
        if self._classes == "true":
            return labels
        with torch.no_grad():
            predicted = self._classifier(images).argmax(1)
        return torch.stack([labels, predicted], dim=1)

    def _groups(self) -> list[dict[str, CamMethod]]:
        """Methods in groups without two of one name, as the explainer wants them."""
        groups: list[dict[str, CamMethod]] = []
        for name, method in self._methods.items():
            taken = (g for g in groups if method.name not in {one.name for one in g.values()})
            group = next(taken, None)
            if group is None:
                groups.append({name: method})
            else:
                group[name] = method
        return groups

    def _rows_of(self, name: str) -> tuple[str, ...]:
        if self._classes == "both" and self._methods[name].class_specific:
            return (f"{name} (true)", f"{name} (predicted)")
        return (name,)

    def _class_words(self, name: str, position: int) -> str:
        if not self._methods[name].class_specific:
            return "class-free"
        word = ("true", "predicted")[position] if self._classes == "both" else self._classes
        return f"{word} class"

    def _split(self, name: str, stack: Tensor) -> dict[str, Tensor]:
        """Maps (N, K, h, w) by row."""
        return {row: stack[:, at] for at, row in enumerate(self._rows_of(name))}

    def _problems(
        self, explanation: Explanation, group: Mapping[str, CamMethod], names: Sequence[str]
    ) -> list[SetProblem]:
        """Maps that show nothing, with the row they belong to."""
        row_names = {method.name: self._rows_of(name) for name, method in group.items()}
        return [
            SetProblem(
                f"map-{one.kind}", f"{names[one.image]}, {row_names[one.method][one.class_position]}", one.message
            )
            for one in explanation.problems
        ]  # fmt: skip
