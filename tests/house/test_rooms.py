"""What only one room may do: hooks belong to capture, words on the screen to cli."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

HOOK = re.compile(r"^_?register_\w*hook$|^saved_tensors_hooks$|^Torch(Dispatch|Function)Mode$")
SCREEN = {"stdout", "stderr", "__stdout__", "__stderr__"}


def hooks(path: Path) -> list[str]:
    """A complaint for each place that registers a hook or listens to the dispatcher."""
    return [
        f"{path}:{line}: {name} belongs to capture"
        for name, line in _names(path)
        if HOOK.match(name)
    ]


def words_on_screen(path: Path) -> list[str]:
    """A complaint for each place that prints or takes hold of the screen."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    printed = [call.lineno for call in calls if getattr(call.func, "id", None) == "print"]
    held = [line for name, line in _names(path) if name in SCREEN]
    return [f"{path}:{line}: only cli speaks" for line in sorted(printed + held)]


def _names(path: Path) -> Iterator[tuple[str, int]]:
    """Every name, attribute and imported name of a file with its line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            yield node.attr, node.lineno
        elif isinstance(node, ast.Name):
            yield node.id, node.lineno
        elif isinstance(node, ast.ImportFrom):
            yield from ((alias.name, node.lineno) for alias in node.names)


def _outside(room: str, sources: list[Path], root: Path) -> list[Path]:
    """The package's files that are not in this room."""
    inside = root / "src" / "figureground" / room
    return [path for path in sources if inside not in path.parents]


def test_only_capture_registers_hooks(sources: list[Path], root: Path):
    files = _outside("capture", sources, root)
    bad = [complaint for path in files for complaint in hooks(path)]
    assert not bad, "\n".join(bad)


def test_nothing_below_cli_prints(sources: list[Path], root: Path):
    files = _outside("cli", sources, root)
    bad = [complaint for path in files for complaint in words_on_screen(path)]
    assert not bad, "\n".join(bad)


def test_every_kind_of_hook_is_reported(tmp_path: Path):
    path = tmp_path / "page.py"
    for bad in (
        "layer.register_forward_hook(f)",
        "tensor.register_hook(f)",
        "torch.nn.modules.module.register_module_full_backward_hook(f)",
        "class Tape(TorchDispatchMode): ...",
        "from torch.utils._python_dispatch import TorchDispatchMode as Mode",
        "with saved_tensors_hooks(f, g): ...",
    ):
        path.write_text(bad + "\n")
        assert hooks(path), bad
    path.write_text("layer.register_buffer('mean', mean)\nhook = 1\n")
    assert hooks(path) == []


def test_every_way_to_print_is_reported(tmp_path: Path):
    path = tmp_path / "page.py"
    for bad in ("print(1)", "sys.stdout.write('1')", "from sys import stderr"):
        path.write_text(bad + "\n")
        assert len(words_on_screen(path)) == 1, bad
    path.write_text("blueprint(1)\nlogger.info('print')\n")
    assert words_on_screen(path) == []
