"""All benchmarks, one table each. Names as words run only those: ``python benchmarks/run.py cam_cost``."""

__all__ = ["main"]

import sys
from importlib import import_module
from pathlib import Path

BENCHMARKS = (
    "cam_cost",
    "layer_check",
    "explain_folder",
    "boxes",
    "evaluate",
    "train_throughput",
    "streaming",
    "cam_erasing",
    "distillation",
    "rank",
    "sweep_cost",
    "diagnose",
)


def main(words: list[str]) -> None:
    """Run the named benchmarks, or all.

    Args:
        words: Names.
    """
    sys.path.insert(0, str(Path(__file__).parent))
    unknown = set(words) - set(BENCHMARKS)
    if unknown:
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; known: {', '.join(BENCHMARKS)}")
    for name in words or BENCHMARKS:
        import_module(name).main()


if __name__ == "__main__":
    main(sys.argv[1:])
