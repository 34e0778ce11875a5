import numpy as np
import paddle
import pytest

from paddle_cifar.data.labels import FINE_TO_COARSE
from paddle_cifar.metrics import build_metrics


def accumulated(batches, soft=False):
    metrics = build_metrics()
    for logits, label in batches:
        label = np.eye(100, dtype="float32")[label] if soft else label
        outputs = (paddle.to_tensor(logits), paddle.to_tensor(label))
        for metric in metrics:
            metric.update(metric.compute(*outputs).numpy())
    values = {}
    for metric in metrics:
        names, results = metric.name(), metric.accumulate()
        values |= dict(zip(names, results, strict=True)) if isinstance(names, list) else {names: results}
    return values


@pytest.fixture
def batches():
    """Two batches of different sizes: a mean over batches would differ from the mean over samples."""
    rng = np.random.default_rng(0)
    return [(rng.normal(size=(n, 100)).astype("float32") * 2, rng.integers(0, 100, n)) for n in (50, 7)]


@pytest.mark.parametrize("soft", [False, True])
def test_against_plain_numpy_over_all_samples(batches, soft):
    logits = np.concatenate([b[0] for b in batches]).astype(np.float64)
    labels = np.concatenate([b[1] for b in batches])
    logits[:20, :] += 5 * np.eye(100)[labels[:20]]  # some of them right
    batches = [(logits[:50].astype("float32"), labels[:50]), (logits[50:].astype("float32"), labels[50:])]
    ranked = np.argsort(-logits, 1)
    coarse = np.array(FINE_TO_COARSE)
    log_sum = np.log(np.exp(logits).sum(1))
    values = accumulated(batches, soft)
    assert values["acc_top1"] == pytest.approx((ranked[:, 0] == labels).mean())
    assert values["acc_top5"] == pytest.approx((ranked[:, :5] == labels[:, None]).any(1).mean())
    assert values["acc_coarse"] == pytest.approx((coarse[ranked[:, 0]] == coarse[labels]).mean())
    assert values["mean_loss"] == pytest.approx((log_sum - logits[np.arange(57), labels]).mean(), rel=1e-5)


def test_reset_forgets(batches):
    metric = build_metrics()[-1]
    metric.update(np.array([3.0, 5.0]))
    assert metric.accumulate() == 4
    metric.reset()
    assert metric.accumulate() == 0
