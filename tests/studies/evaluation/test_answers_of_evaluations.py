"""What each evaluation says first, from known numbers."""

import numpy as np
import pytest
import torch

from figureground.metrics.intervals import Interval
from figureground.studies.answers import Contrast, ranked
from figureground.studies.evaluation.attacked import _named, kept_under, lost_under
from figureground.studies.evaluation.information import told_beyond
from figureground.studies.evaluation.uncertainty import learned, moved


def row(name: str, mean: float, low: float, high: float, images: int = 40) -> Contrast:
    return Contrast(name, Interval(mean, low, high, 0.95, images))


@pytest.mark.parametrize(
    ("ends", "images", "sentence"),
    [
        (
            (0.1, 0.3), 40,
            ("CAM depends on what was learned: with all weights random its maps correlate with the trained network's "
            "by 0.20 (0.10 to 0.30), 40 images."),
        ),
        (
            (0.6, 0.9), 40,
            ("CAM shows the image rather than what was learned: with all weights random its maps correlate with the "
            "trained network's by 0.20 (0.60 to 0.90), 40 images."),
        ),
        (
            (0.1, 0.5), 40,
            ("Cannot tell whether CAM depends on what was learned: with all weights random its maps correlate with the "
            "trained network's by 0.20 (0.10 to 0.50), 40 images."),
        ),
        (
            (0.2, 0.2), 1,
            ("Cannot tell whether CAM depends on what was learned: with all weights random its maps correlate with the "
            "trained network's by 0.20 (0.20 to 0.20), 1 image."),
        ),
    ],
)  # fmt: skip
def test_a_map_that_stays_without_the_weights_shows_the_image(ends, images, sentence):
    told = learned([row("CAM", 0.2, ends[0], ends[1], images), row("B", 0.9, 0.8, 1.0)], {})
    assert told.sentences == (sentence, "B: does not depend.")
    assert told.rows[1].word == "does not depend"


def test_a_steady_map_is_not_called_better():
    told = moved([row("CAM", 0.2, 0.1, 0.3)], {})
    assert told.better == ""
    assert told.sentences == (
        (
            "CAM moves least when images are flipped and cropped: by 0.20 (0.10 to 0.30) of its mean, 40 images; a "
            "steady map is not a right one."
        ),
    )


def test_the_row_that_loses_least_is_told_first_and_the_figure_shows_the_changes():
    clean = np.ones(40)
    lost, kept = clean.copy(), clean.copy()
    lost[:30] = 0
    told = lost_under(
        "pgd 0.03",
        {"a": (lost, clean), "b": (kept, clean), "c": (clean * np.nan, clean)},
        {"a": "A", "b": "B", "c": "C"},
        seed=0,
    )
    assert told.sentences == (
        (
            "B finds the object under PGD at 0.03 neither better nor worse than on clean images: 100.0 % against "
            "100.0 % at IoU 0.5, difference "
            "0.0 (0.0 to 0.0), 40 images."
        ),
        "Of the others, worse: A.",
    )
    assert [(bar.name, bar.value) for bar in told.rows] == [("B", 0.0), ("A", -75.0)]
    assert told.band is not None
    assert told.band.value == 0


def test_without_boxes_the_maps_themselves_are_compared():
    told = kept_under(
        "deepfool", {"a": np.full(40, 0.75), "b": np.full(40, 0.5)}, {"a": "A", "b": "B"}, seed=0
    )
    assert told.sentences == (
        (
            "A keeps its maps under DeepFool: 0.75 (0.75 to 0.75) correlation with the maps of the clean images, 40 "
            "images, and nothing to compare it with."
        ),
    )
    assert [bar.value for bar in told.rows] == [0.75, 0.5]


@pytest.mark.parametrize(
    ("found", "positives", "sentence"),
    [
        (
            (0.7, 0.6, 0.8), 40,
            ("The network brings the rare images to the top better than a random order: 0.700 against 0.020 mean "
            "average precision, difference 0.680 (0.580 to 0.780), 40 sought images."),
        ),
        (
            (0.03, 0.01, 0.05), 40,
            ("The network brings the rare images to the top no better than a random order: 0.030 against 0.020 mean "
            "average precision, difference 0.010 (−0.010 to 0.030), 40 sought images."),
        ),
        (
            (0.7, 0.6, 0.8), 3,
            ("Cannot tell whether the network brings the rare images to the top better than a random order: 0.700 "
            "against 0.020 mean average precision, and 3 sought images are too few."),
        ),
    ],
)  # fmt: skip
def test_a_ranking_is_told_beside_chance_and_by_the_number_of_images_sought(
    found, positives, sentence
):
    told = ranked(Interval(found[0], found[1], found[2], 0.95, 5000), 0.02, positives=positives)
    assert told.sentences == (sentence,)


def test_information_is_told_with_the_interval_of_its_images_where_it_is_their_mean():
    apart, labels = np.array([0.1, 0.3] * 20), torch.tensor([0, 1] * 20)
    told = told_beyond(0.2, apart, labels, class_names=("a", "b", "never"))
    assert told.sentences[0].startswith("Beyond the class, the predictions tell 0.200 nats (0.1")
    assert told.sentences[0].endswith(" about an image, 40 images.")
    assert [bar.name for bar in told.rows] == ["a", "b"]
    assert [bar.value for bar in told.rows] == pytest.approx([0.1, 0.3])
    weighed = told_beyond(0.25, apart, labels, class_names=("a", "b", "never"))
    assert (
        weighed.sentences[0]
        == "Beyond the class, the predictions tell 0.250 nats about an image, 40 images."
    )
    assert weighed.band is None


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("fgsm 0.03137", "FGSM at 8/255"),
        ("pgd 0.03", "PGD at 0.03"),
        ("fgsm 0.01234", "FGSM at 0.01234"),
        ("deepfool", "DeepFool"),
    ],
)
def test_strengths_that_are_whole_levels_of_a_pixel_are_told_as_such(case: str, words: str):
    assert _named(case) == words
