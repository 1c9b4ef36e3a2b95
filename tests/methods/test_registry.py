"""Names of methods as people write them."""

import re
import subprocess
import sys

import pytest

from figureground.base.errors import OptionError
from figureground.methods import METHODS, CamMethod, EigenCAM, find_methods
from figureground.methods.left_out import LEFT_OUT


@pytest.mark.parametrize("name", METHODS)
def test_every_name_finds_its_method_however_it_is_written(name):
    spoken = name.replace("-", "")
    for written in (name, name.upper(), spoken, name.replace("-", "_"), METHODS[name].kind):
        assert type(find_methods(written)[name]) is METHODS[name].load()


@pytest.mark.parametrize("name", METHODS)
def test_a_class_has_the_description_of_its_entry(name):
    entry = METHODS[name]
    kind = entry.load()
    assert issubclass(kind, CamMethod)
    assert kind.entry is entry
    for field in ("name", "title", "paper", "needs", "class_specific", "per_layer", "signed"):
        assert getattr(kind, field) == getattr(entry, field)


def test_a_method_of_one_s_own_needs_no_entry():
    class Mine(EigenCAM):
        signed = True

    assert (Mine().name, Mine.signed, EigenCAM.signed) == ("eigen-cam", True, False)
    assert find_methods(Mine())["eigen-cam"].signed


@pytest.mark.parametrize("wrong", [5, {"a": "grad-cam"}, ["grad-cam", 5]])
def test_what_is_no_method_is_refused_where_it_is_given(wrong):
    with pytest.raises(OptionError):
        find_methods(wrong)


def test_methods_are_listed_without_torch():
    script = (
        "import sys\n"
        "from figureground.methods import METHODS\n"
        "assert {'torch', 'numpy'}.isdisjoint(sys.modules), 'loaded'\n"
        "print(*METHODS)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == list(METHODS), done.stderr


@pytest.mark.parametrize("written", ["gradcam++", "Grad-CAM++", "grad_cam_plus_plus", "GradCAMpp"])
def test_grad_cam_plus_plus_has_many_spellings(written):
    assert list(find_methods(written)) == ["grad-cam++"]


def test_instances_keep_their_options_and_the_order_is_kept():
    mine = EigenCAM(center=True)
    found = find_methods(["hires-cam", mine])
    assert list(found) == ["hires-cam", "eigen-cam"]
    assert found["eigen-cam"] is mine


def test_unknown_name_says_what_is_closest():
    with pytest.raises(OptionError, match="no method 'grad-kam'; closest: 'grad-cam'"):
        find_methods("grad-kam")


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_name_that_is_left_out_says_why_and_what_to_use(name):
    assert name not in METHODS
    for written in (name, name.upper(), name.replace("-", "")):
        with pytest.raises(OptionError, match=f"^'{re.escape(written)}' is left out: ") as caught:
            find_methods(written)
        reason, _, instead = str(caught.value).partition("; ")
        assert reason
        assert {*METHODS, "smooth"} & set(re.findall(r"[\w+-]+", instead or reason))


def test_smooth_grad_cam_plus_plus_is_left_out_in_every_spelling():
    for written in ("SmoothGradCAMpp", "smooth-grad-cam-plus-plus"):
        with pytest.raises(OptionError, match="is left out: it averages over noisy copies"):
            find_methods(written)


def test_nothing_and_the_same_twice_are_refused():
    with pytest.raises(OptionError, match="no method asked for"):
        find_methods([])
    with pytest.raises(OptionError, match="'eigen-cam' is asked for twice"):
        find_methods(["eigencam", EigenCAM()])
