"""What records write as code, in words for readers: calls, names of options; and a glossary of short names."""

__all__ = ["GLOSSARY", "explained", "glossary_of", "option_words", "problem_words", "without_code"]

import ast
import re
from collections.abc import Iterable

from markupsafe import Markup, escape

from figureground.reports.places import held_together, without_folders
from figureground.reports.tables import Table

GLOSSARY = {
    "ADCC": "average drop, coherency and complexity joined in one number, their harmonic mean",
    "ARCC": "as ADCC, with ROAD in the place of the average drop",
    "AUROC": "chance that an unknown image scores higher than a known one; one half is guessing",
    "AP": "average precision: mean precision at the places of the sought images in the ranking",
    "CMI": "conditional mutual information: how much predictions for images of one class differ",
    "ECE": "expected calibration error: how far confidence and accuracy lie apart",
    "FPR95": "share of the unknown images that pass when 95 % of the known ones are kept",
    "GT-known": "localisation with the true class given: the box overlaps a true one by half or more",
    "IoU": "intersection over union of two boxes: 1 where they are the same, 0 where they do not meet",
    "MaxBoxAcc": "box accuracy at the threshold that is best on the test images themselves",
    "MaxBoxAccV2": "MaxBoxAcc with all contours, mean over overlaps of 0.3, 0.5 and 0.7",
    "NCMI": "conditional mutual information over separation",
    "NLL": "negative log-likelihood of the true class, in nats",
    "ROAD": "half the gap between removing the least and the most relevant pixels first",
    "SSIM": "structural similarity of two maps: 1 where they are the same",
    "V2": "mean over overlaps of 0.3, 0.5 and 0.7, all contours of a map considered",
    "clova": "box rule of the published evaluation code of weakly supervised localisation",
    "macro-F1": "mean of the F1 of all classes, which all count the same",
    "msp": "one minus the largest probability among the known classes",
    "pointing": "whether the peak of the map lies in a true box, or near it",
    "s1": "the background's share beside all known classes together, between 0 and 1",
    "s2": "one minus the largest probability of a known class, the background in the softmax",
    "s3": "as s2, the probability of the background spread evenly over the known classes",
}
"""Short name -> what it means."""

_WORDS = re.compile(
    r"(?<![\w-])("
    + "|".join(sorted(map(re.escape, GLOSSARY), key=len, reverse=True))
    + r")(?![\w-])"
)
_PROBLEMS = {
    "map-negative-only": "maps with evidence against the class only",
    "map-non-finite": "maps that are not finite",
    "map-incomplete": "maps that are incomplete",
    "map-zero": "blank maps",
    "map-constant": "blank maps, the same everywhere",
    "map-dead-layer": "blank maps of a layer that is zero",
    "map-zero-gradient": "blank maps without a gradient",
}
_CALL = re.compile(r"(\w+)\((.*)\)(.*)", re.DOTALL)


def explained(text: object) -> Markup:
    """Escaped text without folders of the machine, whose short names tell their meaning when pointed at.

    Args:
        text: What a page shows.

    Returns:
        Markup with ``<abbr>``.

    Examples:
        >>> explained("<b> CMI").partition("title=")[0]
        Markup('&lt;b&gt; <abbr ')
    """
    parts = _WORDS.split(held_together(without_folders(str(text))))
    told = [
        Markup('<abbr title="{}">{}</abbr>').format(GLOSSARY[part], part)
        if at % 2
        else escape(part)
        for at, part in enumerate(parts)
    ]
    return Markup().join(told)


def glossary_of(tables: Iterable[Table]) -> list[tuple[str, str]]:
    """The short names in some tables, for those who cannot point.

    Args:
        tables: The tables.

    Returns:
        Name and meaning, by name.
    """
    cells = [cell for one in tables for row in one.rows for cell in row if isinstance(cell, str)]
    texts = [*cells, *(word for one in tables for word in (*one.columns, one.caption, one.title))]
    found = {word for text in texts for word in _WORDS.findall(text)}
    return [(word, GLOSSARY[word]) for word in sorted(found, key=str.lower)]


def problem_words(kind: str) -> str:
    """A kind of problem as words.

    Args:
        kind: ``map-negative-only``.

    Returns:
        What was found; a kind that is not known here with spaces.

    Examples:
        >>> problem_words("map-negative-only"), problem_words("bad-box")
        ('maps with evidence against the class only', 'bad box')
    """
    return _PROBLEMS.get(kind, kind.replace("-", " "))


def option_words(name: str) -> str:
    """The name of an option as words.

    Args:
        name: ``validation_share``.

    Returns:
        ``validation share``.
    """
    return name.replace("_", " ").strip("- ")


def without_code(text: object) -> str:
    """A description without calls of Python.

    Args:
        text: ``GradCAM(smooth=True), true class``, or words already.

    Returns:
        ``GradCAM, smooth yes, true class``; words stay as they are.

    Examples:
        >>> without_code("GradCAM(), true class"), without_code("2 maps from a folder")
        ('GradCAM, true class', '2 maps from a folder')
        >>> without_code("Preprocessing(size=(32, 64), crop_fraction=1.0, mean=(0.5,))")
        'Preprocessing, size 32 × 64, crop fraction 1, mean 0.5'
    """
    met = _CALL.fullmatch(str(text))
    if met is None:
        return str(text)
    try:
        call = ast.parse(f"_({met[2]})", mode="eval").body
    except SyntaxError:
        return str(text)
    if not isinstance(call, ast.Call):
        return str(text)
    told = [_value(one) for one in call.args]
    told += [f"{option_words(one.arg or '')} {_value(one.value)}" for one in call.keywords]
    return ", ".join([met[1], *told]) + met[3]


def _value(node: ast.expr) -> str:
    """A value in words: text without quotes, yes and no, sizes with a cross."""
    if isinstance(node, ast.Constant):
        named = {"True": "yes", "False": "no", "None": "none"}
        value = node.value
        return f"{value:g}" if isinstance(value, float) else named.get(str(value), str(value))
    if isinstance(node, ast.Tuple | ast.List):
        whole = all(isinstance(one, ast.Constant) and type(one.value) is int for one in node.elts)
        return (" × " if whole and len(node.elts) == 2 else ", ").join(map(_value, node.elts))
    return without_code(ast.unparse(node))
