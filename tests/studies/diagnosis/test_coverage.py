"""The intervals of a diagnosis hold the truth as often as they say."""

from pathlib import Path

import pytest
import torch

from figureground.data.loaders import LoadOptions
from figureground.data.loaders.planted_sets import planted_images
from figureground.metrics.reliance import (
    Pairs,
    background_of,
    cells_of,
    cross,
    crossed_scores,
    filled_boxes,
    hits,
    numbers_of,
    reliance,
)
from figureground.studies.training.train import train
from figureground.training.recipe import read_recipe
from figureground.training.shipped import recipe_path
from figureground.training.trained import load_trained

POOL, DRAWN, TIMES = 250, 120, 150


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.0, 0.95])
def test_intervals_cover(rho: float, tmp_path: Path):
    """Images are drawn with replacement from a pool whose own gap and pull, over all pairs, are known."""
    changes = ["algorithms=[]", f"data.rho={rho}", "seed=7"]
    train(read_recipe(recipe_path("background-swap"), changes), tmp_path)
    network = load_trained(tmp_path, "last").eval()
    pool = planted_images("tints", None, part="test", options=LoadOptions(7, count=POOL, rho=rho))
    pixels = pool.images.float() / 255
    masks = filled_boxes([box[None] for box in pool.boxes], pixels.shape[2:])
    front, back = torch.nonzero(~torch.eye(POOL, dtype=torch.bool), as_tuple=True)
    every = Pairs(front, back, torch.zeros_like(front))
    with torch.inference_mode():
        logits = crossed_scores(
            network,
            pixels,
            masks=masks,
            backgrounds=background_of(pixels, masks),
            pairs=every,
            batch_size=500,
        )
    best = torch.zeros(POOL, POOL, dtype=torch.int64)
    best[front, back] = logits.argmax(1)
    truth = numbers_of(cells_of(every, pool.labels, hits(logits.clone())))
    covered = {"gap": 0, "pull": 0}
    for time in range(TIMES):
        rows = torch.randint(POOL, (DRAWN,), generator=torch.Generator().manual_seed(time))
        pairs = cross(pool.labels[rows], seed=time, groups=rows)
        answers = best[rows[pairs.foreground], rows[pairs.background]]
        scores = torch.nn.functional.one_hot(answers, 10).float()
        found = reliance(pairs, pool.labels[rows], scores, seed=time, draws=300).numbers
        for name in covered:
            covered[name] += found[name].low <= float(truth[name]) <= found[name].high
    assert {name: count / TIMES >= 0.93 for name, count in covered.items()} == dict.fromkeys(
        covered, True
    ), covered
