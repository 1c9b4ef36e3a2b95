"""Code in words, and what short names mean."""

import pytest

from figureground.reports.plain_words import GLOSSARY, explained, glossary_of, without_code
from figureground.reports.tables import Table


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("GradCAM(), true class", "GradCAM, true class"),
        ("GradCAM(smooth=True, steps=None)", "GradCAM, smooth yes, steps none"),
        ("Wrapped(inner=Inner(a=0.5))", "Wrapped, inner Inner, a 0.5"),
        ("f(x", "f(x"),
        ("a picture (large), and f(not code here)", "a picture (large), and f(not code here)"),
        ("f(size=(224, 224), std=(0.1, 0.2))", "f, size 224 × 224, std 0.1, 0.2"),
    ],
)
def test_calls_are_told_in_words_and_words_stay(text, words):
    assert without_code(text) == words


def test_a_short_name_is_explained_where_it_is_a_word_of_its_own():
    shown = explained("MaxBoxAccV2 and V2, not V20 <ECE>")
    assert shown.count("<abbr") == 3
    assert "V20 &lt;<abbr" in shown
    assert f'title="{GLOSSARY["V2"]}"' in shown


def test_the_glossary_holds_the_names_in_the_tables_and_no_others():
    given = Table(("score", "AUROC ↑"), (("msp", 0.5),), caption="FPR95 too")
    assert [name for name, _ in glossary_of([given])] == ["AUROC", "FPR95", "msp"]
