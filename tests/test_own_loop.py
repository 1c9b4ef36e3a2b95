"""The page on one's own loop keeps its promises: every block of it is run."""

import re
from pathlib import Path

import pytest

_PAGE = (Path(__file__).parents[1] / "docs" / "own_loop.md").read_text(encoding="utf-8")
_PLAIN, _LIGHTNING = re.findall(r"```python\n(.*?)```", _PAGE, re.DOTALL)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_plain_loop_is_found_out_and_treated(capsys: pytest.CaptureFixture[str]):
    scope: dict[str, object] = {}
    exec(_PLAIN, scope)  # noqa: S102 - it is our own page
    before, after = capsys.readouterr().out.splitlines()
    assert before.startswith("rests on the background")
    assert after.startswith("does not rest on the background")
    assert scope["page"] == Path("out/after/report.html")
    assert {path.name for path in Path("out/after").iterdir()} >= {
        *("report.html", "record.json", "tables", "per_image.csv", "pairs.npz")
    }


@pytest.mark.filterwarnings("ignore")  # of Lightning, on what machines like this one could do
def test_lightning_trains_on_swapped_images(capsys: pytest.CaptureFixture[str]):
    exec(_LIGHTNING, {})  # noqa: S102 - it is our own page
    assert capsys.readouterr().out.splitlines()[-1].startswith("does not rest on the background")
