"""Table and plot of ``known_posterior.py``, from its JSON lines alone."""

__all__ = ["plotted", "printed", "read_lines"]

import json

import torch

from figureground.metrics.intervals import paired_difference

BESIDE = ("mll", "lambda 0", "best temperature")
TEACHER = ("accuracy", "squared distance", "kl", "cmi", "cmi train")
COMPARED = ("squared distance", "kl")


def read_lines(path):
    """Every whole line of the file; none where there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def values_of(runs, arm, name):
    """One number a seed, in the order of the seeds; empty where the arm has none."""
    chosen = sorted((one for one in runs if one["arm"] == arm), key=lambda one: one["seed"])
    return torch.tensor([one[name] for one in chosen if name in one], dtype=torch.float64)


def printed(runs, arms):
    """Means over the seeds, and paired differences with 95 % intervals, as Markdown."""
    students = sorted({name for one in runs for name in one if name.startswith("student test")})
    blocks = [means_table(runs, arms, (*TEACHER, *students))]
    compared = (*COMPARED, *students)
    blocks += [difference_table(runs, arms, compared, reference=one) for one in BESIDE]
    blocks.append(chosen_weights(runs, arms))
    return "\n\n".join(blocks)


def means_table(runs, arms, names):
    """One row an arm."""
    rows = [f"| arm | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for arm in arms:
        found = [values_of(runs, arm, name) for name in names]
        cells = [f"{one.mean():.4f}" if len(one) else "-" for one in found]
        rows.append(f"| {arm} | {' | '.join(cells)} |")
    return "Means over the seeds\n\n" + "\n".join(rows)


def difference_table(runs, arms, names, *, reference):
    """Every arm minus the reference; bold where the interval excludes 0."""
    rows = [f"| arm | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for arm in arms:
        if arm == reference:
            continue
        cells = []
        for name in names:
            mine, theirs = values_of(runs, arm, name), values_of(runs, reference, name)
            cells.append(cell(mine, theirs) if len(mine) else "-")
        rows.append(f"| {arm} | {' | '.join(cells)} |")
    return f"Difference from {reference}, paired by seed, 95 % interval\n\n" + "\n".join(rows)


def cell(mine, theirs):
    """Mean and interval of a difference."""
    one = paired_difference(mine, theirs, seed=0)
    text = f"{one.mean:+.4f} [{one.low:+.4f}, {one.high:+.4f}]"
    return f"**{text}**" if one.low > 0 or one.high < 0 else text


def chosen_weights(runs, arms):
    """For each kind of student the weight whose students do best on validation points, and its gain on test points."""
    weights = [arm for arm in arms if arm.startswith("mcmi")]
    kinds = sorted({name for one in runs for name in one if name.startswith("student val")})
    rows = [
        "| student | chosen on validation | minus mll | minus lambda 0 | minus best temperature |"
    ]
    rows.append("|---" * 5 + "|")
    for kind in kinds:
        best = max(weights, key=lambda arm: float(values_of(runs, arm, kind).mean()))
        on_test = kind.replace("val", "test")
        cells = [
            cell(values_of(runs, best, on_test), values_of(runs, other, on_test))
            for other in BESIDE
        ]
        rows.append(f"| {kind.removeprefix('student val ')} | {best} | {' | '.join(cells)} |")
    return "The weight chosen on validation\n\n" + "\n".join(rows)


def plotted(runs, path):
    """Three charts over the weight, controls as lines across; returns the file."""
    import matplotlib as mpl  # noqa: PLC0415 - only for the image

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    arms = [
        "lambda 0",
        *sorted({one["arm"] for one in runs if one["arm"].startswith("mcmi")}, key=weight_of),
    ]
    controls = [
        "mll",
        "best temperature",
        "label smoothing",
        "squared error",
        "entropy bonus",
        "true posterior",
    ]
    names = ["squared distance", "cmi", "student test T=4 100%", "student test T=4 10%"]
    figure, axes = plt.subplots(1, len(names), figsize=(4.2 * len(names), 3.6))
    for axis, name in zip(axes, names, strict=True):
        found = torch.stack([values_of(runs, arm, name) for arm in arms])
        error = 1.96 * found.std(1) / found.shape[1] ** 0.5
        axis.errorbar(
            [weight_of(arm) for arm in arms],
            found.mean(1),
            error,
            marker="o",
            label="MCMI",
            color="k",
        )
        for number, arm in enumerate(controls):
            level = float(values_of(runs, arm, name).mean())
            axis.axhline(level, ls="--", lw=1.2, color=f"C{number}", label=arm)
        axis.set(title=name, xlabel="weight λ (0: fine-tuning alone)")
    axes[0].legend(fontsize=7)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path


def weight_of(arm):
    """The number in an arm's name."""
    return float(arm.split()[1])
