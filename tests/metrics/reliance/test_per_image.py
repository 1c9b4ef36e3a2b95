"""Numbers of single images, by loops over pairs."""

import math
import statistics

import pytest
import torch

from figureground.base.errors import ShapeError
from figureground.metrics.reliance import cross, per_image

LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 0, 3])
K = 4


def test_numbers_are_those_of_a_loop():
    pairs = cross(LABELS, seed=3)
    logits = torch.randn(len(pairs), K, generator=torch.Generator().manual_seed(1))
    scores, best = logits.softmax(1), logits.argmax(1)
    own = torch.linspace(0.1, 1.0, len(LABELS))
    found = per_image(pairs, LABELS, scores, best=best, own=own)
    rows = [
        (int(i), int(j), scores[p].tolist(), int(best[p]))
        for p, (i, j) in enumerate(zip(pairs.foreground, pairs.background, strict=True))
    ]
    label = LABELS.tolist()
    for k, c in enumerate(label):
        other = [(s[c], j, b) for i, j, s, b in rows if i == k and label[j] != c]
        same = [s[c] for i, j, s, _ in rows if i == k and label[j] == c]
        drawn = [s[c] for i, j, s, _ in rows if j == k and label[i] != c]
        neither = [s[c] for i, j, s, _ in rows if label[i] != c and label[j] != c]
        reference = statistics.fmean(same) if same else float(own[k])
        values = [s for s, *_ in other]
        assert float(found.loss[k]) == pytest.approx(reference - statistics.fmean(values), abs=1e-6)
        wanted = statistics.fmean(drawn) - statistics.fmean(neither) if drawn else math.nan
        assert float(found.pull[k]) == pytest.approx(wanted, abs=1e-6, nan_ok=True)
        error = statistics.variance(values) / len(values) if len(values) > 1 else math.nan
        if len(same) > 1:
            error += statistics.variance(same) / len(same)
        assert float(found.loss_error[k]) == pytest.approx(math.sqrt(error), abs=1e-6, nan_ok=True)
        assert int(found.backgrounds[k]) == len(other)
        assert int(found.flips[k]) == sum(b != c for *_, b in other)
        assert int(found.worst[k]) == min(other)[1]


def test_other_numbers_of_rows_are_refused():
    pairs = cross(LABELS, seed=3)
    with pytest.raises(ShapeError):
        per_image(pairs, LABELS, torch.rand(len(pairs), K), best=torch.zeros(3, dtype=torch.int64))
