import signal

import numpy as np
import paddle
import pytest
from scipy.special import log_softmax, softmax

from paddle_cifar import checkpoint, distributed
from paddle_cifar.assembly import past_answers
from paddle_cifar.callbacks import Checkpoints, PastAnswers
from paddle_cifar.cli import main
from paddle_cifar.config import TrainConfig
from paddle_cifar.data.loader import BatchLoader
from paddle_cifar.errors import RunError, UsageError
from paddle_cifar.optim import CrossEntropy, SelfDistillation
from paddle_cifar.runs import RunFolder
from tests.conftest import SMALL_RUN

LABELS = np.array([3, 1, 99, 0])


@pytest.fixture
def loader():
    return BatchLoader(np.zeros((4, 3, 32, 32), np.uint8), LABELS, batch_size=2, shuffle=True, seed=5)


def cross_entropy(target, logits):
    return -(target * log_softmax(logits.astype(np.float64), axis=1)).sum(1).mean()


def smoothed(labels, smoothing):
    return (1 - smoothing) * np.eye(100)[labels] + smoothing / 100


def test_the_target_by_hand(loader):
    past = PastAnswers(loader, share=0.8, epochs=4)
    loss = SelfDistillation(CrossEntropy(0.1), past)
    rng, answered = np.random.default_rng(0), np.eye(100)[LABELS]
    for epoch in range(3):
        share = 0.8 * epoch / 4
        order = loader.order(epoch)
        for step, (_, label) in enumerate(loader):
            logits = rng.normal(size=(2, 100)).astype(np.float32) * 3
            chosen = order[2 * step : 2 * step + 2]
            target = (1 - share) * smoothed(LABELS[chosen], 0.1) + share * answered[chosen]
            found = loss(paddle.to_tensor(logits), paddle.to_tensor(label))
            assert float(found) == pytest.approx(cross_entropy(target, logits), rel=2e-3)
            with paddle.no_grad():  # as evaluations are
                plain = loss(paddle.to_tensor(logits), paddle.to_tensor(label))
            assert float(plain) == pytest.approx(cross_entropy(smoothed(label, 0.1), logits), rel=1e-5)
            past.on_train_batch_end(step)
            answered[chosen] = softmax(logits, axis=1)
    assert np.abs(past.table - answered).max() < 1e-3, "float16"


def test_the_first_pass_over_a_batch_counts_once_its_step_is_made(loader):
    past = PastAnswers(loader, share=0.5, epochs=2)
    before = past.table.copy()
    next(iter(loader))
    first, second = paddle.randn([2, 100]), paddle.randn([2, 100])
    past.note(first)
    past.note(second)
    assert np.array_equal(past.table, before)
    past.on_train_batch_end(0)
    assert np.allclose(past.table[loader.given], softmax(first.numpy(), axis=1), atol=1e-3)
    after = past.table.copy()
    past.note(first * float("nan"))
    past.on_train_batch_end(1)
    assert np.array_equal(past.table, after), "a step that is skipped leaves no answer"


ARGUMENTS = (
    "--epochs 3 --self-distillation 0.8 --batch-size 100 --limit-steps 3 --save-steps 1 --keep 9".split()
)


def test_a_run_stopped_and_resumed_equals_an_uninterrupted_one(tmp_path, monkeypatch):
    def stop(self, step, logs=None):
        if self.history.global_step == 4:
            signal.raise_signal(signal.SIGTERM)

    arguments = [*SMALL_RUN, *ARGUMENTS, "--output", str(tmp_path)]
    assert main([*arguments, "--name", "whole"]) == 0
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "on_train_batch_begin", stop, raising=False)
        assert main([*arguments, "--name", "stopped"]) == 143
    assert main(["--resume", str(tmp_path / "stopped")]) == 0
    assert main([*arguments, "--name", "plain", "--self-distillation", "0"]) == 0
    whole, stopped, plain = (RunFolder(tmp_path / name) for name in ("whole", "stopped", "plain"))
    expected, resumed = (checkpoint.load_newest(run.saved()).tensors for run in (whole, stopped))
    assert expected["past_answers"].shape == (500, 100)
    for name, value in expected.items():
        assert np.array_equal(value, resumed[name]), name

    def weights(run, step):
        return checkpoint.load(run.checkpoint(step)).tensors["network.fc.2.weight"]

    assert np.allclose(weights(whole, 3), weights(plain, 3), atol=1e-6), "the first epoch has labels alone"
    assert not np.allclose(weights(whole, 9), weights(plain, 9), atol=1e-4)


def test_what_cannot_be_distilled_is_refused(loader, monkeypatch):
    with pytest.raises(UsageError, match="--self-distillation"):
        TrainConfig(self_distillation=0.5, augment="flip,mixup")
    with pytest.raises(RunError, match="of other images"):
        PastAnswers(loader, 0.5, 2).restore(np.zeros((5, 100), np.float16))
    config = TrainConfig(self_distillation=0.5)
    assert past_answers(TrainConfig(), loader) is None
    assert past_answers(config, loader).full_share == 0.5
    monkeypatch.setattr(distributed, "RANKS", 2)
    with pytest.raises(UsageError, match="--self-distillation needs all images in one process"):
        past_answers(config, loader)
