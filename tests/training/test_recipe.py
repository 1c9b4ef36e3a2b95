"""Recipes: what is refused, what is stored."""

import pytest
import yaml

from figureground.base.errors import DataError, OptionError
from figureground.training import read_recipe
from figureground.training.algorithms import resolved
from figureground.training.recipe import changed, write_recipe

SMALL = {"name": "t", "epochs": 1, "data": {"name": "digits"}, "model": {"name": "m"}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("epoch=3", "no key 'epoch'; closest: 'epochs'"),
        ("optimiser.momentun=0.5", "no key 'momentun'; closest: 'momentum'"),
        ("data.rot=x", "no key 'rot'; closest: 'root'"),
        ("epochs=0", "epochs: Input should be greater than 0"),
        ("precision=16-mixed", "precision: Input should be '32-true' or 'bf16-mixed'"),
        ("algorithms=[{a: {}, b: {}}]", "each entry of algorithms is one name"),
        ("epochs", "'epochs' is not key=value"),
        ("epochs=[", "is not plain YAML"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(change: str, said: str):
    with pytest.raises(OptionError) as caught:
        changed(SMALL, [change])
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        "augmentation.flip='False'",
        "optimiser.nesterov='no'",
        "model.pretrained=1",
        "data.download='false'",
        "channels_last='True'",
    ],
)
def test_a_word_or_number_in_the_place_of_a_truth_value_is_refused(change: str):
    with pytest.raises(OptionError, match="should be a valid boolean"):
        changed(SMALL, [change])


@pytest.mark.parametrize(
    ("old", "new"), [("mirror=true", "augmentation.flip"), ("pad=4", "augmentation.crop_padding")]
)
def test_a_renamed_key_is_refused_with_its_new_name(old: str, new: str):
    with pytest.raises(OptionError, match=rf"is now called {new}"):
        changed(SMALL, [f"augmentation.{old}"])


def test_changes_reach_inner_keys_and_leave_the_given_data_alone():
    content = SMALL | {"optimiser": {"lr": 0.5}}
    recipe = changed(
        content, ["optimiser.momentum=0.1", "schedule.kind=constant", "optimiser.lr=1e-3"]
    )
    assert (recipe.optimiser.lr, recipe.optimiser.momentum) == (0.001, 0.1)
    assert recipe.schedule.kind == "constant"
    assert content["optimiser"] == {"lr": 0.5}


def test_a_change_may_begin_with_the_name_of_an_algorithm_of_the_recipe():
    entries = [{"background-class": {"pools": ["a"]}}, {"rotation": None}]
    content = SMALL | {"algorithms": entries}
    recipe = changed(
        content, ["background-class.ratio=0.1", "rotation.lam=2", "background-class.pools=[b]"]
    )
    assert recipe.algorithms == (
        {"background-class": {"pools": ["b"], "ratio": 0.1}},
        {"rotation": {"lam": 2}},
    )
    assert entries == [{"background-class": {"pools": ["a"]}}, {"rotation": None}]
    taught = changed(
        SMALL | {"algorithms": [{"distillation": {}}]},
        ["distillation.teacher.name=figureground:lenet-gap", "distillation.loss=sp"],
    )
    (entry,) = resolved(taught).algorithms
    assert entry["distillation"]["teacher"]["name"] == "figureground:lenet-gap"


def test_an_algorithm_that_the_recipe_does_not_have_is_no_key():
    with pytest.raises(OptionError, match="no key 'rotation'"):
        changed(SMALL | {"algorithms": [{"background-class": {}}]}, ["rotation.lam=1"])
    with pytest.raises(OptionError, match="no key 'distillation'"):
        changed(SMALL, ["distillation.loss=kd"])


def test_a_stored_recipe_reads_back_as_the_same(tmp_path):
    entries = [{"background-class": {"pools": ["pool", {"name": "dtd10"}]}}, {"rotation": {}}]
    given = changed(
        SMALL | {"algorithms": entries, "ema": 0.9, "schedule": {"milestones": [0.1, 0.2, 0.9]}}
    )
    full = resolved(given)
    again = read_recipe(write_recipe(full, tmp_path / "recipe.yaml"))
    assert again == full
    assert resolved(again) == full
    assert full.algorithms[1] == {"rotation": {"lam": 0.5}}
    assert full.algorithms[0]["background-class"]["objective"] == "background-class"
    stored = yaml.safe_load((tmp_path / "recipe.yaml").read_text())
    assert stored["optimiser"]["momentum"] == 0.9


def test_algorithms_and_their_options_are_known():
    with pytest.raises(OptionError, match="no algorithm 'rotatoin'; closest: 'rotation'"):
        resolved(changed(SMALL | {"algorithms": [{"rotatoin": {}}]}))
    with pytest.raises(OptionError, match="rotation: no key 'lamda'; closest: 'lam'"):
        resolved(changed(SMALL | {"algorithms": [{"rotation": {"lamda": 1}}]}))
    bad = {"background-class": {"ratio": 1}}
    with pytest.raises(OptionError, match="a ratio of backgrounds needs pools"):
        resolved(changed(SMALL | {"algorithms": [bad]}))


def test_gradients_half_gathered_are_never_saved():
    with pytest.raises(OptionError, match=r"checkpoint_every \(3\) is not a multiple"):
        changed(SMALL, ["checkpoint_every=3", "accumulate=2"])


@pytest.mark.parametrize("text", ["- 1", "a: [1", "!!python/object:os.system x"])
def test_a_file_that_is_no_recipe_is_refused(text: str, tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=r"r\.yaml"):
        read_recipe(path)
    with pytest.raises(DataError, match="cannot read the recipe"):
        read_recipe(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    "name", ["/abs/x", "../x", "..", ".", "", "a/b", "a\\b", "C:x", ".hidden", "a\x1b[2J", "x/"]
)
def test_a_name_that_leads_out_of_the_folder_of_runs_is_refused(name: str):
    with pytest.raises(OptionError, match="name of a folder"):
        changed(SMALL | {"name": name})
    assert changed(SMALL | {"name": "plain-0 (two).b"}).name == "plain-0 (two).b"
