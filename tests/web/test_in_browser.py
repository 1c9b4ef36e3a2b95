"""The explorer in Chromium, driven in a process of its own.

Playwright's greenlets upset Python's own parser for the rest of a process (a SystemError of ``ast``), and the threads
of Gradio's server leave sockets behind.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
ABSENT = [name for name in ("gradio", "playwright") if find_spec(name) is None]
ABSENT += [] if CHROMIUM.exists() else [str(CHROMIUM)]


@pytest.mark.browser
@pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)}")
def test_the_explorer_in_chromium():
    page = Path(__file__).with_name("in_browser.py")
    alone = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-W",
            "default",
            str(page),
        ],
        capture_output=True,
        text=True,
        env=alone,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
