"""What backgrounds offer stands beside what the network uses, from the passes that are made anyway."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from tests.studies.diagnosis.conftest import LEFT, NAMES, SIDE, SIZE, TOP, Reader, level
from torch import nn

from figureground.base.errors import HeadError
from figureground.metrics.intervals import Interval
from figureground.metrics.reliance import BackgroundProbe, background_probe
from figureground.models import Classifier, Preprocessing
from figureground.reports import write_diagnosis_report
from figureground.studies.diagnosis.diagnose import diagnose_images
from figureground.studies.diagnosis.offer import Offer, read_offer
from figureground.studies.diagnosis.options import DiagnoseOptions, DiagnosisRecord
from figureground.studies.models import LoadedModel

Make = Callable[..., LoadedModel]
Photos = Callable[..., Path]
FEW = DiagnoseOptions(cells=0, nested=0, examples=0)


def row(record: DiagnosisRecord, probe: str) -> list[object]:
    """Of the table."""
    table = next(one for one in record.tables if one["title"] == "What the data offer")
    return next(one for one in table["rows"] if one[0] == probe)


def rated(accuracy: float) -> BackgroundProbe:
    """A probe of ten classes."""
    interval = Interval(accuracy, accuracy - 0.03, accuracy + 0.03, 0.95, 300)
    nothing = torch.zeros(3, dtype=torch.int64)
    return BackgroundProbe(interval, 0.1, torch.full((20,), 0.15), 1 / 21, nothing)


class WithHead(nn.Module):
    """Four means of grey, then a linear layer that reads the frame's."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = Reader("frame")
        self.head = nn.Linear(len(NAMES), len(NAMES))
        nn.init.eye_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.reader(images))


@pytest.fixture
def with_head() -> LoadedModel:
    plain = Preprocessing((SIDE, SIDE), "stretch", 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3, 3)
    return LoadedModel(Classifier(WithHead().eval(), plain, name="net", class_names=NAMES))


@pytest.mark.parametrize(("part", "field"), [("frame", "shortcut"), ("object", "latent")])
def test_backgrounds_that_tell_the_class_are_a_shortcut_or_a_latent_one(
    reader: Make, photos: Photos, out: Path, part: str, field: str
):
    record = diagnose_images(reader(part), photos(), out=out, options=FEW)
    assert record.offer["offered"] is True
    assert record.offer["used"] is (part == "frame")
    assert row(record, "colour thumbnail, 4 × 4")[1] == 1.0
    page = write_diagnosis_report(out).read_text()
    assert page.count('class="here"') == 1
    assert f'class="here" aria-current="true">{field}</td>' in page
    assert record.offer["sentence"] in page


def test_backgrounds_that_tell_nothing_are_clean(reader: Make, photos: Photos, out: Path):
    place, draws = photos(), np.random.default_rng(1)
    for file in place.glob("*.png"):
        pixels = draws.integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
        box = (slice(TOP, TOP + SIZE), slice(LEFT, LEFT + SIZE))
        pixels[box] = level(int(file.stem) % 4)
        Image.fromarray(pixels).save(file)
    record = diagnose_images(reader("object"), place, out=out, options=FEW)
    assert record.word == "does not"
    assert record.offer["offered"] is False
    assert record.offer["sentence"].startswith("Clean")


def test_all_four_fields_and_the_one_that_cannot_be_told():
    high, low = (Offer(rated(one), rated(one), 0.05, 300) for one in (0.5, 0.1))
    words = [read_offer(one, word)["sentence"] for one in (high, low) for word in ("rests on", "does not")]  # fmt: skip
    assert [one.split()[:2] for one in words] == [
        ["A", "shortcut:"],
        ["A", "latent"],
        ["Backgrounds", "alone"],
        ["Clean:", "backgrounds"],
    ]
    told = read_offer(high, "cannot tell")
    assert told["used"] is None
    assert told["sentence"].startswith("Backgrounds alone tell the class")
    assert read_offer(Offer(None, None, 0.05, 0), "rests on") == {}


def test_probes_that_disagree_are_named():
    assert "small or fine" in Offer(rated(0.8), rated(0.2), 0.05, 300).remark
    assert Offer(rated(0.8), rated(0.7), 0.05, 300).remark == ""
    assert "do not carry it" in Offer(rated(0.1), rated(0.7), 0.05, 300).remark
    assert not Offer(
        rated(0.17), None, 0.05, 300
    ).offered  # surely above chance, by less than matters


def test_features_are_those_of_backgrounds_alone_and_the_numbers_can_be_redone(
    with_head: LoadedModel, photos: Photos, out: Path
):
    place = photos()
    record = diagnose_images(with_head, place, out=out, options=DiagnoseOptions(quick=True))
    with np.load(out / "pairs.npz") as arrays:
        features, labels = (torch.from_numpy(arrays[k]) for k in ("alone/features", "labels"))
        thumbnails = torch.from_numpy(arrays["alone/thumbnail"])
    network = with_head.classifier.network
    assert isinstance(network, WithHead)
    answers = network.head(features).argmax(1)
    assert float((answers == labels).float().mean()) == 1  # which its backgrounds tell
    probes = {"features of the network under test": features, "colour thumbnail, 4 × 4": thumbnails}
    for name, values in probes.items():
        found = background_probe(values, labels, seed=0)
        assert row(record, name)[1] == found.accuracy.mean
        assert row(record, name)[5] == float(found.permuted.max())
    assert network.reader.calls == 40 * (1 + 1 + 1 + 3)  # no pass of its own


def test_a_probe_model_looks_at_backgrounds_in_its_own_size(
    reader: Make, photos: Photos, out: Path, monkeypatch: pytest.MonkeyPatch
):
    place, plain = photos(), Preprocessing((6, 8), "stretch", 1.0, "bilinear", (0.0,), (1.0,), 1)
    probe = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(48, 2)).eval(), plain, name="probe")
    monkeypatch.setattr(
        "figureground.studies.diagnosis.offer.load_classifier", lambda name: {"mine": probe}[name]
    )
    asked = DiagnoseOptions(quick=True, examples=0, probe_model="mine")
    record = diagnose_images(reader("frame"), place, out=out, options=asked)
    assert row(record, "features of mine")[1] == 1.0
    with np.load(out / "pairs.npz") as arrays:
        features, thumbnails = arrays["alone/features"], arrays["alone/thumbnail"]
    assert features.shape == (40, 48)
    red = torch.from_numpy(thumbnails[:, :16]).view(-1, 1, 4, 4)
    means = F.adaptive_avg_pool2d(torch.from_numpy(features).view(-1, 1, 6, 8), 2)
    torch.testing.assert_close(means, F.adaptive_avg_pool2d(red, 2), atol=5e-3, rtol=0)
    before = reader("frame")
    with torch.no_grad():
        next(probe.network.parameters()).add_(1)  # another network of the same name: all anew
    diagnose_images(before, place, out=out, options=asked)
    assert before.classifier.network.calls == 40 * 6
    probe.network = nn.Flatten()
    with pytest.raises(HeadError, match="probe has no linear layer"):
        diagnose_images(before, place, out=out, options=asked)
