import numpy as np
import paddle
import pytest

from paddle_cifar.errors import UsageError
from paddle_cifar.optim.losses import LOSSES, CrossEntropy, build_loss

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(6, 10)) * 3
LABEL = RNG.integers(0, 10, 6)
SOFT = RNG.dirichlet(np.ones(10), 6)


def by_hand(target):
    shifted = LOGITS - LOGITS.max(1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return -(target * log_probabilities).sum(1).mean()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("soft", [False, True])
def test_against_float64(smoothing, soft):
    target = SOFT if soft else np.eye(10)[LABEL]
    label = paddle.to_tensor(SOFT.astype("float32") if soft else LABEL)
    loss = CrossEntropy(smoothing)(paddle.to_tensor(LOGITS.astype("float32")), label)
    assert float(loss) == pytest.approx(by_hand((1 - smoothing) * target + smoothing / 10), rel=1e-5)


def test_gradient_against_float64():
    logits = paddle.to_tensor(LOGITS.astype("float32"), stop_gradient=False)
    CrossEntropy(0.1)(logits, paddle.to_tensor(LABEL)).backward()
    exponentials = np.exp(LOGITS - LOGITS.max(1, keepdims=True))
    probabilities = exponentials / exponentials.sum(1, keepdims=True)
    expected = (probabilities - (0.9 * np.eye(10)[LABEL] + 0.01)) / 6
    assert np.abs(logits.grad.numpy() - expected).max() < 1e-6


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("soft", [False, True])
def test_focal_against_float64(gamma, smoothing, soft):
    target = SOFT if soft else np.eye(10)[LABEL]
    target = (1 - smoothing) * target + smoothing / 10
    exponentials = np.exp(LOGITS - LOGITS.max(1, keepdims=True))
    probabilities = exponentials / exponentials.sum(1, keepdims=True)
    expected = -(target * (1 - probabilities) ** gamma * np.log(probabilities)).sum(1).mean()
    label = paddle.to_tensor(SOFT.astype("float32") if soft else LABEL)
    loss = build_loss("focal", smoothing, gamma)(paddle.to_tensor(LOGITS.astype("float32")), label)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_focal_has_a_gradient_where_all_is_certain():
    logits = paddle.to_tensor([[200.0, 0.0], [0.0, 200.0]], stop_gradient=False)
    build_loss("focal", 0.1, 0.5)(logits, paddle.to_tensor([0, 0])).backward()
    assert np.isfinite(logits.grad.numpy()).all() and np.abs(logits.grad.numpy()[1]).max() > 0.1


@pytest.mark.parametrize("name", LOSSES)
def test_labels_of_one_class_are_the_same_soft_or_not(name):
    logits, loss = paddle.to_tensor(LOGITS.astype("float32")), build_loss(name, 0.1)
    one_hot = paddle.to_tensor(np.eye(10, dtype="float32")[LABEL])
    assert float(loss(logits, paddle.to_tensor(LABEL))) == pytest.approx(
        float(loss(logits, one_hot)), rel=1e-6
    )


def test_unknown_loss():
    with pytest.raises(UsageError, match="did you mean focal"):
        build_loss("focl")
