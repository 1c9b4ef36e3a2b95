"""The log on TensorBoard, for those who have it installed."""

__all__ = ["Board", "tensor_board"]

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, runtime_checkable


@runtime_checkable
class Board(Protocol):
    """What takes single numbers, as TensorBoard's writer does."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        """Show a number.

        Args:
            tag: Its name.
            scalar_value: The number.
            global_step: Steps done.
        """


def tensor_board(folder: Path, step: int) -> Board | None:
    """A writer into ``folder/tensorboard`` that forgets what an interrupted run showed after a step.

    Args:
        folder: Of the run.
        step: Where the run stands.

    Returns:
        The writer; None where TensorBoard is not installed.
    """
    if find_spec("tensorboard") is None:
        return None
    writer: Board = import_module("torch.utils.tensorboard").SummaryWriter(
        str(folder / "tensorboard"), purge_step=step + 1
    )
    return writer
