"""Gradio, which the pages are made of, without anything that it would send elsewhere."""

__all__ = ["answering", "gradio"]

import os
from collections.abc import Callable
from functools import wraps
from html import escape
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from figureground.base.errors import FigureGroundError, OptionError

_QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SHARE": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


def gradio() -> Any:  # noqa: ANN401 - a module without types
    """Gradio, imported when a page is made.

    Returns:
        The module.

    Raises:
        OptionError: It is not installed.
    """
    if find_spec("gradio") is None:
        raise OptionError("the explorer needs Gradio: pip install 'figureground[web]'")
    os.environ.update(_QUIET)  # read when it is imported
    return import_module("gradio")


def answering(answer: Callable[..., Any]) -> Callable[..., Any]:
    """A function that a page calls, whose errors of ours are shown in one line there.

    Args:
        answer: The function. Errors of other kinds are bugs: the page shows that there was one, and no more.

    Returns:
        It, for Gradio.
    """

    @wraps(answer)
    def run(*given: Any) -> Any:  # noqa: ANN401 - as the page has them
        try:
            return answer(*given)
        except FigureGroundError as error:
            told = escape(" ".join(str(error).split()), quote=False)  # it is shown as HTML
            raise gradio().Error(told, print_exception=False) from error

    return run
