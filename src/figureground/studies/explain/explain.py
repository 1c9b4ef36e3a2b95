"""Explain a folder of images: overlays, raw maps, boxes, one record and one page."""

__all__ = ["explain_images", "refused_methods"]

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn

from figureground.base.claim import Claim, claimed
from figureground.base.errors import DataError, FigureGroundError, ModelError
from figureground.base.identity import digest, file_identity, model_identity, path_identity
from figureground.base.progress import Progress, no_progress
from figureground.base.record import provenance, write_json
from figureground.base.shapes import Images
from figureground.base.store import STORED, Store
from figureground.data import find_images
from figureground.data.annotations.coco_writer import write_boxes
from figureground.data.notices import Notice, Noticed, summed
from figureground.methods import CamMethod, Explainer, Explanation, find_methods, finer
from figureground.methods.method import layer_notes
from figureground.methods.targets import ClassSpec
from figureground.models import Classifier, Preprocessing
from figureground.models.classes import find_classes
from figureground.models.predicting import chosen_device, default_batch_size, device_of, placed
from figureground.studies.explain.agreement import Agreement
from figureground.studies.explain.options import ExplainOptions, ExplainRecord, Truth
from figureground.studies.explain.writer import Finished, Writer, is_current
from figureground.studies.failures import Failure
from figureground.studies.loading import LoadedImage, batched, load_images
from figureground.studies.models import load_model

_BOXES = "boxes.json"


def explain_images(
    model: str | Path | nn.Module,
    images: str | Path | Sequence[str | Path],
    *,
    out: Path | str,
    options: ExplainOptions | None = None,
    device: str | None = None,
    overwrite: bool = False,
    truths: Mapping[Path, Truth] | None = None,
    progress: Progress = no_progress,
) -> ExplainRecord:
    """Explain every image and keep the results in a folder that a later run can continue.

    ``out`` gets ``images/*.png`` (overlays), ``images/*.npz`` (raw maps, ``method/layer`` -> ``(K, h, w)``),
    ``entries.jsonl`` (a line per finished image), ``boxes.json`` (COCO style, pixels of the images) and, last,
    ``record.json``. An image that cannot be decoded is noted, and the job goes on. However the job is stopped,
    finished images stay finished; an image is done again when it, the model or an option has changed. Images
    are not held in memory, whatever their number.

    A method that does not work with this network is left out, and the record says why.

    ``dff`` factorizes the images of a batch together: its concepts belong to the batch.

    Args:
        model: As for ``load_model``; a ready classifier is left where and as it was.
        images: Files, folders or patterns.
        out: The folder.
        options: What to explain.
        device: Where to compute; None takes CUDA where there is one.
        overwrite: Do images again that an earlier run finished, and replace the results of another job.
        truths: Known labels and boxes of images, shown beside the maps.
        progress: Called after every batch.

    Returns:
        The record.

    Raises:
        OptionError: An option does not exist.
        FigureGroundError: No method works with this network.
        DataError: There is nothing to explain, or the folder holds something else, is in use, or holds the results of
            a job with another model or other options.
    """
    classifier, paths = load_model(model).classifier, find_images(images)
    chosen, began = options or ExplainOptions(), time.perf_counter()
    where = chosen_device(device)
    parts = _Parts(classifier, chosen, most=chosen.batch_size or default_batch_size(where))
    with claimed(out, "explain", writes=(*STORED, _BOXES)) as claim:
        units = _units(paths, claim.folder)
        store = parts.store(claim, units, truths=truths or {}, overwrite=overwrite)
        earlier = store.count
        writer = Writer(claim.folder, classifier, chosen, truths=truths or {}, expected=len(units))
        with placed(classifier, where), writer:
            failed = _explain_all(parts, units, (store, writer), progress=progress)
        store.begin()
        store.put_in_order()
        write_boxes(claim.folder / _BOXES, store.entries())
        found, described, noticed = _summary(store)
        record = ExplainRecord(
            model={
                **classifier.description,
                **described,
                "precision": chosen.precision or "fp32",
                "device": str(where),
            },
            methods=parts.methods,
            **found,
            images=store.count,
            skipped=earlier,
            failed=tuple(failed),
            seconds=round(time.perf_counter() - began, 3),
            notes=(*classifier.notes, *parts.notes, *noticed),
            provenance=provenance(),
            colour_map=chosen.colour_map,
        )
        write_json(claim.folder / "record.json", record)
    return record


def _explain_all(
    parts: "_Parts", units: Mapping[str, Path], sink: tuple[Store, Writer], *, progress: Progress
) -> list[Failure]:
    """Decode, explain and write, each ahead of the next; the images that could not be used."""
    store, writer = sink
    todo = [units[unit] for unit in store.unfinished()]
    done, total = len(units) - len(todo), len(units)
    failed: list[Failure] = []
    stage = "explaining"
    if todo:
        parts.look(units.values(), writer.preprocessing)
        stage += parts.price
    progress(stage, done, total)
    images = load_images(todo, writer.preprocessing, workers=writer.workers)
    with closing(images):
        try:
            for batch, failures in batched(images, parts.most):
                for part, explanation in parts(batch):
                    store.begin()
                    failed += _stored(store, writer.submit(part, explanation, parts.refused))
                failed += failures
                done += len(batch) + len(failures)
                progress(stage, done, total)
        finally:
            # also after Ctrl-C: what is explained shall not have to be explained again
            failed += _stored(store, writer.rest())
    return failed


def _stored(store: Store, written: Iterable[Finished | Failure]) -> list[Failure]:
    """Store images as their files become complete; those whose photo was gone before it could be painted on."""
    failed = []
    for one in written:
        if isinstance(one, Failure):
            failed.append(one)
        else:
            store.add(*one)
    return failed


def refused_methods(
    explainer: Explainer,
    images: Images | Sequence[Image.Image],
    methods: Mapping[str, CamMethod],
    *,
    classes: ClassSpec = None,
) -> dict[str, str]:
    """Methods that a network does not allow, found by trying each as cheaply as it can be had.

    Args:
        explainer: Of the network.
        images: To try them on.
        methods: Name -> method.
        classes: To explain.

    Returns:
        Name -> why not.
    """
    refused = {}
    for name, method in methods.items():
        try:
            explainer(images, classes, {name: method.trial()})
        except FigureGroundError as reason:
            refused[name] = str(reason)
    return refused


class _Parts:
    """Explains batches, in smaller parts once the memory has not sufficed."""

    def __init__(self, classifier: Classifier, options: ExplainOptions, *, most: int) -> None:
        found = find_methods(options.methods)
        self.methods = {name: repr(method) for name, method in found.items()}
        self.notes = layer_notes(found.values(), options.layer)
        self._asked, self._classes = found, find_classes(classifier, options.classes)
        self.refused: dict[str, str] = {}
        # neither the size of a batch nor the number of threads changes a result; methods and classes are below,
        # however they were written
        settings = replace(options, batch_size=None, workers=None, methods=(), classes=None)
        told: dict[str, object] = {
            "methods": self.methods,
            "classes": self._classes,
            "model": classifier.name,
        }
        self.asked = {**settings.description, **told}
        self.job = digest(model_identity(classifier), settings, self.methods, self._classes)
        self.explainer = Explainer(
            classifier,
            layer=list(options.layer) or None,
            precision=options.precision,  # type: ignore[arg-type]  # checked by the options
            fuse=options.fuse,
            smooth=options.smooth,
        )
        self._target = finer(self._classes) if options.target == "finer" else self._classes
        self.most = most

    def store(
        self,
        claim: Claim,
        units: Mapping[str, Path],
        *,
        truths: Mapping[Path, Truth],
        overwrite: bool,
    ) -> Store:
        """What is finished of these images."""
        claim.check(self.asked, overwrite=overwrite)
        wanted = {
            unit: digest(file_identity(path), truths.get(path), self.job)
            for unit, path in units.items()
        }
        return Store(
            claim,
            job=self.job,
            asked=self.asked,
            wanted=wanted,
            overwrite=overwrite,
            current=is_current,
        )

    def look(self, paths: Iterable[Path], preprocessing: Preprocessing) -> None:
        """Choose and check the layer on the first image of all, so that a resumed job finds what others do."""
        with closing(load_images(paths, preprocessing, workers=1, waiting=1)) as images:
            first = next((one for one in images if isinstance(one, LoadedImage)), None)
        if first is not None:
            self.explainer.look(self._ready([first]))

    @property
    def price(self) -> str:
        """What an image costs beyond one run of the network, for a progress bar; empty where that is little."""
        runs = (
            self.explainer.forwards(self._asked, _count(self._classes))
            if self.explainer.layers
            else 0
        )
        return f" ({runs:,} runs of the network an image)" if runs else ""

    def __call__(
        self, images: Sequence[LoadedImage]
    ) -> Iterator[tuple[Sequence[LoadedImage], Explanation]]:
        """Some of the images and their explanation, until all are explained."""
        done = 0
        while done < len(images):
            part = images[done : done + self.most]
            explanation = self._tried(part)
            if explanation is not None:
                done += len(part)
                yield part, explanation
            elif len(part) == 1:
                raise ModelError(
                    "the memory does not suffice for one image; try fewer methods, classes or layers, "
                    "a smaller --size or --precision bf16"
                )
            else:
                self.most = len(part) // 2

    def _tried(self, images: Sequence[LoadedImage]) -> Explanation | None:
        """The explanation, or None where the memory does not suffice."""
        # the error is dropped before the next try: its traceback holds on to the tensors
        try:
            try:
                return self.explainer(self._ready(images), self._target, self._asked)
            except FigureGroundError as error:
                self._leave_out(self._ready(images[:1]), error)
            return self.explainer(self._ready(images), self._target, self._asked)
        except torch.OutOfMemoryError:
            return None

    def _leave_out(self, image: Images, error: FigureGroundError) -> None:
        """Go on without the methods that cannot be had of this network, unless that is all of them."""
        found = refused_methods(self.explainer, image, self._asked, classes=self._target)
        self.refused |= found
        self._asked = {name: one for name, one in self._asked.items() if name not in found}
        if not self._asked or not self.refused:
            raise error

    def _ready(self, images: Sequence[LoadedImage]) -> Images:
        """A batch where the network is."""
        pixels = torch.stack([one.pixels for one in images]).to(device_of(self.explainer.model))
        return pixels.float().div_(255).contiguous(memory_format=torch.channels_last)


def _count(classes: str | list[int] | None) -> int:
    """How many classes are explained of each image."""
    if classes is None:
        return 1
    return int(classes.removeprefix("top")) if isinstance(classes, str) else len(classes)


def _units(paths: Sequence[Path], folder: Path) -> dict[str, Path]:
    """Images by their place; the job's own pictures are none of them."""
    own = (folder / "images").absolute()
    found = {path_identity(path): path for path in paths if path.absolute().parent != own}
    if not found:
        raise DataError(
            f"all that is to be explained are pictures that an earlier run put into {own}"
        )
    return found


def _summary(store: Store) -> tuple[dict[str, Any], dict[str, str], tuple[str, ...]]:
    """Maps that show nothing and methods left out; the layers of the last image; what was odd about the images."""
    blank, layers = 0, []
    refused: dict[str, str] = {}
    noticed: list[Noticed] = []
    agreement = Agreement()
    for entry in store.entries():
        agreement.see(entry)
        blank += sum(panel["problem"] is not None for panel in entry["panels"])
        layers = entry["layers"]
        refused |= entry["refused"]
        noticed += [(entry["image"], Notice(**one)) for one in entry["notices"]]
    names = ", ".join(one["name"].removeprefix("network.") for one in layers)
    reasons = "; ".join(one["reason"] for one in layers)
    found = {"blank_maps": blank, "refused": refused, "answer": agreement.answer()}
    return found, {"layer": names, "layer_reason": reasons}, summed(noticed)
