"""Options are of the right type, and a truth value is a truth value."""

import pytest

from figureground.base.errors import DataError, OptionError
from figureground.data import LoadOptions
from figureground.data.loaders.load_options import checked_flag, official_errors


@pytest.mark.parametrize("value", ["False", "", 0, 1, None, []])
def test_only_true_and_false_are_truth_values(value):
    with pytest.raises(OptionError, match="train is True or False, not"):
        checked_flag("train", value)
    assert checked_flag("train", value=True) is True
    assert checked_flag("train", value=False) is False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"val_fraction": 0.0}, "val_fraction lies between 0 and 1"),
        ({"val_fraction": 1.0}, "val_fraction lies between 0 and 1"),
        ({"count": 0}, "count is 0"),
    ],
)
def test_values_out_of_range_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        LoadOptions(**options)


def test_errors_of_torchvision_become_ours_with_a_way_out_where_there_is_one():
    with pytest.raises(DataError, match=r"'stl10': corrupted; it is fetched .* option download"), \
         official_errors("stl10", download=False):  # fmt: skip
        raise RuntimeError("corrupted")
    with (
        pytest.raises(DataError, match=r"'stl10': no network$"),
        official_errors("stl10", download=True),
    ):
        raise OSError("no network")
