import pytest
from paddle import nn

from paddle_cifar.errors import UsageError
from paddle_cifar.models import build_network
from paddle_cifar.models.sides import check_sides


def test_a_residual_network_takes_small_images_and_stays_in_training():
    network = build_network("resnet18")
    before = {name: value.numpy().copy() for name, value in network.state_dict().items()}
    check_sides(network, "resnet18", [12, 16, 32])
    assert network.training and all(layer.training for layer in network.sublayers())
    assert all((before[name] == value.numpy()).all() for name, value in network.state_dict().items())


def test_a_network_with_a_fixed_linear_layer_is_refused_before_training():
    with pytest.raises(UsageError, match="lenet does not take 16x16"):
        check_sides(build_network("lenet"), "lenet", [16, 32])
    check_sides(build_network("lenet"), "lenet", [32, 32])


def test_what_fails_at_full_size_too_is_not_the_sizes_fault():
    """A GPU without cuDNN, for one."""

    class Broken(nn.Layer):
        def forward(self, image):
            raise RuntimeError("no cuDNN")

    with pytest.raises(RuntimeError, match="no cuDNN"):
        check_sides(Broken(), "mine", [16, 32])
