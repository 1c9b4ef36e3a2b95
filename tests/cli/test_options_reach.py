"""Every flag of every command is typed once, and what was typed arrives where the work is done."""

import inspect
from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.cli.flags import Words, spellings
from typer.testing import Result

from figureground.base.options import Options
from figureground.cli import command as module
from figureground.cli.model_options import ModelOptions
from figureground.engines import EngineOptions
from figureground.models import Texts
from figureground.studies.background.options import PoolRequest
from figureground.studies.comparison.options import CompareOptions
from figureground.studies.diagnosis.options import DiagnoseOptions, PlantedOptions
from figureground.studies.evaluation import EVALUATIONS, evaluation_class
from figureground.studies.evaluation.data_options import DataOptions
from figureground.studies.explain.options import ExplainOptions
from figureground.studies.export.options import ExportOptions
from figureground.studies.ranking.options import RankOptions
from figureground.studies.training.train import train as train_study
from figureground.web.server import PASSWORD, Access

Run = Callable[..., Result]
TINY = "name: tiny\nepochs: 3\ndata: {name: cluttered-digits}\nmodel: {name: 'figureground:lenet-gap'}\n"


class Reached(Exception):  # noqa: N818 - not an error
    """Ends a command where its work would begin."""


@dataclass(frozen=True)
class Verb:
    """What a command calls.

    Args:
        study: Module and function, which gets what was typed.
        fixed: Words without which the command does not start.
        options: Class of options -> parameter of the study that holds them.
    """

    study: str
    fixed: Words = ()
    options: dict[type[Options], str] = field(default_factory=dict)


MODEL: dict[type[Options], str] = {ModelOptions: "typed model"}
_STUDIES = "figureground.studies"
VERBS: dict[Words, Verb] = {
    ("explain",): Verb(
        f"{_STUDIES}.explain.explain:explain_images",
        ("IMAGE",),
        {ExplainOptions: "options", EngineOptions: "device", **MODEL},
    ),
    ("diagnose",): Verb(
        f"{_STUDIES}.diagnosis.diagnose:diagnose_images",
        ("clutter",),
        {
            DiagnoseOptions: "options",
            DataOptions: "data_options",
            EngineOptions: "device",
            **MODEL,
        },
    ),
    ("diagnose", "planted"): Verb(
        f"{_STUDIES}.diagnosis.planted:planted_benchmark",
        (),
        {DiagnoseOptions: "options", PlantedOptions: "planted"},
    ),
    ("rank",): Verb(
        f"{_STUDIES}.ranking.rank:rank_images",
        ("IMAGE",),
        {RankOptions: "options", EngineOptions: "device", **MODEL},
    ),
    ("compare",): Verb(
        f"{_STUDIES}.comparison.compare:compare", ("runs/a", "runs/b"), {CompareOptions: "options"}
    ),
    ("train",): Verb(f"{_STUDIES}.training.train:train", ("RUN",)),
    ("export",): Verb(
        f"{_STUDIES}.export.export:export_model", ("runs/a",), {ExportOptions: "options"}
    ),
    ("demo",): Verb(f"{_STUDIES}.demo.demo:run_demo"),
    ("background", "build"): Verb(
        f"{_STUDIES}.background.pool:make_background_pool", ("--out", "o"), {PoolRequest: "request"}
    ),
    ("serve",): Verb("figureground.web.server:start", ("IMAGE",), MODEL),
    ("doctor",): Verb("figureground.methods:Explainer", (), MODEL),
    ("ls",): Verb("figureground.capture:choose_layer", ("layers",), MODEL),
    **{
        ("evaluate", name): Verb(
            f"{_STUDIES}.evaluation.evaluate:evaluate",
            ("clutter",),
            {
                evaluation_class(name): "evaluation",
                DataOptions: "data_options",
                EngineOptions: "device",
                **MODEL,
            },
        )
        for name in EVALUATIONS
    },
}

# field of a class -> what is typed, and what has to arrive; where the type alone does not say it
PARTICULAR: dict[tuple[type[Options] | None, str], tuple[str, Any]] = {
    (ExplainOptions, "classes"): ("1,2", ["1", "2"]),
    (ExplainOptions, "contour"): ("0.5", 0.5),
    (PoolRequest, "split"): ("0.5,0.25,0.25", (0.5, 0.25, 0.25)),
    (ModelOptions, "size"): ("24x32", "24x32"),
    (RankOptions, "methods"): ("layer-cam", "layer-cam"),
    (None, "value_range"): ("12-bit", "12-bit"),
    (None, "attack"): ("pgd,uniform:0.3", ("pgd", "uniform:0.3")),
    (None, "fractions"): ("0.25,0.75", (0.25, 0.75)),
    (None, "rho"): ("0.25,0.75", (0.25, 0.75)),
}
# field -> other words that it needs
COMPANIONS = {
    **dict.fromkeys(("address", "actors", "gpus_per_actor"), ("--engine", "ray")),
    "fuse": ("--layer", "a,b"),
    "layer": ("--fuse", "max"),
    "ratio": ("--screen-against", "x"),
}
TAKES_URLS = {"evaluate", "explain", "rank"}
# parameters that are in no class: what is typed after the flag, and what has to arrive under which name
PLAIN: dict[str, tuple[Words, str, Any]] = {
    "out": (("some/place",), "out", Path("some/place")),
    "overwrite": ((), "overwrite", True),
    "device": (("cuda:1",), "device", "cuda:1"),
    "recursive": ((), "typed recursive", True),
    "checkpoint": (("step-7",), "checkpoint", "step-7"),
    "arm": (("x=runs/p,runs/q",), "arm x", [Path("runs/p"), Path("runs/q")]),
    "seed": (("41",), "seed", 41),
    "samples": (("2345",), "samples", 2345),
    "layer": (("block.7",), "layer", "block.7"),
    "out_folder": (("some/place",), "out", Path("some/place")),
    "changes": (("epochs=77",), "epochs", 77),
    "resume": ((), "resume", True),
    "accelerator": (("mps",), "accelerator", "mps"),
    "trust_code": ((), "trust_code", True),
    "value_range": (("0,4095",), "value_range", "0,4095"),
    "other": (("timm:b",), "other", "timm:b"),
    "host": (("127.0.0.2",), "access", Access("127.0.0.2")),
    "port": (("7999",), "access", Access(port=7999)),
    "auth": (("ann",), "access", Access(user="ann", environment={PASSWORD: "x"})),
}


@pytest.fixture(scope="module")
def studies() -> None:
    """All are read: one that is first read under a patch would keep what takes a function's place."""
    for verb in VERBS.values():
        import_module(verb.study.partition(":")[0])


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The explorer gets as far as what it was told, whether its extra is there or not."""
    monkeypatch.setattr("figureground.web.framework.gradio", lambda: None)
    monkeypatch.setenv(PASSWORD, "x")


@pytest.fixture
def reached(
    studies: None,
    no_page: None,
    type_in: Run,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., dict[str, Any]]:
    """Types a command and tells what arrived at its study, by the names of the study's parameters."""
    arrived: dict[str, Any] = {}
    signatures: dict[str, inspect.Signature] = {}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.yaml").write_text(TINY)
    monkeypatch.setattr("figureground.studies.ranking.options.find_spec", lambda _: "pyarrow")

    def load(about: ModelOptions) -> SimpleNamespace:
        arrived["typed model"] = about
        return SimpleNamespace(classifier=_stub(), run=None)

    def find(*_: object, recursive: bool = False) -> list[Path]:
        arrived["typed recursive"] = recursive
        return [images / "0.png"]

    monkeypatch.setattr(ModelOptions, "load", load)
    monkeypatch.setattr("figureground.data.find_images", find)
    places = {"IMAGE": str(images), "RUN": str(tmp_path / "run")}

    def run(words: Words, *typed: str) -> dict[str, Any]:
        verb = VERBS[words]
        name, _, function = verb.study.partition(":")
        if verb.study not in signatures:  # of the study itself, not of what stands in its place
            signatures[verb.study] = inspect.signature(getattr(import_module(name), function))
        signature = signatures[verb.study]

        def study(*given: Any, **named: Any) -> None:
            arrived.update(signature.bind(*given, **named).arguments)
            raise Reached

        monkeypatch.setattr(f"{name}.{function}", study)
        fixed = [places.get(word, word) for word in verb.fixed]
        done = type_in(*words, *fixed, *typed)
        assert isinstance(done.exception, Reached), done.output
        if "recipe" in arrived:
            arrived["epochs"] = arrived["recipe"].epochs
            arrived["value_range"] = arrived["recipe"].model.preprocessing.get("value_range")
        arrived.setdefault("out", arrived.get("folder"))
        return arrived | {f"arm {name}": runs for name, runs in arrived.get("arms", {}).items()}

    return run


def _stub() -> SimpleNamespace:
    """As much of a classifier as commands look at before their work begins."""
    names = ("resize", "crop_fraction", "interpolation", "mean", "std", "channel_order")
    size = SimpleNamespace(channels=3, size=(8, 8), in_words="", **dict.fromkeys(names, 1.0))
    plain = {"notes": (), "class_names": (), "num_classes": 3, "name": "x", "parameters": list}
    return SimpleNamespace(preprocessing=size, **plain)


def owners(words: Words, name: str) -> list[tuple[type[Options], Field[Any]]]:
    """Classes of options of a command that have the field."""
    kinds = VERBS[words].options
    return [
        (kind, one) for kind in kinds for one in fields(kind) if one.metadata and one.name == name
    ]


def typed_and_expected(kind: type[Options], one: Field[Any], flag: str) -> tuple[list[str], Any]:
    """What is typed after a flag, and the value that has to arrive, which is never the default."""
    particular = PARTICULAR.get((kind, one.name)) or PARTICULAR.get((None, one.name))
    if particular is not None:
        return [particular[0]], particular[1]
    if module._item_type(one) is not None:
        return _several(one, flag)
    if module._scalar_type(one) is bool:
        return [], not flag.startswith("--no-")
    return _single(one)


def _several(one: Field[Any], flag: str) -> tuple[list[str], Any]:
    """Of a field with several values."""
    items: dict[type | None, tuple[list[str], list[Any]]] = {
        int: (["3", "44"], [3, 44]),
        float: (["0.125", "0.5"], [0.125, 0.5]),
        str: (["one", "two"], ["one", "two"]),
        Path: (["p/q", "r"], [Path("p/q"), Path("r")]),
    }
    texts, values = items[module._item_type(one)]
    if one.name == "methods":
        return ["cam,eigen-cam(center=true)"], ["cam", "eigen-cam(center=true)"]
    if one.metadata["repeat"]:
        return [texts[0], flag, texts[1]], tuple(values)
    return [",".join(texts)], tuple(values)


def _single(one: Field[Any]) -> tuple[list[str], Any]:
    """Of a field with one value."""
    default: Any = one.default
    others = [each for each in one.metadata["choices"] if each != default]
    made: dict[type, Any] = {
        int: (default or 1) + 1 if isinstance(default, int | None) else 0,
        float: round((default or 1.0) * 1.5, 6) if isinstance(default, float | None) else 0.0,
        Path: Path("some/place"),
        str: "something",
    }
    value = others[0] if others else made[module._scalar_type(one)]
    return [str(value)], value


@pytest.mark.parametrize(
    ("words", "name", "flag"),
    list(spellings()),
    ids=lambda one: one if isinstance(one, str) else " ".join(one),
)
def test_what_is_typed_arrives(
    words: Words, name: str, flag: str, reached: Callable[..., dict[str, Any]]
):
    if words == ("diagnose",) and name in {one.name for one in fields(PlantedOptions)}:
        words = ("diagnose", "planted")
    holders = owners(words, name)
    if not holders:
        typed, where, value = PLAIN[name]
        found = reached(words, flag, *typed)
        # the verbs of large jobs write to URLs, too
        assert found[where] == (str(value) if TAKES_URLS & {words[0]} and where == "out" else value)
        return
    for kind, one in holders:
        after, value = typed_and_expected(kind, one, flag)
        found = reached(words, flag, *after, *COMPANIONS.get(name, ()))
        options = found[VERBS[words].options[kind]]
        assert isinstance(options, kind)
        got = getattr(options, name)
        if name == "methods" and isinstance(got, dict):
            got = list(got)
        if (words, name) == (("ls",), "random"):
            value = True  # layers do not depend on the weights, so none are ever fetched
        assert got == value
        assert type(got) is type(value)
        assert isinstance(value, bool) or value != one.default


def test_every_field_with_a_description_has_a_flag():
    flags: dict[Words, set[str]] = {}
    for words, name, _ in spellings():
        flags.setdefault(words, set()).add(name)
    assert set(VERBS) - {("diagnose", "planted")} == set(flags)
    for words, verb in VERBS.items():
        for kind in verb.options:
            shown = flags.get(words) or flags[words[:1]]
            assert {one.name for one in fields(kind) if one.metadata} <= shown


def test_nothing_typed_leaves_the_defaults(reached: Callable[..., dict[str, Any]]):
    for name in EVALUATIONS:
        found = reached(("evaluate", name))
        plain = evaluation_class(name)()
        for one in fields(plain):
            if one.name != "methods":
                got, wanted = getattr(found["evaluation"], one.name), getattr(plain, one.name)
                assert got == wanted, (name, one.name)
        assert found["data_options"] == DataOptions()
        assert found["typed model"] == ModelOptions()


@pytest.mark.parametrize(
    ("words", "where", "value"),
    [
        (("--weights", "w.pth"), "weights", Path("w.pth")),
        (("--random",), "random", True),
        (("--model-arg", "a=1", "--model-arg", "b=x"), "arguments", {"a": 1, "b": "x"}),
        (("--class-names", "n.txt"), "class_names", Path("n.txt")),
        (("--texts", "a cat, a dog"), "texts", Texts(("a cat", "a dog"))),
        (
            ("--texts", "x", "--templates", "{}, a", "--templates", "{}"),
            "texts",
            Texts(("x",), ("{}, a", "{}")),
        ),
        (("--readout", "segmentation"), "readout", "segmentation"),
        (("--size", "24x32"), "preprocessing", {"size": (24, 32)}),
        (("--resize", "pad"), "preprocessing", {"resize": "pad", "crop_fraction": 1.0}),
        (("--crop-fraction", "0.5"), "preprocessing", {"crop_fraction": 0.5}),
        (("--mean", "0.1,0.2,0.3"), "preprocessing", {"mean": (0.1, 0.2, 0.3)}),
        (("--std", "0.25"), "preprocessing", {"std": 0.25}),
    ],
)
def test_words_about_the_model_arrive_at_the_loader(
    words: Words, where: str, value: object, type_in: Run, monkeypatch: pytest.MonkeyPatch
):
    arrived: dict[str, Any] = {}

    def load(model: str, **named: Any) -> None:
        arrived.update(named, model=model)
        raise Reached

    monkeypatch.setattr("figureground.studies.models.load_model", load)
    done = type_in("doctor", "--model", "some:name", *words)
    assert isinstance(done.exception, Reached), done.output
    assert arrived["model"] == "some:name"
    assert arrived[where] == value


def test_the_checkpoint_of_a_run_arrives_at_the_loader(
    type_in: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "recipe.yaml").write_text(TINY)
    arrived: list[Any] = []

    def load(model: str, *, checkpoint: str, trust_code: bool) -> None:
        arrived.extend([model, checkpoint, trust_code])
        raise Reached

    monkeypatch.setattr("figureground.studies.models.load_model", load)
    type_in("doctor", "-m", tmp_path, "--checkpoint", "step-9", "--trust-code")
    assert arrived == [str(tmp_path), "step-9", True]
    assert "checkpoint" not in inspect.signature(train_study).parameters
