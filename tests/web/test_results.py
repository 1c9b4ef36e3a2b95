"""Lines of a table: of a class, in an order; files that were cut short."""

from pathlib import Path

import numpy as np

from figureground.web.results import Results, chosen, whole_lines


def test_lines_of_a_class_are_sorted_and_missing_numbers_come_last():
    draws = np.random.default_rng(0)
    rows = tuple(
        (n, f"{n}.png", "ab"[n % 2], "" if n % 5 == 0 else float(draws.random())) for n in range(40)
    )
    found = Results("rank", ("#", "image", "class", "score"), rows, (None,) * 40, ((),) * 40)
    assert found.classes == ["a", "b"]
    assert found.measures == ["score"]
    mine = chosen(found, "b", "score", lowest_first=True)
    assert {row[0] for row in mine} == {n for n in range(40) if n % 2}
    numbers = [row[3] for row in mine if row[3] != ""]
    assert numbers == sorted(numbers)
    assert len(numbers) == 16
    assert all(row[3] == "" for row in mine[16:])
    down = [row[3] for row in chosen(found, "b", "score") if row[3] != ""]
    assert down == numbers[::-1]
    assert chosen(found) == list(rows)


def test_a_line_that_did_not_end_is_left_out_and_told(tmp_path: Path):
    file = tmp_path / "lines.txt"
    assert whole_lines(file) == ([], ())
    file.write_text("a\nb é\u2028c\n")
    assert whole_lines(file) == (["a", "b é\u2028c"], ())
    file.write_text("a\nb")
    lines, told = whole_lines(file)
    assert lines == ["a"]
    assert told[0].startswith("The last line of lines.txt was cut short")
