"""Which engine does a job."""

__all__ = ["EngineOptions", "Where", "computed_on", "elsewhere", "own_device"]

from dataclasses import dataclass
from typing import TypeAlias

from figureground.base.errors import OptionError
from figureground.base.options import Options, option

_ENGINE = "Engine"


@dataclass(frozen=True, kw_only=True)
class EngineOptions(Options):
    """Who does the work. None of this changes a result, so a job may go on with another engine.

    Args:
        engine: ``local``, this process; or ``ray``, worker processes of a Ray cluster (extra ``ray``).
        address: Of the cluster; None for one that is started on this machine and ends with the job.
        actors: Worker processes; None for one for each GPU, or else for each processor core.
        gpus_per_actor: GPUs of each; fractions share one.

    Raises:
        OptionError: A number that cannot be, or an option of Ray for the local engine.
    """

    engine: str = option(
        "local",
        "This process, or worker processes of a Ray cluster.",
        choices=("local", "ray"),
        panel=_ENGINE,
    )
    address: str | None = option(
        None,
        "Of the Ray cluster: auto for the one that this machine belongs to, or ray://HOST:PORT. Default: one that is "
        "started here and ends with the job.",
        panel=_ENGINE,
    )
    actors: int | None = option(
        None, "Worker processes. Default: one a GPU, or else one a core.", least=1, panel=_ENGINE
    )
    gpus_per_actor: float = option(
        0.0, "GPUs of each worker process; fractions share one.", least=0, panel=_ENGINE
    )

    def __post_init__(self) -> None:
        """Refuse what would be without effect."""
        super().__post_init__()
        if self.engine == "local" and (self.address or self.actors or self.gpus_per_actor):
            raise OptionError("--address, --actors and --gpus-per-actor are for --engine ray")

    def where(self, device: str | None) -> "Where":
        """What a job is given, of the two options of a command.

        Args:
            device: Of this process.

        Returns:
            The device for the local engine, else the engine.

        Raises:
            OptionError: A device of this process, while others do the work.
        """
        if self.engine == "local":
            return device
        if device is not None:
            raise OptionError(
                "--device is for --engine local; --gpus-per-actor gives worker processes their GPUs"
            )
        return self


Where: TypeAlias = str | EngineOptions | None
"""A device of this process, as for ``chosen_device``; or who else does the work."""


def elsewhere(where: Where) -> bool:
    """Whether other processes do the work.

    Args:
        where: As a job is given it.

    Returns:
        Not for a device, nor for the options of the local engine.
    """
    return isinstance(where, EngineOptions) and where.engine != "local"


def computed_on(where: Where, device: object) -> str:
    """What a record says of it.

    Args:
        where: As the job was given it.
        device: Of this process.

    Returns:
        The device, or who else did the work.
    """
    return "a Ray cluster" if elsewhere(where) else str(device)


def own_device(where: Where) -> str | None:
    """The device of this process that is asked for.

    Args:
        where: As a job is given it.

    Returns:
        It, as for ``chosen_device``.
    """
    return None if isinstance(where, EngineOptions) else where
