"""What the user reads, on a terminal and in a file."""

import io
import os

import pytest

from paddle_cifar.callbacks import progress
from paddle_cifar.callbacks.progress import ProgressLog, format_time


class Terminal(io.StringIO):
    def isatty(self):
        return True


class FakeModel:
    class _optimizer:
        get_lr = staticmethod(lambda: 0.01)


class FakeHistory:
    epoch, step = 0, 0
    sides = (32,)

    def side(self, epoch):
        return self.sides[min(epoch, len(self.sides) - 1)]


def output_of(stream, monkeypatch, columns=200, steps=20):
    monkeypatch.setattr(progress.shutil, "get_terminal_size", lambda: os.terminal_size((columns, 24)))
    monkeypatch.setattr(progress, "REDRAW_SECONDS", -1)
    log = ProgressLog(FakeHistory(), epochs=2, log_freq=8, stream=stream)
    log.set_model(FakeModel())
    log.set_params({"steps": steps})
    log.on_epoch_begin(0)
    for step in range(steps):
        log.history.step = step + 1
        log.on_train_batch_end(step, {"mean_loss": 4.5, "acc_top1": 0.02, "batch_size": 128})
    return stream.getvalue()


def test_a_file_gets_plain_lines_every_log_freq_steps_and_at_the_end(monkeypatch):
    lines = output_of(io.StringIO(), monkeypatch).splitlines()
    assert lines[0] == "Epoch 1/2"
    assert [line.split(" - ")[0] for line in lines[1:]] == ["step  8/20", "step 16/20", "step 20/20"]
    assert "loss: 4.5000 - acc_top1: 0.0200 - lr: 0.01000" in lines[1] and "[" not in lines[1]


@pytest.mark.parametrize("columns", [200, 60])
def test_a_terminal_gets_one_line_that_never_wraps(monkeypatch, columns):
    text = output_of(Terminal(), monkeypatch, columns)
    drawn = text.split("\n")[1].split("\r")[1:]
    assert len(drawn) == 20 and all(len(line) < columns for line in drawn)
    assert ("[===============>" in drawn[9]) == (columns == 200)


def test_time_left_is_from_the_pace_of_this_process(monkeypatch):
    """Resumed at step 30 of 3 x 20: ten more steps took 5 s, so the 20 that are left take 10."""
    log = ProgressLog(FakeHistory(), epochs=3, log_freq=1, stream=io.StringIO())
    log.history.step, log._began, log._pixels_done = 40, 100.0, 10 * 32**2
    monkeypatch.setattr(progress.time, "perf_counter", lambda: 105.0)
    assert log._seconds_left(20) == pytest.approx(10)


def test_format_time():
    assert [format_time(s) for s in (0, 59.6, 65, 3725)] == ["0:00", "1:00", "1:05", "1:02:05"]


def test_time_left_counts_pixels(monkeypatch):
    """An epoch on 16x16 pixels took 10 s: four times as long for the one on 32x32 that is left."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    log = ProgressLog(FakeHistory(), epochs=2, log_freq=10, stream=io.StringIO())
    log.history.sides = (16, 32)
    log.set_model(FakeModel())
    log.set_params({"steps": 10})
    log.on_epoch_begin(0)
    for step in range(10):
        now[0] += 1
        log.history.step = step + 1
        log.on_train_batch_end(step, {"mean_loss": 4.5, "acc_top1": 0.02, "batch_size": 128})
    lines = log.stream.getvalue().splitlines()
    assert lines[0] == "Epoch 1/2 on 16x16 pixels"
    assert lines[-1].endswith("left 0:40")
