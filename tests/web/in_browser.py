"""The explorer in Chromium: every tab answers, and the browser asks nobody but the explorer.

Run by ``test_in_browser.py`` in a process of its own.
"""

import io
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from figureground.studies.ranking.options import RankOptions
from figureground.studies.ranking.rank import rank_images
from figureground.web.explorer import Explorer
from figureground.web.served import ServedModel
from figureground.web.server import Access, launch

CHROMIUM = "/usr/bin/chromium"
PASTE = """(bytes) => {
  const held = new DataTransfer();
  held.items.add(new File([new Uint8Array(bytes)], 'pasted.png', {type: 'image/png'}));
  document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: held, bubbles: true}));
}"""


@pytest.fixture
def address(model: ServedModel, other_model: ServedModel, tmp_path: Path) -> Iterator[str]:
    """An explorer with two models, three photos and a ranking."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{number}.png")
    out = tmp_path / "ranked"
    rank_images(model.classifier, photos, out=out, options=RankOptions(classes=("green",)))
    files = tuple(sorted(photos.iterdir()))
    page, place = launch(Explorer((model, other_model), files, out), Access())
    yield place
    page.close(verbose=False)


@pytest.fixture
def asked() -> list[str]:
    """Addresses that the browser has asked for."""
    return []


@pytest.fixture
def tab(address: str, asked: list[str]) -> Iterator[Any]:
    """The page, open and answered once."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - may be absent

    only_here = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", only_here])
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(120_000)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.wait_for_selector(".pictures img")
        yield page
        browser.close()


def png(colour: tuple[int, int, int] = (200, 30, 30)) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (50, 40), colour).save(content, "PNG")
    return content.getvalue()


def look_answers(tab: Any) -> None:
    assert "0.png" in tab.locator("#command textarea").input_value()
    tab.locator("#bring input[type=file]").set_input_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": png()}
    )
    wait_for_command(tab, "mine.png")

    # 50x40 pixels in a picture whose middle is clicked: x 25, y 20
    tab.locator("#chosen img").click()
    tab.wait_for_function("() => document.querySelector('#values textarea').value.includes('raw')")
    told = tab.locator("#values textarea").input_value()
    assert re.match(
        r"x 2[45], y (19|20) of 50 × 40 pixels\ngrad-cam · .*: raw \S+; normalised", told
    )
    with tab.expect_download() as saved:
        tab.locator("#download a").click()
    assert saved.value.suggested_filename == "mine.npz"
    assert np.load(saved.value.path())["grad-cam/1"].shape == (1, 16, 16)

    tab.evaluate(PASTE, list(png((20, 200, 30))))
    wait_for_command(tab, "pasted.png")


def ask_answers(tab: Any) -> None:
    tab.get_by_role("tab", name="Ask").click()
    before = tab.locator("#canvas img").get_attribute("src")
    tab.locator("#canvas img").click(position={"x": 60, "y": 60})
    tab.wait_for_function(
        "(before) => document.querySelector('#canvas img').src !== before", arg=before
    )
    tab.locator("#ask").click()
    changed = tab.get_by_text(re.compile(r"^[+-]\d+\.\d$"))
    changed.last.wait_for()
    first = [text.strip() for text in changed.all_text_contents()]
    assert first
    tab.locator("#fill").get_by_label("another photo").click()
    tab.locator("#ask").click()
    tab.get_by_text("pick or bring the other photo first").first.wait_for()
    tab.locator("#other input[type=file]").set_input_files(
        {"name": "second.png", "mimeType": "image/png", "buffer": png((255, 255, 255))}
    )
    tab.locator("#taken img").wait_for()
    tab.locator("#ask").click()
    tab.wait_for_function(
        "(first) => !first.every((text) => document.querySelector('.changes').innerText.includes(text))",
        arg=first,
    )


def label_answers(tab: Any) -> None:
    tab.get_by_role("tab", name="Label").click()
    tab.keyboard.press("h")
    tab.get_by_text("1 of 3 marked, 1 hits").wait_for()
    tab.keyboard.press("m")
    tab.get_by_text("2 of 3 marked, 1 hits").wait_for()
    tab.keyboard.press("u")
    tab.get_by_text("1 of 3 marked, 1 hits").wait_for()
    tab.locator("#label-only").get_by_role("checkbox").uncheck()
    tab.keyboard.press("s")
    tab.get_by_text(re.compile("^3. green")).last.wait_for()
    tab.keyboard.press("s")
    tab.get_by_text("marked as a hit").first.wait_for()


def browse_answers(tab: Any) -> None:
    tab.get_by_role("tab", name="Browse").click()
    tab.get_by_text("3 lines; a click shows").wait_for()
    tab.locator("#order input").click()
    tab.get_by_role("option", name="probability").click()
    tab.get_by_text("1.png", exact=True).last.click()
    tab.get_by_text("grad-cam · green").last.wait_for()


def wait_for_command(tab: Any, name: str) -> None:
    """Until the command line names a photo."""
    tab.wait_for_function(
        "(name) => document.querySelector('#command textarea').value.includes(name)", arg=name
    )


def test_every_tab_answers_and_nobody_else_is_asked(tab: Any, asked: list[str], tmp_path: Path):
    look_answers(tab)
    ask_answers(tab)

    tab.get_by_role("tab", name="Compare").click()
    tab.locator("#compare").click()
    tab.get_by_text("teal").last.wait_for()
    tab.wait_for_function(
        "() => document.querySelector('#differ textarea').value.includes('mass lies elsewhere')"
    )

    browse_answers(tab)
    label_answers(tab)
    assert (tmp_path / "ranked" / "labels.csv").read_text().count("green") == 1

    elsewhere = [one for one in asked if not re.match(r"http://127\.0\.0\.1:\d+/|data:|blob:", one)]
    assert not elsewhere
    assert len(asked) > 20


def test_a_hostile_upload_is_one_line_and_the_page_goes_on(tab: Any):
    tab.locator("#bring input[type=file]").set_input_files(
        {
            "name": "<img src=x onerror=alert(1)>.png",
            "mimeType": "image/png",
            "buffer": b"%!PS\nshowpage",
        }
    )
    tab.get_by_text("not an image of a kind that can be read").first.wait_for()
    assert tab.get_by_text("Traceback").count() == 0
    tab.get_by_label("Photo", exact=True).click()
    tab.get_by_role("option", name="1.png").click()
    wait_for_command(tab, "1.png")


def test_the_server_reads_and_fetches_no_file_that_a_visitor_names(address: str):
    def status(path: str, body: object = None) -> int:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - of this machine
            address + path, data, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310 - of this machine
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert status("") == 200
    assert status("gradio_api/file=/etc/passwd") == 403
    fetched = {"path": "http://example.org/a.png", "meta": {"_type": "gradio.FileData"}}
    assert (
        status("gradio_api/queue/join", {"data": [fetched], "fn_index": 0, "session_hash": "x"})
        == 403
    )
    with ThreadPoolExecutor(50) as many:
        assert list(many.map(lambda _: status("config"), range(50))) == [200] * 50
