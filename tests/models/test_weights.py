from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def test_an_outer_name_is_not_dropped_where_keys_would_still_not_fit(tmp_path: Path):
    state = _prefixed("model.")(_network(1).state_dict()) | {"loss.weight": torch.ones(2)}
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(ModelError, match=r"unexpected \(model\.0\.weight"):
        load_weights(_network(2), tmp_path / "weights.pth")


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
