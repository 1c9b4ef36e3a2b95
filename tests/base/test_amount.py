"""Numbers with their nouns."""

import pytest

from figureground.base.amount import amount


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 boxes"), (1, "1 box"), (2, "2 boxes"), (12345, "12,345 boxes")]
)
def test_the_noun_fits_the_number(count: int, words: str):
    assert amount(count, "box", "boxes") == words
