"""The tables of `mcmi_distillation.py`, from its lines."""

__all__ = ["printed", "read_lines"]

import json
from collections import defaultdict

import numpy as np
import torch

from figureground.metrics.intervals import paired_difference, seeds_difference


def read_lines(path):
    """The finished runs."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def printed(lines, labels, omitted):
    """Teachers, students, and where classes were left out, what became of these.

    Args:
        lines: As written.
        labels: ``(N,)``, of the test images.
        omitted: Setting -> labels that its students never saw.
    """
    arms = defaultdict(dict)
    for line in lines:
        arms[line["setting"], line["loss"], line["teacher"]][line["seed"]] = line
    _teachers({arm[2]: runs for arm, runs in arms.items() if arm[0] == "teacher"})
    _overview(arms, labels, list(omitted))
    for setting, missing in omitted.items():
        for loss in ("kd", "sp"):
            chosen = {arm[2]: r for arm, r in arms.items() if arm[:2] == (setting, loss)}
            alone = arms.get((setting, "none", "no teacher"))
            if chosen:
                chosen |= {"no teacher": alone} if alone else {}
                _students(f"{setting}, {loss}", chosen, labels, missing=missing)


def _teachers(runs):
    print(
        "\n### Teachers\n\n| teacher | test % | CMI, nats | entropy, nats |\n| --- | --- | --- | --- |"
    )
    for name, seeds in runs.items():
        mean = {
            word: np.mean([one[word] for one in seeds.values()])
            for word in ("test", "cmi", "entropy")
        }
        print(f"| {name} | {100 * mean['test']:.2f} | {mean['cmi']:.4f} | {mean['entropy']:.4f} |")


def _overview(arms, labels, settings):
    """Mean test accuracy of all students, and of the MCMI weight that validation chooses less the controls."""
    names = list(dict.fromkeys(arm[2] for arm in arms if arm[0] != "teacher"))
    heads = ["students", *names, "chosen", "minus mcmi 0: images", "seeds"]
    heads += ["minus mll: images", "seeds"]
    print(f"\n### Overview, test %\n\n| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    for setting in settings:
        for loss in ("kd", "sp"):
            runs = {arm[2]: found for arm, found in arms.items() if arm[:2] == (setting, loss)}
            if not runs:
                continue
            best = _best(runs)
            row = runs | {"no teacher": arms.get((setting, "none", "no teacher"))}
            cells = [f"{100 * _mean(row[n], 'test'):.2f}" if row.get(n) else "" for n in names]
            for other in (runs.get("mcmi 0"), runs.get("mll")):
                cells += [_against(runs[best], other, labels), _over_seeds(runs[best], other)]
            cells.insert(len(names), best)
            print(f"| {setting}, {loss} | {' | '.join(cells)} |")


def _best(runs):
    """The MCMI weight whose students do best on validation images."""
    weighed = {name: _mean(seeds, "validation") for name, seeds in runs.items() if _weighed(name)}
    return max(weighed, key=weighed.__getitem__, default=None)


def _students(title, runs, labels, *, missing):
    """Accuracy of each arm, and differences to controls: over the same images, seeds averaged; and over seeds."""
    control = runs.get("mcmi 0")
    heads = ["teacher", "seeds", "validation %", "test %", "kept %"]
    heads += ["omitted recall %", "omitted precision %"] if missing else []
    heads += [
        "test, minus mcmi 0",
        "test, minus mll",
        "over seeds, minus mcmi 0",
        "over seeds, minus mll",
    ]
    print(f"\n### {title}\n\n| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    best = _best(runs)
    for name, seeds in runs.items():
        cells = [f"**{name}**" if name == best else name, str(len(seeds))]
        cells += [f"{100 * _mean(seeds, 'validation'):.2f}", f"{100 * _mean(seeds, 'test'):.2f}"]
        cells += _by_class(seeds, labels, missing)
        others = (control, runs.get("mll"))
        cells += [_against(seeds, other, labels) for other in others]
        cells += [_over_seeds(seeds, other) for other in others]
        print(f"| {' | '.join(cells)} |")


def _weighed(name):
    return name.startswith("mcmi") and name != "mcmi 0"


def _mean(seeds, word):
    return float(np.mean([one[word] for one in seeds.values()]))


def _called(line):
    return np.frombuffer(line["called"].encode(), dtype=np.uint8) - ord("0")


def _by_class(seeds, labels, missing):
    """Accuracy on kept classes; recall and precision of those left out."""
    called = np.stack([_called(line) for line in seeds.values()])
    gone = np.isin(labels, missing)
    right = called == labels
    found = [f"{100 * right[:, ~gone].mean():.2f}"]
    if missing:
        named = np.isin(called, missing)
        precision = 100 * right[named].mean() if named.any() else float("nan")
        found += [f"{100 * right[:, gone].mean():.2f}", f"{precision:.2f}"]
    return found


def _against(seeds, others, labels):
    """Mean difference in points with a paired 95 % interval over test images, of the seeds that both have."""
    shared = sorted(set(seeds) & set(others or {}))
    if not shared or seeds is others:
        return ""
    one, other = (
        torch.tensor(np.stack([_called(runs[s]) == labels for s in shared]).mean(0) * 100)
        for runs in (seeds, others)
    )
    found = paired_difference(one, other, seed=0)
    return f"{found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def _over_seeds(seeds, others):
    """Mean difference in points with Student's 95 % interval over the seeds that both have."""
    shared = sorted(set(seeds) & set(others or {}))
    if len(shared) < 2 or seeds is others:
        return ""
    one, other = (torch.tensor([100 * runs[s]["test"] for s in shared]) for runs in (seeds, others))
    found = seeds_difference(one, other)
    return f"{found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"
