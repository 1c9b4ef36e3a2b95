"""A click on a column's name sorts the table, in Chromium and under the page's own policy."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from figureground.reports.pages import page_template

CHROMIUM = Path("/usr/bin/chromium")
ABSENT = [] if find_spec("playwright") else ["playwright"]
ABSENT += [] if CHROMIUM.exists() else [str(CHROMIUM)]
ROWS = [("b", "1,200"), ("c", "–"), ("a", "−3.5"), ("d10", "<0.01"), ("d9", "12 %")]
# Playwright's greenlets upset Python's own parser for the rest of a process
SCRIPT = """
import sys
from playwright.sync_api import sync_playwright
with sync_playwright() as play:
    browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
    page = browser.new_page()
    page.on("console", lambda message: print("console", message.text))
    page.goto("file://" + sys.argv[1])
    def show():
        print(",".join(page.locator("tbody tr td:first-child").all_text_contents()))
    for name in ("number", "number", "word"):
        page.get_by_role("columnheader", name=name).click()
        show()
    page.get_by_role("columnheader", name="word").press("Enter")
    show()
    browser.close()
"""


@pytest.mark.browser
@pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)}")
def test_tables_are_sorted_by_number_and_by_word_with_what_is_missing_last(tmp_path):
    head = page_template("page.html.j2").render(
        answer={"first": "Yes.", "question": "?", "more": []}, style=""
    )
    cells = "".join(f"<tr><td>{word}</td><td>{number}</td></tr>" for word, number in ROWS)
    table = f'<table class="data"><thead><tr><th>word</th><th>number</th></tr></thead><tbody>{cells}</tbody></table>'
    place = tmp_path / "page.html"
    place.write_text(head.replace('<div id="more">', f'<div id="more">{table}'), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(place)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "b,d9,d10,a,c", "a,d10,d9,b,c", "a,b,c,d9,d10", "d10,d9,c,b,a",
    ]  # fmt: skip
