"""The files of each form: a state_dict, a folder of timm's, an ONNX graph."""

__all__ = ["onnx_files", "timm_files", "torch_files"]

import io
import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import torch
from safetensors.torch import save as safetensors_bytes
from torch import Tensor, nn

from figureground.base.errors import ModelError, OptionError
from figureground.base.outputs import find_logits
from figureground.models import Classifier
from figureground.studies.export.plain import Plain

_CROP_MODES = {"crop": "center", "stretch": "squash", "pad": "border"}  # timm's own words
_KEPT = ("first_conv", "classifier", "fixed_input_size", "min_input_size", "pool_size")
_MOST = 2**31 - 2**20  # bytes that a protobuf message holds


def torch_files(
    plain: Plain, preprocessing: Mapping[str, Any], classes: Sequence[str]
) -> dict[str, bytes]:
    """``model.pt`` (a ``state_dict`` for the plain architecture), ``preprocessing.json`` and ``classes.json``.

    Args:
        plain: The network.
        preprocessing: Fields of ``Preprocessing``.
        classes: Name of each output.

    Returns:
        File -> content.
    """
    buffer = io.BytesIO()
    torch.save(_state(plain.network), buffer)
    return {
        "model.pt": buffer.getvalue(),
        "preprocessing.json": _json(preprocessing),
        "classes.json": _json(list(classes)),
    }


def timm_files(
    plain: Plain, preprocessing: Mapping[str, Any], classes: Sequence[str]
) -> dict[str, bytes]:
    """``config.json`` and ``model.safetensors`` as timm's hub has them.

    Args:
        plain: The network, one of timm's.
        preprocessing: Fields of ``Preprocessing``.
        classes: Name of each output.

    Returns:
        File -> content.

    Raises:
        OptionError: The network is not timm's, or timm has no word for the way in which its images are prepared.
    """
    if plain.source != "timm":
        raise OptionError(
            f"{plain.source}:{plain.name} is no network of timm's; --to torch and --to onnx write it"
        )
    crop_mode = _CROP_MODES.get(preprocessing["resize"])
    if crop_mode is None or preprocessing["channel_order"] != "rgb":
        raise OptionError(
            f"timm cannot prepare images as this classifier wants them (resize {preprocessing['resize']}, channels "
            f"{preprocessing['channel_order']}); --to torch and --to onnx write it"
        )
    own: Mapping[str, Any] = plain.network.pretrained_cfg  # type: ignore[assignment]
    config = {
        "architecture": plain.name,
        "num_classes": plain.arguments["num_classes"],
        "num_features": plain.network.num_features,
        "label_names": list(classes),
        "model_args": {key: one for key, one in plain.arguments.items() if key != "num_classes"},
        "pretrained_cfg": {
            **{key: own[key] for key in _KEPT if own.get(key) is not None},
            "num_classes": plain.arguments["num_classes"],
            "input_size": [preprocessing["channels"], *preprocessing["size"]],
            "interpolation": preprocessing["interpolation"],
            "crop_pct": preprocessing["crop_fraction"],
            "crop_mode": crop_mode,
            "mean": list(preprocessing["mean"]),
            "std": list(preprocessing["std"]),
        },
    }
    weights: bytes = safetensors_bytes(_state(plain.network), {"format": "pt"})
    return {"config.json": _json(config), "model.safetensors": weights}


def onnx_files(
    classifier: Classifier, preprocessing: Mapping[str, Any], classes: Sequence[str]
) -> dict[str, bytes]:
    """``model.onnx``: normalised ``images`` ``(N, C, H, W)`` to ``logits`` ``(N, classes)``, for any N.

    Its metadata hold ``preprocessing`` and ``classes`` as JSON.

    Args:
        classifier: On the CPU, in evaluation mode.
        preprocessing: Fields of ``Preprocessing``.
        classes: Name of each output that is kept, from the first.

    Returns:
        File -> content.

    Raises:
        OptionError: The extra ``onnx`` is not installed.
        ModelError: The network has operations that ONNX lacks, or is larger than an ONNX file.
    """
    if find_spec("onnx") is None or find_spec("onnxscript") is None:
        raise OptionError("an export to ONNX needs more: pip install 'figureground[onnx]'")
    state = classifier.state_dict().values()
    if sum(one.numel() * one.element_size() for one in state) > _MOST:
        raise ModelError("the network is larger than the 2 GiB that an ONNX file holds")
    shape = (2, classifier.preprocessing.channels, *classifier.preprocessing.size)
    try:
        program = torch.onnx.export(
            _Logits(classifier, len(classes)).eval(),
            (torch.zeros(shape),),
            dynamo=True,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
            verbose=False,
        )
    except Exception as error:  # whatever operation it stumbles over
        cause = error.__cause__ or error
        first = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        raise ModelError(f"{classifier.name} cannot be written as ONNX: {first}") from error
    assert program is not None  # noqa: S101 - it is, of the exporter that was asked for
    if isinstance(program.model.graph.inputs[0].shape[0], int):
        raise ModelError(f"{classifier.name} cannot be written as ONNX for any number of images")
    held = {"preprocessing": preprocessing, "classes": list(classes)}
    program.model.metadata_props.update({name: json.dumps(one) for name, one in held.items()})
    return {"model.onnx": program.model_proto.SerializeToString()}


class _Logits(nn.Module):
    """Normalised images to the first logits, whatever the network returns."""

    def __init__(self, classifier: Classifier, outputs: int) -> None:
        super().__init__()
        self.network, self.read, self.outputs = classifier.network, classifier.output, outputs

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, outputs)``."""
        count, found = images.shape[0], self.network(images)
        if self.read is not None or not isinstance(found, Tensor):
            found = find_logits(found, count, self.read)
        return found.reshape(count, -1)[:, : self.outputs]


def _state(network: nn.Module) -> dict[str, Tensor]:
    """The weights, each with a memory of its own."""
    return {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in network.state_dict().items()
    }


def _json(content: object) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
