"""What the data offer: whether backgrounds alone tell the class. It decides nothing."""

__all__ = ["Offer", "ProbeModel", "load_probe", "offer_of", "offer_tables", "read_offer"]

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from figureground.base.errors import HeadError
from figureground.capture.taps import output_and_features
from figureground.data.splits import random_subset
from figureground.metrics.reliance import BackgroundProbe, background_probe
from figureground.metrics.reliance.probe import FOLDS
from figureground.models import Classifier
from figureground.models.predicting import device_of
from figureground.studies.diagnosis.crossing import Crossing
from figureground.studies.diagnosis.findings import ends_of
from figureground.studies.diagnosis.options import DiagnoseOptions
from figureground.studies.evaluation.tables import table
from figureground.studies.models import load_classifier

_MOST, _STEP = 1000, 17  # images; added to the seed
_SURE = 0.05
_OWN = "features of the network under test"
_READINGS = {
    (True, True): "A shortcut: backgrounds alone tell the class, and the network uses them.",
    (True, False): (
        "A latent shortcut: backgrounds alone tell the class, and this network does not use them. Another training may."
    ),
    (False, True): (
        "Backgrounds alone do not tell the class, and yet the network loses on others: parts of the objects reach past "
        "their boxes, or boxes are wrong. Look at the images."
    ),
    (False, False): (
        "Clean: backgrounds alone do not tell the class, and the network does not use them."
    ),
}
_UNKNOWN = (
    "Backgrounds alone {} the class; whether the network uses them, these images cannot tell."
)
_SMALL = "A thumbnail of 4 × 4 colours tells less than half of what the features tell: the cue is small or fine."
_COLOUR = "A thumbnail of 4 × 4 colours tells the class, and the features do not carry it."


class ProbeModel:
    """A network that is not under test, whose features a probe is given.

    Args:
        classifier: In evaluation mode.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier

    def __call__(self, images: Tensor) -> Tensor:
        """Features of backgrounds, brought to the size that the network takes.

        Args:
            images: ``(n, 3, H, W)`` in [0, 1].

        Returns:
            ``(n, D)`` on the CPU: what its last linear layer was given.

        Raises:
            HeadError: It has none.
        """
        wanted = self.classifier.preprocessing
        sized = F.interpolate(images, wanted.size, mode="bilinear", antialias=True)
        batch = sized.clamp(0, 1)[:, : wanted.channels].to(device_of(self.classifier))
        with torch.inference_mode():
            _, features = output_and_features(self.classifier, batch)
        if features is None:
            raise HeadError(
                f"{self.classifier.name} has no linear layer whose input could be its features; name another "
                "probe model"
            )
        return features.cpu().clone()


@dataclass(frozen=True, eq=False)
class Offer:
    """Probes of the backgrounds.

    Args:
        features: Of what a network makes of them; None where no network gave any.
        thumbnail: Of 4 × 4 colours.
        least: Accuracy above chance from where on they matter.
        images: How many took part.
    """

    features: BackgroundProbe | None
    thumbnail: BackgroundProbe | None
    least: float
    images: int

    def tells(self, probe: BackgroundProbe | None) -> bool:
        """Whether a probe tells the class: surely, and by enough to matter.

        Args:
            probe: One of the two.

        Returns:
            False where there is none.
        """
        if probe is None:
            return False
        return probe.p_value <= _SURE and probe.accuracy.low > probe.chance + self.least

    @property
    def offered(self) -> bool:
        """Whether either of them does."""
        return self.tells(self.features) or self.tells(self.thumbnail)

    @property
    def remark(self) -> str:
        """Where the two disagree."""
        one, other = self.features, self.thumbnail
        if one is None or other is None:
            return ""
        gains = [probe.accuracy.mean - probe.chance for probe in (one, other)]
        if self.tells(one) and 2 * gains[1] < gains[0]:
            return _SMALL
        return _COLOUR if self.tells(other) and not self.tells(one) else ""


def load_probe(options: DiagnoseOptions) -> ProbeModel | None:
    """The network that was asked for.

    Args:
        options: Of the diagnosis.

    Returns:
        On the CPU; None where none was.
    """
    if options.probe_model is None:
        return None
    return ProbeModel(load_classifier(options.probe_model))


def offer_of(crossing: Crossing, options: DiagnoseOptions) -> Offer:
    """Fit the probes, on a thousand images at most, of classes with five or more.

    Args:
        crossing: With what was made of the backgrounds.
        options: Seed, and from where on a number matters.

    Returns:
        What they tell.
    """
    enough = torch.bincount(crossing.labels)[crossing.labels] >= FOLDS
    some = random_subset(int(enough.sum()), _MOST, options.seed + _STEP)
    rows = enough.nonzero().flatten()[some]

    def probed(name: str) -> BackgroundProbe | None:
        if name not in crossing.alone:
            return None
        values = crossing.alone[name][rows]
        known = values.isfinite().all(1)
        some = rows[known]
        labels, groups = crossing.labels[some], crossing.scenes.groups[some]
        if min(len(torch.unique(one)) for one in (labels, groups)) < 2:
            return None
        return background_probe(values[known], labels, groups, seed=options.seed)

    return Offer(probed("features"), probed("thumbnail"), options.delta, len(rows))


def offer_tables(offer: Offer, options: DiagnoseOptions) -> list[dict[str, Any]]:
    """The probes, a row each.

    Args:
        offer: What they tell.
        options: Of the diagnosis.

    Returns:
        One table; none where no probe could be fitted.
    """
    whose = _OWN if options.probe_model is None else f"features of {options.probe_model}"
    probes = {whose: offer.features, "colour thumbnail, 4 × 4": offer.thumbnail}
    rows = [
        [name, *ends_of(one.accuracy), one.chance, float(one.permuted.max()), one.p_value, offer.tells(one)]
        for name, one in probes.items()
        if one is not None
    ]  # fmt: skip
    caption = (
        f"How often a linear discriminant tells the class of {offer.images} images without their objects, held out "
        "(five folds; two objects of an image are in one), beside the share of the commonest class and the best of 20 "
        f"permutations of the labels. It tells: above all of these, and the lower end above chance by {offer.least:g}. "
        "Features are the input of the last linear layer. Those of the network under test hold what it was trained to "
        "tell; --probe-model names another. A filled box shows where and how large the object was: a probe may read "
        "that, too. The verdict does not use it."
    )
    columns = ["probe", "accuracy", "from", "to", "chance", "permuted", "p", "tells"]
    return [table("What the data offer", columns, rows, caption=caption)] if rows else []


def read_offer(offer: Offer, word: str) -> dict[str, Any]:
    """What is offered beside what is used.

    Args:
        offer: What the probes tell.
        word: Of the verdict.

    Returns:
        ``offered``, ``used`` (None where the verdict cannot tell), ``sentence`` and ``remark``; empty without a probe.
    """
    if offer.features is None and offer.thumbnail is None:
        return {}
    used = {"rests on": True, "does not": False}.get(word)
    if used is None:
        sentence = _UNKNOWN.format("tell" if offer.offered else "do not tell")
    else:
        sentence = _READINGS[offer.offered, used]
    return {
        "offered": offer.offered,
        "used": used,
        "sentence": sentence,
        "remark": offer.remark,
    }
