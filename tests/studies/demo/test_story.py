"""The demo's story: the pictures are what the networks saw, and the loop ends well."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.progress import no_progress
from figureground.studies.demo.story import _sheet, tell_story


def pixels_of(address: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def test_a_sheet_frames_right_and_wrong_answers():
    rows = [torch.full((2, 3, 8, 8), 10 * k, dtype=torch.uint8) for k in (1, 2)]
    found = pixels_of(_sheet(rows, torch.tensor([[True, False], [False, True]])))
    step = 8 + 6 + 6
    assert found.shape == (2 * step + 6, 2 * step + 6, 3)
    for y in range(2):
        for x in range(2):
            frame = found[6 + y * step, 6 + x * step]
            assert (frame[1] > frame[0]) == (x == y)  # green, else red
            assert (found[6 + y * step + 7, 6 + x * step + 7] == 10 * (y + 1)).all()


def test_without_answers_there_is_no_frame():
    found = pixels_of(_sheet([torch.zeros(1, 3, 8, 8, dtype=torch.uint8)], None))
    assert (found[6:9, 6:9] == 255).all()


@pytest.mark.slow
def test_the_network_rests_on_photographs_and_is_cured(tmp_path):
    story = tell_story(tmp_path, seed=1, samples=16_000, progress=no_progress)
    assert story.verdicts[0] == "rests on"
    assert story.verdicts[1] in {"cured", "better"}
    told = {row[0]: row[1:] for row in story.table["rows"]}
    before, after = told["accuracy on photographs of other classes"]
    assert before < 0.2
    assert after > 0.4
    assert [figure["title"][:2] for figure in story.figures] == ["1.", "2.", "3."]
