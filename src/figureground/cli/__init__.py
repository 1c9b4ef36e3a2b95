"""The command ``figureground``: one file per verb."""

__all__ = ["main"]

from figureground.cli.main import main
