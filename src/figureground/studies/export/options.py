"""What may be said about taking a classifier out, and what is known of what was written."""

__all__ = ["ExportOptions", "ExportRecord"]

from dataclasses import dataclass
from typing import Any

from figureground.base.options import Options, option
from figureground.base.record import Provenance


@dataclass(frozen=True, kw_only=True)
class ExportOptions(Options):
    """In which form a classifier is written.

    Args:
        to: ``torch``, ``timm`` or ``onnx``.
        background: Whether the output for backgrounds stays, where the network has one: ``keep`` or ``drop``.

    Raises:
        OptionError: A form that does not exist.
    """

    to: str = option(
        "torch",
        "torch (a state_dict for the plain architecture), timm (a folder that timm's local-dir: and transformers load) "
        "or onnx.",
        choices=("torch", "timm", "onnx"),
    )
    background: str = option(
        "keep",
        "keep or drop the output for backgrounds, the last, where the network has one.",
        choices=("keep", "drop"),
    )


@dataclass(frozen=True)
class ExportRecord:
    """What was written; saved as ``record.json``, last.

    Args:
        model: Name of the classifier.
        to: The form.
        files: All that belongs to it.
        classes: Name of each output, in their order.
        background: ``kept``, ``dropped`` or ``none``, where the network has no output for it.
        preprocessing: Fields of ``Preprocessing``.
        difference: Largest difference of a logit between the classifier and what its library builds of the files, on
            random images; None where it is not measured (ONNX).
        provenance: Command, versions, machine.
        schema: Version of this form.
        kind: ``export``.
    """

    model: str
    to: str
    files: tuple[str, ...]
    classes: tuple[str, ...]
    background: str
    preprocessing: dict[str, Any]
    difference: float | None
    provenance: Provenance
    schema: int = 1
    kind: str = "export"
