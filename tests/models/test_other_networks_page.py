"""The examples of the page on networks that are no classifiers run."""

import re
from pathlib import Path
from typing import Any

_PAGE = (Path(__file__).parents[2] / "docs" / "other_networks.md").read_text(encoding="utf-8")


def test_the_examples_run_one_after_the_other():
    names: dict[str, Any] = {}
    examples = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)
    assert len(examples) == 4
    for example in examples:
        exec(example, names)  # noqa: S102 - the page is ours
    assert names["maps"].shape[:2] == (1, 2)
    assert names["of_boxes"].shape[:2] == (1, 2)
    assert names["black_box"].shape[:2] == (1, 1)
    assert names["alike"].logits.shape == (1, 2)
