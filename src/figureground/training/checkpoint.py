"""Checkpoints: everything a run needs to go on exactly, written in one piece."""

__all__ = ["load_checkpoint", "save_checkpoint", "save_weights"]

import io
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as safetensors_bytes
from torch import nn

from figureground.base.errors import DataError
from figureground.base.record import write_atomically
from figureground.training.run import Run

_COUNTERS = ("epoch", "step_in_epoch", "step", "best", "seconds")


def save_checkpoint(run: Run) -> Path:
    """Write ``resume.pt``: weights, heads, optimiser, schedule, algorithms, counters.

    The old file stays until the new one is complete. No state of a random generator is stored: all random numbers
    depend on seed, epoch and step alone.

    Args:
        run: The run; every process calls, the first one writes.

    Returns:
        The file.

    Raises:
        DataError: It cannot be written.
    """
    path = run.folder / "resume.pt"
    if run.fabric.is_global_zero:
        buffer = io.BytesIO()
        torch.save(_state(run), buffer)
        write_atomically(path, buffer.getvalue())
    run.fabric.barrier()
    return path


def load_checkpoint(run: Run) -> None:
    """Bring a started run to where ``resume.pt`` left it, its log included.

    Args:
        run: A run with the same recipe.

    Raises:
        DataError: There is no checkpoint, it is damaged, or it belongs to another recipe.
    """
    path = run.folder / "resume.pt"
    try:
        state = torch.load(path, map_location=run.device, weights_only=True)
    except (
        OSError,
        RuntimeError,
        EOFError,
        LookupError,
        ValueError,
        pickle.UnpicklingError,
    ) as error:
        raise DataError(f"cannot resume from {path}: {error}") from error
    if not isinstance(state, dict) or "recipe" not in state:
        raise DataError(f"cannot resume from {path}: it is no checkpoint of a run")
    if state["recipe"] != run.recipe.model_dump_json():
        raise DataError(
            f"{path} belongs to another recipe; start in another folder, or with the stored recipe"
        )
    run.network.load_state_dict(state["network"])
    run.extras.load_state_dict(state["extras"])
    run.optimiser.load_state_dict(state["optimiser"])
    run.schedule.load_state_dict(state["schedule"])
    if run.average is not None:
        run.average.load_state_dict(state["average"])
    for algorithm, stored in zip(run.algorithms, state["algorithms"], strict=True):
        algorithm.load_state(stored)
    for name in _COUNTERS:
        setattr(run, name, state[name])
    if run.fabric.is_global_zero:
        run.history.cut_after(run.step)


def save_weights(module: nn.Module, path: Path) -> Path:
    """A module's weights as safetensors.

    Args:
        module: Whose.
        path: Where.

    Returns:
        The file.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    return write_atomically(path, safetensors_bytes(state))


def _state(run: Run) -> dict[str, Any]:
    return {
        "recipe": run.recipe.model_dump_json(),
        "network": run.network.state_dict(),
        "extras": run.extras.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "schedule": run.schedule.state_dict(),
        "average": None if run.average is None else run.average.state_dict(),
        "algorithms": [algorithm.state() for algorithm in run.algorithms],
        **{name: getattr(run, name) for name in _COUNTERS},
    }
