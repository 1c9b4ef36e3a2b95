"""Information: the record against the metric, a background output, omitted classes, notes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from figureground.base.errors import DataError, OptionError
from figureground.metrics.classification import best_temperature, ece
from figureground.metrics.information import information
from figureground.models import Classifier, Preprocessing
from figureground.studies.evaluation.image_set import EvaluationSet, open_images
from figureground.studies.evaluation.information import Information
from figureground.studies.evaluation.items import Item, Source

Run = Callable[..., Any]
PLAIN = Preprocessing((4, 5), "stretch", 1.0, "bilinear", (0.5,), (0.25,), 1)
NAMES = ("cat", "dog", "emu")
NO_BOX = np.zeros((0, 4), np.float32)


def toy(outputs: int = 3, names: tuple[str, ...] | None = None) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(20, outputs))
    return Classifier(network, PLAIN, name="toy", class_names=names, num_classes=outputs)


def image_set(pixels: torch.Tensor, labels: torch.Tensor) -> EvaluationSet:
    """Images of a data set of three classes."""
    items = [
        Item(str(row), NAMES[label], NO_BOX, lambda one=one: Image.fromarray(one), str(one.sum()))  # type: ignore[misc]
        for row, (one, label) in enumerate(zip(pixels[:, 0].numpy(), labels.tolist(), strict=True))
    ]
    return EvaluationSet(Source(items, "made", class_names=NAMES), labels.tolist(), PLAIN)


PIXELS = torch.randint(
    0, 256, (40, 1, 4, 5), generator=torch.Generator().manual_seed(1), dtype=torch.uint8
)
LABELS = torch.arange(40) % 2


@pytest.fixture
def made() -> EvaluationSet:
    return image_set(PIXELS, LABELS)


def test_the_record_holds_what_the_metric_says(measure: Run, made: EvaluationSet, out: Path):
    options = Information(
        temperature=2.0, prior="uniform", separation="different-pairs", batch_size=7
    )
    record, columns = measure(options, toy(), made)
    with torch.no_grad():
        logits = toy()(PIXELS.float() / 255)
    wanted = information(logits, LABELS, temperature=2.0, prior="uniform", kind="different-pairs")
    values = {row[0]: row[1] for row in record.tables[0]["rows"]}
    error = values["expected calibration error, 15 bins"]
    assert error == pytest.approx(ece(logits / 2, LABELS).item(), abs=1e-5)
    best = best_temperature(logits / 2, LABELS)
    assert values["temperature that fits best"] == pytest.approx(best, abs=1e-4)
    for title, name in (
        ("I(X; Ŷ | Y), conditional mutual information", "cmi"),
        ("I(Y; Ŷ)", "mi_y"),
        ("H(Ŷ)", "h_yhat"),
        ("separation, different-pairs", "separation"),
    ):
        assert values[title] == pytest.approx(getattr(wanted, name).item(), abs=1e-5)
    rows = record.tables[1]["rows"]
    assert [row[:2] for row in rows] == [["cat", 20], ["dog", 20], ["emu", 0]]
    assert rows[0][2] == pytest.approx(wanted.cmi_per_class[0].item(), abs=1e-5)
    assert rows[2][2:] == [None] * 4
    assert any(note.startswith("no image of emu: undefined") for note in record.notes)
    assert any(
        "only 20 images of a class: its CMI comes out too low" in note for note in record.notes
    )
    means = [columns["divergence"][columns["label"] == label].mean() for label in (0, 1)]
    np.testing.assert_allclose(means, wanted.cmi_per_class[:2], atol=1e-6)
    far, near = record.cases[:3], record.cases[3:]
    order = np.argsort(columns["divergence"])
    assert [one.name for one in far] == [columns["name"][at] for at in order[::-1][:3]]
    assert [one.name for one in near] == [columns["name"][at] for at in order[:3]]
    assert {one.label for one in far} <= set(NAMES)
    with np.load(out / "information.npz") as arrays:
        np.testing.assert_allclose(arrays["centroids"], wanted.centroids.numpy())


def test_per_image_numbers_survive_a_second_call(measure: Run, made: EvaluationSet):
    """The file beside the record is written from the stored logits each time."""
    _, first = measure(Information(temperature=2.0), toy(), made)
    _, again = measure(Information(temperature=2.0), toy(), made)
    assert all(np.array_equal(first[key], again[key]) for key in first)


def test_a_background_output_is_dropped_and_another_number_is_refused(
    measure: Run, made: EvaluationSet, tmp_path: Path
):
    four = toy(4)
    record, _ = measure(Information(), four, made)
    with torch.no_grad():
        wanted = information(four(PIXELS.float() / 255)[:, :3], LABELS)
    assert record.tables[0]["rows"][0][1] == pytest.approx(wanted.cmi.item(), abs=1e-5)
    with pytest.raises(OptionError, match="5 outputs, the data have 3 classes"):
        measure(Information(), toy(5), made, tmp_path / "five")


def test_images_without_a_known_class_are_left_out(measure: Run, out: Path):
    four = toy(4, (*NAMES, "background"))
    with_backgrounds = image_set(PIXELS, LABELS)
    with_backgrounds.labels[5:9] = 3
    with_backgrounds.labels[9] = -1
    record, columns = measure(Information(), four, with_backgrounds)
    keep = [row for row in range(40) if not 5 <= row <= 9]
    with torch.no_grad():
        wanted = information(four(PIXELS[keep].float() / 255)[:, :3], LABELS[keep])
    assert record.images == 35
    assert record.tables[0]["rows"][0][1] == pytest.approx(wanted.cmi.item(), abs=1e-5)
    assert columns["row"].tolist() == keep


def test_a_network_without_one_finite_output_is_refused(measure: Run, made: EvaluationSet):
    broken = toy()
    with torch.no_grad():
        broken.network[1].bias[0] = torch.nan  # type: ignore[index]
    with pytest.raises(DataError, match=r"^no image of .* has a known class and an output$"):
        measure(Information(), broken, made)


def test_enough_images_of_a_class_need_no_note(measure: Run):
    many = image_set(PIXELS.repeat(5, 1, 1, 1), LABELS.repeat(5))
    record, _ = measure(Information(), toy(), many)
    assert not any("too low" in note for note in record.notes)


def test_omitted_classes_get_a_table(measure: Run, tmp_path: Path):
    answers = torch.cat([torch.zeros(20), torch.ones(15), torch.full((5,), 2)]).long()
    last = nn.Linear(20, 3)
    wise = Classifier(nn.Sequential(nn.Flatten(), last), PLAIN.changed({"mean": 0.0, "std": 1.0}))
    pixels = torch.zeros(40, 1, 4, 5, dtype=torch.uint8)
    pixels.view(40, 20)[torch.arange(40), answers] = 255
    with torch.no_grad():
        last.weight.copy_(torch.eye(20)[:3])
        last.bias.zero_()
    labels = torch.cat([torch.zeros(10), torch.ones(16), torch.full((14,), 2)]).long()
    made = image_set(pixels, labels)
    record, _ = measure(Information(omitted=("dog", "emu")), wise, made)
    assert {row[0]: row[1] for row in record.tables[2]["rows"]} == {
        "accuracy on the other classes": 1.0,
        "recall of the omitted classes, mean": round((6 / 16 + 5 / 14) / 2, 5),
        "recall of 'dog'": 6 / 16,
        "recall of 'emu'": round(5 / 14, 5),
        "precision where one of them is predicted": 11 / 20,
        "precision of 'dog'": 6 / 15,
        "precision of 'emu'": 1.0,
        "harmonic mean of the other classes' accuracy and the omitted classes' recall": round(
            41 / 56 / (1 + 41 / 112), 5
        ),
        "chance": round(1 / 3, 5),
    }
    without, _ = measure(Information(), wise, made, tmp_path / "without")
    assert len(without.tables) == 2


def test_the_images_are_those_of_the_models_own_preprocessing(measure: Run, tmp_path: Path):
    """A network that sees the middle of an image gives another number than one that sees all of it."""
    for number in range(12):
        folder = tmp_path / "set" / NAMES[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (17, 23), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    found = []
    for fraction in (1.0, 0.5):
        preprocessing = replace(PLAIN, crop_fraction=fraction, resize="crop")
        model = Classifier(toy(2).network, preprocessing, name="toy", class_names=NAMES[:2])
        images = open_images(tmp_path / "set", model)
        record, columns = measure(Information(), model, images, tmp_path / str(fraction))
        paths = sorted((tmp_path / "set").rglob("*.png"))
        names = {path.name: preprocessing.view(Image.open(path))[0] for path in paths}
        pixels = torch.stack([names[name] for name in columns["name"]]).float() / 255
        with torch.no_grad():
            wanted = information(model(pixels), torch.from_numpy(columns["label"])).cmi.item()
        assert record.tables[0]["rows"][0][1] == pytest.approx(wanted, abs=1e-5)
        found.append(wanted)
    assert abs(found[0] - found[1]) > 1e-4
