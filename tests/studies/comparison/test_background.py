"""Arms of networks of which it is known what they read."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.studies.diagnosis.conftest import LEFT, NAMES, SIDE, SIZE, TOP, Reader, level

from figureground.base.errors import DataError
from figureground.data.labeled import LabeledImages
from figureground.metrics.reliance import composite, node_weights, numbers_of, reliance
from figureground.metrics.reliance.two_by_two import cells_of
from figureground.models import Classifier, Preprocessing
from figureground.studies.comparison.arms import Arm
from figureground.studies.comparison.background import background_findings, numbers_of_arm
from figureground.studies.comparison.crossed_arms import CrossedArms, crossed_arms
from figureground.studies.comparison.held_out import HeldOut, ImageSet
from figureground.studies.comparison.options import CompareOptions
from figureground.studies.training.runs import TrainedRun
from figureground.training.recipe import DataSpec, changed

OPTIONS = CompareOptions(background=True, batch_size=50)
PLAIN = Preprocessing((SIDE, SIDE), "stretch", 1.0, "bilinear", (0.0,) * 3, (1.0,) * 3, 3)
BOX = torch.tensor([[LEFT, TOP, LEFT + SIZE, TOP + SIZE]]).float()
Run = Callable[..., TrainedRun]


class Ring(Reader):
    """Reads the pixels just around the box."""

    def __init__(self) -> None:
        super().__init__("frame")
        self.where = torch.zeros(SIDE, SIDE)
        self.where[TOP - 1 : TOP + SIZE + 1, LEFT - 1 : LEFT + SIZE + 1] = 1
        self.where[TOP : TOP + SIZE, LEFT : LEFT + SIZE] = 0


@pytest.fixture
def run(tiny_recipe: dict[str, Any]) -> Run:
    """A run whose network reads one part of the image."""

    def make(
        part: str,
        *,
        own: str | None = None,
        extra: int = 0,
        seed: int = 0,
        preprocessing: Preprocessing = PLAIN,
    ) -> TrainedRun:
        network = Ring() if part == "ring" else Reader(part, extra=extra)
        outputs = (*NAMES, *("background",) * extra)
        classifier = Classifier(network.eval(), preprocessing, name=part, class_names=outputs)
        swap = [] if own is None else [{"background-swap": {"mask": own}}]
        data = {"name": "planted-tints"}
        recipe = changed({**tiny_recipe, "seed": seed, "data": data, "algorithms": swap})
        return TrainedRun(Path(part), classifier, recipe, {}, NAMES)

    return make


def photos(each: int = 10, seed: int = 0, *, boxed: bool = True) -> LabeledImages:
    """Each class has its own lightness, on object and background alike; objects are redder, a pixel within the box."""
    draws = np.random.default_rng(seed)
    labels = torch.arange(each * len(NAMES)) % len(NAMES)
    greys = torch.tensor([level(int(one)) for one in labels])
    noise = torch.from_numpy(draws.integers(-6, 7, (len(labels), 3, SIDE, SIDE)))
    pixels = greys[:, None, None, None] + noise
    hue = torch.tensor([24, 0, -24])[:, None, None]
    pixels[:, :, TOP + 1 : TOP + SIZE - 1, LEFT + 1 : LEFT + SIZE - 1] += hue
    pixels = pixels.to(torch.uint8)
    return LabeledImages(pixels, labels, NAMES, (BOX,) * len(labels) if boxed else None)


def held(**sets: LabeledImages) -> HeldOut:
    """Images by the seed that divided them: ``seed_0=...``."""
    by_seed = {int(name.partition("_")[2]): data for name, data in sets.items()}
    loaded = {key: ImageSet("photos", data, key) for key, data in by_seed.items()}
    return HeldOut("photos", DataSpec(name="planted-tints"), None, NAMES, _loaded=loaded)


def crossed(arms: list[Arm], images: HeldOut, folder: Path, **options: Any) -> Any:
    return crossed_arms(
        arms, images, folder=folder, options=replace(OPTIONS, **options), progress=lambda *_: None
    )


def words(arms: list[Arm], folder: Path, **options: Any) -> dict[str, str]:
    """Word of each arm but the first."""
    found = background_findings(
        arms,
        held(seed_0=photos()),
        folder=folder,
        options=replace(OPTIONS, **options),
        progress=lambda *_: None,
    )
    assert found.section is not None
    return {one["arm"]: one["word"] for one in found.section.verdicts}


def test_each_network_gets_its_word(run: Run, tmp_path: Path):
    frame = Arm("frame", (run("frame"),))
    others = [
        Arm("object", (run("object"),)),
        Arm("half", (run("object"), run("frame"))),
        Arm("ring", (run("ring", own="outer"),)),
        Arm("corner", (run("corner"),)),
    ]
    assert words([frame, *others], tmp_path) == {
        "object": "cured",
        "half": "better",
        "ring": "only by its own measure",  # what it reads lies within the wide mask
        "corner": "no change",
    }
    assert words([others[0], frame], tmp_path) == {"frame": "worse"}
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_an_arm_are_means_over_its_runs_in_every_draw(run: Run, tmp_path: Path):
    """Frame: always the background's class, gap 1 and v10 0; object: gap 0 and v10 1; a mean of both: one half."""
    both = Arm("both", (run("frame"), run("object")))
    with crossed([both], held(seed_0=photos()), tmp_path) as found:
        told = numbers_of_arm(found, "both", seed=0)
    for mask in ("outer", "given", "inner"):
        assert told.gaps[mask].value == pytest.approx(0.5)
        torch.testing.assert_close(told.gaps[mask].draws, torch.full((1000,), 0.5).double())
    assert told.numbers["v10"].value == pytest.approx(0.5)
    assert told.numbers["accuracy"].value == 1
    assert told.numbers["share"].value == pytest.approx(0.5, abs=0.02)


def test_differences_are_those_of_the_draws_of_two_networks(run: Run, tmp_path: Path):
    """Against the formulas, with one table of weights; half of the images have no cue in their ring."""
    data = photos()
    assert isinstance(data.images, torch.Tensor)
    data.images[::3, :, TOP - 1] = 128
    with crossed(
        [Arm("a", (run("ring"),)), Arm("b", (run("corner"),))], held(seed_0=data), tmp_path
    ) as found:
        told = {name: numbers_of_arm(found, name, seed=7) for name in "ab"}
        weights = node_weights(40, seed=7)
        gaps = {
            name: numbers_of(
                cells_of(found.pairs, found.labels, found.hits(name, "given"), weights=weights)
            )["gap"]
            for name in "ab"
        }
        alone = reliance(found.pairs, found.labels, found.hits("a", "given"), seed=7)
    change = told["a"].gaps["given"] - told["b"].gaps["given"]
    torch.testing.assert_close(change.draws, gaps["a"] - gaps["b"])
    assert alone.numbers["gap"].mean == told["a"].gaps["given"].value


def test_answers_are_those_to_composites_made_one_by_one(run: Run, tmp_path: Path):
    one = run("ring", extra=0)
    with crossed([Arm("a", (one,)), Arm("b", (one,))], held(seed_0=photos()), tmp_path) as found:
        ((key, scenery),) = found.scenery.items()
        ((scenes, rows),) = scenery.scenes.values()
        best = found.arms["a"][key][0].best
        for mask, pair in (("outer", 3), ("given", 77), ("inner", 150)):
            i, j = (int(ends[pair]) for ends in (found.pairs.foreground, found.pairs.background))
            made = composite(
                scenes.images(rows[i : i + 1]),
                scenes.objects(rows[i : i + 1], mask),
                scenes.without_objects(rows[j : j + 1], mask),
            )
            assert int(best[mask][pair]) == int(one.classifier(made).argmax())


def test_composites_are_made_once_for_all_networks_of_one_size(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made: list[int] = []

    def counted(*given: Any) -> torch.Tensor:
        made.append(len(given[0]))
        return composite(*given)

    monkeypatch.setattr("figureground.studies.diagnosis.crossing.composite", counted)
    bright = replace(PLAIN, mean=(0.1,) * 3)  # normalised otherwise: the same images all the same
    arms = [Arm("a", (run("frame"),)), Arm("b", (run("object", preprocessing=bright),))]
    with crossed(arms, held(seed_0=photos()), tmp_path) as found:
        assert sum(made) == 3 * len(found.pairs) == 3 * 6 * 40
        assert len(next(iter(found.scenery.values())).scenes) == 1


def test_networks_of_other_sizes_have_the_same_pairs(run: Run, tmp_path: Path):
    """The one that crops its images loses sight of one object's background; nobody is asked about this image."""
    data = photos()
    boxes = list(data.boxes or ())
    boxes[5] = torch.tensor([[1.0, 1, SIDE - 1, SIDE - 1]])
    data = replace(data, boxes=tuple(boxes))
    cropping = replace(PLAIN, resize="crop", crop_fraction=0.9)
    arms = [Arm("a", (run("frame"),)), Arm("b", (run("object", preprocessing=cropping),))]
    with crossed(arms, held(seed_0=data), tmp_path) as found:
        assert len(found.labels) == 39
        assert "image-000005.png" not in next(iter(found.scenery.values())).names
        assert [len(by_key[0][0].best["given"]) for by_key in found.arms.values()] == [6 * 39] * 2
        assert {one.where for one in found.problems} == {"image-000005.png"}


def test_runs_of_other_divisions_are_asked_about_their_own_images(run: Run, tmp_path: Path):
    sets = {"seed_0": photos(), "seed_3": photos(each=6, seed=1)}
    arms = [
        Arm(part, tuple(run(part, seed=seed) for seed in (0, 3))) for part in ("frame", "object")
    ]
    with crossed(arms, held(**sets), tmp_path) as found:
        pairs: CrossedArms = found
        assert len(pairs.labels) == 64
        assert len(pairs.pairs) == 6 * 64
        ends = (pairs.pairs.foreground < 40, pairs.pairs.background < 40)
        assert bool((ends[0] == ends[1]).all())  # none is between the divisions
        told = numbers_of_arm(found, "frame", seed=0)
    assert told.images == 64
    assert told.gaps["given"].value == pytest.approx(1)


def test_the_output_for_background_is_no_answer(run: Run, tmp_path: Path):
    arms = [Arm("a", (run("frame", extra=1),)), Arm("b", (run("object", extra=1),))]
    assert words(arms, tmp_path) == {"b": "cured"}


def test_delta_reaches_the_verdict_and_the_text(run: Run, tmp_path: Path):
    runs = (run("object"),) * 9 + (run("frame"),)
    arms = [Arm("frame", (run("frame"),)), Arm("nine of ten", runs)]
    assert words(arms, tmp_path) == {"nine of ten": "better"}
    assert words(arms, tmp_path, delta=0.2) == {"nine of ten": "cured"}


def test_images_that_tell_nothing_are_refused(run: Run, tmp_path: Path):
    arms = [Arm("a", (run("frame"),)), Arm("b", (run("object"),))]
    for data, message in (
        (photos(boxed=False), r"have no boxes.*--data boxes:PLACE"),
        (photos(each=2), "8 of 8 images"),
    ):
        with (
            pytest.raises(DataError, match=message),
            crossed(arms, held(seed_0=data), tmp_path),
        ):
            pass
    assert list(tmp_path.iterdir()) == []


def test_strips_show_the_answers_of_every_arm_to_the_same_pictures(run: Run, tmp_path: Path):
    arms = [Arm("frame", (run("frame"),)), Arm("ring", (run("ring"),))]
    found = background_findings(
        arms,
        held(seed_0=photos()),
        folder=tmp_path,
        options=OPTIONS,
        progress=lambda *_: None,
    )
    assert found.section is not None
    # the sentence and whoever draws it have one source
    for arm in ("frame", "ring"):
        gaps = [one["value"] for one in found.section.gaps if one["name"].endswith(f": {arm}")]
        assert found.section.largest[arm][0] == pytest.approx(max(gaps))
    strips = found.section.strips
    assert len({strip["name"] for strip in strips}) == 4
    assert [strip["why"] for strip in strips] == ["the arms disagree"] * 2 + ["drawn at random"] * 2
    for strip in strips:
        titles = [one["title"] for one in strip["pictures"]]
        assert titles[0] == "as it is"
        donor = titles[1].removeprefix("on a background of ").removesuffix(", cut widely")
        assert donor != strip["label"]
        told = {arm: [one["answer"] for one in each] for arm, each in strip["answers"].items()}
        own = strip["label"]
        assert told == {"frame": [own, donor, donor, donor], "ring": [own, own, donor, donor]}
        assert [one["right"] for one in strip["answers"]["ring"]] == [True, True, False, False]
        assert all(one["picture"].startswith("data:image/") for one in strip["pictures"])
    none = replace(OPTIONS, examples=0)
    again = background_findings(
        arms, held(seed_0=photos()), folder=tmp_path, options=none, progress=lambda *_: None
    )
    assert again.section is not None
    assert again.section.strips == ()


def test_images_that_take_no_part_are_named(run: Run, tmp_path: Path):
    data = photos()
    boxes = (torch.zeros(0, 4), *(data.boxes or ())[1:])
    found = background_findings(
        [Arm("a", (run("frame"),)), Arm("b", (run("object"),))],
        held(seed_0=replace(data, boxes=boxes)),
        folder=tmp_path,
        options=OPTIONS,
        progress=lambda *_: None,
    )
    (line,) = found.left_out
    assert line.startswith("image-000000.png: left out: nothing of its object is annotated")
