"""Boxes, peaks and masses of maps against true boxes; hits as bits; the one box rule of all evaluations."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from figureground.maps import normalise, resize
from figureground.metrics.localisation.box_accuracy import CLOVA, best_overlaps
from figureground.metrics.localisation.pointing import energy_pointing_game, pointing_game
from figureground.models import Classifier
from figureground.studies.evaluation.boxes import OVERLAPS, BoxEvaluation, hits_of
from figureground.studies.evaluation.image_set import EvaluationSet, open_images
from figureground.studies.evaluation.localisation import Localisation
from figureground.studies.evaluation.robustness import Robustness

SIZE = (40, 60)
BOX = torch.tensor([[10.0, 5, 30, 25]])
RULE = Localisation(box_rule="pixels", step=0.25, tolerance=0.0, signed=True)


def one_map(x0: int, y0: int, x1: int, y1: int, value: float = 1.0) -> torch.Tensor:
    found = torch.zeros(1, *SIZE)
    found[0, y0:y1, x0:x1] = value
    return found


def overlap_of(
    maps: torch.Tensor, boxes: list[torch.Tensor], rule: BoxEvaluation = RULE
) -> np.ndarray:
    return rule.places(maps, boxes, SIZE)["overlap"] / 255


def test_overlap_is_that_of_the_maps_box_in_half_open_pixels():
    assert np.allclose(overlap_of(one_map(20, 5, 40, 25), [BOX]), 10 / 30, atol=1 / 255)


def test_best_of_several_true_boxes_counts():
    two = torch.cat([BOX, torch.tensor([[20.0, 5, 40, 25]])])
    assert np.allclose(overlap_of(one_map(20, 5, 40, 25), [two]), 1)


def test_scale_and_offset_of_a_map_do_not_matter():
    one = one_map(12, 8, 28, 20) + 0.5 * one_map(0, 0, 60, 12)
    first, second = (RULE.places(maps, [BOX], SIZE) for maps in (one, 3 * one - 7))
    assert all(np.allclose(first[key], second[key]) for key in first)


def test_a_blank_map_is_a_miss_with_its_mass_undefined():
    maps = torch.cat([torch.ones(1, *SIZE), torch.full((1, *SIZE), torch.nan)])
    found = RULE.places(maps, [BOX, BOX], SIZE)
    assert found["blank"].tolist() == [1, 1]
    assert not found["hits"].any()
    assert found["pointing"].tolist() == [0, 0]
    assert np.isnan(found["energy"]).all()


def test_a_map_that_points_nowhere_is_not_asked_to():
    found = RULE.places(torch.ones(1, *SIZE), [BOX], SIZE, ready=True, points=False)
    assert np.isnan(found["pointing"]).all()
    assert np.isnan(found["energy"]).all()
    assert found["overlap"].any()


def test_relu_changes_what_is_boxed():
    signed = one_map(10, 5, 30, 25) - one_map(40, 30, 45, 35)
    clamped = Localisation(box_rule="pixels", step=0.25)
    # without ReLU zero is half way up: at 0.25 the whole image but the dark patch is inside
    assert overlap_of(signed, [BOX])[0, 1] < 0.2
    assert overlap_of(signed, [BOX], clamped)[0, 1] == 1


def test_columns_are_the_metrics_themselves():
    random = torch.Generator().manual_seed(1)
    corners = torch.rand(6, 2, 2, generator=random) * 15
    boxes = list(torch.cat([corners, corners + 4 + torch.rand(6, 2, 2, generator=random) * 20], 2))
    raw = torch.rand(6, 5, 6, generator=torch.Generator().manual_seed(2))
    maps = normalise(resize(raw, (36, 48)))
    rule = Localisation(step=0.03, tolerance=4.0)
    columns = rule.places(raw, boxes, (36, 48))
    inclusive = [some - torch.tensor([0.0, 0, 1, 1]) for some in boxes]
    best = best_overlaps(maps, inclusive, thresholds=rule.shares, rule=CLOVA).numpy()
    hits = hits_of(columns["hits"], len(rule.shares))
    for at, overlap in enumerate(OVERLAPS):
        np.testing.assert_array_equal(hits[:, at], best >= np.float32(overlap))
    assert hits.any()
    assert not hits.all()
    near = pointing_game(maps, boxes, tolerance=4.0)
    np.testing.assert_array_equal(columns["pointing"], near.float().numpy())
    assert 0 < near.float().mean() < 1
    energy = energy_pointing_game(maps, boxes).numpy()
    np.testing.assert_allclose(columns["energy"], energy, atol=1e-6)
    assert np.abs(columns["overlap"] / 255 - best).max() < 1 / 255


def test_an_overlap_of_exactly_one_half_is_a_hit():
    half = torch.tensor([[10.0, 5, 30, 45]])
    rule = Localisation(box_rule="pixels", step=0.5, signed=True)
    found = rule.places(
        torch.nn.functional.pad(one_map(10, 5, 30, 25), (0, 0, 0, 20)), [half], (60, 60)
    )
    assert hits_of(found["hits"], 2)[0, :, 0].tolist() == [True, True, False]


def test_localisation_and_robustness_have_one_home_for_their_defaults():
    shared = {one.name for one in fields(BoxEvaluation)} - {"methods"}
    one, other = Localisation(), Robustness()
    assert {name: getattr(one, name) for name in shared} == {
        name: getattr(other, name) for name in shared
    }


def test_both_evaluations_say_the_same_of_the_same_clean_images(
    measure: Callable[..., Any],
    classifier: Classifier,
    box_folder: Callable[..., Path],
    tmp_path: Path,
):
    images = open_images(box_folder(20), classifier)
    box: dict[str, Any] = {
        "methods": ("grad-cam", "eigen-cam"),
        "step": 0.05,
        "validation_share": 0.25,
        "batch_size": 5,
    }
    found, _ = measure(
        Localisation(classes="true", cases=0, **box), classifier, images, tmp_path / "l"
    )
    other, _ = measure(Robustness(attack=("fgsm:0.1",), **box), classifier, images, tmp_path / "r")
    first = {row[0]: row[2] for row in found.tables[0]["rows"]}
    columns, clean = other.tables[0]["columns"], other.tables[0]["rows"][0]
    second = dict(zip(columns, clean, strict=True))
    assert (found.images, second["images"]) == (15, 15)
    assert first["grad-cam"] == pytest.approx(second["grad-cam (true)"], abs=0.01)
    assert first["eigen-cam"] == pytest.approx(second["eigen-cam"], abs=0.01)
    assert 0 < first["grad-cam"] < 100


def test_entries_of_one_image_stay_on_one_side_in_both_evaluations(
    measure: Callable[..., Any],
    classifier: Classifier,
    box_folder: Callable[..., Path],
    tmp_path: Path,
):
    folder = box_folder(12)
    lines = (folder / "boxes.csv").read_text().splitlines()
    more = [line.replace(",tabby,", ",lynx,") for line in lines[1:] if ",tabby," in line]
    (folder / "boxes.csv").write_text("\n".join([*lines, *more]) + "\n")
    images: EvaluationSet = open_images(folder, classifier)
    assert len(images.names) == 16 > len(set(images.names)) == 12
    kinds: tuple[BoxEvaluation, ...] = (Localisation(cases=0), Robustness(attack=("fgsm:0.1",)))
    for evaluation in kinds:
        options = type(evaluation)(
            methods=("eigen-cam",),
            validation_share=0.4,
            **({"cases": 0} if evaluation.kind == "localisation" else {"attack": ("fgsm:0.1",)}),
        )
        _, columns = measure(options, classifier, images, tmp_path / evaluation.kind)
        splits = options.splits(columns)
        sides = [set(columns["name"][side].tolist()) for side in (splits.validation, splits.test)]
        assert not sides[0] & sides[1]
        assert sides[0] | sides[1] == set(images.names)
