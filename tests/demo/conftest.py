"""A small trained network behind the page, and the page itself where Gradio is installed."""

import importlib.util

import numpy as np
import pytest
from PIL import Image

from benchmarks.page_client import Page
from paddle_cifar.cli import main
from tests.browser import browser  # noqa: F401
from tests.conftest import SMALL_RUN


@pytest.fixture(scope="package")
def run(tmp_path_factory):
    output = tmp_path_factory.mktemp("outputs")
    assert main([*SMALL_RUN, "--epochs", "1", "--name", "run", "--output", str(output)]) == 0
    return output / "run"


@pytest.fixture(scope="package")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def served(run, tmp_path_factory):
    """The page in a process of its own, which each module ends."""
    if importlib.util.find_spec("gradio") is None:
        pytest.skip("Gradio is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody answers there: the page has no use for it
        patch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
        page = Page(["--run", str(run)], tmp_path_factory.mktemp("temporary"))
    yield page
    page.process.kill()
    page.process.wait()
