import pytest

from paddle_cifar.data.sizes import epoch_sides, parse_sizes
from paddle_cifar.errors import UsageError


def test_32_alone_is_the_whole_run():
    assert parse_sizes("32") == [(32, 1.0)] and epoch_sides("32", 3) == [32, 32, 32]


@pytest.mark.parametrize(
    ("text", "epochs", "counts"),
    [
        ("16:0.4,24:0.3,32:0.3", 20, {16: 8, 24: 6, 32: 6}),
        ("16:0.4, 24:0.3, 32:0.3", 10, {16: 4, 24: 3, 32: 3}),
        ("16:0.5,32:0.5", 5, {16: 3, 32: 2}),
        ("24:0.9,32:0.1", 3, {24: 2, 32: 1}),
        ("16:0.4,24:0.3,32:0.3", 1, {32: 1}),
        ("32:0.2,24:0.6,32:0.2", 5, {32: 2, 24: 3}),
    ],
)
def test_sides_follow_their_shares_and_end_at_32(text, epochs, counts):
    sides = epoch_sides(text, epochs)
    assert {side: sides.count(side) for side in set(sides)} == counts
    assert len(sides) == epochs and sides[-1] == 32


@pytest.mark.parametrize("epochs", range(1, 60))
def test_every_stage_ends_at_the_nearest_epoch(epochs):
    sides = epoch_sides("16:0.3,20:0.1,24:0.3,32:0.3", epochs)
    assert len(sides) == epochs and sides == sorted(sides) and sides[-1] == 32
    for side, end in ((16, 0.3), (20, 0.4), (24, 0.7)):
        done = sum(one <= side for one in sides)
        assert abs(done - end * epochs) <= 0.5 + 1e-6 or done == epochs - 1


@pytest.mark.parametrize(
    "text",
    "16 24:1 16:0.5,32:0.4 16:0.5,32:0.6 16:-0.5,32:1.5 16:nan,32:0.5 16:inf,32:0.5 16:0,32:1 7:0.5,32:0.5 "
    "48:0.5,32:0.5 16:0.5;32:0.5 a:0.5,32:0.5 16.5:0.5,32:0.5 32:0.5,16:0.5 16:0.5,,32:0.5 ,".split(),
)
def test_impossible_sizes_are_refused(text):
    with pytest.raises(UsageError, match="--sizes") as failure:
        parse_sizes(text)
    assert "\n" not in str(failure.value)
