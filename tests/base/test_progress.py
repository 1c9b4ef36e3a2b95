"""Progress in plain lines, for files and pipes."""

from figureground.base.progress import ProgressLines


class _Clock:
    """A clock that goes on when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_fast_stage_has_a_line_for_each_tenth():
    lines: list[str] = []
    report = ProgressLines(lines.append, clock=_Clock())
    for done in range(2001):
        report("measuring", done, 2000)
    assert lines == [
        *(f"measuring: {200 * n:,} of 2,000 ({10 * n} %, 0 s)" for n in range(1, 11)),
    ]


def test_a_slow_stage_has_a_line_every_half_minute():
    lines: list[str] = []
    clock = _Clock()
    report = ProgressLines(lines.append, clock=clock)
    for done in range(10):
        clock.now = 10.0 * done
        report("explaining", done, 1000)
    assert lines == [
        "explaining: 3 of 1,000 (0 %, 30 s)",
        "explaining: 6 of 1,000 (0 %, 60 s)",
        "explaining: 9 of 1,000 (0 %, 90 s)",
    ]


def test_epochs_are_one_task_whose_words_change():
    lines: list[str] = []
    report = ProgressLines(lines.append, clock=_Clock())
    for step in range(1, 41):
        report(f"epoch {1 + step // 21}/2 · loss {step}", step, 40)
    assert len(lines) == 10
    assert lines[-1] == "epoch 2/2 · loss 40: 40 of 40 (100 %, 0 s)"


def test_a_stage_of_nothing_is_told_once():
    lines: list[str] = []
    report = ProgressLines(lines.append, clock=_Clock())
    report("ranking", 0, 0)
    report("ranking", 0, 0)
    assert lines == ["ranking: 0 of 0"]


def test_a_stage_that_comes_again_is_told_again():
    lines: list[str] = []
    report = ProgressLines(lines.append, clock=_Clock())
    for _ in range(2):
        for done in range(21):
            report("measuring", done, 20)
    assert lines == 2 * [f"measuring: {2 * n} of 20 ({10 * n} %, 0 s)" for n in range(1, 11)]
