"""How sure is a map, and does it depend on what was learned? Spread, variation, class overlap, sanity checks."""

__all__ = [
    "MAP_MEASURES",
    "Run",
    "Uncertainty",
    "class_overlap_of",
    "learned",
    "moved",
    "similarity_of",
    "spread_of",
    "variation_of",
]

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from figureground.base.amount import amount
from figureground.base.identity import model_identity
from figureground.base.options import option
from figureground.base.shapes import Images, Labels, Maps
from figureground.maps import resize
from figureground.metrics.faithfulness.similarity import spearman
from figureground.metrics.intervals import Interval
from figureground.metrics.uncertainty.augmentations import (
    Augmentation,
    identity_augmentation,
    standard_augmentations,
)
from figureground.metrics.uncertainty.class_overlap import class_overlap
from figureground.metrics.uncertainty.spread import cam_area, cam_entropy
from figureground.metrics.uncertainty.variation import cam_variation
from figureground.models import Classifier
from figureground.models.changed_copies import mc_dropout_copies, randomised_copies
from figureground.studies.answers import (
    CANNOT_TELL,
    FEWEST,
    Answer,
    Contrast,
    Question,
    answer,
    contrasts,
    in_words,
    row_name,
)
from figureground.studies.evaluation.engine import BATCH_SIZE, Found, MapEvaluation, Measured
from figureground.studies.evaluation.image_set import EvaluationBatch
from figureground.studies.evaluation.shown_images import draw_against
from figureground.studies.evaluation.subject import Subject
from figureground.studies.evaluation.tables import Case, Chart, Measure, known_mean, mean_table
from figureground.studies.models import load_model

_TOP = 3
_SANITY = (
    "Spearman correlation over positions with the map of the untouched network. High after the weights are gone means "
    "that the map shows the image rather than what was learned; of another class, that it ignores the class."
)
_LACKING = {
    "variation dropout": "no variation under MC dropout: the network has none, or fewer than two runs were asked for",
    "variation seeds": "no variation over training seeds: no other network was given",
}

_MOVES = Question(claim="moves", measure="", label="", unit="", digits=2, higher=False)
_LEARNED = 0.5  # correlation; with more the map is rather that of the image

MAP_MEASURES = (
    Measure("area", "area"),
    Measure("entropy", "entropy"),
    Measure("overlap", "class overlap"),
)

Run = tuple[Subject, Augmentation]
"""A network and a way to look whose maps should agree with those of others."""


@dataclass(frozen=True, kw_only=True)
class Uncertainty(MapEvaluation):
    """Area, entropy, class overlap, variation, and the sanity checks of saliency maps, of the predicted class.

    Args:
        dropout_runs: Copies with MC dropout, for networks that have some.
        other_seeds: The same network trained from other seeds: names or folders as for ``load_model``, or networks.
        sanity: Randomise the parameters from the top, and look at another class.
    """

    kind: ClassVar[str] = "uncertainty"
    question: ClassVar[str] = "How sure are the maps?"
    measures: ClassVar[tuple[Measure, ...]] = (
        *MAP_MEASURES,
        Measure("variation augmentations", "variation, augmentations"),
        Measure("variation dropout", "variation, MC dropout"),
        Measure("variation seeds", "variation, seeds"),
    )
    caption: ClassVar[str] = (
        "Of the predicted class. Area: share of the image above half maximum. Entropy: 0 one point, 1 even. Class "
        "overlap: share claimed by two of the top three classes. Variation: deviation over mean of the maps of flips "
        "and crops, of dropout masks, of other training seeds. Our definitions; none has a good direction by itself."
    )

    batch_size: int = option(8, BATCH_SIZE, least=1, panel="Speed")
    dropout_runs: int = option(4, "Copies with MC dropout, where the network has some.", least=0)
    other_seeds: tuple[str | Classifier, ...] = option(
        (),
        "Folder of a run of the same network from another training seed, or another model; repeatable.",
        repeat=True,
    )
    sanity: bool = option(True, "Randomise parameters from the top, look at another class.")

    @property
    def description(self) -> dict[str, str]:
        """The options, with the number of other networks."""
        names = ", ".join(one if isinstance(one, str) else one.name for one in self.other_seeds)
        return super().description | {"other_seeds": names or "none"}

    def identity(self, subject: Subject | None) -> object:
        """The options, and what the other networks hold, whatever they are called."""
        others = [] if subject is None else self._others(subject)
        return self.description, [model_identity(one) for one in others]

    def measure(self, batch: EvaluationBatch, network: Subject) -> Measured:
        """Every number of every row."""
        images, size = batch.images, (int(batch.images.shape[2]), int(batch.images.shape[3]))
        classes = self._classes(batch, network)
        maps = self._maps(network, images, classes)
        runs = network.remember("runs", lambda: self._runs(network))
        copies = network.remember("copies", lambda: self._copies(network))
        columns: dict[str, Tensor] = {"predicted": classes[:, 0]}
        for row, stack in maps.items():
            columns |= {f"{row}/{key}": one for key, one in spread_of(stack[:, 0], size).items()}
            columns[f"{row}/overlap"] = class_overlap_of(stack[:, :-1])
            columns[f"{row}/another class"] = similarity_of(stack[:, 0], stack[:, -1])
        for key, several in runs.items():
            found = variation_of(several, images, classes[:, 0], signed=self.signed)
            columns |= {f"{row}/{key}": values for row, values in found.items()}
            nothing = torch.full((len(images),), torch.nan)
            columns |= {} if several else {f"{row}/{key}": nothing for row in maps}
        for key, other in copies.items():
            after = self._maps(other, images, classes[:, :1])
            columns |= {
                f"{row}/{key}": similarity_of(maps[row][:, 0], after[row][:, 0]) for row in maps
            }
        return {key: values.float().cpu().numpy() for key, values in columns.items()}, ()

    def answered(self, found: Found) -> Answer:
        """Whether maps go with the weights that were learned; how far they move, where that was not asked."""
        checks = [one.key for one in self._sanity_measures(found.network)]
        key = checks[-1] if len(checks) > 1 else "variation augmentations"
        names = {row: row_name(row) for row in found.network.rows}
        told = contrasts(
            found.columns.__getitem__, names, key, baselines={}, question=_MOVES, seed=self.seed
        )
        return (learned if len(checks) > 1 else moved)(told, names)

    def shown(self, found: Found) -> Sequence[Measure]:
        """Measures whose intervals are shown."""
        return [*self.measures, *self._sanity_measures(found.network)]

    def tables(self, found: Found) -> Iterator[dict[str, object]]:
        """The sanity checks."""
        columns, network = found.columns, found.network
        checks = self._sanity_measures(network)
        if checks:
            yield mean_table(
                columns.__getitem__, network.rows, checks, title="Sanity checks", caption=_SANITY
            )

    def charts(self, found: Found) -> Iterator[Chart]:
        """Similarity over the number of randomised layers."""
        columns, network = found.columns, found.network
        keys = [one.key for one in self._sanity_measures(network) if one.key.startswith("top ")]
        points = {
            row: [(float(key.split()[1]), known_mean(columns[f"{row}/{key}"])) for key in keys]
            for row in network.rows
        }
        series = {row: [(x, y) for x, y in some if y is not None] for row, some in points.items()}
        if keys:
            words = (
                "Parameter randomisation",
                "layers randomised, from the top",
                "Spearman correlation",
            )
            yield Chart(
                *words, {row: some for row, some in series.items() if some}, "a fall is good"
            )

    def pictures(self, found: Found) -> tuple[Case, ...]:
        """Where the map of each row varies most and least when images are flipped and cropped, beside one flip."""
        columns, network = found.columns, found.network
        steady = {row: -columns[f"{row}/variation augmentations"] for row in network.own_rows}
        cases = draw_against(
            network,
            found.images,
            columns["row"].tolist(),
            own=steady,
            measure="beside its mirror image, variation",
            signed=self.signed,
            changed=lambda batch: replace(batch, images=batch.images.flip(-1)),
        )
        return tuple(replace(one, overlap=abs(one.overlap)) for one in cases)

    def notes(self, found: Found) -> Iterator[str]:
        """How to read, and what could not be measured."""
        columns, network = found.columns, found.network
        empty = {
            key: [row for row in network.rows if known_mean(columns[f"{row}/{key}"]) is None]
            for key in _LACKING
        }
        for key, words in _LACKING.items():
            if len(empty[key]) == len(network.rows):
                yield words
        lost = empty["variation dropout"]
        if lost and len(lost) < len(network.rows):
            yield f"with dropout in it the head is not of the kind that {', '.join(lost)} needs"
        yield (
            "a class-free map cannot change when only the head is randomised, nor with the class: 1 there is its "
            "definition"
        )

    def _classes(self, batch: EvaluationBatch, network: Subject) -> Tensor:
        """The three best classes and another one drawn at random, ``(N, 4)``, or fewer where there are fewer."""
        logits = network.predictions(batch.images)
        top = logits.topk(min(_TOP, logits.shape[1]), dim=1).indices
        step = torch.randint(
            1, logits.shape[1], (len(batch), 1), generator=self.generator(batch)
        ).to(top.device)
        return torch.cat([top, (top[:, :1] + step) % logits.shape[1]], 1)

    def _maps(self, network: Subject, images: Tensor, classes: Tensor) -> dict[str, Tensor]:
        found = network.maps(images, classes)
        return found if self.signed else {row: stack.relu() for row, stack in found.items()}

    def _runs(self, network: Subject) -> dict[str, list[Run]]:
        """What should agree: augmentations of an image, dropout masks, training seeds."""
        assert network.classifier is not None  # noqa: S101 - the command asks for a model
        plain, device = identity_augmentation(), network.device
        masks = mc_dropout_copies(network.classifier, runs=self.dropout_runs, seed=self.seed)
        seeds = [network.like(one.to(device).eval()) for one in self._others(network)]
        found = {
            "variation augmentations": [(network, one) for one in standard_augmentations()],
            "variation dropout": [(network.like(one), plain) for one in masks],
            "variation seeds": [(one, plain) for one in (network, *seeds)],
        }
        return {key: several if len(several) > 1 else [] for key, several in found.items()}

    def _others(self, network: Subject) -> list[Classifier]:
        """Networks of other training seeds, loaded once."""
        return network.remember(
            "others",
            lambda: [
                one if isinstance(one, Classifier) else load_model(one).classifier
                for one in self.other_seeds
            ],
        )

    def _copies(self, network: Subject) -> dict[str, Subject]:
        """Copies whose topmost layers are randomised; none where they are not asked for."""
        if not self.sanity or network.classifier is None:
            return {}
        copies = randomised_copies(network.classifier, seed=self.seed)
        return {name: network.like(one) for name, one in copies.items()}

    def _sanity_measures(self, network: Subject) -> list[Measure]:
        """Another class, and the copies."""
        copies = network.remember("copies", lambda: self._copies(network))
        return [Measure(name, name) for name in ("another class", *copies)] if self.sanity else []


def learned(found: Sequence[Contrast], names: Mapping[str, str]) -> Answer:
    """Whether maps depend on what was learned.

    Args:
        found: Correlation of each row's maps with those of a network whose parameters are all random.
        names: Row of the tables -> its name in words.

    Returns:
        The answer: they do where the interval lies below one half, do not where it lies above, else it cannot be told.
    """
    told = answer(_MOVES, found, names)
    if not found:
        return told
    words = [_dependence(one.own) for one in found]
    one, word = found[0], words[0]
    numbers = f"{in_words(one.own, 2)}, {amount(one.own.images, 'image')}"
    claim = {
        "depends": f"{one.row} depends on what was learned",
        "does not depend": f"{one.row} shows the image rather than what was learned",
    }.get(word, f"{CANNOT_TELL.capitalize()} whether {one.row} depends on what was learned")
    opening = f"{claim}: with all weights random its maps correlate with the trained network's by"
    rest = [
        f"{each.row}: {each_word}" for each, each_word in zip(found[1:], words[1:], strict=True)
    ]
    more = (f"{'; '.join(rest)}.",) if rest else ()
    return replace(
        told,
        sentences=(f"{opening} {numbers}.", *more),
        title="Whether maps go with the weights",
        label="correlation of the map with that of the same network, all parameters random; 95 % intervals",
        rows=tuple(replace(bar, word=word) for bar, word in zip(told.rows, words, strict=True)),
        rule="Depends: the interval lies below 0.5. Does not depend: above. Cannot tell: it holds 0.5, or there are "
        f"fewer than {FEWEST} images.",
    )


def moved(found: Sequence[Contrast], names: Mapping[str, str]) -> Answer:
    """How far maps move when images are flipped and cropped.

    Args:
        found: Coefficient of variation of each row's maps.
        names: Row of the tables -> its name in words.

    Returns:
        The answer, in which no direction is good.
    """
    told = answer(_MOVES, found, names)
    if not found:
        return told
    one = found[0]
    first = (
        f"{one.row} moves least when images are flipped and cropped: by {in_words(one.own, 2)} of its mean, "
        f"{amount(one.own.images, 'image')}; a steady map is not a right one."
    )
    title = "How far maps move when images are flipped and cropped"
    label = "deviation over mean of the maps of flips and crops; 95 % intervals"
    return replace(told, sentences=(first,), title=title, label=label, better="")


def _dependence(own: Interval) -> str:
    """Whether the weights matter."""
    if own.images < FEWEST or own.low <= _LEARNED <= own.high:
        return CANNOT_TELL
    return "depends" if own.high < _LEARNED else "does not depend"


def spread_of(maps: Maps, size: tuple[int, int]) -> dict[str, Tensor]:
    """Area and entropy at the size of the image.

    Args:
        maps: ``(N, h, w)``.
        size: Height and width of the images.

    Returns:
        ``area`` and ``entropy``, ``(N,)`` each.
    """
    sized = resize(maps, size)
    return {"area": cam_area(sized), "entropy": cam_entropy(sized)}


def class_overlap_of(maps: Tensor) -> Tensor:
    """Share of the image that two of the leading classes claim.

    Args:
        maps: ``(N, K, h, w)``, one map per leading class; K = 1 for a class-free method.

    Returns:
        ``(N,)``; NaN for a class-free method.
    """
    if maps.shape[1] < 2:
        return torch.full((len(maps),), torch.nan)
    return class_overlap(maps)


def variation_of(
    runs: Sequence[Run], images: Images, classes: Labels, *, signed: bool = False
) -> dict[str, Tensor]:
    """How much the maps of several runs differ, laid over the same image.

    Args:
        runs: At least two, or none.
        images: ``(N, C, H, W)`` in [0, 1].
        classes: ``(N,)``, the same for all runs.
        signed: Keep negative values.

    Returns:
        Row -> coefficient of variation ``(N,)``.
    """
    size = (int(images.shape[2]), int(images.shape[3]))
    stacks: dict[str, list[Tensor]] = {}
    for network, augmentation in runs:
        for row, maps in network.maps(augmentation.change(images), classes[:, None]).items():
            one = maps[:, 0] if signed else maps[:, 0].relu()
            stacks.setdefault(row, []).append(augmentation.align(resize(one, size)))
    return {row: cam_variation(torch.stack(maps)) for row, maps in stacks.items()}


def similarity_of(first: Maps, second: Maps) -> Tensor:
    """Spearman correlation over positions.

    Args:
        first: ``(N, h, w)``.
        second: The same shape, or one NaN per map where there is none.

    Returns:
        ``(N,)``; NaN where a map is blank.
    """
    if first.shape != second.shape:
        return torch.full((len(first),), torch.nan)
    return spearman(first, second)
