"""Which engine does a job."""

__all__ = ["EngineOptions"]

from dataclasses import dataclass

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
