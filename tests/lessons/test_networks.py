import pytest

from paddle_cifar.lessons.networks import layers_with_weights, resnet_table
from paddle_cifar.models import build_network
from paddle_cifar.models.summary import cheap_initialisation


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_the_number_in_the_name_is_the_number_of_layers(depth):
    with cheap_initialisation():
        assert layers_with_weights(build_network(f"resnet{depth}")) == depth


def test_the_table_has_the_published_blocks():
    """Table 1 of He et al. 2015: [2, 2, 2, 2] basic blocks, [3, 4, 6, 3] bottlenecks."""
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in resnet_table(["resnet18", "resnet50"]).splitlines()
    ]
    assert len({len(row) for row in rows}) == 1
    assert rows[2] == ["resnet18", "basic", "2 + 2 + 2 + 2", "18", "11,220,132", "42.8", "555.5"]
    assert rows[3][:5] == ["resnet50", "bottleneck", "3 + 4 + 6 + 3", "50", "23,705,252"]
