"""What boxes that know nothing reach on real photographs, from the shared data."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from figureground.metrics.localisation.baselines import centre_box, whole_image
from figureground.metrics.localisation.box_accuracy import BoxRule, best_overlaps, hits

PACK = Path(os.environ.get("FIGUREGROUND_SHARED", "../shared")) / "data/packs/ilsvrc_val650.npz"
HALF_OPEN = BoxRule(convention="half-open", area="pixels")


@pytest.mark.skipif(not PACK.exists(), reason="the shared folder with ilsvrc_val650.npz is absent")
def test_boxes_that_know_nothing_are_right_as_often_as_recorded():
    with np.load(PACK) as pack:
        image, boxes = pack["box_image"], torch.from_numpy(pack["box_rel"] * 227).float()
    truth = [boxes[torch.from_numpy(image == position)] for position in range(650)]
    canvas = torch.zeros(1, 3, 227, 227)
    shares = []
    for make in (centre_box, whole_image):
        maps = make(canvas).expand(650, -1, -1)
        best = best_overlaps(maps, truth, thresholds=[0.5], rule=HALF_OPEN)
        shares.append(hits(best).float().mean().item())
    assert 0.59 <= shares[0] <= 0.64
    # the whole image is right exactly where a true box covers half of it
    covered = [((b[:, 2:] - b[:, :2]).prod(1).amax() >= 227**2 / 2).item() for b in truth]
    assert shares[1] == pytest.approx(sum(covered) / 650)
