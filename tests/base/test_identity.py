"""Equal networks, images and options have equal digests, all others differ."""

import copy
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from figureground.base.identity import digest, file_identity, model_identity, path_identity, shown


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)  # noqa: TID251 - an entry point of tests
    body = [nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*body, nn.Linear(6, 4))


def linear(one: nn.Module) -> nn.Linear:
    assert isinstance(one, nn.Sequential)
    head = one[-1]
    assert isinstance(head, nn.Linear)
    return head


def one_bias(one: nn.Module) -> None:
    linear(one).bias[2] += 1e-3


def one_head_row(one: nn.Module) -> None:
    linear(one).weight[1] = 0


def one_kernel_value(one: nn.Module) -> None:
    next(one.parameters())[5, 2, 1, 0] += 1e-4


def one_running_mean(one: nn.Module) -> None:
    dict(one.named_buffers())["1.running_mean"][3] = 1


def two_rows_change_places(one: nn.Module) -> None:
    linear(one).weight[[0, 1]] = linear(one).weight[[1, 0]]


def half(one: nn.Module) -> None:
    one.half()


def another_activation(one: nn.Module) -> None:
    one.set_submodule("2", nn.GELU())


def another_stride(one: nn.Module) -> None:
    conv = next(one.children())
    assert isinstance(conv, nn.Conv2d)
    conv.stride = (2, 2)


def another_name(one: nn.Module) -> None:
    one.name = "other"  # type: ignore[assignment]


def other_class_names(one: nn.Module) -> None:
    one.class_names = ("a", "b")  # type: ignore[assignment]


@pytest.mark.parametrize(
    "change",
    [
        one_bias, one_head_row, one_kernel_value, one_running_mean, two_rows_change_places, half, another_activation,
        another_stride, another_name,
        other_class_names,
    ],
)  # fmt: skip
def test_the_smallest_difference_is_another_network(change: Callable[[nn.Module], None]):
    plain = network()
    changed = copy.deepcopy(plain)
    assert model_identity(changed) == model_identity(plain)
    with torch.no_grad():
        change(changed)
    assert model_identity(changed) != model_identity(plain)


def test_the_same_network_is_the_same_however_it_lies_in_memory():
    plain = network()
    before = model_identity(plain)
    plain.to(memory_format=torch.channels_last)
    assert model_identity(plain) == before
    plain.train()
    assert model_identity(plain.requires_grad_(False)) == before
    assert len(before) == 16


@pytest.mark.gpu
def test_the_same_network_is_the_same_on_every_device():
    plain = network()
    assert model_identity(copy.deepcopy(plain).cuda()) == model_identity(plain)


def test_an_edited_forward_of_a_users_class_is_another_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    text = (
        "from torch import nn\n\n\nclass Net(nn.Linear):\n"
        "    def forward(self, x):\n        return super().forward(x){}\n"
    )

    def built(change: str, name: str) -> nn.Module:
        path = tmp_path / f"{name}.py"
        path.write_text(text.format(change))
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        torch.manual_seed(0)  # noqa: TID251 - as above
        made = module.Net(3, 2)
        assert isinstance(made, nn.Module)
        return made

    first = model_identity(built("", "net_a"))
    assert model_identity(built("", "net_b")) == first
    assert model_identity(built(" * 2.0", "net_c")) != first


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages", "beside torch"])
def test_code_of_an_installed_package_counts_by_its_weights_wherever_it_lies(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    place = tmp_path / "elsewhere" / folder
    place.mkdir(parents=True)
    if folder == "beside torch":  # pip install --target
        monkeypatch.setattr(torch, "__file__", str(place / "torch" / "__init__.py"))
    monkeypatch.syspath_prepend(place)

    def identity(change: str) -> str:
        name = f"layers_{len(change)}"
        (place / f"{name}.py").write_text(
            "from torch import nn\n\n\nclass Net(nn.Linear):\n    pass\n\n\n"
            f"def start():\n    return {change or 0}\n"
        )
        module = importlib.import_module(name)
        monkeypatch.setitem(sys.modules, name, module)
        torch.manual_seed(0)  # noqa: TID251 - as above
        made = module.Net(3, 2)
        made.init = module.start
        return model_identity(made)

    assert identity("") == identity("1")


def test_no_network_has_an_identity_too():
    assert model_identity(None) == model_identity(None) != model_identity(nn.Flatten())


def test_a_digest_tells_values_and_their_kinds_apart():
    found = {digest(*one) for one in ((1,), ("1",), (1.0,), (1, 2), ((1, 2),), (12,), (), (None,))}
    assert len(found) == 8
    assert digest("a", 1) == digest("a", 1)


def test_a_file_is_known_by_place_size_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "a.png"
    assert file_identity(file) == ""
    file.write_bytes(b"123")
    first = file_identity(file)
    os.utime(file, ns=(1, 1))
    second = file_identity(file)
    file.write_bytes(b"1234")
    os.utime(file, ns=(1, 1))
    assert len({first, second, file_identity(file)}) == 3
    monkeypatch.chdir(tmp_path)
    another = Path("..") / tmp_path.name / "a.png"
    assert path_identity(Path("a.png")) == path_identity(file) == path_identity(another)


def test_bytes_that_are_no_text_are_shown():
    assert shown(Path(os.fsdecode(b"a\xff.png"))) == "a�.png"
