"""The study of information: its record against the metric, its refusals, the command as it is typed."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from figureground.base.errors import DataError, OptionError
from figureground.data import LabeledImages
from figureground.metrics.information import information
from figureground.models import Classifier, Preprocessing
from figureground.studies.evaluation.information import (
    InformationOptions,
    open_labelled,
    study_information,
)

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
    for title, name in (*names.items(), ("separation, different-pairs", "separation")):
        assert values[title] == pytest.approx(getattr(wanted, name).item(), abs=1e-5)
    rows = record.tables[1]["rows"]
    assert [row[:2] for row in rows] == [["cat", 20], ["dog", 20], ["emu", 0]]
    assert rows[0][2] == pytest.approx(wanted.cmi_per_class[0].item(), abs=1e-5)
    assert rows[2][2:] == [None] * 4
    assert record.notes[0].startswith("no picture of emu: undefined")
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
