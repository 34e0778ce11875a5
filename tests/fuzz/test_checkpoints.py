"""Checkpoints damaged at random, in their header, mixed from two, or made by someone who knows the format."""

import json
import random
import re
import struct

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_cifar import checkpoint
from paddle_cifar.optim import build_optimizer, build_schedule
from tests.fuzz.files import COUNTS, mutated, refused, report


def small_training(seed):
    """A network with norms and its optimizer after a step: what checkpoints are made of and restored to."""
    paddle.seed(seed)
    network = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1D(4), nn.Linear(4, 3))
    optimizer = build_optimizer("sgd", network, build_schedule("cosine", 0.1, 9))
    train_a_step(network, optimizer)
    return network, optimizer


def train_a_step(network, optimizer):
    network(paddle.randn([8, 6])).mean().backward()
    optimizer.step()
    optimizer.clear_grad()


def restored(path):
    """Put the checkpoint into a network and an optimizer that begin, and train on.

    What an optimizer keeps of a parameter only Paddle knows: it stops where a part is missing (None).
    """
    paddle.seed(3)
    network = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1D(4), nn.Linear(4, 3))
    optimizer = build_optimizer("sgd", network, build_schedule("cosine", 0.1, 9))
    checkpoint.restore(checkpoint.load(path), network, optimizer)
    try:
        train_a_step(network, optimizer)
    except AssertionError as error:
        assert re.search("should in state dict|Shape not match", str(error))
        return None
    return True


def parts(data):
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def joined(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def new_header(data, other, rng):
    """A change to the header that keeps it well-formed."""
    (header, tensors), (foreign, others) = parts(data), parts(other)
    names = sorted(set(header) - {"__metadata__"})
    one, two = rng.sample(names, 2)
    change = rng.randrange(8)
    if change == 0:
        header[one], header[two] = header[two], header[one]
    elif change == 1:
        header[one]["dtype"] = rng.choice("BOOL U8 I8 F16 BF16 I32 F64 F8_E4M3 F4 C64 X".split())
    elif change == 2:
        header[one]["shape"] = rng.choice([[], [0], [-1], [2**62, 4], [1.5], header[one]["shape"][::-1]])
    elif change == 3:
        header[one]["data_offsets"] = rng.choice([[0, 0], [0, 2**60], [8, 0], header[two]["data_offsets"]])
    elif change == 4:
        del header[rng.choice([one, "__metadata__"])]
    elif change == 5:
        header["__metadata__"] = foreign["__metadata__"]  # progress of one, tensors of the other
    elif change == 6:
        header["__metadata__"]["progress"] = rng.choice(["", "{", "[" * 100_000, "NaN", '{"epochs": 7}'])
    else:
        tensors = others
    return joined(header, tensors)


@pytest.mark.parametrize("count", COUNTS)
def test_checkpoints(tmp_path, count):
    """One that is loaded is one of those that were saved, whole; it can be restored, with its optimizer."""
    rng, path, sources, outcomes = random.Random(1), tmp_path / "c.safetensors", [], []
    for seed in (1, 2):
        state = checkpoint.capture(*small_training(seed), {"epochs": seed})
        checkpoint.save(state, path)
        sources.append((state, path.read_bytes()))
    network, optimizer = small_training(3)
    for _ in range(count):
        (_, data), (_, other) = rng.sample(sources, 2)
        kind = rng.random()
        data = (
            mutated(data, other, rng) if kind < 0.5 else new_header(data, other, rng) if kind < 0.9 else data
        )
        path.write_bytes(data)
        loaded = refused(lambda: checkpoint.load(path))
        outcomes.append(loaded is not None)
        if loaded is not None:
            assert any(equal(loaded, state) for state, _ in sources)
            checkpoint.restore(loaded, network, optimizer)
    report("checkpoints", outcomes)


def equal(one, other):
    tensors = one.tensors.keys() == other.tensors.keys() and all(
        np.array_equal(one.tensors[name], other.tensors[name]) for name in one.tensors
    )
    return tensors and one.progress == other.progress


@pytest.mark.parametrize("count", COUNTS)
def test_checkpoints_that_someone_has_made(tmp_path, count):
    """With a right SHA-256, but of odd contents: they are refused or restored."""
    rng, path, outcomes = random.Random(2), tmp_path / "c.safetensors", []
    state = checkpoint.capture(*small_training(1), {"epochs": 1})
    for _ in range(count):
        tensors, progress = dict(state.tensors), dict(state.progress)
        name = rng.choice(sorted(tensors))
        change = rng.randrange(6)
        if change == 0:
            del tensors[name]
        elif change == 1:
            tensors[rng.choice(["optimizer.x", "network.", "optimizer.0.weight/x", "x"])] = tensors[name]
        elif change == 2:
            tensors[name] = np.resize(tensors[name], rng.choice([(), (1,), (4, 6), (7,)]))
        elif change == 3:
            tensors[name] = tensors[name].astype(rng.choice(["float64", "int32", "float16", "bool"]))
        elif change == 4:
            progress["lr_scheduler"] = rng.choice([None, [], "x", {"last_epoch": "x"}, {"last_epoch": 1}])
        else:
            progress = rng.choice([{}, [], 1, "x", None])
        checkpoint.save(checkpoint.Checkpoint(tensors, progress), path)
        outcomes.append(refused(lambda: restored(path)) is not None)
    report("checkpoints with a right SHA-256", outcomes)
