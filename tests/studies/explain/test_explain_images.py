"""Images in, a folder of results out."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from figureground.base.errors import DataError
from figureground.data import decode_image
from figureground.methods import Explainer
from figureground.models import Classifier
from figureground.studies.explain import painter
from figureground.studies.explain.explain import explain_images
from figureground.studies.explain.options import ExplainOptions, Truth
from figureground.studies.explain.painting import canvas_of
from figureground.studies.loading import LoadedImage

Write = Callable[..., list[Path]]
Make = Callable[..., Classifier]
Spy = SimpleNamespace
OPTIONS = ExplainOptions(methods=("grad-cam", "eigen-cam"), classes="top2", batch_size=2, workers=1)


def entries(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "entries.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "images").iterdir()}


@pytest.mark.parametrize(("overlay", "size"), [("photo", (50, 30)), ("network", (32 * 7, 24 * 7))])
def test_files_hold_what_the_explainer_says(
    classifier: Classifier, write_images: Write, out: Path, overlay: str, size: tuple[int, int]
):
    paths = write_images(3)
    record = explain_images(classifier, paths, out=out, options=replace(OPTIONS, overlay=overlay))
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
            assert decode_image(out / panel["png"]).size == size
    saved = json.loads((out / "record.json").read_text())
    assert saved["model"]["layer"] == "3"
    assert saved["images"] == 3


def test_boxes_are_those_of_the_maps_in_pixels_of_the_image(
    classifier: Classifier, write_images: Write, out: Path
):
    paths = write_images(2)
    explain_images(classifier, paths, out=out, options=replace(OPTIONS, methods=("cam",)))
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
    classifier: Classifier, write_images: Write, out: Path
):
    explain_images(
        classifier, write_images(1), out=out, options=replace(OPTIONS, methods=("eigen-cam",))
    )
    coco = json.loads((out / "boxes.json").read_text())
    assert coco["categories"] == [{"id": -1, "name": "any class"}]
    assert "score" not in coco["annotations"][0]


def test_images_with_one_name_in_two_folders_have_files_of_their_own(
    classifier: Classifier, write_images: Write, out: Path
):
    first, second = write_images(1, "a"), write_images(1, "b")
    Image.new("RGB", (20, 20), "red").save(second[0])
    explain_images(classifier, first + second, out=out, options=OPTIONS)
    assert len(names(out)) == 2 * 4
    assert [entry["size"] for entry in entries(out)] == [[50, 30], [20, 20]]


def test_bad_files_are_named_and_the_others_explained(
    classifier: Classifier, write_images: Write, out: Path
):
    good = write_images(2)
    broken, empty = good[0].with_name("broken.jpg"), good[0].with_name("empty.jpg")
    broken.write_bytes(b"\xff\xd8\xff\xe0 no jpeg")
    empty.touch()
    record = explain_images(classifier, [good[0], broken, empty, good[1]], out=out, options=OPTIONS)
    assert record.images == 2
    assert [failure.path for failure in record.failed] == [str(broken), str(empty)]
    assert record.failed[1].reason == "the file is empty"
    again = explain_images(classifier, [good[0], broken], out=out, options=OPTIONS)
    assert [failure.path for failure in again.failed] == [str(broken)]


def test_a_folder_of_nothing_but_bad_files_is_a_finished_job(
    classifier: Classifier, tmp_path: Path, out: Path
):
    bad = [tmp_path / f"{number}.png" for number in range(5)]
    for path in bad:
        path.write_bytes(b"")
    record = explain_images(classifier, bad, out=out, options=OPTIONS)
    assert record.images == 0
    assert {failure.reason for failure in record.failed} == {"the file is empty"}
    assert json.loads((out / "boxes.json").read_text()) == {
        "images": [],
        "annotations": [],
        "categories": [],
    }


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(
    classifier: Classifier, write_images: Write, tmp_path: Path, spy: Spy
):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot write"):
        explain_images(classifier, write_images(1), out=tmp_path / "file" / "out", options=OPTIONS)
    assert spy.images == 0


def test_no_image_is_refused(classifier: Classifier, out: Path):
    with pytest.raises(DataError, match="in an empty list"):
        explain_images(classifier, [], out=out)


def test_a_file_that_does_not_exist_is_refused_before_any_work(
    classifier: Classifier, write_images: Write, out: Path, spy: Spy
):
    (path,) = write_images(1)
    with pytest.raises(DataError, match=r"no file or folder '.*gone\.png'"):
        explain_images(classifier, [path, path.with_name("gone.png")], out=out, options=OPTIONS)
    assert (spy.images, out.exists()) == (0, False)


def test_the_classifier_is_left_as_it_was(classifier: Classifier, write_images: Write, out: Path):
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    classifier.train()
    explain_images(classifier, write_images(2), out=out, options=OPTIONS)
    assert classifier.training
    assert all(value.grad is None for value in classifier.parameters())
    for name, value in classifier.state_dict().items():
        assert value.is_contiguous()
        assert torch.equal(value, before[name])


def test_a_true_box_is_compared_with_the_map_s(
    classifier: Classifier, write_images: Write, out: Path
):
    paths = write_images(2)
    explain_images(classifier, paths, out=out, options=OPTIONS)
    found = entries(out)[0]["panels"][2]["boxes"][0]
    truth = Truth("a cat", ((0.0, 0.0, 1.0, 1.0), tuple(found)))
    known = {paths[0]: truth, paths[1]: None}
    explain_images(classifier, known, out=out, options=OPTIONS, overwrite=True)
    with_truth, without = entries(out)
    assert with_truth["truth"]["label"] == "a cat"
    assert with_truth["panels"][2]["truth_iou"] == 1.0
    assert without["truth"] is None
    assert without["panels"][2]["truth_iou"] is None


def test_a_network_with_one_logit_has_two_classes(
    make_classifier: Make, write_images: Write, out: Path
):
    classifier = make_classifier(outputs=1, names=("cat",))
    explain_images(
        classifier, write_images(2), out=out, options=replace(OPTIONS, classes=["cat", "not cat"])
    )
    for entry in entries(out):
        assert [one["name"] for one in entry["classes"]] == ["cat", "not cat"]
        assert sum(one["score"] for one in entry["classes"]) == pytest.approx(1, abs=1e-5)
        assert entry["predictions"][0]["score"] >= 0.5


def test_several_layers_have_panels_of_their_own_and_fused_ones_one(
    classifier: Classifier, write_images: Write, out: Path
):
    two = ExplainOptions(methods=("grad-cam",), layer=("1", "3"), workers=1)
    explain_images(classifier, write_images(1), out=out, options=two)
    assert [panel["layer"] for panel in entries(out)[0]["panels"]] == ["1", "3"]
    assert len({panel["png"] for panel in entries(out)[0]["panels"]}) == 2
    out = out.with_name("fused")
    record = explain_images(
        classifier, write_images(1), out=out, options=replace(two, fuse="product")
    )
    assert [panel["layer"] for panel in entries(out)[0]["panels"]] == ["1 + 3"]
    assert record.model["layer"] == "1, 3"


def test_a_blank_map_is_counted_and_has_neither_box_nor_colour(
    classifier: Classifier, write_images: Write, out: Path
):
    with torch.no_grad():
        list(classifier.parameters())[3].fill_(-100.0)  # nothing is ever active after the ReLU
    record = explain_images(classifier, write_images(2), out=out, options=OPTIONS)
    assert record.blank_maps == 6
    for panel in entries(out)[0]["panels"]:
        assert "all zero" in panel["problem"]
        assert panel["boxes"] == []
        pixels = np.asarray(decode_image(out / panel["png"]))
        assert (pixels == pixels[..., :1]).all()


def test_a_photo_that_vanishes_between_its_two_decodings_is_reported_and_the_others_are_explained(
    classifier: Classifier, write_images: Write, out: Path, monkeypatch: pytest.MonkeyPatch
):
    paths, decoded_again = write_images(4), canvas_of

    def vanishes(image: LoadedImage, *others: Any) -> Any:
        if image.path == paths[1]:
            paths[1].unlink()
        return decoded_again(image, *others)

    monkeypatch.setattr(painter, "canvas_of", vanishes)
    record = explain_images(classifier, paths, out=out)
    assert record.images == 3
    assert [failed.path for failed in record.failed] == [str(paths[1])]
    assert len((out / "entries.jsonl").read_text().splitlines()) == 3
