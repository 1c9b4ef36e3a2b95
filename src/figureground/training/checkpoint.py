"""Checkpoints: everything a run needs to go on exactly, written in one piece."""

__all__ = ["load_checkpoint", "save_best", "save_checkpoint", "save_weights", "weights_of"]

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as safetensors_bytes
from torch import Tensor, nn

from figureground.base.errors import DataError
from figureground.base.record import write_atomically
from figureground.models.weights_file import IDENTITY, weights_identity
from figureground.training.run import Run

_COUNTERS = ("epoch", "step_in_epoch", "step", "best", "seconds", "kept")
_SEAL = struct.Struct(
    "<12sI"
)  # behind the file, which torch reads without it: torch checks no checksums itself
_MAGIC = b"figureground"


def save_checkpoint(run: Run) -> Path:
    """Write ``resume.pt``: weights, heads, optimiser, schedule, algorithms, counters, best weights, log.

    The old file stays until the new one is complete. No state of a random generator is stored: all random numbers
    depend on seed, epoch and step alone.

    Args:
        run: The run; every process calls, the first one writes.

    Returns:
        The file.

    Raises:
        DataError: It cannot be written.
        OptionError: The run has diverged; the last good state stays.
    """
    run.check_finite()
    path = run.folder / "resume.pt"
    if run.fabric.is_global_zero:
        buffer = io.BytesIO()
        torch.save(_state(run), buffer)
        data = buffer.getvalue()
        write_atomically(path, data + _SEAL.pack(_MAGIC, zlib.crc32(data)))
    run.fabric.barrier()
    return path


def load_checkpoint(run: Run) -> None:
    """Bring a started run to where ``resume.pt`` left it, its log and the files of its weights included.

    Args:
        run: A run with the same recipe.

    Raises:
        DataError: There is no checkpoint, it is damaged, it belongs to another recipe, to other images or code, or
            weights that cannot be made again are not as they were.
    """
    path = run.folder / "resume.pt"
    state = _read(path, run.device)
    if state["recipe"] != run.recipe.model_dump_json():
        raise DataError(
            f"{path} belongs to another recipe; start in another folder, or with the stored recipe"
        )
    changed = [name for name, held in run.identity.items() if state["identity"].get(name) != held]
    if changed:
        raise DataError(
            f"cannot resume from {path}: not as they were when the run began: {', '.join(changed)}; "
            "bring back what there was, or start in another folder"
        )
    try:
        run.network.load_state_dict(state["network"])
        run.extras.load_state_dict(state["extras"])
        run.optimiser.load_state_dict(state["optimiser"])
        run.schedule.load_state_dict(state["schedule"])
        if run.average is not None:
            run.average.load_state_dict(state["average"])
    except (RuntimeError, ValueError) as error:
        raise DataError(f"cannot resume from {path}: {error}") from error
    for algorithm, stored in zip(run.algorithms, state["algorithms"], strict=True):
        algorithm.load_state(stored)
    for name in _COUNTERS:
        setattr(run, name, state[name])
    run.best_weights = _bytes_of(state["best_weights"])
    if run.fabric.is_global_zero:
        run.history.restore(_bytes_of(state["history"]))
        _restore_weights(run)


def save_best(run: Run) -> None:
    """Write ``best.safetensors``, of which ``resume.pt`` holds a copy.

    Args:
        run: The run; nothing happens before its first validation.

    Raises:
        DataError: It cannot be written.
    """
    if run.best_weights:
        write_atomically(run.folder / "best.safetensors", run.best_weights)


def save_weights(module: nn.Module, path: Path) -> int:
    """A module's weights as safetensors.

    Args:
        module: Whose.
        path: Where.

    Returns:
        Checksum of the file.

    Raises:
        DataError: It cannot be written.
    """
    data = weights_of(module)
    write_atomically(path, data)
    return zlib.crc32(data)


def weights_of(module: nn.Module) -> bytes:
    """A module's weights as the content of a safetensors file.

    Args:
        module: Whose.

    Returns:
        The bytes.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    data: bytes = safetensors_bytes(state, {IDENTITY: weights_identity(state)})
    return data


def _read(path: Path, device: torch.device) -> dict[str, Any]:
    """What a checkpoint holds, if it is whole."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot resume from {path}: {error.strerror or error}") from error
    data, seal = content[: -_SEAL.size], content[-_SEAL.size :]
    if not content.endswith(seal) or len(seal) < _SEAL.size or not seal.startswith(_MAGIC):
        raise DataError(f"cannot resume from {path}: it is no checkpoint of a run, or damaged")
    if _SEAL.unpack(seal)[1] != zlib.crc32(data):
        raise DataError(f"cannot resume from {path}: it is damaged; start in another folder")
    state: dict[str, Any] = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
    return state


def _restore_weights(run: Run) -> None:
    """Files of weights as the checkpoint knows them; those of named steps can only be looked at."""
    for name, held in run.kept.items():
        file = run.folder / name
        if not file.exists() or zlib.crc32(file.read_bytes()) != held:
            raise DataError(
                f"{file} is missing or damaged, and going on does not make it again; "
                "train anew in another folder"
            )
    save_best(run)
    if run.epoch and not run.step_in_epoch:
        save_weights(run.trained, run.folder / "last.safetensors")


def _state(run: Run) -> dict[str, Any]:
    return {
        "recipe": run.recipe.model_dump_json(),
        "identity": dict(run.identity),
        "network": run.network.state_dict(),
        "extras": run.extras.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "schedule": run.schedule.state_dict(),
        "average": None if run.average is None else run.average.state_dict(),
        "algorithms": [algorithm.state() for algorithm in run.algorithms],
        "best_weights": _tensor_of(run.best_weights),
        "history": _tensor_of(run.history.content()),
        **{name: getattr(run, name) for name in _COUNTERS},
    }


def _tensor_of(content: bytes) -> Tensor:
    """Bytes as torch stores them best."""
    held = bytearray(content)
    return torch.frombuffer(held, dtype=torch.uint8) if held else torch.zeros(0, dtype=torch.uint8)


def _bytes_of(stored: Tensor) -> bytes:
    return stored.cpu().numpy().tobytes()
