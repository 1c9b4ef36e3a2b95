"""Where the numbers of a run go beside its own log: TensorBoard, Weights & Biases, MLflow, in files on this machine."""

__all__ = ["PACKAGES", "logging_to", "refuse_absent"]

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any

from figureground.base.errors import OptionError
from figureground.training.run import Run

PACKAGES = {"csv": None, "tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow"}
"""Name of a logger in a recipe -> the package that it needs."""

# what these packages would send while they write files; who has said otherwise is left alone
_SILENCE = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",  # which MLflow refuses otherwise, in favour of a data base
    "WANDB_ERROR_REPORTING": "false",
}


def refuse_absent(names: Sequence[str]) -> None:
    """Say which packages a recipe's loggers lack, before anything is trained.

    Args:
        names: Keys of ``PACKAGES``.

    Raises:
        OptionError: One is not installed.
    """
    for name in names:
        package = PACKAGES[name]
        if package is not None and find_spec(package) is None:
            raise OptionError(
                f"loggers: {name} is not installed: pip install 'figureground[loggers]'"
            )


@contextmanager
def logging_to(run: Run) -> Iterator[None]:
    """Let a run's log pass its numbers on to the loggers of the recipe inside the block.

    Each gets the recipe as hyperparameters and every number of ``history.csv`` as ``train/NAME`` or ``val/NAME`` at its
    step, in a folder of its name in that of the run. A run that is resumed goes on in the same log. Steps that a killed
    run did after its last checkpoint are done again and have the same numbers: TensorBoard discards the first ones,
    the others hold them twice. Nothing is sent anywhere: what Weights & Biases wrote is for ``wandb sync``.

    Args:
        run: The run, where it stands; processes but the first log nothing.

    Yields:
        Nothing.
    """
    names = dict.fromkeys(run.recipe.loggers) if run.fabric.is_global_zero else ()
    with ExitStack() as stack:
        loggers = [stack.enter_context(_OPENED[name](run)) for name in names if name in _OPENED]
        for one in loggers:
            one.log_hyperparams(run.recipe.model_dump(mode="json"))
        run.history.loggers = loggers
        try:
            yield
        finally:
            run.history.loggers = ()


@contextmanager
def _tensorboard(run: Run) -> Iterator[Any]:
    from lightning.fabric.loggers.tensorboard import TensorBoardLogger  # noqa: PLC0415 - with the others

    logger = TensorBoardLogger(
        run.folder, name="tensorboard", version="", purge_step=run.step + 1
    )  # which discards what an interrupted run wrote after its checkpoint
    with _finished(logger):
        yield logger


@contextmanager
def _wandb(run: Run) -> Iterator[Any]:
    _silence()
    import wandb  # noqa: PLC0415 - an extra
    from lightning.pytorch.loggers import WandbLogger  # noqa: PLC0415

    earlier = sorted((run.folder / "wandb").glob("offline-run-*-*"))
    quiet = wandb.Settings(silent=True, console="off", x_disable_stats=True, disable_git=True)
    held = wandb.init(
        project=_PROJECT,
        name=run.recipe.name,
        id=earlier[-1].name.rpartition("-")[2] if earlier else None,
        dir=str(run.folder),
        mode="offline",
        settings=quiet,
    )
    held.define_metric("*", step_metric="trainer/global_step")  # Lightning's name of the step
    failed = 1
    try:
        yield WandbLogger(experiment=held)
        failed = 0
    finally:
        held.finish(exit_code=failed)


@contextmanager
def _mlflow(run: Run) -> Iterator[Any]:
    _silence()
    from lightning.pytorch.loggers import MLFlowLogger  # noqa: PLC0415
    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - an extra

    place = (run.folder / "mlflow").absolute().as_uri()
    client = MlflowClient(place)
    known = client.get_experiment_by_name(_PROJECT)
    number = client.create_experiment(_PROJECT) if known is None else known.experiment_id
    earlier = client.search_runs([number])
    logger = MLFlowLogger(
        _PROJECT,
        run_name=run.recipe.name,
        tracking_uri=place,
        run_id=earlier[0].info.run_id if earlier else None,
    )
    with _finished(logger):
        yield logger


_OPENED: dict[str, Callable[[Run], AbstractContextManager[Any]]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
}
_PROJECT = "figureground"


@contextmanager
def _finished(logger: Any) -> Iterator[None]:  # noqa: ANN401 - of Lightning's classes, which are loaded on demand
    """Close a logger with what became of the run."""
    status = "failed"
    try:
        yield
        status = "success"
    finally:
        logger.finalize(status)


def _silence() -> None:
    """Keep these packages from the network."""
    for name, value in _SILENCE.items():
        os.environ.setdefault(name, value)
