"""What the loader makes goes through ``paddle.Model``: other sides than the declared 32, and soft labels."""

import numpy as np
import paddle
import pytest

from paddle_cifar.data.augment import build_augmentations, build_mixing
from paddle_cifar.data.loader import BatchLoader
from paddle_cifar.metrics import build_metrics
from paddle_cifar.optim import CrossEntropy


@pytest.mark.parametrize("text", ["crop,flip", "crop,mixup,cutmix"])
def test_fit_takes_every_side_and_soft_labels(text):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (64, 3, 32, 32), dtype=np.uint8), np.arange(64)
    train = BatchLoader(
        images, labels, 16, build_augmentations(text), build_mixing(text), sides=[16, 24, 32], shuffle=True
    )
    sides = []

    class Watch(paddle.nn.Layer):
        def forward(self, image):
            sides.append(image.shape[-1])
            return image

    network = paddle.nn.Sequential(
        Watch(), paddle.nn.Conv2D(3, 4, 3), paddle.nn.AdaptiveAvgPool2D(1), paddle.nn.Flatten(),
        paddle.nn.Linear(4, 100),
    )  # fmt: skip
    model = paddle.Model(
        network,
        paddle.static.InputSpec([None, 3, 32, 32], "float32", "image"),
        paddle.static.InputSpec([None], "int64", "label"),
    )
    optimizer = paddle.optimizer.SGD(0.1, parameters=network.parameters())
    model.prepare(optimizer, CrossEntropy(0.1), build_metrics())
    before = network[1].weight.numpy().copy()
    model.fit(train, BatchLoader(images, labels, 16), epochs=3, verbose=0)
    assert sides == [side for trained in (16, 24, 32) for side in [trained] * 4 + [32] * 4]
    after = network[1].weight.numpy()
    assert np.isfinite(after).all() and not np.array_equal(before, after)
