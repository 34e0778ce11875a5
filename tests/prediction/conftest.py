"""A small trained run for all tests of prediction."""

import pytest

from paddle_cifar.cli import main
from tests.conftest import SMALL_RUN


@pytest.fixture(scope="package")
def run(tmp_path_factory):
    output = tmp_path_factory.mktemp("outputs")
    assert main([*SMALL_RUN, "--name", "run", "--output", str(output)]) == 0
    return output / "run"
