"""What do the predictions of a classifier tell beyond the class? Conditional mutual information and its relatives."""

__all__ = ["Information", "told_beyond"]

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from figureground.base.amount import amount
from figureground.base.errors import DataError, OptionError
from figureground.base.options import option
from figureground.data.omitting import class_numbers
from figureground.metrics.classification import best_temperature, ece, omitted_class_report
from figureground.metrics.information import Information as Numbers, information
from figureground.models import Classifier
from figureground.models.predicting import device_of
from figureground.studies.answers import Answer, Bar, in_words, number
from figureground.studies.evaluation.engine import BATCH_SIZE, Evaluation, Found, Measured
from figureground.studies.evaluation.image_set import EvaluationBatch, without_class
from figureground.studies.evaluation.shown_images import extremes
from figureground.studies.evaluation.tables import Case, ImageProblem, mean_of, table
from figureground.studies.training.runs import TrainedRun

_NAMES = {
    "cmi": ("I(X; Ŷ | Y), conditional mutual information", "nats"),
    "separation": ("separation", "nats"),
    "ncmi": ("NCMI, their ratio", ""),
    "h_yhat": ("H(Ŷ)", "nats"),
    "h_yhat_given_y": ("H(Ŷ | Y)", "nats"),
    "h_yhat_given_x": ("H(Ŷ | X)", "nats"),
    "mi_x": ("I(X; Ŷ)", "nats"),
    "mi_y": ("I(Y; Ŷ)", "nats"),
    "nll": ("negative log-likelihood", "nats"),
    "accuracy": ("accuracy", "fraction"),
}
_CAPTION = (
    "Ŷ is drawn from the model's output for the image X of class Y. I(X; Ŷ | Y) = H(Ŷ | Y) − H(Ŷ | X): how much the "
    "predictions for images of one class differ; I(X; Ŷ) = I(Y; Ŷ) + I(X; Ŷ | Y). None has a good direction by itself."
)
_OMITTED = (
    "Training images showed none of these classes. Recall: share of a class's images that are recognised; precision: "
    "share of the images so called that are of it, empty where none is so called."
)
_NOTE = (
    "the published CMI of teachers is measured on training images, cropped and flipped at random: compare with it only "
    "values of the same split"
)
_SHOWN = 20  # classes in the figure
_FEW = 100  # images of a class; below, the mean follows single images


@dataclass(frozen=True, kw_only=True)
class Information(Evaluation):
    """Conditional mutual information, separation, NCMI, entropies and mutual informations, also class by class.

    A background output beyond the classes of the data is dropped. Labels are those of the data; the model must have its
    classes.

    Args:
        temperature: Logits are divided by it.
        prior: Weight of each class: ``empirical``, its share of the images, or ``uniform``.
        separation: Which of the published definitions.
        omitted: Classes that training left out; adds a table on them.
    """

    kind: ClassVar[str] = "information"
    question: ClassVar[str] = "What do the predictions tell beyond the class?"

    batch_size: int = option(256, BATCH_SIZE, least=1, panel="Speed")
    temperature: float = option(1.0, "Logits are divided by it.")
    prior: str = option("empirical", "Weight of the classes.", choices=("empirical", "uniform"))
    separation: str = option(
        "pairs", "Which of the published definitions of separation.",
        choices=("pairs", "different-pairs", "other-centroids", "centroid-divergence"),
    )  # fmt: skip
    omitted: tuple[str, ...] = option(
        (),
        "Classes that training left out, comma-separated: adds a table on them. Default: the run's.",
    )

    def subject(self, classifier: Classifier | None) -> None:
        """Only predictions are measured."""

    def of_run(self, run: TrainedRun) -> "Information":
        """With the classes that the run left out."""
        return (
            self if self.omitted else replace(self, omitted=tuple(map(str, run.recipe.data.omit)))
        )

    def measure(self, batch: EvaluationBatch, network: Classifier) -> Measured:
        """Logits, and which images the network has no numbers for."""
        with torch.inference_mode():
            logits = network(batch.images).float().cpu()
        message = "left out: the model's output is not finite"
        sick = logits.isnan().any(1).nonzero()[:, 0].tolist()
        told = [ImageProblem("output-non-finite", batch.names[row], message) for row in sick]
        return {"logits": logits.numpy()}, [*told, *without_class(batch)]

    def record_parts(self, found: Found) -> dict[str, Any]:
        """Quantities, classes, omitted classes."""
        columns, network = found.columns, found.network
        names = (
            found.images.class_names
            or tuple(network.class_names or ())[: int(columns["label"].max()) + 1]
        )
        known = (columns["label"] >= 0) & (columns["label"] < len(names))
        known &= ~np.isnan(columns["logits"]).any(1)
        if not known.any():
            raise DataError(
                f"no image of {found.images.description} has a known class and an output"
            )
        labels = torch.from_numpy(columns["label"][known]).to(device_of(network))
        logits = _without_background(torch.from_numpy(columns["logits"][known]), len(names)).to(
            labels.device
        )
        numbers = information(
            logits, labels, temperature=self.temperature, prior=self.prior, kind=self.separation
        )
        scaled, here = (logits / self.temperature).cpu(), labels.cpu()
        per_image = {key: columns[key][known] for key in ("row", "name", "label")}
        apart = _divergences(numbers, scaled, here)
        return {
            "answer": told_beyond(float(numbers.cmi), apart["divergence"], here, class_names=names),
            "images": len(here),
            "tables": (
                _overall_table(numbers, scaled, here, separation=self.separation),
                _class_table(numbers, names),
                *self._omitted_tables(scaled, here, names),
            ),
            "cases": _unlike_their_class(found, per_image, apart["divergence"], names=names),
            "notes": (*_notes(numbers, scaled, names), _NOTE),
            "arrays": {
                "per_image.npz": per_image | apart,
                "information.npz": {key: one.cpu().numpy() for key, one in vars(numbers).items()},
            },
        }

    def _omitted_tables(
        self, logits: Tensor, labels: Tensor, names: tuple[str, ...]
    ) -> Iterator[dict[str, Any]]:
        """What is known of classes that training left out, and of the others; empty cells where undefined."""
        omitted = class_numbers(names, self.omitted)
        if not omitted:
            return
        found = omitted_class_report(logits, labels, omitted)
        titles = [f"of '{names[row]}'" for row in omitted]
        quantities = [
            ("accuracy on the other classes", found.kept_accuracy),
            ("recall of the omitted classes, mean", found.omitted_recall),
            *zip([f"recall {name}" for name in titles], found.recall, strict=True),
            ("precision where one of them is predicted", found.omitted_precision),
            *zip([f"precision {name}" for name in titles], found.precision, strict=True),
            (
                "harmonic mean of the other classes' accuracy and the omitted classes' recall",
                found.harmonic_mean,
            ),
            ("chance", found.chance),
        ]
        lines = [[name, _rounded(float(value), 5), "fraction"] for name, value in quantities]
        yield table("Omitted classes", ["quantity", "value", "unit"], lines, caption=_OMITTED)


def _unlike_their_class(
    found: Found,
    per_image: Mapping[str, np.ndarray],
    divergence: Float[np.ndarray, " N"],
    *,
    names: Sequence[str],
) -> tuple[Case, ...]:
    """The images whose outputs lie furthest from the mean of their class, and nearest to it."""
    kinds = {"furthest from their class": divergence, "nearest to their class": -divergence}
    return extremes(
        found.images,
        per_image["row"].tolist(),
        {("Predictions", kind): values for kind, values in kinds.items()},
        labels=[names[one] for one in per_image["label"].tolist()],
        measure="divergence",
    )


def told_beyond(
    cmi: float,
    divergences: Float[np.ndarray, " N"],
    labels: Int[Tensor, " N"],
    *,
    class_names: tuple[str, ...],
) -> Answer:
    """The answer: how much predictions for images of one class differ.

    Args:
        cmi: Conditional mutual information, nats.
        divergences: Of each image's output from the mean of its class; with weights of the classes of the data their
            mean is ``cmi``.
        labels: Classes of the images.
        class_names: Of the classes.

    Returns:
        The answer; its figure shows the classes with most images.
    """
    whole = mean_of(divergences, seed=0)
    if whole is None:
        return Answer(("Nothing to tell by: no output is finite.",))
    known = (
        abs(whole.mean - cmi) < 1e-3
    )  # with other weights the mean of the images is another number
    told = in_words(whole, 3, " nats") if known else number(cmi, 3, " nats")
    counts = labels.bincount(minlength=len(class_names))
    bars = []
    for row in counts.argsort(descending=True, stable=True)[:_SHOWN].tolist():
        found = mean_of(divergences[(labels == row).numpy()], seed=0) if counts[row] else None
        if found is not None:
            bars.append(Bar(class_names[row], found.mean, found.low, found.high))
    return Answer(
        sentences=(
            f"Beyond the class, the predictions tell {told} about an image, {amount(len(labels), 'image')}.",
            "A network that predicts the same for all images of a class would tell 0; no direction is good by itself.",
        ),
        title="What the predictions tell beyond the class, class by class",
        label="conditional mutual information, nats; 95 % intervals",
        rows=tuple(bars),
        band=Bar("all classes", whole.mean, whole.low, whole.high) if known else None,
    )


def _without_background(logits: Tensor, classes: int) -> Tensor:
    """Without a background output; another difference is an error."""
    if logits.shape[1] - classes not in {0, 1}:
        raise OptionError(
            f"the model has {logits.shape[1]} outputs, the data have {classes} classes: they do not belong together"
        )
    return logits[:, :classes]


def _divergences(found: Numbers, logits: Tensor, labels: Tensor) -> dict[str, np.ndarray]:
    """Of each image: its logits, prediction, divergence from its class's centroid, and entropy."""
    logs = logits.double().log_softmax(1)
    against = found.centroids.cpu()[labels].clamp_min(1e-300).log()
    values = {
        "logits": logits,
        "predicted": logits.argmax(1),
        "divergence": (logs.exp() * (logs - against)).sum(1),
        "entropy": torch.special.entr(logs.exp()).sum(1),
    }
    return {key: one.numpy() for key, one in values.items()}


def _overall_table(
    found: Numbers, logits: Tensor, labels: Tensor, *, separation: str
) -> dict[str, Any]:
    """One row a quantity; calibration is undefined where an output is not finite."""
    finite = bool(logits.isfinite().all())
    calibration = float(ece(logits, labels)) if finite else float("nan")
    temperature = best_temperature(logits, labels) if finite else float("nan")
    lines = [
        [
            f"{title}, {separation}" if key == "separation" else title,
            round(float(getattr(found, key)), 5),
            unit,
        ]
        for key, (title, unit) in _NAMES.items()
    ]
    lines += [
        ["expected calibration error, 15 bins", round(calibration, 5), "fraction"],
        ["temperature that fits best", round(temperature, 4), ""],
    ]
    return table("Information", ["quantity", "value", "unit"], lines, caption=_CAPTION)


def _class_table(found: Numbers, class_names: tuple[str, ...]) -> dict[str, Any]:
    """One row a class; empty cells where a class has no image."""
    values = (
        found.cmi_per_class, found.entropy_per_class, found.centroids.diagonal(), found.accuracy_per_class
    )  # fmt: skip
    columns = zip(*(one.tolist() for one in values), strict=True)
    lines = [
        [name, int(count), *(_rounded(one, 5) for one in numbers)]
        for name, count, numbers in zip(class_names, found.counts.tolist(), columns, strict=True)
    ]
    return table(
        "By class",
        ["class", "images", "CMI", "mean entropy", "mean probability", "accuracy"],
        lines,
        caption="I(X; Ŷ | Y = y) and mean entropy of the outputs in nats; mean probability of the class.",
    )


def _notes(found: Numbers, logits: Tensor, names: tuple[str, ...]) -> Iterator[str]:
    """What a reader must know."""
    broken = int((~logits.isfinite().all(1)).sum())
    if broken:
        yield f"{broken} of {len(logits)} images have outputs that are not finite"
    empty = [names[row] for row in (found.counts == 0).nonzero().flatten().tolist()]
    if empty:
        yield f"no image of {', '.join(empty)}: undefined there, and left out of all means"
    fewest = int(found.counts[found.counts > 0].min())
    if fewest < _FEW:
        yield (
            f"only {fewest} images of a class: its CMI comes out too low, since the centroid is the mean of these "
            "images themselves; compare it with values from as many"
        )


def _rounded(value: float, digits: int) -> float | None:
    return None if np.isnan(value) else round(value, digits)
