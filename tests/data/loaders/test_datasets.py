"""One door to all sets: unknown names, parts and options are refused before anything is read."""

from dataclasses import replace

import pytest

from figureground.base.errors import OptionError
from figureground.data import DATASETS, LoadOptions, load_dataset


def test_unknown_set_and_part_are_refused():
    with pytest.raises(OptionError, match="no data set 'cifar11'; closest: 'cifar10'"):
        load_dataset("cifar11", part="train")
    with pytest.raises(OptionError, match="no part 'valid'; closest: 'val'"):
        load_dataset("cifar10", part="valid")


@pytest.mark.parametrize("name", DATASETS)
def test_every_set_refuses_the_options_it_does_not_know(name, tmp_path):
    values = {"count": 5, "download": True, "background": True, "val_fraction": 0.3, "rho": 0.5}
    assert DATASETS[name].description
    assert DATASETS[name].unknown
    for option in DATASETS[name].unknown:
        options = replace(LoadOptions(), **{option: values[option]})  # type: ignore[arg-type]
        with pytest.raises(OptionError, match=f"'{name}' has no option '{option}'"):
            load_dataset(name, tmp_path, part="train", options=options)
