"""A plain network and its residual twin: the same layers, with and without the sum."""

import numpy as np
import paddle
import pytest

from paddle_cifar.models.plain import Block, CifarResNet


def twins(make):
    networks = []
    for residual in (False, True):
        paddle.seed(3)
        networks.append(make(residual))
    return networks


def test_twins_have_the_same_weights_under_the_same_names():
    plain, residual = (twin.state_dict() for twin in twins(lambda residual: CifarResNet(20, residual)))
    assert list(plain) == list(residual)
    assert all(np.array_equal(plain[name].numpy(), residual[name].numpy()) for name in plain)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_block_adds_what_it_was_given(stride):
    """To a branch of zeros: every stride-th pixel, and zeros for the new channels."""
    block = Block(4, 4 * stride, stride, residual=True)
    block.eval()
    block.bn2.weight.set_value(np.zeros(4 * stride, np.float32))
    x = paddle.rand([2, 4, 8, 8])  # not negative: the ReLU after the sum changes nothing
    y = block(x).numpy()
    assert np.array_equal(y[:, :4], x.numpy()[:, :, ::stride, ::stride])
    assert y.shape == (2, 4 * stride, 8 // stride, 8 // stride) and not y[:, 4:].any()


def test_the_sum_is_all_that_differs():
    plain, residual = twins(lambda residual: Block(4, 4, 1, residual))
    x = paddle.rand([2, 4, 8, 8])
    branch = plain.bn2(plain.conv2(paddle.nn.functional.relu(plain.bn1(plain.conv1(x)))))
    for block, total in ((plain, branch), (residual, branch + x)):
        np.testing.assert_allclose(block(x).numpy(), np.maximum(total.numpy(), 0), atol=1e-5)


def test_the_depth_counts_layers_with_weights():
    layers = [
        layer
        for layer in CifarResNet(38, True).sublayers()
        if isinstance(layer, (paddle.nn.Conv2D, paddle.nn.Linear))
    ]
    assert len(layers) == 38
