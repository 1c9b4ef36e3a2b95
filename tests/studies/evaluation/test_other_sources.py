from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from figureground.base.errors import DataError, OptionError
from figureground.studies.evaluation.items import SetOptions
from figureground.studies.evaluation.other_sources import BaselineMaps, FolderMaps, SeveralSources
from figureground.studies.evaluation.sets import EvaluationBatch, open_evaluation_set


@pytest.fixture
def batch(box_folder: Callable[..., Path]) -> EvaluationBatch:
    return next(open_evaluation_set(box_folder(4), None, SetOptions(size=20)).batches(4))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "mine"
    place.mkdir()
    return place


def test_maps_are_found_by_the_stem_of_the_picture(batch: EvaluationBatch, folder: Path):
    for number in range(4):
        np.save(folder / f"{number:02d}.npy", np.full((3, 5), number))
    found = FolderMaps(folder)(batch)
    assert found.maps["mine"].shape == (4, 3, 5)
    assert found.maps["mine"][:, 0, 0].tolist() == [0, 1, 2, 3]
    assert found.problems == ()
    assert found.logits is None


def test_each_unusable_map_is_nan_and_has_its_own_message(batch: EvaluationBatch, folder: Path):
    np.save(folder / "00.npy", np.array([[1.0, np.nan], [np.inf, 0]]))
    np.save(folder / "01.npy", np.zeros((2, 3, 4)))
    (folder / "02.npy").write_bytes(b"not an array")
    found = FolderMaps(folder)(batch)
    assert found.maps["mine"].isnan().all()
    kinds = [problem.kind for problem in found.problems]
    assert kinds == ["map-unusable"] * 3 + ["map-missing"]
    words = " | ".join(map(str, found.problems))
    for part in (
        "2 of 4 values are NaN",
        "has shape (2, 3, 4)",
        "cannot read",
        "no file",
        "03.png, mine",
    ):
        assert part in words


def test_a_pickle_is_not_opened(batch: EvaluationBatch, folder: Path):
    np.save(folder / "00.npy", np.array([[{"run": "me"}]]), allow_pickle=True)
    assert "cannot read" in str(FolderMaps(folder)(batch).problems[0])


def test_maps_of_several_sizes_are_brought_to_the_view(batch: EvaluationBatch, folder: Path):
    for number in range(4):
        np.save(folder / f"{number:02d}.npy", np.ones((1, number + 2, 3), np.float16))
    found = FolderMaps(folder, "theirs")(batch).maps["theirs"]
    assert found.shape == (4, 20, 20)
    torch.testing.assert_close(found, torch.ones(4, 20, 20))


def test_facts_change_when_a_file_does(folder: Path):
    np.save(folder / "a.npy", np.zeros((2, 2)))
    before = FolderMaps(folder).facts
    np.save(folder / "a.npy", np.zeros((2, 3)))
    assert FolderMaps(folder).facts != before


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"no folder of maps at .*nothing"):
        FolderMaps(tmp_path / "nothing")


def test_baselines_are_ready_and_know_no_network(batch: EvaluationBatch):
    found = BaselineMaps()(batch)
    assert found.ready == frozenset(found.maps) == frozenset(BaselineMaps().rows)
    assert all(maps.min() >= 0 and maps.max() <= 1 for maps in found.maps.values())
    assert found.maps["whole-image"].min() == 1
    bright = found.maps["brightness"]
    assert torch.allclose(bright.mean((1, 2)), batch.images.mean((1, 2, 3)), atol=1e-6)
    with pytest.raises(OptionError, match="no baseline 'best'"):
        BaselineMaps(["best"])


def test_brightness_of_a_large_view_is_averaged_to_places():
    blob = torch.zeros(1, 3, 112, 84)
    blob[:, :, 40:48, 30:33] = 1
    view = EvaluationBatch(
        torch.tensor([0]), ("a",), blob, torch.tensor([0]), (torch.zeros(0, 4),), None, ()
    )
    bright = BaselineMaps(["brightness"])(view).maps["brightness"]
    assert bright.shape == (1, 28, 28)
    assert bright[0, 10, 10] == 1
    assert bright.sum() == 2


def test_several_sources_are_one_and_refuse_equal_rows(batch: EvaluationBatch, folder: Path):
    np.save(folder / "00.npy", np.ones((2, 2)))
    several = SeveralSources([FolderMaps(folder), BaselineMaps(["whole-image"])])
    found = several(batch)
    assert several.rows == tuple(found.maps) == tuple(several.facts) == ("mine", "whole-image")
    assert found.ready == {"whole-image"}
    assert len(found.problems) == 3
    with pytest.raises(OptionError, match="two rows would be called 'mine'"):
        SeveralSources([FolderMaps(folder), FolderMaps(folder)])
