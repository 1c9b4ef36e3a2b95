import argparse
import collections
import types
import warnings
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from figureground.base.errors import ModelError
from figureground.models import load_weights
from figureground.models.weights import read_weights


def _network(seed: int = 0) -> nn.Sequential:
    """Two layers, with weights drawn from a stream of their own."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=draw))
    return network


def _same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def _prefixed(prefix: str) -> Callable[[dict[str, Tensor]], Any]:
    return lambda state: {prefix + key: value for key, value in state.items()}


WRAPPINGS: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"epoch": 3, "state_dict": state},
    "model": lambda state: {"model": state, "optimizer": {"lr": 0.1}},
    "two wrappers": lambda state: {"model": {"state_dict": state}},
    "averaged": lambda state: {
        "state_dict": {key: torch.zeros_like(value) for key, value in state.items()},
        "state_dict_ema": state,
    },
    "data parallel": _prefixed("module."),
    "compiled": _prefixed("_orig_mod."),
    "both": _prefixed("_orig_mod.module."),
    "both, the other way round": _prefixed("module._orig_mod."),
    "lightning": lambda state: {"state_dict": _prefixed("model.")(state)},
    "our classifier": _prefixed("network."),
    "without counters": lambda state: {
        key: value for key, value in state.items() if "num_batches" not in key
    },
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_weights_come_out_of_every_wrapping(wrapping: str, tmp_path: Path):
    trained, fresh = _network(1), _network(2)
    file = tmp_path / "weights.pth"
    torch.save(WRAPPINGS[wrapping](trained.state_dict()), file)
    load_weights(fresh, file)
    assert _same(fresh, trained)


def test_safetensors_are_read(tmp_path: Path):
    trained, fresh = _network(1), _network(2)
    save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    load_weights(fresh, str(tmp_path / "weights.safetensors"))
    assert _same(fresh, trained)


def test_a_network_whose_own_names_begin_with_module_is_loaded_as_it_is(tmp_path: Path):
    trained, fresh = nn.ModuleDict({"module": _network(1)}), nn.ModuleDict({"module": _network(2)})
    torch.save(trained.state_dict(), tmp_path / "weights.pt")
    load_weights(fresh, tmp_path / "weights.pt")
    assert _same(fresh, trained)


def test_a_misfit_is_described_and_changes_nothing(tmp_path: Path):
    state = _network(1).state_dict()
    bad = {f"extra{i}": torch.zeros(1) for i in range(5)} | {"0.weight": torch.zeros(4, 1, 3, 3)}
    torch.save({**state, **bad} | {}, tmp_path / "weights.pth")
    fresh = _network(2)
    with pytest.raises(ModelError) as caught:
        load_weights(fresh, tmp_path / "weights.pth")
    message = str(caught.value)
    assert "5 unexpected (extra0, extra1, extra2, …)" in message
    assert "1 of another shape (0.weight (4, 1, 3, 3) for (4, 3, 3, 3))" in message
    assert "missing" not in message
    assert _same(fresh, _network(2))


def test_missing_weights_are_listed(tmp_path: Path):
    torch.save({"0.bias": torch.zeros(4)}, tmp_path / "weights.pth")
    with pytest.raises(ModelError, match=r"5 missing \(0\.weight, 1\.weight, 1\.bias, …\)"):
        load_weights(_network(), tmp_path / "weights.pth")


def test_what_lies_beside_the_weights_is_left_over_with_a_note(tmp_path: Path):
    # a Lightning module keeps its criterion beside the network; such checkpoints were refused
    state = _prefixed("model.")(_network(1).state_dict()) | {"loss.weight": torch.ones(2)}
    torch.save({"state_dict": state}, tmp_path / "weights.pth")
    fresh = _network(2)
    notes = load_weights(fresh, tmp_path / "weights.pth")
    assert _same(fresh, _network(1))
    assert notes == (
        "weights.pth: the weights under 'state_dict.model' were taken; left over: 1 (loss.weight)",
    )


def test_a_prefix_under_which_names_do_not_fit_exactly_is_not_dropped_but_named(tmp_path: Path):
    state = _prefixed("model.")(_network(1).state_dict() | {"2.bias": torch.ones(2)})
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(ModelError, match=r"1 unexpected \(2\.bias\); 6 fit under 'model'"):
        load_weights(_network(2), tmp_path / "weights.pth")


def test_of_two_networks_that_fit_the_path_says_which(tmp_path: Path):
    one, other, file = _network(1), _network(3), tmp_path / "dino.pth"
    wrapped = _prefixed("module.backbone.")
    torch.save({"student": wrapped(one.state_dict()), "teacher": wrapped(other.state_dict())}, file)
    fresh = _network(2)
    with pytest.raises(ModelError, match=r"several networks that fit.*::teacher"):
        load_weights(fresh, file)
    assert _same(fresh, _network(2))
    for place, wanted in (("student", one), ("teacher.module.backbone", other)):
        load_weights(fresh, f"{file}::{place}")
        assert _same(fresh, wanted)
    with pytest.raises(ModelError, match="none under this name"):
        load_weights(fresh, f"{file}::tea")


@pytest.mark.parametrize("place", ["ema", "model_ema", "averaged_model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_averaged_weights_go_before_plain_ones(place: str, prefix: str, tmp_path: Path):
    trained, other, fresh = _network(1), _network(3), _network(2)
    average = {f"{prefix}{key}": value for key, value in trained.state_dict().items()}
    content = {"model": other.state_dict(), place: average | {"n_averaged": torch.ones(1)}}
    torch.save(content, tmp_path / "w.pth")
    (note,) = load_weights(fresh, tmp_path / "w.pth")
    assert _same(fresh, trained)
    assert note.startswith(f"w.pth: the weights under '{place}")


def test_what_only_holds_values_may_lie_beside_the_weights(tmp_path: Path):
    trained, fresh = _network(1), _network(2)
    counts: collections.defaultdict[str, list[int]] = collections.defaultdict(list)
    counts["a"].append(1)
    beside = {
        "args": argparse.Namespace(lr=0.1, out=Path("runs/x"), windows=PureWindowsPath("C:/x")),
        "best": np.float64(0.5),
        "step": np.int64(3),
        "history": counts,
        "more": types.SimpleNamespace(a=1),
        "kinds": np.dtype("float32"),
        "seen": {1, 2},
    }
    torch.save({"weights": trained.state_dict(), **beside}, tmp_path / "w.pth")
    load_weights(fresh, tmp_path / "w.pth")
    assert _same(fresh, trained)


def test_safetensors_are_known_by_their_content(tmp_path: Path):
    trained, fresh = _network(1), _network(2)
    save_file(trained.state_dict(), tmp_path / "pytorch_model.bin")
    load_weights(fresh, tmp_path / "pytorch_model.bin")
    assert _same(fresh, trained)
    torch.save(trained.state_dict(), tmp_path / "model.safetensors")
    fresh = _network(2)
    load_weights(fresh, tmp_path / "model.safetensors")
    assert _same(fresh, trained)


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.to_sparse(),
        lambda value: value.to("meta"),
        lambda value: (value * 9).to(torch.int8),
        lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8),
        lambda value: value.to(torch.complex64),
    ],
)
def test_weights_that_are_no_plain_numbers_are_refused(
    change: Callable[[Tensor], Tensor], tmp_path: Path
):
    state, fresh = _network(1).state_dict(), _network(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state["0.weight"] = change(state["0.weight"])
        torch.save(state, tmp_path / "w.pth")
        with pytest.raises(ModelError, match=r"no plain numbers|is not a weights file"):
            load_weights(fresh, tmp_path / "w.pth")
    assert _same(fresh, _network(2))


def test_no_text_is_a_weights_file_and_none_ends_in_a_bare_error(tmp_path: Path):
    draw = np.random.default_rng(0)
    for row in range(150):
        letters = draw.integers(0, 128, draw.integers(1, 60)).astype(np.uint8)
        (tmp_path / "w.pth").write_bytes(letters.tobytes())
        with pytest.raises(
            ModelError, match=r"is not a weights file|could run code|holds no weights"
        ):
            load_weights(_network(row), tmp_path / "w.pth")


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path):
    torch.save(_network(), tmp_path / "network.pth")
    with pytest.raises(ModelError, match="could run code: refused"):
        load_weights(_network(), tmp_path / "network.pth")

    torch.save({"x": _Bomb(tmp_path / "exploded")}, tmp_path / "bomb.pth")
    with pytest.raises(ModelError, match="could run code: refused"):
        load_weights(_network(), tmp_path / "bomb.pth")
    assert not (tmp_path / "exploded").exists()


class _Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"hello, I am a text\n" * 9, b"PK\x03\x04broken"])
def test_a_file_that_is_none_is_refused(name: str, content: bytes, tmp_path: Path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match="is not a weights file"):
        load_weights(_network(), tmp_path / name)


def test_a_cut_off_file_is_refused(tmp_path: Path):
    whole = tmp_path / "whole.pth"
    torch.save(_network().state_dict(), whole)
    for name in ("cut.pth", "cut.safetensors"):
        save_file(_network().state_dict(), tmp_path / "whole.safetensors")
        content = (tmp_path / name.replace("cut", "whole")).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(ModelError, match="is not a weights file"):
            load_weights(_network(), tmp_path / name)


def test_a_missing_file_and_a_file_without_weights_are_refused(tmp_path: Path):
    with pytest.raises(ModelError, match="no weights file"):
        load_weights(_network(), tmp_path / "none.pth")
    contents: list[Any] = [{"epoch": 3}, [1, 2], {"model": {"state_dict": {}}}]
    for content in contents:
        torch.save(content, tmp_path / "empty.pth")
        with pytest.raises(ModelError, match="holds no weights"):
            read_weights(tmp_path / "empty.pth")


def test_weights_for_another_number_of_classes_say_which(tmp_path):
    save_file(
        nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 7)).state_dict(), tmp_path / "w.safetensors"
    )
    with pytest.raises(
        ModelError, match="of a network with 7 logits: set the model argument num_classes=7"
    ):
        load_weights(nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 5)), tmp_path / "w.safetensors")
    with pytest.raises(ModelError) as caught:
        load_weights(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5)), tmp_path / "w.safetensors")
    assert "num_classes" not in str(caught.value)
