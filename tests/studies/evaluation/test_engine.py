"""The engine: what is measured again and what is not, what a record holds, what a new evaluation needs."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from figureground.base.errors import DataError, OptionError
from figureground.base.options import option
from figureground.methods import Explainer
from figureground.models import Classifier
from figureground.studies.evaluation.engine import MapEvaluation, Measured
from figureground.studies.evaluation.evaluate import evaluate
from figureground.studies.evaluation.image_set import EvaluationBatch, EvaluationSet, open_images
from figureground.studies.evaluation.subject import Subject
from figureground.studies.evaluation.tables import Measure

Run = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Peak(MapEvaluation):
    """The largest value of every map."""

    kind: ClassVar[str] = "peak"
    question: ClassVar[str] = "How high are the maps?"
    caption: ClassVar[str] = "Largest values."
    measures: ClassVar[tuple[Measure, ...]] = (Measure("peak", "peak ↑"),)

    factor: float = option(1.0, "Multiplies the peak.")

    def measure(self, batch: EvaluationBatch, network: Subject) -> Measured:
        maps = network(batch).maps
        return {f"{row}/peak": self.factor * one.amax((1, 2)) for row, one in maps.items()}, ()


@pytest.fixture
def explained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the batches that explainers are asked for."""
    sizes: list[int] = []
    call = Explainer.__call__

    def counted(explainer: Explainer, images: torch.Tensor, *others: Any) -> Any:
        sizes.append(len(images))
        return call(explainer, images, *others)

    monkeypatch.setattr(Explainer, "__call__", counted)
    return sizes


PEAK = Peak(methods=("cam", "eigen-cam"), batch_size=4)


def test_tables_hold_the_means_of_what_was_measured(
    measure: Run, classifier: Classifier, images: EvaluationSet, out: Path
):
    record, columns = measure(PEAK, classifier, images)
    for row in record.tables[0]["rows"]:
        assert row[1] == pytest.approx(columns[f"{row[0]}/peak"].mean(), abs=1e-4)
    assert [table["title"] for table in record.tables] == [
        "Peak",
        "Peak: intervals",
        "Peak: differences",
    ]
    assert record.tables[2]["rows"][0][:2] == ["eigen-cam", "cam"]
    saved = json.loads((out / "record.json").read_text())
    assert (saved["kind"], saved["schema"], saved["images"]) == ("peak", 2, 10)
    assert saved["title"] == "How high are the maps?"
    assert saved["options"]["factor"] == "1"
    assert saved["model"]["layer"] == "3"


def test_rows_are_compared_with_the_reference_that_was_named(
    measure: Run, classifier: Classifier, images: EvaluationSet, tmp_path: Path
):
    named, _ = measure(replace(PEAK, reference="eigen-cam"), classifier, images, tmp_path / "named")
    first, _ = measure(PEAK, classifier, images, tmp_path / "first")
    (one,), (other,) = named.tables[2]["rows"], first.tables[2]["rows"]
    columns = named.tables[2]["columns"]
    cells, others = dict(zip(columns, one, strict=True)), dict(zip(columns, other, strict=True))
    assert (one[0], one[1], other[0], other[1]) == ("cam", "eigen-cam", "eigen-cam", "cam")
    assert cells["difference"] == pytest.approx(-others["difference"])


def test_numbers_do_not_depend_on_where_a_run_was_stopped(
    measure: Run, classifier: Classifier, images: EvaluationSet, out: Path
):
    _, whole = measure(PEAK, classifier, images)
    (out / "parts" / "00001.npz").unlink()
    seen: list[tuple[str, int, int]] = []
    _, again = measure(PEAK, classifier, images, progress=lambda *told: seen.append(told))
    assert [done for _, done, _ in seen] == [6, 10]
    assert all(np.array_equal(whole[name], again[name]) for name in whole)


def test_a_finished_run_is_not_measured_again_unless_it_is_asked_for(
    measure: Run, classifier: Classifier, images: EvaluationSet, explained: list[int]
):
    first, _ = measure(PEAK, classifier, images)
    count = len(explained)
    second, _ = measure(PEAK, classifier, images)
    assert len(explained) == count
    assert second.model["layer"] == first.model["layer"]
    assert second.tables == first.tables
    measure(PEAK, classifier, images, overwrite=True)
    assert len(explained) == count + 3


@pytest.mark.parametrize("change", ["one bias", "one row of the head", "preprocessing", "names"])
def test_a_network_that_differs_in_one_place_is_measured_anew(
    change: str,
    measure: Run,
    make_classifier: Callable[..., Classifier],
    box_folder: Callable[..., Path],
    explained: list[int],
):
    classifier, folder = make_classifier(), box_folder(4)
    _, before = measure(PEAK, classifier, open_images(folder, classifier))
    count = len(explained)
    network = classifier.network
    assert isinstance(network, nn.Sequential)
    with torch.no_grad():
        if change == "one bias":
            network[0].bias[2] += 0.125  # type: ignore[operator,index]
        elif change == "one row of the head":
            network[-1].weight[2] = 0.5  # type: ignore[operator]
        elif change == "preprocessing":
            classifier.preprocessing = classifier.preprocessing.changed({"size": (20, 32)})
        else:
            other = ("tabby, tabby cat", "tiger cat", "lynx, catamount", "wolf")
            classifier = Classifier(
                network, classifier.preprocessing, name="toy", class_names=other
            )
    _, after = measure(PEAK, classifier, open_images(folder, classifier))
    assert len(explained) > count
    if change != "names":
        assert not np.array_equal(before["cam/peak"], after["cam/peak"])


@pytest.mark.parametrize("change", ["pixels", "box", "label"])
def test_data_that_changed_under_the_same_names_are_measured_anew(
    change: str,
    measure: Run,
    classifier: Classifier,
    box_folder: Callable[..., Path],
    explained: list[int],
):
    folder = box_folder(4)
    measure(PEAK, classifier, open_images(folder, classifier))
    count = len(explained)
    text = (folder / "boxes.csv").read_text()
    if change == "pixels":
        (folder / "01.png").write_bytes((folder / "02.png").read_bytes())
    elif change == "box":
        first = text.splitlines()[1]
        name, label, x0, *rest = first.split(",")
        moved = ",".join([name, label, str(int(x0) + 1), *rest])
        (folder / "boxes.csv").write_text(text.replace(first, moved))
    else:
        (folder / "boxes.csv").write_text(text.replace("00.png,tabby", "00.png,lynx"))
    measure(PEAK, classifier, open_images(folder, classifier))
    assert len(explained) > count


def test_other_options_neither_use_nor_replace_what_is_stored(
    measure: Run, classifier: Classifier, images: EvaluationSet
):
    _, plain = measure(PEAK, classifier, images)
    with pytest.raises(DataError, match=r"another job \(factor: 1 there, 2 here\)"):
        measure(replace(PEAK, factor=2.0), classifier, images)
    _, again = measure(PEAK, classifier, images)
    np.testing.assert_array_equal(again["cam/peak"], plain["cam/peak"])
    _, doubled = measure(replace(PEAK, factor=2.0), classifier, images, overwrite=True)
    np.testing.assert_allclose(doubled["cam/peak"], 2 * plain["cam/peak"])


def test_a_damaged_part_is_measured_again(
    measure: Run, classifier: Classifier, images: EvaluationSet, out: Path
):
    _, whole = measure(PEAK, classifier, images)
    data = bytearray((out / "parts" / "00001.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (out / "parts" / "00001.npz").write_bytes(data)
    _, again = measure(PEAK, classifier, images)
    assert all(np.array_equal(whole[name], again[name]) for name in whole)


def test_a_folder_of_another_evaluation_is_refused(
    measure: Run, classifier: Classifier, images: EvaluationSet, out: Path
):
    measure(PEAK, classifier, images)
    before = (out / "record.json").read_bytes()

    @dataclass(frozen=True, kw_only=True)
    class Other(Peak):
        """Another kind."""

        kind: ClassVar[str] = "other"

    with pytest.raises(DataError, match="holds results of 'peak', not of 'other'"):
        measure(Other(methods=("cam",)), classifier, images)
    assert (out / "record.json").read_bytes() == before


def test_problems_of_every_batch_are_counted_also_those_of_an_earlier_run(
    measure: Run, classifier: Classifier, box_folder: Callable[..., Path], out: Path
):
    folder = box_folder(9)
    for name in ("01.png", "05.png"):
        (folder / name).write_bytes((folder / name).read_bytes()[:200])
    images = open_images(folder, classifier)
    first, columns = measure(PEAK, classifier, images)
    (out / "parts" / "00000.npz").unlink()
    again, _ = measure(PEAK, classifier, images)
    assert first.problems == again.problems == {"unreadable-file": 2}
    assert first.examples_of_problems == again.examples_of_problems
    assert len(columns["name"]) == 7


def test_a_set_without_one_readable_image_is_refused(
    measure: Run, classifier: Classifier, box_folder: Callable[..., Path]
):
    folder = box_folder(3)
    images = open_images(folder, classifier)
    for path in folder.glob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"no image of .* could be used"):
        measure(PEAK, classifier, images)


def test_a_batch_has_random_numbers_of_its_own_that_only_its_number_decides(images: EvaluationSet):
    first, second = (
        batch.on(torch.device("cpu"), at) for at, batch in enumerate(images.batches(4, range(8)))
    )
    evaluation = Peak(seed=3)
    draws = [
        torch.rand(4, generator=evaluation.generator(one)).tolist()
        for one in (first, second, first)
    ]
    assert draws[0] == draws[2] != draws[1]
    assert torch.rand(4, generator=evaluation.generator(first, 1)).tolist() == draws[1]
    assert torch.rand(4, generator=Peak(seed=4).generator(first)).tolist() != draws[0]


def test_what_cannot_be_measured_is_refused(
    measure: Run, classifier: Classifier, images: EvaluationSet
):
    for wrong, message in (
        (replace(PEAK, methods=("dff",)), "a map per concept"),
        (replace(PEAK, reference="cat"), "no row to compare with 'cat'"),
        (replace(PEAK, methods=("ss-cam",)), "35 times what Score-CAM"),
    ):
        with pytest.raises(OptionError, match=message):
            measure(wrong, classifier, images)
    with pytest.raises(OptionError, match="batch_size must be at least 1, got 0"):
        Peak(batch_size=0)


def test_the_network_is_left_as_found(measure: Run, classifier: Classifier, images: EvaluationSet):
    before = {name: value.clone() for name, value in classifier.state_dict().items()}
    measure(Peak(methods=("cam", "grad-cam")), classifier, images)
    assert all(torch.equal(value, before[name]) for name, value in classifier.state_dict().items())
    assert all(parameter.grad is None for parameter in classifier.parameters())


def test_problems_stay_in_the_order_of_the_batches_where_there_are_more_than_ten(
    measure: Run, classifier: Classifier, box_folder: Callable[..., Path]
):
    folder = box_folder(12)
    broken = ["02.png", "09.png", "10.png", "11.png"]
    for name in broken:
        (folder / name).write_bytes(b"")
    options = replace(PEAK, methods=("eigen-cam",), batch_size=1)
    record, columns = measure(options, classifier, open_images(folder, classifier))
    assert [str(one).split(".png")[0][-2:] for one in record.examples_of_problems] == [
        name[:2] for name in broken
    ]
    assert columns["name"].tolist() == [f"{at:02d}.png" for at in (0, 1, 3, 4, 5, 6, 7, 8)]


def test_evaluate_hands_on_that_all_is_to_be_measured_again(
    classifier: Classifier, images: EvaluationSet, out: Path, explained: list[int]
):
    for overwrite, batches in ((False, 3), (False, 3), (True, 6)):
        evaluate(PEAK, classifier, images, out=out, device="cpu", overwrite=overwrite)
        assert len(explained) == batches


def test_maps_are_of_the_layer_that_was_named(
    measure: Run, classifier: Classifier, images: EvaluationSet
):
    options = replace(PEAK, methods=("eigen-cam",), layer=("1",))
    record, columns = measure(options, classifier, images)
    assert record.model["layer"] == "1"
    (batch,) = images.batches(10)
    explained = Explainer(classifier, layer="1")(batch.images, None, "eigen-cam")
    wanted = explained.map_of("eigen-cam")[:, 0].amax((1, 2))
    np.testing.assert_allclose(columns["eigen-cam/peak"], wanted, rtol=1e-4)


def test_a_layer_that_no_method_looks_at_is_refused_and_one_that_some_do_not_is_noted(
    measure: Run, classifier: Classifier, images: EvaluationSet
):
    both = replace(PEAK, methods=("eigen-cam", "full-grad"), layer=("1",))
    record, _ = measure(both, classifier, images)
    assert any(note.startswith("full-grad does not look at a layer") for note in record.notes)
    with pytest.raises(OptionError, match="so that layer 1 would change nothing"):
        measure(replace(PEAK, methods=("full-grad",), layer=("1",)), classifier, images)


@dataclass(frozen=True, kw_only=True)
class Drawn(Peak):
    """Random numbers."""

    kind: ClassVar[str] = "drawn"

    def measure(self, batch: EvaluationBatch, network: Subject) -> Measured:
        drawn = torch.rand(len(batch), generator=self.generator(batch))
        return dict.fromkeys([f"{row}/peak" for row in network.rows], drawn), ()


def test_what_is_drawn_does_not_depend_on_where_a_run_was_stopped(
    measure: Run, classifier: Classifier, images: EvaluationSet, out: Path
):
    options = Drawn(methods=("eigen-cam",), batch_size=4)
    _, whole = measure(options, classifier, images)
    assert len(set(whole["eigen-cam/peak"].tolist())) == 10
    for lost in ("00001", "00002"):
        (out / "parts" / f"{lost}.npz").unlink()
    _, again = measure(options, classifier, images)
    assert np.array_equal(whole["eigen-cam/peak"], again["eigen-cam/peak"])


def test_several_layers_are_measured_as_one_map():
    with pytest.raises(OptionError, match="say how several are fused"):
        replace(PEAK, layer=("0", "1"))
    with pytest.raises(OptionError, match="name at least two"):
        replace(PEAK, layer=("0",), fuse="max")
