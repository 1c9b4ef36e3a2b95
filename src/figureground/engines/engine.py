"""The seam between a study and what does its job."""

__all__ = ["results"]

from collections.abc import Iterator, Sequence
from typing import Any

from figureground.engines.options import EngineOptions, Where, elsewhere
from figureground.engines.work import Part, Tick, Work


def results(
    work: Work, parts: Sequence[Part], where: Where, *, tick: Tick
) -> Iterator[tuple[str, Any]]:
    """The results of all parts, as they come.

    Args:
        work: What is done.
        parts: What is to be done.
        where: Who does it.
        tick: Told of images that are done.

    Yields:
        Name of a part and its results; locally in order, by Ray as they are finished.

    Raises:
        OptionError: Ray is not installed, the cluster cannot be reached or has not what was asked for.
        EngineError: Worker processes keep ending.
    """
    if not isinstance(where, EngineOptions) or not elsewhere(where):
        yield from work.stream(parts, tick)
        return
    from figureground.engines.on_ray import on_ray  # noqa: PLC0415 - an extra

    with work.packed():
        yield from on_ray(work, parts, where, tick=tick)
