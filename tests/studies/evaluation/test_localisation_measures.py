import numpy as np
import pytest
import torch

from figureground.maps import normalise, resize
from figureground.metrics.localisation.best_overlap import CLOVA, best_overlaps
from figureground.metrics.localisation.class_and_box import top_k_localisation
from figureground.metrics.localisation.pixel_ap import pixel_average_precision
from figureground.metrics.localisation.pointing import energy_pointing_game, pointing_game
from figureground.studies.evaluation.localisation_measures import (
    LocalisationGrid,
    hits_of,
    localisation_columns,
    true_ranks,
)
from figureground.studies.evaluation.sets import EvaluationBatch

GRID = LocalisationGrid(step=0.03, tolerance=4.0)


def make_batch(count: int = 6, masks: bool = False) -> EvaluationBatch:
    random = torch.Generator().manual_seed(1)
    corners = torch.rand(count, 2, 2, generator=random) * 15
    boxes = torch.cat([corners, corners + 4 + torch.rand(count, 2, 2, generator=random) * 20], 2)
    mask = (torch.rand(count, 36, 48, generator=random) > 0.8).to(torch.uint8) if masks else None
    names = tuple(f"{at}.png" for at in range(count))
    images = torch.zeros(count, 3, 36, 48)
    labels = torch.zeros(count, dtype=torch.int64)
    return EvaluationBatch(torch.arange(count), names, images, labels, tuple(boxes), mask, ())


def make_maps(count: int = 6) -> torch.Tensor:
    raw = torch.rand(count, 5, 6, generator=torch.Generator().manual_seed(2))
    return normalise(resize(raw, (36, 48)))


def test_columns_are_the_metrics_themselves():
    maps, batch = make_maps(), make_batch()
    columns = localisation_columns((maps, torch.zeros(6, dtype=torch.bool)), batch, grid=GRID)
    inclusive = [some - torch.tensor([0.0, 0, 1, 1]) for some in batch.boxes]
    best = best_overlaps(maps, inclusive, thresholds=GRID.shares, rule=CLOVA).numpy()
    hits = hits_of(columns["hits"], len(GRID.shares))
    for at, overlap in enumerate((0.3, 0.5, 0.7)):
        np.testing.assert_array_equal(hits[:, at], best >= np.float32(overlap))
    assert hits.any()
    assert not hits.all()
    near = pointing_game(maps, batch.boxes, tolerance=4.0)
    np.testing.assert_array_equal(columns["pointing"], near.float().numpy())
    assert 0 < near.float().mean() < 1
    np.testing.assert_allclose(
        columns["energy"], energy_pointing_game(maps, batch.boxes).numpy(), atol=1e-6
    )
    assert np.abs(columns["overlap"] / 255 - best).max() < 1 / 255


def test_blank_maps_miss_and_their_energy_is_undefined():
    maps, batch = make_maps(), make_batch()
    blank = torch.tensor([True, False] * 3)
    columns = localisation_columns((maps, blank), batch, grid=GRID)
    assert not columns["hits"][::2].any()
    assert not columns["pointing"][::2].any()
    assert np.isnan(columns["energy"]).tolist() == columns["blank"].astype(bool).tolist()


def test_a_map_that_points_nowhere_is_not_asked_to():
    columns = localisation_columns(
        (torch.ones(6, 36, 48), torch.zeros(6, dtype=torch.bool)),
        make_batch(),
        grid=GRID,
        points=False,
    )
    assert np.isnan(columns["pointing"]).all()
    assert np.isnan(columns["energy"]).all()
    assert columns["overlap"].any()


def test_pixel_counts_add_up_to_the_metric_and_ignore_what_is_not_judged():
    maps, batch = make_maps(), make_batch(masks=True)
    assert batch.masks is not None
    batch.masks[:, :3] = 255
    columns = localisation_columns((maps, torch.zeros(6, dtype=torch.bool)), batch, grid=GRID)
    assert columns["pixels"].sum() == 6 * 33 * 48
    found = pixel_average_precision(torch.from_numpy(columns["pixels"].sum(0)))
    share = (batch.masks[:, 3:] == 1).float().mean().item()
    assert found == pytest.approx(share, abs=0.05)  # maps and masks are independent noise


def test_ranks_agree_with_top_k():
    random = torch.Generator().manual_seed(5)
    logits, labels = torch.randn(40, 8, generator=random), torch.randint(8, (40,), generator=random)
    ranks = true_ranks(logits, labels)
    always = torch.ones(40, dtype=torch.bool)
    for k in (1, 3, 5):
        expected = top_k_localisation(logits, labels, always, k=k)
        np.testing.assert_array_equal(ranks < k, expected.numpy())
    assert true_ranks(None, labels).tolist() == [-1] * 40


def test_twenty_per_cent_and_one_half_are_found_on_the_grid():
    grid = LocalisationGrid(step=0.02, overlaps=(0.1, 0.5))
    assert grid.shares[grid.zhou] == pytest.approx(0.2)
    assert grid.overlaps[grid.known] == 0.5
