"""The page shows a box over the heat that it was cut from, whatever part of the photo the network saw."""

import re
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from figureground.models import Classifier, Preprocessing
from figureground.reports import write_explain_report
from figureground.studies.explain.explain import explain_images
from figureground.studies.explain.options import ExplainOptions, Truth


def bright() -> nn.Sequential:
    """Two logits: the mean brightness of 4 x 4 blocks, and minus that."""
    network = nn.Sequential(
        nn.Conv2d(3, 2, 4, stride=4, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2, bias=False)
    )  # fmt: skip
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.copy_(
                torch.tensor([[0.5, 0.5], [-0.5, -0.5]])
                if name == "3.weight"
                else weight.fill_(1 / 48)
            )
    return network


@pytest.mark.parametrize(
    ("resize", "size", "window", "seen"),
    [
        # the middle 32 of 80 columns; the square at 40..48, 8..16 lies at 16..24, 8..16 of it
        ("crop", (80, 32), [24, 0, 32, 32], [0.5, 0.25, 0.25, 0.25]),
        # 80 columns in 32 pixels: the border above and below is 20 pixels of the photo high
        ("pad", (80, 40), [0, -20, 80, 80], [0.5, 0.35, 0.1, 0.1]),
        ("stretch", (64, 32), [0, 0, 64, 32], [0.625, 0.25, 0.125, 0.25]),
    ],
)
def test_boxes_lie_on_the_square_that_is_shown(
    resize: Literal["crop", "stretch", "pad"],
    size: tuple[int, int],
    window: list[int],
    seen: list[float],
    tmp_path: Path,
):
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[8:16, 40:48] = 255
    photo = tmp_path / "photo.png"
    Image.fromarray(pixels).save(photo)
    plain = Preprocessing((32, 32), resize, 1.0, "nearest", (0.0,) * 3, (1.0,) * 3, 3)
    classifier = Classifier(bright(), plain, name="bright", num_classes=2)
    explain_images(
        classifier,
        [photo],
        out=tmp_path / "out",
        options=ExplainOptions(methods=("cam",), classes=[0], workers=1),
        truths={photo: Truth("square", ((40.0, 8.0, 48.0, 16.0),))},
    )
    page = write_explain_report(tmp_path / "out").read_text()
    frames = re.findall(r'<svg viewBox="([^"]+)".*?</svg>', page, re.DOTALL)
    x0, y0, width, height = map(float, frames[0].split())
    assert [x0, y0, width, height] == pytest.approx(window, abs=0.1)
    shapes = re.findall(
        r'<rect class="(true|found)" x="([^"]+)" y="([^"]+)" width="([^"]+)" height="([^"]+)"', page
    )
    assert {kind for kind, *_ in shapes} == {"true", "found"}
    for kind, *numbers in shapes:
        left, top, wide, high = map(float, numbers)
        place = [(left - x0) / width, (top - y0) / height, wide / width, high / height]
        if kind == "true":
            assert place == pytest.approx(seen, abs=0.01)
        # a box from a map of 8 x 8 cells lies within half a cell
        middle = [place[0] + place[2] / 2, place[1] + place[3] / 2]
        assert middle == pytest.approx([seen[0] + seen[2] / 2, seen[1] + seen[3] / 2], abs=0.0625)
