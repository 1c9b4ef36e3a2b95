"""Every flag of every command, found by asking the commands themselves."""

from collections.abc import Iterator
from typing import Any

import typer

from figureground.cli.main import app
from figureground.studies.evaluation import EVALUATIONS

Words = tuple[str, ...]


def commands() -> Iterator[tuple[Words, list[Any]]]:
    """Words of every command and its options, as the parser has them."""
    main: Any = typer.main.get_command(app)
    context = main.make_context("figureground", [], resilient_parsing=True)
    for name, verb in main.commands.items():
        inner = list(EVALUATIONS) if name == "evaluate" else list(getattr(verb, "commands", {}))
        several: list[Words] = [(name, one) for one in inner] or [(name,)]
        for words in several:
            one = verb.get_command(context, words[1]) if inner else verb
            options = [each for each in one.get_params(context) if each.param_type_name == "option"]
            yield words, [each for each in options if each.name != "help"]


def spellings() -> Iterator[tuple[Words, str, str]]:
    """Words of a command, a parameter and one of its flags, for all of them."""
    for words, options in commands():
        for one in options:
            for flag in (*one.opts, *one.secondary_opts):
                yield words, one.name, flag
