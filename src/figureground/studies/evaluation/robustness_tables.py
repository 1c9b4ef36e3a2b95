"""What attacks did to predictions and maps, as tables: frozen thresholds, three kinds of pictures, intervals."""

__all__ = ["AttackTables", "frozen_thresholds"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from figureground.base.seeds import generator
from figureground.metrics.localisation.frozen_threshold import ChosenThreshold, choose_threshold
from figureground.studies.evaluation.summaries import interval_cells, mean_of

Table = Mapping[str, np.ndarray]
_HIT = 0.5
_SUBSETS = ("all", "misclassified clean", "flipped by the attack")
_LOCALISED = (
    "share with IoU ≥ 0.5 at the threshold chosen on clean maps of the validation part and frozen."
)
_PLACES = (("pointing", "pointing"), ("energy", "energy in the box"))
_LIKENESS = (("pearson", "Pearson"), ("ssim", "SSIM"))


def frozen_thresholds(
    table: Table, rows: Sequence[str], *, validation: Bool[np.ndarray, " N"], thresholds: np.ndarray
) -> dict[str, ChosenThreshold]:
    """For each row of the tables the threshold that suits its clean maps of the validation part.

    Args:
        table: Column -> values; ``clean/ROW/overlaps`` are read.
        rows: The rows.
        validation: Which pictures may be looked at.
        thresholds: Shares of the maximum.

    Returns:
        Row -> threshold; rows without a box in the validation part are left out.
    """
    found = {}
    for row in rows:
        overlaps = table[f"clean/{row}/overlaps"][validation]
        known = torch.from_numpy(overlaps[~np.isnan(overlaps).any(1)])
        if len(known):
            found[row] = choose_threshold(known, thresholds.tolist(), overlap=_HIT)
    return found


@dataclass(frozen=True)
class AttackTables:
    """The tables of a robustness study.

    Args:
        table: Column -> values over all pictures.
        rows: Rows of the tables: methods, with the class that they explain.
        cases: Names of the attacks.
        thresholds: Shares of the maximum that the overlaps were measured at.
        validation_share: Share of the pictures that thresholds are chosen on; the others are reported.
        seed: Of that choice and of the resampling.
    """

    table: Table
    rows: tuple[str, ...]
    cases: tuple[str, ...]
    thresholds: Float[np.ndarray, " T"]
    validation_share: float = 0.2
    seed: int = 0

    @cached_property
    def validation(self) -> Bool[np.ndarray, " N"]:
        """Which pictures thresholds are chosen on."""
        count = len(self.table["row"])
        drawn = torch.randperm(count, generator=generator(self.seed)).numpy()
        part = np.zeros(count, dtype=bool)
        part[drawn[: max(1, round(self.validation_share * count))]] = True
        return part

    @cached_property
    def chosen(self) -> dict[str, ChosenThreshold]:
        """Row -> frozen threshold."""
        return frozen_thresholds(
            self.table, self.rows, validation=self.validation, thresholds=self.thresholds
        )

    def hits(self, case: str, row: str) -> Float[np.ndarray, " N"]:
        """1 where the box at the frozen threshold overlaps a true one by half or more, else 0.

        Args:
            case: An attack, or ``clean``.
            row: A method.

        Returns:
            One number per picture; NaN where it has no box.
        """
        overlaps = self.table[f"{case}/{row}/overlaps"]
        if row not in self.chosen:
            return np.full(len(overlaps), np.nan)
        at = overlaps[:, self.chosen[row].position].astype(np.float64)
        return np.where(np.isnan(at), np.nan, at >= _HIT)

    def subset(self, case: str, name: str) -> Bool[np.ndarray, " N"]:
        """Which reported pictures are of this kind.

        Args:
            case: An attack, or ``clean``.
            name: ``all``, ``misclassified clean`` or ``flipped by the attack``.

        Returns:
            True for these, never one of the validation part.
        """
        clean, after = self.table["clean/predicted"], self.table[f"{case}/predicted"]
        chosen = {
            "all": np.ones(len(clean), dtype=bool),
            "misclassified clean": clean != self.table["label"],
            "flipped by the attack": clean != after,
        }
        return chosen[name] & ~self.validation

    def all(self) -> tuple[dict[str, Any], ...]:
        """Every table of the study.

        Returns:
            Tables as records hold them.
        """
        narrow = [self.localisation(name) for name in _SUBSETS[1:]]
        return (self.attacks(), *narrow, self.falls(), self.thresholds_chosen(), self.everything())

    def attacks(self) -> dict[str, Any]:
        """What each attack did to the predictions, the pixels and the boxes of all pictures."""
        lines = [
            [case, *self._outcome(case), *self._shares(case, ~self.validation)]
            for case in ("clean", *self.cases)
        ]
        columns = ["attack", "images", "accuracy", "flipped", "ρ", "iterations", *self.rows]
        caption = (
            "Flipped: the prediction changed. ρ: mean length of the change over the length of the picture (L2). "
            f"Under each method, of all pictures: {_LOCALISED}"
        )
        return _table(("Attacks and localisation", caption), columns, lines)

    def localisation(self, subset: str) -> dict[str, Any]:
        """Attacks × methods: share of pictures whose box is right, for one kind of picture."""
        parts = {case: self.subset(case, subset) for case in ("clean", *self.cases)}
        lines = [
            [case, int(part.sum()), *self._shares(case, part)]
            for case, part in parts.items()
            if part.any()
        ]
        columns = ["attack", "images", *self.rows]
        return _table(
            (f"Localisation, {subset}", _LOCALISED[0].upper() + _LOCALISED[1:]), columns, lines
        )

    def falls(self) -> dict[str, Any]:
        """How much localisation changes from the clean to the attacked picture, pair by pair."""
        lines = []
        for case in self.cases:
            for name in ("all", "flipped by the attack"):
                part = self.subset(case, name)
                for row in self.rows:
                    change = self.hits(case, row)[part] - self.hits("clean", row)[part]
                    cells = interval_cells(mean_of(change, seed=self.seed))
                    lines.append([case, name, row, *cells[:4]])
        columns = ["attack", "pictures", "method", "change", "low", "high", "images"]
        caption = "Localisation on the attacked less that on the clean picture, 95 % bootstrap of the pairs."
        return _table(("Change of localisation", caption), columns, lines)

    def thresholds_chosen(self) -> dict[str, Any]:
        """The frozen thresholds, and what the best one on the test part would have given."""
        lines = []
        test = ~self.validation
        for row, chosen in self.chosen.items():
            overlaps = self.table[f"clean/{row}/overlaps"][test]
            known = overlaps[~np.isnan(overlaps).any(1)]
            oracle = float((known >= _HIT).mean(0).max()) if len(known) else None
            frozen = _mean(self.hits("clean", row)[test])
            cells = [chosen.threshold, chosen.validation_accuracy, frozen, oracle]
            lines.append([row, *(None if cell is None else round(cell, 4) for cell in cells)])
        columns = ["method", "threshold", "validation", "test, frozen", "test, oracle"]
        caption = (
            f"Chosen on {int(self.validation.sum())} clean pictures. Oracle: the threshold that is best on the test "
            "part itself, which no user can know."
        )
        return _table(("Thresholds", caption), columns, lines)

    def everything(self) -> dict[str, Any]:
        """Localisation with interval, pointing, energy and likeness of the maps: one line each."""
        lines = []
        for case in ("clean", *self.cases):
            for name in _SUBSETS:
                part = self.subset(case, name)
                if part.any():
                    lines += [[case, name, row, *self._cells(case, row, part)] for row in self.rows]
        columns = ["attack", "pictures", "method", "localisation", "low", "high", "images"]
        columns += [title for _, title in (*_PLACES, *_LIKENESS)]
        caption = "Pearson and SSIM compare the map of the clean with that of the attacked picture; 1 is unmoved."
        return _table(("Robustness", caption), columns, lines)

    def _outcome(self, case: str) -> list[object]:
        """Images, accuracy, share flipped, size of the change and iterations of one attack."""
        part = ~self.validation
        clean, label, after = (
            self.table[key][part] for key in ("clean/predicted", "label", f"{case}/predicted")
        )
        first = [len(label), _mean(after == label)]
        if case == "clean":
            return [*first, None, None, None]
        far, steps = (self.table[f"{case}/{key}"][part] for key in ("perturbation", "iterations"))
        return [
            *first,
            _mean(after != clean),
            _mean(far),
            _mean(steps) if (steps >= 0).all() else None,
        ]

    def _shares(self, case: str, part: np.ndarray) -> list[object]:
        """Localisation of every method on some pictures."""
        return [_mean(self.hits(case, row)[part]) for row in self.rows]

    def _cells(self, case: str, row: str, part: np.ndarray) -> list[object]:
        """Localisation, pointing, energy and likeness on some pictures."""
        cells = interval_cells(mean_of(self.hits(case, row)[part], seed=self.seed))[:4]
        places = [_mean(self.table[f"{case}/{row}/{key}"][part]) for key, _ in _PLACES]
        alike = [
            None if case == "clean" else _mean(self.table[f"{case}/{row}/{key}"][part])
            for key, _ in _LIKENESS
        ]
        return [*cells, *places, *alike]


def _mean(values: np.ndarray) -> float | None:
    """Mean of what is defined."""
    numbers = values.astype(np.float64)
    known = numbers[~np.isnan(numbers)]
    return round(float(known.mean()), 4) if len(known) else None


def _table(
    words: tuple[str, str], columns: list[str], rows: Sequence[Sequence[object]]
) -> dict[str, Any]:
    title, caption = words
    lines = [list(row) for row in rows]
    return {"title": title, "caption": caption, "columns": columns, "rows": lines}
