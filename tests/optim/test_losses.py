import numpy as np
import paddle
import pytest

from paddle_cifar.optim.losses import CrossEntropy

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
