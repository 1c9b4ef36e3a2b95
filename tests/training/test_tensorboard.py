"""TensorBoard where it is installed, and no writer where it is not."""

import sys
from types import ModuleType

from figureground.training import tensorboard
from figureground.training.history import History


class Writer:
    """Stands in for TensorBoard's."""

    def __init__(self, folder, purge_step):
        self.folder, self.purge_step, self.written = folder, purge_step, []

    def add_scalar(self, tag, scalar_value, global_step):
        self.written.append((tag, scalar_value, global_step))


def test_without_tensorboard_there_is_no_writer(tmp_path, monkeypatch):
    monkeypatch.setattr(tensorboard, "find_spec", lambda _: None)
    assert tensorboard.tensorboard_writer(tmp_path, 0) is None


def test_with_it_every_number_of_the_log_is_written(tmp_path, monkeypatch):
    fake = ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: name)
    history = History(tmp_path / "history.csv")
    writer = tensorboard.tensorboard_writer(tmp_path, 4)
    assert isinstance(writer, Writer)
    history.writer = writer
    history.add(6, 1, split="val", values={"loss": 0.5, "accuracy": 0.25})
    assert (writer.folder, writer.purge_step) == (str(tmp_path / "tensorboard"), 5)
    assert writer.written == [("val/loss", 0.5, 6), ("val/accuracy", 0.25, 6)]
    assert len(history.rows()) == 2
