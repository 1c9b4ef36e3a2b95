"""The page in a folder of an export: five lines of code that load it, to be copied."""

__all__ = ["loading_page"]

from collections.abc import Mapping
from typing import Any

from figureground.studies.export.plain import Plain

_INPUT = (
    "The input is a batch of images `(N, {channels}, {height}, {width})`, {colours} in [0, 1], minus `mean`, over "
    "`std`, channel by channel; images are brought to this size by `resize` ({resize}), `crop_fraction` ({crop:.4g}) "
    "and `interpolation` ({interpolation}). {where}"
)
_TORCH = """import json
from pathlib import Path

{imports}

network = {build}
network.load_state_dict(torch.load("model.pt", weights_only=True))
network.eval()
classes = json.loads(Path("classes.json").read_text(encoding="utf-8"))
logits = network(torch.zeros(2, {channels}, {height}, {width}))"""
_TIMM = """import timm
import torch

network = timm.create_model("local-dir:.", pretrained=True).eval()  # . is this folder
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
classes = network.pretrained_cfg["label_names"]
logits = network(torch.zeros(2, {channels}, {height}, {width}))"""
_ONNX = """import json
import numpy
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
about = session.get_modelmeta().custom_metadata_map
preprocessing, classes = json.loads(about["preprocessing"]), json.loads(about["classes"])
images = numpy.zeros((2, {channels}, {height}, {width}), numpy.float32)
logits = session.run(["logits"], {{"images": images}})[0]"""
_OTHERS = (
    "timm's `transform` does all of that. transformers loads the folder by "
    "`AutoModelForImageClassification.from_pretrained` and `AutoImageProcessor.from_pretrained`, figureground by "
    "the name `timm:local-dir:FOLDER`."
)


def loading_page(
    to: str, preprocessing: Mapping[str, Any], *, background: str, plain: Plain | None
) -> str:
    """How to load what was written, in Markdown.

    Args:
        to: The form.
        preprocessing: Fields of ``Preprocessing``.
        background: ``kept``, ``dropped`` or ``none``.
        plain: The plain network; None for ONNX.

    Returns:
        The page.
    """
    height, width = preprocessing["size"]
    sizes = {"channels": preprocessing["channels"], "height": height, "width": width}
    template, where = _TEMPLATES[to]
    code = template.format(**sizes, **_built(plain))
    about = _INPUT.format(
        **sizes,
        colours=_colours(preprocessing),
        resize=preprocessing["resize"],
        crop=preprocessing["crop_fraction"],
        interpolation=preprocessing["interpolation"],
        where=where,
    )
    parts = [f"```python\n{code}\n```", about, _BACKGROUND[background]]
    return "\n\n".join(["# How to load it", *(part for part in parts if part)]) + "\n"


_TEMPLATES = {
    "torch": (_TORCH, "All of it stands in `preprocessing.json`."),
    "timm": (_TIMM, _OTHERS),
    "onnx": (_ONNX, "All of it stands in the metadata of the file."),
}
_BACKGROUND = {
    "kept": "The last output stands for background: for probabilities of the known classes alone, leave it out before "
    "the softmax.",
    "dropped": "The output for backgrounds was dropped: the softmax is over the known classes alone.",
    "none": "",
}


def _colours(preprocessing: Mapping[str, Any]) -> str:
    """What the channels are."""
    if preprocessing["channels"] == 1:
        return "grey"
    return {"rgb": "red, green and blue", "bgr": "blue, green and red"}[
        preprocessing["channel_order"]
    ]


def _built(plain: Plain | None) -> dict[str, str]:
    """The import and the expression that build the plain network."""
    if plain is None:
        return {"imports": "", "build": ""}
    words = "".join(f", {key}={value!r}" for key, value in plain.arguments.items())
    known = {
        "timm": ("import timm\nimport torch", f"timm.create_model({plain.name!r}{words})"),
        "torchvision": (
            "import torch\nimport torchvision",
            f"torchvision.models.get_model({plain.name!r}{words})",
        ),
    }
    name = plain.name if plain.source == "file" else f"{plain.source}:{plain.name}"
    ours = f"figureground.load_classifier({name!r}, random=True, arguments={dict(plain.arguments)!r}).network"
    kind = type(plain.network)
    ours += f"  # a {kind.__module__}.{kind.__qualname__}"
    imports, build = known.get(plain.source, ("import figureground\nimport torch", ours))
    return {"imports": imports, "build": build}
