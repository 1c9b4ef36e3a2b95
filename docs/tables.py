"""Tables of the README that are made from the code: written anew, or with --check looked at."""

__all__ = ["TABLES", "algorithms_table", "freshened", "main", "methods_table"]

import re
import sys
from collections.abc import Callable
from pathlib import Path

from figureground.base.paper import Paper
from figureground.methods.left_out import LEFT_OUT
from figureground.methods.registry import METHODS
from figureground.training.algorithms import ALGORITHMS

README = Path(__file__).parents[1] / "README.md"


def methods_table() -> str:
    """One row for each method: name, what it does, where it comes from, what it costs; then those that are left out."""
    rows = ["| Name | Map | Paper | Per class | Needs |", "| --- | --- | --- | --- | --- |"]
    for name, method in METHODS.items():
        title = (sys.modules[method.load().__module__].__doc__ or "").splitlines()[0]
        what = title.partition(": ")[2].rstrip(".") or title
        needs = ", ".join(sorted(method.needs)) or "one forward pass"
        per_class = "yes" if method.class_specific else "no"
        rows.append(f"| `{name}` | {what} | {_cited(method.paper)} | {per_class} | {needs} |")
    rows += ["", "| Left out | Why, and what to use |", "| --- | --- |"]
    rows += [f"| `{name}` | {reason} |" for name, reason in LEFT_OUT.items()]
    return "\n".join(rows)


def algorithms_table() -> str:
    """One row for each training algorithm: name, what it does, where it comes from, its card."""
    rows = ["| Name | What it does | Paper | Card |", "| --- | --- | --- | --- |"]
    for name, algorithm in ALGORITHMS.items():
        what = (algorithm.__doc__ or "").splitlines()[0].rstrip(".")
        place = algorithm.__module__.removesuffix(".algorithm").replace(".", "/")
        paper = algorithm.paper
        cited = _cited(paper) if paper is not None else "ours"
        rows.append(f"| `{name}` | {what} | {cited} | [card](src/{place}/README.md) |")
    return "\n".join(rows)


def freshened(text: str, tables: dict[str, Callable[[], str]]) -> str:
    """The text with each table anew between ``<!-- table: NAME -->`` and ``<!-- end -->``."""
    for name, make in tables.items():
        place = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        table = make().replace("\\", r"\\")
        text, found = place.subn(rf"\g<1>\n{table}\n\n\g<2>", text)
        if found != 1:
            raise ValueError(f"the table '{name}' has {found} places in the README, not 1")
    return text


def main(words: list[str]) -> int:
    """Write the README anew, or with ``--check`` say whether that would change it."""
    old = README.read_text(encoding="utf-8")
    new = freshened(old, TABLES)
    if "--check" not in words:
        README.write_text(new, encoding="utf-8")
    elif old != new:
        print("README.md is behind the code; bring it up to date: make tables")
        return 1
    return 0


def _cited(paper: Paper) -> str:
    """Authors and year, with a link where the paper is on arXiv."""
    number = re.search(r"arXiv[: ](\d{4}\.\d{4,5})", paper.where)
    short = f"{paper.authors} {paper.year}"
    return f"[{short}](https://arxiv.org/abs/{number[1]})" if number else short


TABLES = {"methods": methods_table, "algorithms": algorithms_table}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
