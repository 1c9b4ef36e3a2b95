"""Photos in, a folder of results out; and again, and again after an accident."""

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.errors import DataError, HeadError, LayerError, OptionError
from figureground.data import decode_image
from figureground.methods import Explainer
from figureground.models import Classifier
from figureground.studies import ExplainOptions, Truth, explain_photos, writer
from figureground.studies.options import Drawing

Write = Callable[..., list[Path]]
OPTIONS = ExplainOptions(methods=("grad-cam", "eigen-cam"), classes="top2", batch_size=2, workers=1)


def entries(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "entries.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "images").iterdir()}


class Spy:
    """Counts the photos that are explained anew."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.photos = 0
        call = Explainer.__call__

        def counted(explainer: Explainer, images: torch.Tensor, *others: Any) -> Any:
            self.photos += len(images)
            return call(explainer, images, *others)

        monkeypatch.setattr(Explainer, "__call__", counted)


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    return Spy(monkeypatch)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_files_hold_what_the_explainer_says(classifier: Classifier, write_photos: Write, out: Path):
    paths = write_photos(3)
    record = explain_photos(classifier, paths, out=out, options=OPTIONS)
    found = entries(out)
    assert (record.images, record.skipped, record.failed) == (3, 0, ())
    assert [entry["image"] for entry in found] == [str(path) for path in paths]
    for path, entry in zip(paths, found, strict=True):
        pixels, _ = classifier.preprocessing.view(decode_image(path))
        expected = Explainer(classifier)(
            pixels[None].float() / 255, "top2", ["grad-cam", "eigen-cam"]
        )
        with np.load(out / entry["npz"]) as maps:
            assert set(maps) == {"grad-cam/3", "eigen-cam/3"}
            for method in ("grad-cam", "eigen-cam"):
                ours = expected.map_of(method)[0].numpy()
                np.testing.assert_allclose(maps[f"{method}/3"], ours, atol=1e-5)
        assert [one["index"] for one in entry["classes"]] == expected.logits.topk(2).indices[
            0
        ].tolist()
        assert entry["predictions"][0]["score"] == pytest.approx(
            float(expected.probabilities.max()), abs=1e-5
        )
        assert entry["size"] == [50, 30]
        drawn = [(one["method"], one["class"]) for one in entry["panels"]]
        assert drawn == [("grad-cam", 0), ("grad-cam", 1), ("eigen-cam", None)]
        for panel in entry["panels"]:
            assert decode_image(out / panel["png"]).size == (32 * 7, 24 * 7)
    saved = json.loads((out / "record.json").read_text())
    assert saved["model"]["layer"] == "3"
    assert saved["images"] == 3


def test_boxes_are_those_of_the_maps_in_pixels_of_the_photo(
    classifier: Classifier, write_photos: Write, out: Path
):
    paths = write_photos(2)
    explain_photos(classifier, paths, out=out, options=replace(OPTIONS, methods="cam"))
    coco = json.loads((out / "boxes.json").read_text(encoding="utf-8"))
    assert [image["file_name"] for image in coco["images"]] == [str(path) for path in paths]
    assert {(one["width"], one["height"]) for one in coco["images"]} == {(50, 30)}
    known = {one["id"]: one["name"] for one in coco["categories"]}
    listed = [panel for entry in entries(out) for panel in entry["panels"] for _ in panel["boxes"]]
    assert len(coco["annotations"]) == len(listed) > 0
    for number, (one, panel) in enumerate(zip(coco["annotations"], listed, strict=True), start=1):
        x0, y0, x1, y1 = panel["boxes"][0]
        assert one["id"] == number
        assert one["bbox"] == pytest.approx([x0, y0, x1 - x0, y1 - y0], abs=0.01)
        assert one["area"] == pytest.approx((x1 - x0) * (y1 - y0), rel=1e-3)
        assert 0 <= x0 < x1 <= 50
        assert 0 <= y0 < y1 <= 30
        assert known[one["category_id"]] == panel["label"]
        assert 0 < one["score"] < 1


def test_boxes_of_class_free_methods_have_a_category_of_their_own(
    classifier: Classifier, write_photos: Write, out: Path
):
    explain_photos(
        classifier, write_photos(1), out=out, options=replace(OPTIONS, methods="eigen-cam")
    )
    coco = json.loads((out / "boxes.json").read_text())
    assert coco["categories"] == [{"id": -1, "name": "any class"}]
    assert "score" not in coco["annotations"][0]


def test_second_run_explains_nothing_again(
    classifier: Classifier, write_photos: Write, out: Path, spy: Spy
):
    paths = write_photos(3)
    explain_photos(classifier, paths[:2], out=out, options=OPTIONS)
    record = explain_photos(classifier, paths, out=out, options=OPTIONS)
    assert spy.photos == 3
    assert (record.images, record.skipped) == (3, 2)
    record = explain_photos(classifier, paths, out=out, options=OPTIONS)
    assert spy.photos == 3
    assert record.model["layer"] == "3"
    assert len(entries(out)) == 3


def test_progress_counts_photos_of_earlier_runs(
    classifier: Classifier, write_photos: Write, out: Path
):
    paths = write_photos(5)
    explain_photos(classifier, paths[:2], out=out, options=OPTIONS)
    seen: list[tuple[int, int]] = []
    explain_photos(classifier, paths, out=out, options=OPTIONS, watch=lambda *now: seen.append(now))
    assert seen == [(2, 5), (4, 5), (5, 5)]


@pytest.mark.parametrize(
    "change",
    [
        {"methods": ("grad-cam",)},
        {"classes": [1, 2]},
        {"layers": ("1",)},
        {"precision": "bf16"},
        {"smooth": True},
        {"drawing": Drawing("viridis")},
        {"drawing": Drawing(alpha_by_value=True)},
    ],
    ids=lambda change: "-".join(change),
)
def test_a_changed_option_is_another_job(
    change: dict[str, Any], classifier: Classifier, write_photos: Write, out: Path, spy: Spy
):
    paths = write_photos(2)
    explain_photos(classifier, paths, out=out, options=OPTIONS)
    record = explain_photos(classifier, paths, out=out, options=replace(OPTIONS, **change))
    assert spy.photos == 4
    assert (record.images, record.skipped, len(entries(out))) == (2, 0, 2)


@pytest.mark.parametrize(
    "change", [{"batch_size": 1}, {"workers": 2}, {"device": "cpu"}], ids=lambda c: "-".join(c)
)
def test_an_option_that_only_changes_the_speed_is_the_same_job(
    change: dict[str, Any], classifier: Classifier, write_photos: Write, out: Path, spy: Spy
):
    paths = write_photos(2)
    explain_photos(classifier, paths, out=out, options=OPTIONS)
    explain_photos(classifier, paths, out=out, options=replace(OPTIONS, **change))
    assert spy.photos == 2


def test_one_changed_weight_is_another_job(
    classifier: Classifier, write_photos: Write, out: Path, spy: Spy
):
    paths = write_photos(1)
    explain_photos(classifier, paths, out=out, options=OPTIONS)
    with torch.no_grad():
        next(classifier.parameters())[3, 1, 2, 0] += 0.01
    explain_photos(classifier, paths, out=out, options=OPTIONS)
    assert spy.photos == 2


def test_names_of_classes_and_their_numbers_are_the_same_job(
    classifier: Classifier, write_photos: Write, out: Path, spy: Spy
):
    paths = write_photos(1)
    for classes in (["tabby", 1, 0], [0, 1], "top2"):
        explain_photos(classifier, paths, out=out, options=replace(OPTIONS, classes=classes))
    assert spy.photos == 2


def test_a_touched_photo_is_done_again_and_counted_once(
    classifier: Classifier, write_photos: Write, out: Path, spy: Spy
):
    paths = write_photos(3)
    explain_photos(classifier, paths, out=out, options=OPTIONS)
    Image.new("RGB", (20, 20), "red").save(paths[1])
    record = explain_photos(classifier, paths, out=out, options=OPTIONS)
    assert spy.photos == 4
    assert (record.images, record.skipped) == (3, 2)
    assert sorted(entry["image"] for entry in entries(out)) == [str(path) for path in paths]
    assert entries(out)[-1]["size"] == [20, 20]


def test_overwrite_does_the_asked_photos_again_and_keeps_the_others(
    classifier: Classifier, write_photos: Write, out: Path, spy: Spy
):
    paths = write_photos(3)
    explain_photos(classifier, paths, out=out, options=OPTIONS)
    record = explain_photos(
        classifier, paths[:2], out=out, options=replace(OPTIONS, overwrite=True)
    )
    assert spy.photos == 5
    assert (record.images, record.skipped) == (3, 1)


def test_a_photo_written_another_way_is_the_same_photo(
    classifier: Classifier, write_photos: Write, out: Path, spy: Spy, monkeypatch
):
    paths = write_photos(1)
    explain_photos(classifier, paths, out=out, options=OPTIONS)
    monkeypatch.chdir(paths[0].parent)
    record = explain_photos(classifier, [Path(paths[0].name)], out=out, options=OPTIONS)
    assert spy.photos == 1
    assert record.images == 1


def test_photos_with_one_name_in_two_folders_have_files_of_their_own(
    classifier: Classifier, write_photos: Write, out: Path
):
    first, second = write_photos(1, "a"), write_photos(1, "b")
    Image.new("RGB", (20, 20), "red").save(second[0])
    explain_photos(classifier, first + second, out=out, options=OPTIONS)
    assert len(names(out)) == 2 * 4
    assert [entry["size"] for entry in entries(out)] == [[50, 30], [20, 20]]


def test_files_of_a_former_job_are_gone(classifier: Classifier, write_photos: Write, out: Path):
    paths = write_photos(2)
    explain_photos(classifier, paths, out=out, options=OPTIONS)
    (out / "images" / "mine.txt").write_text("not ours")
    explain_photos(classifier, paths, out=out, options=replace(OPTIONS, methods="cam", classes=[0]))
    kinds = {name.split(".", 1)[1] for name in names(out)}
    assert kinds == {"cam.0.png", "npz", "txt"}


def test_a_run_that_comes_to_nothing_leaves_the_results_of_the_last_one(
    make_classifier: Callable[..., Classifier], write_photos: Write, out: Path
):
    classifier = make_classifier()
    classifier.network.append(torch.nn.ReLU())  # no linear head any more
    paths = write_photos(2)
    explain_photos(classifier, paths, out=out, options=OPTIONS)
    before = {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    with pytest.raises(HeadError):
        explain_photos(classifier, paths, out=out, options=replace(OPTIONS, methods="cam"))
    with pytest.raises(LayerError, match="no layer 'nowhere'"):
        explain_photos(classifier, paths, out=out, options=replace(OPTIONS, layers=("nowhere",)))
    assert before == {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_an_interrupted_job_goes_on_where_it_stopped(
    classifier: Classifier, write_photos: Write, out: Path, spy: Spy
):
    paths = write_photos(6)

    def stop(done: int, total: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explain_photos(classifier, paths, out=out, options=OPTIONS, watch=stop)
    assert not (out / "record.json").exists()
    assert [entry["image"] for entry in entries(out)] == [str(path) for path in paths[:4]]
    assert all((out / panel["png"]).exists() for e in entries(out) for panel in e["panels"])
    record = explain_photos(classifier, paths, out=out, options=OPTIONS)
    assert spy.photos == 6
    assert (record.images, record.skipped) == (6, 4)


def test_what_a_kill_leaves_behind_is_done_again(
    classifier: Classifier, write_photos: Write, out: Path, spy: Spy
):
    paths = write_photos(4)
    explain_photos(classifier, paths, out=out, options=OPTIONS)
    lines = (out / "entries.jsonl").read_text().splitlines(keepends=True)
    last = lines[3][: len(lines[3]) // 2]  # killed while writing the last line
    (out / "entries.jsonl").write_text(lines[0] + "damaged\n[]\n{}\n" + "".join(lines[1:3]) + last)
    (out / "record.json").unlink()
    (out / json.loads(lines[1])["panels"][0]["png"]).unlink()
    (out / "images" / ".0.png.1.part").write_bytes(b"half")
    record = explain_photos(classifier, paths, out=out, options=OPTIONS)
    assert spy.photos == 6
    assert (record.images, record.skipped) == (4, 2)
    assert len(entries(out)) == 4
    assert not [name for name in names(out) if name.endswith(".part")]


def test_bad_files_are_named_and_the_others_explained(
    classifier: Classifier, write_photos: Write, out: Path
):
    good = write_photos(2)
    broken, gone = good[0].with_name("broken.jpg"), good[0].with_name("gone.jpg")
    broken.write_bytes(b"\xff\xd8\xff\xe0 no jpeg")
    record = explain_photos(classifier, [good[0], broken, gone, good[1]], out=out, options=OPTIONS)
    assert record.images == 2
    assert [failure.path for failure in record.failed] == [str(broken), str(gone)]
    assert record.failed[1].reason == "no such file"
    again = explain_photos(classifier, [good[0], broken], out=out, options=OPTIONS)
    assert [failure.path for failure in again.failed] == [str(broken)]


def test_a_folder_of_nothing_but_bad_files_is_a_finished_job(
    classifier: Classifier, tmp_path: Path, out: Path
):
    bad = [tmp_path / f"{number}.png" for number in range(5)]
    for path in bad:
        path.write_bytes(b"")
    record = explain_photos(classifier, bad, out=out, options=OPTIONS)
    assert record.images == 0
    assert {failure.reason for failure in record.failed} == {"the file is empty"}
    assert json.loads((out / "boxes.json").read_text()) == {
        "images": [],
        "annotations": [],
        "categories": [],
    }


def test_a_full_disk_stops_the_job_and_what_is_finished_stays(
    classifier: Classifier, write_photos: Write, out: Path, spy: Spy, monkeypatch
):
    paths = write_photos(6)
    write = writer.write_atomically

    def full(path: Path, content: bytes) -> Path:
        if path.name.startswith("3-"):
            raise DataError(f"cannot write {path}: No space left on device")
        return write(path, content)

    monkeypatch.setattr(writer, "write_atomically", full)
    with pytest.raises(DataError, match="No space left"):
        explain_photos(classifier, paths, out=out, options=OPTIONS)
    assert [entry["image"] for entry in entries(out)] == [str(path) for path in paths[:3]]
    monkeypatch.undo()
    assert explain_photos(classifier, paths, out=out, options=OPTIONS).skipped == 3


def test_a_full_disk_under_the_diary_is_our_error(
    classifier: Classifier, write_photos: Write, out: Path, monkeypatch
):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("figureground.studies.entries.append_line", full)
    with pytest.raises(DataError, match=r"cannot write .*entries\.jsonl: No space left"):
        explain_photos(classifier, write_photos(2), out=out, options=OPTIONS)


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(
    classifier: Classifier, write_photos: Write, tmp_path: Path, spy: Spy
):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot write"):
        explain_photos(classifier, write_photos(1), out=tmp_path / "file" / "out", options=OPTIONS)
    assert spy.photos == 0


def test_no_photo_is_refused(classifier: Classifier, out: Path):
    with pytest.raises(OptionError, match="no photo to explain"):
        explain_photos(classifier, [], out=out)


def test_the_classifier_is_left_as_it_was(classifier: Classifier, write_photos: Write, out: Path):
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    classifier.train()
    explain_photos(classifier, write_photos(2), out=out, options=OPTIONS)
    assert classifier.training
    assert all(value.grad is None for value in classifier.parameters())
    for name, value in classifier.state_dict().items():
        assert value.is_contiguous()
        assert torch.equal(value, before[name])


def test_a_true_box_is_compared_with_the_map_s(
    classifier: Classifier, write_photos: Write, out: Path
):
    paths = write_photos(2)
    explain_photos(classifier, paths, out=out, options=OPTIONS)
    found = entries(out)[0]["panels"][2]["boxes"][0]
    truths = {paths[0]: Truth("a cat", ((0.0, 0.0, 1.0, 1.0), tuple(found)))}
    again = replace(OPTIONS, overwrite=True)
    explain_photos(classifier, paths, out=out, options=again, truths=truths)
    with_truth, without = entries(out)
    assert with_truth["truth"]["label"] == "a cat"
    assert with_truth["panels"][2]["truth_iou"] == 1.0
    assert without["truth"] is None
    assert without["panels"][2]["truth_iou"] is None


def test_a_network_with_one_logit_has_two_classes(
    make_classifier: Callable[..., Classifier], write_photos: Write, out: Path
):
    classifier = make_classifier(outputs=1, names=("cat",))
    explain_photos(
        classifier, write_photos(2), out=out, options=replace(OPTIONS, classes=["cat", "not cat"])
    )
    for entry in entries(out):
        assert [one["name"] for one in entry["classes"]] == ["cat", "not cat"]
        assert sum(one["score"] for one in entry["classes"]) == pytest.approx(1, abs=1e-5)
        assert entry["predictions"][0]["score"] >= 0.5


def test_several_layers_have_panels_of_their_own_and_fused_ones_one(
    classifier: Classifier, write_photos: Write, out: Path
):
    two = ExplainOptions(methods="grad-cam", layers=("1", "3"), workers=1)
    explain_photos(classifier, write_photos(1), out=out, options=two)
    assert [panel["layer"] for panel in entries(out)[0]["panels"]] == ["1", "3"]
    assert len({panel["png"] for panel in entries(out)[0]["panels"]}) == 2
    record = explain_photos(
        classifier, write_photos(1), out=out, options=replace(two, fuse="product")
    )
    assert [panel["layer"] for panel in entries(out)[0]["panels"]] == ["1 + 3"]
    assert record.model["layer"] == "1, 3"


def test_a_blank_map_is_counted_and_has_neither_box_nor_colour(
    classifier: Classifier, write_photos: Write, out: Path
):
    with torch.no_grad():
        classifier.network[2].bias.fill_(-100.0)  # nothing is ever active after the ReLU
    record = explain_photos(classifier, write_photos(2), out=out, options=OPTIONS)
    assert record.blank_maps == 6
    for panel in entries(out)[0]["panels"]:
        assert "all zero" in panel["problem"]
        assert panel["boxes"] == []
        pixels = np.asarray(decode_image(out / panel["png"]))
        assert (pixels == pixels[..., :1]).all()
