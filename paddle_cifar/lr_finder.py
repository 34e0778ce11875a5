"""``python main.py find-lr``: Smith's range test (Smith 2015, arXiv:1506.01186, section 3.3).

A fresh network is trained for a few steps while the rate rises exponentially.
Where the loss is lowest, the rate is already at the edge; a tenth of that is suggested.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle

from paddle_cifar.assembly import build_loaders, build_model, initial_network
from paddle_cifar.atomic import write_atomically
from paddle_cifar.config import TrainConfig
from paddle_cifar.data.cifar100 import Cifar100
from paddle_cifar.data.load import load_datasets
from paddle_cifar.data.loader import BatchLoader
from paddle_cifar.environment import choose_device
from paddle_cifar.errors import RunError, UsageError
from paddle_cifar.models.sides import check_sides
from paddle_cifar.precision import choose_arithmetic

EXPLODES = 4  # times the lowest loss so far: no rate beyond this one is of use
FEWEST_STEPS = 10


@dataclass(frozen=True, eq=False)
class RangeTest:
    """Of each step, (S,): the rate, the training loss in nats, and that loss smoothed (see ``judge``).

    ``steepest`` is the rate at which the smoothed loss falls fastest per decade of the rate,
    ``lowest`` that of the smallest smoothed loss.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    steepest: float
    lowest: float

    @property
    def suggestion(self) -> float:
        """The peak rate to begin with: a tenth of the rate of the lowest loss.

        Not the steepest descent: where initial logits are large, the loss falls fastest while they
        shrink, at rates far too small to learn with.
        """
        return self.lowest / 10


def find_lr(
    config: TrainConfig,
    steps: int = 100,
    start: float = 1e-5,
    end: float = 10.0,
    data: tuple[Cifar100, Cifar100] | None = None,
    on_step: Callable[[int, float, float], None] | None = None,
) -> RangeTest:
    """Train a network of its own for ``steps`` batches, the rate rising exponentially from start to end.

    Network, optimizer, loss and batches are those a run of ``config`` begins with; its rate and
    schedule are replaced. Nothing outside changes: neither other networks nor the random state. Ends
    early when the loss is no longer finite or four times the lowest so far.

    Args:
        data: training and test set, where they are in memory already; the test set is not looked at.
        on_step: called with step (from 1), rate and loss.

    Raises:
        UsageError: for a range that is none, and for sizes the network does not take.
        RunError: when the loss falls nowhere in the range.
    """
    check_range(steps, start, end)
    data = data or load_datasets(config.dataset, config.data_file, config.synthetic_size)
    rates = start * (end / start) ** (np.arange(steps) / (steps - 1))
    losses: list[float] = []
    device, _ = choose_device(config.device)  # first: the random state is that of the device
    with _nothing_changed():
        for rate, loss in zip(rates, _losses(config, device, data, rates), strict=False):
            if not math.isfinite(loss):
                break
            losses.append(loss)
            if on_step:
                on_step(len(losses), float(rate), loss)
            if loss > EXPLODES * min(losses):
                break
    return judge(rates[: len(losses)], np.array(losses))


def check_range(steps: int, start: float, end: float) -> None:
    """UsageError unless the range is one."""
    if steps < FEWEST_STEPS:
        raise UsageError(f"--steps is {steps}; it must be at least {FEWEST_STEPS}")
    if not 0 < start < end < math.inf:
        raise UsageError(f"--from {start:g} --to {end:g}: both must be positive, the second one larger")


def judge(rates: np.ndarray, losses: np.ndarray) -> RangeTest:
    """Smooth the losses (S,) of increasing rates (S,), and find where they fall fastest and are lowest.

    The smoothing is a Gaussian of 3 % of the steps, centred: a running mean would shift the curve
    to higher rates. No loss counts as more than ``EXPLODES`` times the lowest before it.

    Raises:
        RunError: when the smoothed loss never falls.
    """
    smoothed = losses
    if len(losses) >= FEWEST_STEPS:
        steps = np.arange(len(losses))
        weights = np.exp(-0.5 * ((steps[:, None] - steps) / max(1.0, 0.03 * len(steps))) ** 2)
        # How far the last loss overshoots says nothing about the rates before it.
        bounded = np.minimum(losses, EXPLODES * np.minimum.accumulate(losses))
        smoothed = weights @ bounded / weights.sum(axis=1)
    bottom = int(smoothed.argmin()) if len(smoothed) else 0
    if bottom == 0 or smoothed[bottom] > smoothed[0] * (1 - 1e-6):  # less is rounding
        raise RunError("the loss does not fall at any rate of the range; start lower with --from")
    slopes = np.diff(smoothed[: bottom + 1]) / np.diff(np.log10(rates[: bottom + 1]))
    # A slope lies between two rates; their geometric mean is where it is.
    steepest = int(slopes.argmin())
    middle = math.sqrt(rates[steepest] * rates[steepest + 1])
    return RangeTest(rates, losses, smoothed, middle, float(rates[bottom]))


def save_range_test(test: RangeTest, folder: Path) -> None:
    """Write lr_finder.csv, lr_finder.svg and lr_finder.png; RunError where that cannot be."""
    from PIL import Image

    from paddle_cifar.report.figures import range_test_figure
    from paddle_cifar.report.figures.style import to_pixels, to_svg

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write to {folder} ({error.strerror}); choose another --output") from error
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", "lr", "loss", "smoothed"])
    for step, values in enumerate(zip(test.rates, test.losses, test.smoothed, strict=True), start=1):
        writer.writerow([step, *(f"{value:.6g}" for value in values)])
    figure, image = range_test_figure(test), io.BytesIO()
    Image.fromarray(to_pixels(figure)).save(image, "png")
    write_atomically(folder / "lr_finder.csv", text.getvalue().encode())
    write_atomically(folder / "lr_finder.svg", to_svg(figure, "loss against learning rate").encode())
    write_atomically(folder / "lr_finder.png", image.getvalue())


def _losses(
    config: TrainConfig, device: str, data: tuple[Cifar100, Cifar100], rates: np.ndarray
) -> Iterator[float]:
    """The training loss of each step, made when it is asked for."""
    train_loader, _, _ = build_loaders(config, *data)
    network = initial_network(config, train_loader)
    check_sides(network, config.model, train_loader.sides)
    choices = (config.engine, config.precision, not config.sam_rho)
    _, precision, _ = choose_arithmetic(network, device, *choices)
    scheduler = paddle.optimizer.lr.LambdaDecay(1.0, lambda step: float(rates[min(step, len(rates) - 1)]))
    model = build_model(config, network, precision, len(train_loader), scheduler)
    for image, label in _batches(train_loader, len(rates)):
        losses, _ = model.train_batch([image], [label])
        scheduler.step()
        yield float(np.ravel(losses[0])[0])


def _batches(loader: BatchLoader, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The loader's batches, epoch after epoch, until there were ``count``."""
    while count > 0:
        for batch in loader:
            yield batch
            count -= 1
            if not count:
                return


@contextmanager
def _nothing_changed() -> Iterator[None]:
    """Put back Paddle's random state, and its counter of parameter names, which a .pdopt depends on."""
    random_state = paddle.get_rng_state()
    try:
        with paddle.utils.unique_name.guard():
            yield
    finally:
        paddle.set_rng_state(random_state)
