"""Every experiment at its smallest, one after the other: do they still run? Nothing of what they print means anything.

command:   python experiments/looks.py --out runs/looks       (or: make looks; needs the packs and the weights)
expected:  a line of seconds for each
"""

__all__ = ["main"]

import argparse
import contextlib
import io
import runpy
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
EXPERIMENTS = (
    "background_start",
    "background_transfer",
    "background_reliance",
    "cam_erasing_trained",
    "distillation_omitted",
    "rare_classes_whole_network",
    "methods_next_size",
)
GPU = ["--all", "--tiny", "--out"]


def main() -> None:
    """Run them in this process, so that libraries are loaded once; the jobs for a GPU in another."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    out, start = parser.parse_args().out, time.monotonic()
    sys.path.insert(0, str(HERE))
    jobs = [sys.executable, str(HERE / "gpu_quarter_hour.py"), *GPU, str(out / "gpu")]
    bundle = subprocess.Popen(jobs, stdout=subprocess.DEVNULL)  # noqa: S603 - our script
    for name in EXPERIMENTS:
        begun = time.monotonic()
        sys.argv = [str(HERE / f"{name}.py"), "--tiny", "--out", str(out / name)]
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                runpy.run_path(sys.argv[0], run_name="__main__")
            except SystemExit as ended:  # a script's own exit status
                if ended.code:
                    sys.exit(f"{name}: {ended.code}")
        print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
    if bundle.wait():
        sys.exit("gpu_quarter_hour: it failed")
    print("gpu_quarter_hour: beside them")
    print(f"together: {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
