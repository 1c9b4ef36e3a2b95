"""The examples of the page for those who come from other packages run."""

import re
from pathlib import Path
from typing import Any

import torch
from captum.attr import LayerGradCam

_PAGE = (Path(__file__).parents[2] / "docs" / "migrating.md").read_text(encoding="utf-8")


def test_the_examples_run_one_after_the_other(capsys):
    names: dict[str, Any] = {}
    examples = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)
    assert len(examples) == 4
    for example in examples:
        exec(example, names)  # noqa: S102 - the page is ours
    assert names["picture"].shape == (96, 128, 3)
    assert tuple(names["maps"].shape) == (1, 6, 8)
    assert tuple(names["raw"].shape) == (1, 1, 3, 4)
    assert capsys.readouterr().out.startswith("layer4 ")
    model, images = names["model"], names["images"]
    theirs = LayerGradCam(model, model.layer4).attribute(images, 281, relu_attributions=True)
    torch.testing.assert_close(names["raw"], theirs.detach(), atol=1e-5, rtol=1e-3)
