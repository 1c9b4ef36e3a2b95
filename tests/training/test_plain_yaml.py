"""YAML from a stranger cannot unfold, and every refusal is one of ours."""

import pytest
import yaml

from figureground.base.errors import DataError
from figureground.training.plain_yaml import plain_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "more than 10 aliases"),
        ("&a [*a]", "refers to itself"),
        ("a: &a {b: {c: *a}}", "refers to itself"),
        ("[" * 5000 + "]" * 5000, "nested more than 50 deep"),
        ("a: " + "{b: " * 60 + "1" + "}" * 60, "nested more than 50 deep"),
        ("a: 2001-99-99", "month must be in"),
        ("a: " + "1" * 5000, "not plain YAML"),
        ("a: *b", "undefined alias"),
        ("!!python/object/apply:os.system [true]", "could not determine a constructor"),
        ("a: [1", "not plain YAML"),
        ("{[a]: 1}: 2", "not plain YAML"),
        ("a: \x00", "not plain YAML"),
    ],
)
def test_what_is_not_plain_is_refused_after_few_nodes(
    text: str, reason: str, monkeypatch: pytest.MonkeyPatch
):
    begun = []  # a node that is made more often than it is written would be counted as often
    compose = yaml.SafeLoader.compose_node

    def counted(loader: yaml.SafeLoader, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        begun.append(index)
        return compose(loader, parent, index)

    monkeypatch.setattr(yaml.SafeLoader, "compose_node", counted)
    with pytest.raises(DataError, match=reason):
        plain_yaml(text)
    assert len(begun) <= 130


def test_a_few_aliases_are_read():
    assert plain_yaml("a: &a [1]\nb: [*a, *a]\nc: {<<: &m {x: 1}, y: 2}") == {
        "a": [1],
        "b": [[1], [1]],
        "c": {"x": 1, "y": 2},
    }
