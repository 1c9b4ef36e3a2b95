"""A model that the explorer answers with."""

__all__ = ["ServedModel", "serve_model"]

from collections import Counter
from dataclasses import dataclass, field
from threading import Lock

from figureground.base.outputs import class_probabilities
from figureground.base.shapes import Logits
from figureground.methods import Explainer
from figureground.models import Classifier
from figureground.models.predicting import chosen_device


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A classifier where it computes, one question at a time.

    Args:
        classifier: In evaluation mode.
        words: What names it on a command line: ``("--model", "runs/plain")``.
        busy: Held while the network runs, so that memory does not grow with the number of visitors.
        explainers: Layers that were asked for -> who explains them; filled when they are.
    """

    classifier: Classifier
    words: tuple[str, ...]
    busy: Lock = field(default_factory=Lock)
    explainers: dict[tuple[str, ...], Explainer] = field(default_factory=dict)

    def explainer(self, layers: tuple[str, ...]) -> Explainer:
        """Who explains these layers, and has checked them but once.

        Args:
            layers: Names; empty leaves the choice to figureground.

        Returns:
            The explainer.
        """
        if layers not in self.explainers:
            self.explainers[layers] = Explainer(self.classifier, layer=list(layers) or None)
        return self.explainers[layers]

    def named(self, logits: Logits) -> dict[str, float]:
        """The probabilities of one image by class; the number stands behind a name that several classes have.

        Args:
            logits: ``(1, L)``.

        Returns:
            Class -> probability.
        """
        shares = class_probabilities(logits)[0].tolist()
        names = [self.classifier.class_name(index) for index in range(len(shares))]
        often = Counter(names)
        return {
            f"{name} ({index})" if often[name] > 1 else name: share
            for index, (name, share) in enumerate(zip(names, shares, strict=True))
        }


def serve_model(
    classifier: Classifier, words: tuple[str, ...] = (), device: str | None = None
) -> ServedModel:
    """A classifier put where it computes.

    Args:
        classifier: It is moved, and stays there.
        words: What names it on a command line.
        device: As for ``chosen_device``.

    Returns:
        It, ready for questions.
    """
    return ServedModel(classifier.to(chosen_device(device)).eval(), words)
