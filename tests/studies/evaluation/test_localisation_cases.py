import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from figureground.models import Classifier
from figureground.studies.evaluation.localisation_cases import Drawing, draw_cases, worst_and_best
from figureground.studies.evaluation.other_sources import BaselineMaps, SeveralSources
from figureground.studies.evaluation.post_processing import PostProcessing
from figureground.studies.evaluation.sets import open_evaluation_set
from figureground.studies.evaluation.sources import ExplainerMaps


def test_worst_come_first_and_no_picture_is_both():
    overlaps = np.array([0.9, 0.1, 0.5, 0.3, 0.7])
    test = np.array([0, 2, 3, 4])
    assert worst_and_best(overlaps, test, 1) == [("worst", 3), ("best", 0)]
    assert worst_and_best(overlaps, test, 9) == [
        ("worst", 3),
        ("worst", 2),
        ("best", 0),
        ("best", 4),
    ]


@pytest.mark.parametrize("rule", ["clova", "pixels"])
def test_cases_are_drawn_with_their_class_and_overlap(
    box_folder: Callable[..., Path], classifier: Classifier, rule: str
):
    pictures = open_evaluation_set(box_folder(5), classifier)
    source = SeveralSources([ExplainerMaps(classifier, "cam"), BaselineMaps()])
    drawing = Drawing(PostProcessing(), {"cam": 0.3}, rule, classifier.class_name)
    cases = draw_cases(pictures, source, {"cam": [("worst", 4), ("best", 1)]}, drawing=drawing)
    assert [(case.kind, case.name) for case in cases] == [("worst", "04.png"), ("best", "01.png")]
    assert cases[0].label == "tiger cat"
    assert all(0 <= case.overlap <= 1 for case in cases)
    head, _, content = cases[0].picture.partition(",")
    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (32, 24)
