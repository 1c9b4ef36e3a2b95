"""Write a classifier in a form that other programs load."""

__all__ = ["export_model"]

from dataclasses import asdict
from pathlib import Path

from torch import nn

from figureground.base.claim import claimed
from figureground.base.errors import DataError, OptionError
from figureground.base.identity import model_identity, shown
from figureground.base.record import provenance, write_atomically, write_json
from figureground.models import Classifier
from figureground.studies.export.formats import onnx_files, timm_files, torch_files
from figureground.studies.export.how_to_load import loading_page
from figureground.studies.export.options import ExportOptions, ExportRecord
from figureground.studies.export.plain import plain_network
from figureground.studies.models import LoadedModel, load_model
from figureground.studies.training.runs import load_run

_PAGE, _RECORD = "README.md", "record.json"
_FILES = (
    *("model.pt", "preprocessing.json", "classes.json"),
    *("model.safetensors", "config.json", "model.onnx", _PAGE, _RECORD),
)


def export_model(
    model: str | Path | nn.Module,
    *,
    out: Path | str,
    options: ExportOptions | None = None,
    checkpoint: str = "best",
    trust_code: bool = False,
    overwrite: bool = False,
) -> ExportRecord:
    """Take a classifier out: files for programs that do not have figureground, and a page that says how to load them.

    ``torch`` writes ``model.pt``, ``preprocessing.json`` and ``classes.json``; ``timm`` writes ``config.json`` and
    ``model.safetensors``; ``onnx`` writes ``model.onnx``, with any number of images at a time, and preprocessing and
    class names in its metadata. Heads that algorithms of the training owned are left behind; averaged weights are
    what a run with ``ema`` has as its own. Before files are written for ``torch`` and ``timm``, the plain network is
    built and its logits are compared with the classifier's.

    Args:
        model: The folder of a finished training run, any name that ``load_model`` takes, or a ready ``Classifier``,
            which can be written as ``onnx``.
        out: The folder.
        options: The form, and whether the output for backgrounds stays.
        checkpoint: Of a training run: ``best``, ``last`` or ``step-N``.
        trust_code: Whether code that the folder of the run names may run.
        overwrite: Replace the export of another model or form.

    Returns:
        The record, as written.

    Raises:
        OptionError: There is no output for backgrounds to drop, or the form cannot hold this network.
        DataError: The run is not finished, or the folder holds something else or is in use.
    """
    chosen, place = options or ExportOptions(), Path(out)
    loaded = _loaded(model, checkpoint, trust_code=trust_code)
    classifier, background = loaded.classifier, _background(loaded, chosen)
    name = loaded.name or classifier.name
    names = _names(classifier)[: -1 if background == "dropped" else None]
    about = asdict(classifier.preprocessing)
    with claimed(place, "export", writes=_FILES) as claim:
        asked = {"model": name, "weights": model_identity(classifier), **chosen.description}
        claim.check(asked, overwrite=overwrite)
        plain = None if chosen.to == "onnx" else plain_network(loaded, len(names))
        if plain is None:
            files = onnx_files(classifier, about, names)
        else:
            files = {"torch": torch_files, "timm": timm_files}[chosen.to](plain, about, names)
        files[_PAGE] = loading_page(chosen.to, about, background=background, plain=plain).encode()
        for old in {*claim.files} & {*_FILES} - {*files}:
            (place / old).unlink(missing_ok=True)
        claim.mark(asked, (*files, _RECORD))
        for file, content in files.items():
            write_atomically(place / file, content)
        record = ExportRecord(
            model=name,
            to=chosen.to,
            files=tuple(files),
            classes=names,
            background=background,
            preprocessing=about,
            difference=None if plain is None else plain.difference,
            provenance=provenance(),
        )
        write_json(place / _RECORD, record)
    return record


def _loaded(model: str | Path | nn.Module, checkpoint: str, *, trust_code: bool) -> LoadedModel:
    """The model; of a folder, the finished run in it."""
    if isinstance(model, nn.Module) or not Path(model).is_dir():
        return load_model(model)
    run = load_run(model, checkpoint, trust_code=trust_code)
    return LoadedModel(run.classifier, run, shown(Path(model)), {"checkpoint": checkpoint})


def _background(loaded: LoadedModel, chosen: ExportOptions) -> str:
    """What becomes of the output for backgrounds."""
    if loaded.run is not None and loaded.run.has_background:
        return {"keep": "kept", "drop": "dropped"}[chosen.background]
    if chosen.background == "drop":
        raise OptionError(
            f"{loaded.name or loaded.classifier.name} has no output for backgrounds to drop"
        )
    return "none"


def _names(classifier: Classifier) -> tuple[str, ...]:
    """One name for each output."""
    count = classifier.num_classes
    if not count:
        raise DataError(f"{classifier.name} does not say how many outputs it has")
    names = classifier.class_names
    if names is not None and len(names) == count:
        return tuple(names)
    return (
        (classifier.class_name(1),) if count == 1 else tuple(f"class {at}" for at in range(count))
    )
