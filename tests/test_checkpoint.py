import json

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_cifar import checkpoint
from paddle_cifar.errors import RunError
from paddle_cifar.optim import OPTIMIZERS, build_optimizer, build_schedule


def network(features=4):
    return nn.Sequential(nn.Linear(6, features), nn.BatchNorm1D(features), nn.Linear(features, 3))


def train(layers, optimizer, steps, seed):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        loss = (layers(paddle.to_tensor(rng.normal(size=(8, 6)).astype("float32"))) ** 2).mean()
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        optimizer._learning_rate.step()


def weights(layers):
    return {name: value.numpy() for name, value in layers.state_dict().items()}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_restored_training_goes_on_bit_for_bit(tmp_path, name):
    """In the same process Paddle generates new parameter names, which its own .pdopt files do not survive."""
    first = network()
    optimizer = build_optimizer(name, first, build_schedule("cosine", 0.1, 20), weight_decay=0.01)
    train(first, optimizer, 5, seed=1)
    checkpoint.save(checkpoint.capture(first, optimizer, {"epochs": 1}), tmp_path / "c.safetensors")
    train(first, optimizer, 5, seed=2)

    second = network()
    other = build_optimizer(name, second, build_schedule("cosine", 0.1, 20), weight_decay=0.01)
    loaded = checkpoint.load(tmp_path / "c.safetensors")
    assert loaded.progress["epochs"] == 1
    checkpoint.restore(loaded, second, other)
    assert other.get_lr() != 0.1
    train(second, other, 5, seed=2)
    for key, value in weights(first).items():
        assert np.array_equal(value, weights(second)[key]), key

    third = network()  # the negative control: without the optimizer's state the result differs
    checkpoint.restore(loaded, third)
    fresh = build_optimizer(name, third, build_schedule("cosine", 0.1, 20), weight_decay=0.01)
    train(third, fresh, 5, seed=2)
    assert not np.array_equal(weights(third)["0.weight"], weights(first)["0.weight"])


def saved(tmp_path):
    layers = network()
    optimizer = build_optimizer("sgd", layers, build_schedule("constant", 0.1, 9))
    train(layers, optimizer, 1, seed=0)
    path = tmp_path / "c.safetensors"
    checkpoint.save(checkpoint.capture(layers, optimizer, {"epochs": 1}), path)
    return path


def test_another_network_is_refused_by_name(tmp_path):
    loaded = checkpoint.load(saved(tmp_path))
    with pytest.raises(RunError, match="another network"):
        checkpoint.restore(loaded, network(features=5))


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-100], lambda b: b[:5], lambda b: b"", lambda b: b"x" * len(b)]
)
def test_a_damaged_file_is_one_clear_line(tmp_path, damage):
    path = saved(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RunError, match="damaged"):
        checkpoint.load(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RunError, match="no checkpoint"):
        checkpoint.load(tmp_path / "none.safetensors")


def test_nothing_in_the_file_is_pickled(tmp_path):
    data = saved(tmp_path).read_bytes()
    header_length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + header_length])
    assert all(entry["dtype"] in ("F32", "I64") for name, entry in header.items() if name != "__metadata__")
