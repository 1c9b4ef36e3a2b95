"""The study of information: its record against the metric, its refusals, the command as it is typed."""

import json

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch import nn

from figureground.base.errors import DataError, OptionError
from figureground.data import LabeledImages, LazyPictures
from figureground.data.in_memory import in_memory
from figureground.metrics.classification import ece
from figureground.metrics.information import information
from figureground.models import Classifier, Preprocessing
from figureground.studies.evaluation.information import (
    InformationOptions,
    open_labelled,
    study_information,
)
from figureground.studies.evaluation.information_pictures import pictures_for, some_of
from figureground.training import best_temperature

PLAIN = Preprocessing((4, 5), "stretch", 1.0, "bilinear", (0.5,), (0.25,), 1)


def classifier(outputs=3):
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return Classifier(nn.Sequential(nn.Flatten(), nn.Linear(20, outputs)), PLAIN, name="toy")


@pytest.fixture
def data():
    numbers = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (40, 1, 4, 5), generator=numbers, dtype=torch.uint8)
    return LabeledImages(pixels, torch.arange(40) % 2, ("cat", "dog", "emu"))


def test_the_record_holds_what_the_metric_says(data, tmp_path):
    options = InformationOptions(
        temperature=2.0, prior="uniform", separation="different-pairs", batch_size=7
    )
    seen = []
    record = study_information(
        classifier(),
        data,
        out=tmp_path,
        source="toy",
        options=options,
        watch=lambda done, total: seen.append((done, total)),
    )
    with torch.no_grad():
        logits = classifier()(data.pixels.float() / 255)
    wanted = information(
        logits, data.labels, temperature=2.0, prior="uniform", kind="different-pairs"
    )
    values = {row[0]: row[1] for row in record.tables[0]["rows"]}
    names = {
        "I(X; Ŷ | Y), conditional mutual information": "cmi",
        "I(Y; Ŷ)": "mi_y",
        "H(Ŷ)": "h_yhat",
    }
    error = values["expected calibration error, 15 bins"]
    assert error == pytest.approx(ece(logits / 2, data.labels).item(), abs=1e-5)
    best = best_temperature(logits / 2, data.labels)
    assert values["temperature that fits best"] == pytest.approx(best, abs=1e-4)
    for title, name in (*names.items(), ("separation, different-pairs", "separation")):
        assert values[title] == pytest.approx(getattr(wanted, name).item(), abs=1e-5)
    rows = record.tables[1]["rows"]
    assert [row[:2] for row in rows] == [["cat", 20], ["dog", 20], ["emu", 0]]
    assert rows[0][2] == pytest.approx(wanted.cmi_per_class[0].item(), abs=1e-5)
    assert rows[2][2:] == [None] * 4
    assert record.notes[0].startswith("no picture of emu: undefined")
    assert record.notes[1].startswith("only 20 pictures of a class: its CMI comes out too low")
    assert seen[-1] == (40, 40)
    kept = np.load(tmp_path / "per_image.npz")
    means = [kept["divergence"][kept["label"] == label].mean() for label in (0, 1)]
    np.testing.assert_allclose(means, wanted.cmi_per_class[:2], atol=1e-6)
    assert json.loads((tmp_path / "record.json").read_text())["kind"] == "information"


def test_a_background_output_is_dropped_and_another_number_is_refused(data, tmp_path):
    four = classifier(4)
    record = study_information(four, data, out=tmp_path, source="toy")
    with torch.no_grad():
        wanted = information(four(data.pixels.float() / 255)[:, :3], data.labels)
    assert record.tables[0]["rows"][0][1] == pytest.approx(wanted.cmi.item(), abs=1e-5)
    with pytest.raises(OptionError, match="5 outputs, the data have 3 classes"):
        study_information(classifier(5), data, out=tmp_path, source="toy")


@pytest.fixture
def folder(tmp_path):
    for name in ("cat", "dog", "background"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(5):
            Image.new("L", (5, 4), 40 * number).save(tmp_path / "set" / name / f"{number}.png")
    return tmp_path / "set"


def test_a_folder_is_opened_whole_or_by_its_parts_without_backgrounds(folder):
    assert len(open_labelled(str(folder), "all")) == 10
    assert [len(open_labelled(str(folder), part)) for part in ("train", "test")] == [8, 2]
    with pytest.raises(DataError, match="no picture of a known class in its part 'val'"):
        open_labelled(str(folder), "val")
    assert open_labelled(str(folder)).class_names == ("cat", "dog")


def test_what_cannot_be_opened_says_why(tmp_path):
    with pytest.raises(DataError, match="'nothing' is no data set, pack or folder"):
        open_labelled("nothing")
    with pytest.raises(OptionError, match="no part 'tset'; closest: 'test'"):
        open_labelled("cluttered-digits", "tset")
    with pytest.raises(OptionError, match="part is train, val or test"):
        open_labelled("cluttered-digits", "all")


def test_outputs_that_are_no_numbers_and_other_class_names_are_noted(data, tmp_path):
    toy = classifier()
    with torch.no_grad():
        toy.network[1].bias[0] = torch.nan
    record = study_information(toy, data, out=tmp_path, source="toy")
    assert record.notes[0] == "40 of 40 pictures have outputs that are no numbers"
    for row in record.tables[0]["rows"]:
        assert row[1] != row[1] or row[0] == "accuracy", row
    named = Classifier(classifier().network, PLAIN, name="toy", class_names=("Cat", "emu", "dog"))
    notes = study_information(named, data, out=tmp_path, source="toy").notes
    assert any("the model's class 'emu' is taken to be the data's 'dog'" in note for note in notes)
    named.class_names = ("CAT", "dog", "emu")
    notes = study_information(named, data, out=tmp_path, source="toy").notes
    assert not any("is taken to be" in note for note in notes)


def test_enough_pictures_of_a_class_need_no_note(data, tmp_path):
    many = data.subset(torch.arange(40).repeat(5))
    record = study_information(classifier(), many, out=tmp_path, source="toy")
    assert not any("too low" in note for note in record.notes)


def test_omitted_classes_get_a_table(data, tmp_path):
    answers = torch.cat([torch.zeros(20), torch.ones(15), torch.full((5,), 2)]).long()
    last = nn.Linear(20, 3)
    wise = Classifier(nn.Sequential(nn.Flatten(), last), PLAIN.changed({"mean": 0.0, "std": 1.0}))
    pixels = torch.zeros(40, 1, 4, 5, dtype=torch.uint8)
    pixels.view(40, 20)[torch.arange(40), answers] = 255
    with torch.no_grad():
        last.weight.copy_(torch.eye(20)[:3])
        last.bias.zero_()
    labels = torch.cat([torch.zeros(10), torch.ones(16), torch.full((14,), 2)]).long()
    told = LabeledImages(pixels, labels, data.class_names)
    options = InformationOptions(omitted=(1, 2))
    record = study_information(wise, told, out=tmp_path, source="toy", options=options)
    assert {row[0]: row[1] for row in record.tables[2]["rows"]} == {
        "accuracy on the kept classes": 1.0,
        "recall of the omitted classes, mean": round((6 / 16 + 5 / 14) / 2, 5),
        "recall of 'dog'": 6 / 16,
        "recall of 'emu'": round(5 / 14, 5),
        "precision where one of them is answered": 11 / 20,
        "precision of 'dog'": 6 / 15,
        "precision of 'emu'": 1.0,
        "harmonic mean of kept accuracy and omitted recall": round(41 / 56 / (1 + 41 / 112), 5),
        "chance": round(1 / 3, 5),
    }
    assert len(study_information(wise, told, out=tmp_path, source="toy").tables) == 2


def test_pictures_are_those_of_the_models_own_preprocessing_or_of_its_training(data):
    numbers = np.random.default_rng(0)
    pictures = [
        Image.fromarray(numbers.integers(0, 256, (17, 23), dtype=np.uint8)) for _ in range(3)
    ]
    lazy = LabeledImages(LazyPictures(pictures.__getitem__, 3), torch.arange(3), data.class_names)
    own = Preprocessing((4, 5), "pad", 0.5, "bicubic", (0.5,), (0.25,), 1)
    wanted = torch.stack([own.view(picture)[0] for picture in pictures])
    assert torch.equal(pictures_for(own, lazy).pixels, wanted)
    fitted = pictures_for(own, lazy, as_trained=True).pixels
    assert torch.equal(fitted, in_memory(lazy, (4, 5)).pixels)
    assert not torch.equal(fitted, wanted)
    assert pictures_for(PLAIN, data) is data
    cut = PLAIN.changed({"crop_fraction": 0.5})
    assert not torch.equal(pictures_for(cut, data).pixels, data.pixels)


def test_a_broken_picture_is_left_out_with_its_label_and_noted(tmp_path, data):
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for number, file in enumerate(files):
        ImageOps.invert(Image.new("L", (5, 4), 40 * number)).save(file)
    files[1].write_bytes(b"no picture")
    lazy = LabeledImages(LazyPictures.of_files(files), torch.tensor([2, 1, 0]), data.class_names)
    found = pictures_for(PLAIN, lazy)
    assert found.labels.tolist() == [2, 0]
    assert found.pixels[:, 0, 0, 0].tolist() == [255, 175]
    assert len(found.notes) == 1
    assert "1.png" in found.notes[0]
    with pytest.raises(DataError, match="none of 1 pictures can be used"):
        pictures_for(PLAIN, lazy.subset(torch.tensor([1])))


def test_a_limit_draws_a_part_that_the_seed_decides(data):
    one, same, other = (some_of(data, 10, seed=seed).pixels for seed in (0, 0, 1))
    assert len(one) == 10
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert some_of(data, 40, seed=0) is some_of(data, None, seed=0) is data
    with pytest.raises(OptionError, match="the limit is 0; at least 1"):
        some_of(data, 0, seed=0)


def test_a_pack_has_no_validation_part(tmp_path):
    pack = tmp_path / "pack.npz"
    np.savez(pack, data=np.zeros(1))
    with pytest.raises(OptionError, match="a pack has no part 'val': it is train, test, or all"):
        open_labelled(str(pack), "val")


def test_the_study_measures_what_the_options_say_of_preprocessing(data, tmp_path):
    cut = Classifier(classifier().network, PLAIN.changed({"crop_fraction": 0.5}), name="toy")
    found = []
    for as_trained in (False, True):
        options = InformationOptions(as_trained=as_trained)
        record = study_information(cut, data, out=tmp_path, source="toy", options=options)
        pixels = pictures_for(cut.preprocessing, data, as_trained=as_trained).pixels
        with torch.no_grad():
            wanted = information(cut(pixels.float() / 255), data.labels).cmi.item()
        assert record.tables[0]["rows"][0][1] == pytest.approx(wanted, abs=1e-5)
        found.append(wanted)
    assert abs(found[0] - found[1]) > 1e-3
