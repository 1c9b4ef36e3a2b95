"""Costs as ratios: A and B alternate in one process, and the median of their ratios counts."""

__all__ = ["machine", "median_ratio", "peak_megabytes", "print_table", "seconds"]

import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Sequence

import torch


def seconds(job: Callable[[], object], device: str = "cpu") -> float:
    """Wall-clock time of one call.

    Args:
        job: What to time.
        device: Waited for, before and after.

    Returns:
        Seconds.
    """
    if device == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    job()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def median_ratio(
    job: Callable[[], object], unit: Callable[[], object], *, rounds: int, device: str = "cpu"
) -> float:
    """Cost of a job in units: both run once to warm up, then alternate.

    Args:
        job: What to time.
        unit: What it is compared with.
        rounds: How many pairs.
        device: ``cpu`` or ``cuda``.

    Returns:
        Median of the pairwise ratios.
    """
    job()
    unit()
    return statistics.median(seconds(job, device) / seconds(unit, device) for _ in range(rounds))


def machine(device: str = "cpu") -> str:
    """The machine in words.

    Args:
        device: ``cpu`` or ``cuda``.

    Returns:
        A line.
    """
    if device == "cuda":
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    return f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}"


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A Markdown table on standard output.

    Args:
        title: Above it.
        columns: Heads.
        rows: Cells.
    """
    lines = [columns, ["---"] * len(columns), *rows]
    print(f"\n### {title}\n")
    print("\n".join("| " + " | ".join(line) + " |" for line in lines), flush=True)


def peak_megabytes() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
