import pytest
import torch

from figureground.base.errors import ModelError, OptionError
from figureground.models.from_figureground import NETWORKS, build
from figureground.models.source import Wanted

FRESH = Wanted(trained=False)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_runs_on_the_images_it_was_made_for(name: str):
    found = build(name, FRESH)
    assert found.class_names is not None
    images = torch.zeros(2, found.preprocessing.channels, *found.preprocessing.size)
    with torch.no_grad():
        logits = found.network.eval()(images)
    assert logits.shape == (2, len(found.class_names)) == (2, found.num_classes)


def test_other_channels_and_classes_change_the_facts():
    found = build("lenet-gap", Wanted(trained=False, arguments={"channels": 1, "num_classes": 3}))
    assert found.preprocessing.channels == 1
    assert found.preprocessing.mean == (0.0,)
    assert found.class_names is None
    assert found.num_classes == 3


def test_there_are_no_weights_to_fetch():
    with pytest.raises(ModelError, match=r"has no weights to fetch; .*--weights FILE.*--random"):
        build("lenet-gap", Wanted())


def test_unknown_names_and_arguments_are_refused():
    with pytest.raises(OptionError, match="closest: 'lenet-gap'"):
        build("lenet", FRESH)
    with pytest.raises(OptionError, match=r"cannot take the arguments \{'depth': 3\}"):
        build("lenet-gap", Wanted(trained=False, arguments={"depth": 3}))
