"""A TensorBoard writer, for those who have TensorBoard installed."""

__all__ = ["ScalarWriter", "tensorboard_writer"]

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, runtime_checkable


@runtime_checkable
class ScalarWriter(Protocol):
    """Anything that takes single numbers as TensorBoard's ``SummaryWriter`` does."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        """Write a number.

        Args:
            tag: Its name.
            scalar_value: The number.
            global_step: Steps done.
        """


def tensorboard_writer(folder: Path, step: int) -> ScalarWriter | None:
    """A writer into ``folder/tensorboard`` that discards what an interrupted run wrote after a step.

    Args:
        folder: Of the run.
        step: Step at which the run is.

    Returns:
        The writer; None where TensorBoard is not installed.
    """
    if find_spec("tensorboard") is None:
        return None
    writer: ScalarWriter = import_module("torch.utils.tensorboard").SummaryWriter(
        str(folder / "tensorboard"), purge_step=step + 1
    )
    return writer
