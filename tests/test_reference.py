"""Every public name stands on exactly one page of the reference."""

import importlib
import importlib.util
import inspect
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

import figureground as fg

ROOT = Path(__file__).parents[1]
Pages = Mapping[str, Mapping[str, tuple[str, ...]]]

PACKAGES = (
    "figureground",
    *(f"figureground.{room}" for room in ("methods", "maps", "metrics", "models", "models.heads")),
    *(f"figureground.metrics.{kind}" for kind in fg.metrics.__all__),
    *("figureground.data", "figureground.data.annotations", "figureground.data.background"),
    *("figureground.data.loaders", "figureground.training", "figureground.training.algorithms"),
    *(
        f"figureground.training.algorithms.{path.parent.name}"
        for path in sorted(
            (ROOT / "src/figureground/training/algorithms").glob("*/__init__.py"),
        )
    ),
    *("figureground.studies", "figureground.studies.evaluation", "figureground.reports"),
    "figureground.engines",
)
"""Where users import from."""


@pytest.fixture(scope="module")
def pages() -> Pages:
    """Room -> module -> names, as the site has them."""
    spec = importlib.util.spec_from_file_location("site_pages", ROOT / "docs" / "site_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.reference_pages()


def public_names() -> dict[str, object]:
    """``package.name`` -> what it is, of all packages that users import from."""
    found: dict[str, object] = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in getattr(module, "__all__", ()):
            if not name.startswith("__"):
                found[f"{package}.{name}"] = getattr(module, name)
    return found


def complaints(public: Mapping[str, object], pages: Pages) -> list[str]:
    """A line for each public name that is on no page, or on several."""
    entries = [
        (room, module, name, getattr(importlib.import_module(module), name))
        for room, modules in pages.items()
        for module, names in modules.items()
        for name in names
    ]
    bad = []
    for address, thing in public.items():
        if isinstance(thing, ModuleType):
            within = f"{thing.__name__}."
            places = sorted(
                {room for room, module, *_ in entries if f"{module}.".startswith(within)}
            )
        else:
            own = _definition(thing)
            places = [
                f"{room}: {module}"
                for room, module, name, entry in entries
                if entry is thing and own in {None, (module, name)}
            ]
        if len(places) != 1:
            bad.append(f"{address} is on {len(places)} pages: {', '.join(places)}")
    return bad


def _definition(thing: object) -> tuple[str, str] | None:
    """Module and name of a class or function; None for a value, which does not know where it was made."""
    if inspect.isclass(thing) or inspect.isfunction(thing):
        return thing.__module__, thing.__qualname__
    return None


def test_every_public_name_is_on_exactly_one_page(pages: Pages):
    public = public_names()
    assert len(public) > 200
    assert complaints(public, pages) == []


def test_every_package_with_public_names_is_looked_at():
    internal = tuple(f"figureground.{one}" for one in ("base", "capture", "cli", "compat"))
    packages = {
        ".".join(path.parent.relative_to(ROOT / "src").parts)
        for path in (ROOT / "src" / "figureground").rglob("__init__.py")
        if "__all__ = [" in path.read_text(encoding="utf-8")
    }
    assert {one for one in packages if not one.startswith(internal)} <= set(PACKAGES)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("figureground.maps.post_processing", "figureground.maps.normalise"),
        ("figureground.training.algorithms", "figureground.training.ALGORITHMS"),
        ("figureground.studies.evaluation.evaluate", "figureground.evaluate"),
        ("figureground.methods.registry", "figureground.METHODS"),
        ("figureground.base.errors", "figureground.errors"),
    ],
)
def test_a_module_that_is_left_out_is_reported(pages: Pages, module: str, name: str):
    fewer = {
        room: {key: names for key, names in modules.items() if key != module}
        for room, modules in pages.items()
    }
    assert fewer != pages
    bad = complaints(public_names(), fewer)
    assert any(line.startswith(f"{name} is on 0 pages") for line in bad)


def test_a_module_on_two_pages_is_reported(pages: Pages):
    module = "figureground.maps.post_processing"
    twice = {**pages, "models": {**pages["models"], module: pages["maps"][module]}}
    bad = complaints(public_names(), twice)
    assert any(line.startswith("figureground.maps.normalise is on 2 pages") for line in bad)
