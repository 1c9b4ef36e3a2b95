"""The first sentence of a ranking, from known probabilities."""

import pytest

from figureground.studies.ranking.believed import believed
from figureground.studies.ranking.options import Ranked

UNSEEN = "No label was looked at: this is what the network believes, and the images below are there to be checked."


def top(*probabilities: float) -> list[Ranked]:
    return [Ranked(f"{at}.png", 1.0, "lynx", one) for at, one in enumerate(probabilities)]


@pytest.mark.parametrize(
    ("probabilities", "images", "sentence"),
    [
        (
            [0.5] * 100, 5000,
            ("By the network's own probabilities, which were not checked, 50.0 % of the first 100 images show what is "
            "sought, against 2.0 % of all 5,000."),
        ),
        (
            [0.02] * 100, 5000,
            ("By the network's own probabilities, which were not checked, the first 100 images show what is sought no "
            "more often than all 5,000: 2.0 % against 2.0 %."),
        ),
        (
            [0.9], 5000,
            ("Cannot tell how many of the first images show what is sought: 1 image with a mean probability of 90.0 %, "
            "against 2.0 % of all 5,000."),
        ),
        (
            [1.0], 1,
            ("By the network's own probabilities, which were not checked, 100.0 % of all images show what is sought, 1 "
            "in number."),
        ),
    ],
)  # fmt: skip
def test_the_share_among_the_first_is_told_beside_that_among_all(probabilities, images, sentence):
    told = believed(top(*probabilities), images=images, mean=0.02)
    assert told.sentences == (sentence, UNSEEN)
    assert all(bar is None or bar.low is bar.high is None for bar in (*told.rows, told.band))


def test_a_ranking_of_nothing_says_so():
    told = believed([], images=0, mean=0.0)
    assert told.sentences == ("Nothing to tell by: no image could be scored.",)
