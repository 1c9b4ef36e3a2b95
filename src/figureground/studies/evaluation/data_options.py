"""What a source of images leaves open."""

__all__ = ["DataOptions"]

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from figureground.base.options import Options, option
from figureground.base.value_range import FULL

if TYPE_CHECKING:
    from figureground.studies.evaluation.tables import ImageProblem

_PANEL = "Data"


@dataclass(frozen=True, kw_only=True)
class DataOptions(Options):
    """What a source of images leaves open. Fields without a description are set by the caller, not by a user.

    Raises:
        OptionError: A number is out of range, or the digits or the split do not exist.
    """

    images: Path | str | None = option(
        None,
        "Folder of the images, or its URL, where they do not lie beside their annotations.",
        panel=_PANEL,
    )
    split: str | None = option(
        None,
        "Default: test of a data set, of a divided pack and of a run's own data; all of anything else.",
        choices=("train", "val", "test", "all"),
        panel=_PANEL,
    )
    root: Path | None = option(
        None, "Where a named data set is. Default: where the run had it.", panel=_PANEL
    )
    label_offset: int | None = option(
        None, "Added to labels that are numbers. Default: 1 if the model's class 0 is 'background' and the labels fit.",
        panel=_PANEL,
    )  # fmt: skip
    class_ids: Path | None = option(
        None,
        "File that says which class an id of the annotations is: lines 'id class', or JSON. For ids of another list "
        "than the model's.",
        panel=_PANEL,
    )
    digits: str = option(
        "sklearn", "Digits of clutter.", choices=("sklearn", "mnist"), panel=_PANEL
    )
    count: int = option(500, "Number of cluttered images.", least=1, panel=_PANEL)
    limit: int | None = option(
        None, "Only a random subset of this many images.", least=1, panel=_PANEL
    )
    split_seed: int | None = option(
        None, "Seed that divided the data set. Default: that of the run, else 0.", panel=_PANEL
    )
    workers: int | None = option(
        None, "Threads that decode. Default: 2; 32 for images at URLs.", least=1, panel="Speed"
    )
    seed: int = 0
    view_size: int = 224
    needs_images: bool = True
    needs_labels: bool = True
    value_range: str = FULL

    def unknown(self, name: str, why: str) -> "ImageProblem":
        """What is said of an image whose class the model lacks: it is left out only where its class is needed.

        Args:
            name: Of the image.
            why: What is wrong with its class.

        Returns:
            The problem.
        """
        from figureground.studies.evaluation.tables import ImageProblem  # noqa: PLC0415 - torch is slow to import

        if self.needs_labels:
            return ImageProblem("unknown-label", name, f"left out: {why}")
        return ImageProblem("class-unknown", name, f"its class is taken as unknown: {why}")

    @property
    def asked(self) -> dict[str, str]:
        """What decides which images and labels there are."""
        told = self.description
        chosen = (one.name for one in fields(self) if one.metadata and one.name != "workers")
        return {name: told[name] for name in chosen}
