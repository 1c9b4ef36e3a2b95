"""Studies by a Ray cluster: the files and numbers of one process, byte for byte."""

from pathlib import Path
from typing import Any

import pytest

from figureground.base.progress import no_progress
from figureground.engines import EngineOptions, Part
from figureground.models import LeNetGAP, load_classifier
from figureground.studies.diagnosis.crossing import InMemory, Network, cross_scenes, units_of
from figureground.studies.diagnosis.options import DiagnoseOptions
from figureground.studies.diagnosis.scenes import read_scenes
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.evaluation.evaluate import evaluate
from figureground.studies.evaluation.image_set import open_images
from figureground.studies.evaluation.localisation import Localisation
from figureground.studies.evaluation.measuring import Measuring
from figureground.studies.evaluation.robustness import Robustness
from figureground.studies.explain.explain import explain_images
from figureground.studies.explain.options import ExplainOptions
from figureground.studies.ranking.options import RankOptions
from figureground.studies.ranking.rank import rank_images


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
class TestStudies:
    """A cluster is started once; every actor takes seconds to begin."""

    def test_a_ranking_is_the_same_byte_for_byte_and_goes_on_with_another_engine(
        self, photos: Path, tmp_path: Path
    ):
        network = load_classifier(LeNetGAP(), preprocessing={"size": (40, 40)})
        options = RankOptions(classes=("3",), batch_size=8, unit=16, top=3)
        ray = EngineOptions(engine="ray", actors=2)
        scores = []
        for name, where in (("local", "cpu"), ("ray", ray)):
            record = rank_images(
                network, photos, out=tmp_path / name, options=options, device=where
            )
            assert (record.images, len(record.failed), record.skipped) == (64, 1, 0)
            scores.append((tmp_path / name / "scores.csv").read_bytes())
        assert scores[0] == scores[1]
        assert record.model["device"] == "a Ray cluster"
        again = rank_images(network, photos, out=tmp_path / "local", options=options, device=ray)
        assert again.skipped == 65

    def test_explanations_are_the_same_byte_for_byte_and_go_on_with_another_engine(
        self, photos: Path, tmp_path: Path
    ):
        network = load_classifier(LeNetGAP(), preprocessing={"size": (40, 40)})
        options = ExplainOptions(methods=("grad-cam", "dff"), batch_size=8)
        ray = EngineOptions(engine="ray", actors=2)
        found = []
        for name, where in (("local", "cpu"), ("ray", ray)):
            out = tmp_path / name
            record = explain_images(network, photos, out=out, options=options, device=where)
            assert (record.images, len(record.failed), record.skipped) == (64, 1, 0)
            files = {file.name: file.read_bytes() for file in (out / "images").iterdir()}
            found.append((files, (out / "entries.jsonl").read_bytes()))
        assert len(found[0][0]) == 3 * 64
        assert found[0] == found[1]
        lines = (tmp_path / "ray" / "entries.jsonl").read_text().splitlines(keepends=True)
        (tmp_path / "ray" / "entries.jsonl").write_text("".join(lines[:30]))  # 24 whole batches
        again = explain_images(network, photos, out=tmp_path / "ray", options=options)
        assert (again.images, again.skipped) == (64, 24)
        assert (tmp_path / "ray" / "entries.jsonl").read_bytes() == found[0][1]

    def test_the_file_of_a_model_travels_with_the_job(self, photos: Path, tmp_path: Path):
        (tmp_path / "here").mkdir()
        code = tmp_path / "here" / "my_net.py"
        code.write_text(
            "from torch import nn\n\n\n"
            "class Net(nn.Sequential):\n    pass\n\n\n"
            "def build():\n"
            "    return Net(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))\n"
        )
        network = load_classifier(f"{code}:build", preprocessing={"size": (40, 40)})
        code.unlink()  # no worker could read it
        tables = []
        for name, where in (("local", "cpu"), ("ray", EngineOptions(engine="ray", actors=1))):
            rank_images(
                network, photos, out=tmp_path / name, options=RankOptions(top=1), device=where
            )
            tables.append((tmp_path / name / "scores.csv").read_bytes())
        assert tables[0] == tables[1]

    def test_an_evaluation_has_the_same_numbers(self, tmp_path: Path):
        network = load_classifier(LeNetGAP(), preprocessing={"size": (40, 40)})
        asked = Robustness(
            methods=("cam", "eigen-cam"), attack=("fgsm", "uniform-noise"), batch_size=8
        )
        numbers = []
        for name, where in (
            ("local", "cpu"),
            ("ray", EngineOptions(engine="ray", actors=2)),
        ):
            out, some = tmp_path / name, DataOptions(limit=30)
            record = evaluate(asked, network, "clutter", out=out, data_options=some, device=where)
            assert record.images == 30
            numbers.append((out / "per_image.npz").read_bytes())
        assert numbers[0] == numbers[1]

    def test_a_network_is_asked_the_same_by_a_diagnosis(self, tmp_path: Path):
        network = load_classifier(LeNetGAP(), preprocessing={"size": (40, 40)})
        images = open_images("clutter", network, DataOptions(count=40))
        asked = DiagnoseOptions(rounds=2, nested=20, cells=4, batch_size=8)
        found = []
        for where in ("cpu", EngineOptions(engine="ray", actors=2)):
            scenes = read_scenes(
                images, tmp_path, fill="mean", progress=no_progress, shared=where != "cpu"
            )
            kept = InMemory(units_of(scenes, asked))
            told: dict[str, Any] = {
                "store": kept,
                "options": asked,
                "progress": no_progress,
                "where": where,
            }
            cross_scenes(scenes, Network(network, None), **told)
            scenes.close()
            found.append(
                {
                    unit: {one: column.tobytes() for one, column in columns.items()}
                    for unit, columns in kept.parts()
                }
            )
        assert len(found[0]) > 4
        assert found[0] == found[1]
        assert not list(tmp_path.iterdir())


def test_an_image_that_is_not_opened_is_a_problem_of_an_evaluation():
    network = load_classifier(LeNetGAP(), preprocessing={"size": (40, 40)})
    images = open_images("clutter", network, DataOptions(count=5))
    asked = Localisation(methods=("cam",))
    work = Measuring(asked.measure, 16, network=asked.subject(network), images=images)
    part = Part("00000", range(5), lost=frozenset({1, 3}))
    ((_, (columns, problems)),) = work.stream([part], lambda _: None)
    assert columns["row"].tolist() == [0, 2, 4]
    found = [(kind, "ended the process" in told) for kind, _, told in problems]
    assert found[:2] == [("unreadable-file", True)] * 2
