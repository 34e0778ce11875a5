"""Images a second of the input pipeline, beside Paddle's own, with the same augmentation.

    python benchmarks/input_pipeline.py

Both crop with four pixels of padding, flip, and normalise the same images into
batches of 128; they take turns in one run, and the median ratio counts. A second
table gives this project's speed with other augmentations and image sizes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from paddle_cifar.environment import cpu_name, import_paddle

paddle = import_paddle()

from paddle.vision import transforms as T  # noqa: E402

from paddle_cifar.data.augment import build_augmentations, build_mixing  # noqa: E402
from paddle_cifar.data.cifar100 import Cifar100  # noqa: E402
from paddle_cifar.data.loader import CIFAR100_MEAN, CIFAR100_STD, BatchLoader  # noqa: E402
from paddle_cifar.data.synthetic import make_synthetic  # noqa: E402

BATCH, ROUNDS = 128, 5
COMBINATIONS = (
    *("none", "crop,flip", "crop,flip,cutout", "crop,flip,erasing", "crop,flip,rotation,erasing"),
    *("crop,flip,jitter", "crop,flip,gridmask", "crop,flip,mixup", "crop,flip,cutmix"),
    *("autoaugment", "randaugment", "trivialaugment", "augmix", "crop,flip,rotation,autoaugment,erasing"),
)
SIDES = (16, 20, 24, 28)


def images_per_second(loader: Iterable, images: int) -> float:
    """Go through a loader once, turning what it yields into Paddle tensors."""
    began = time.perf_counter()
    seen = 0
    for image, _label in loader:
        seen += paddle.to_tensor(image).shape[0]
    assert seen == images
    return images / (time.perf_counter() - began)


def main() -> None:
    """Print a table of both pipelines."""
    archive = make_synthetic(50_000, 1_000)
    ours = BatchLoader(
        archive.train.images, archive.train.fine_labels, BATCH, build_augmentations("crop,flip"), shuffle=True
    )
    # Paddle's pipeline is measured on a tenth of the images: a full pass takes it ten seconds and more.
    small = make_synthetic(5_000, 1_000)
    transform = T.Compose(
        [
            T.RandomCrop(32, padding=4),
            T.RandomHorizontalFlip(),
            T.ToTensor(),
            T.Normalize(CIFAR100_MEAN, CIFAR100_STD),
        ]
    )
    dataset = Cifar100.from_archive(small, "train", transform, backend="pil")

    def paddles(workers: int) -> Callable[[], float]:
        loader = paddle.io.DataLoader(dataset, batch_size=BATCH, shuffle=True, num_workers=workers)
        return lambda: images_per_second(loader, len(dataset))

    contestants = {
        "this project": lambda: images_per_second(ours, 50_000),
        "paddle.io.DataLoader": paddles(0),
        "paddle.io.DataLoader, 2 workers": paddles(2),
    }
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, run in contestants.items():
            speeds[name].append(run())

    print(f"{cpu_name()}, paddle {paddle.__version__}, batch {BATCH}, median of {ROUNDS} rounds")
    print(f"{'pipeline':<34}{'images/s':>10}{'this project is faster by':>28}")
    for name, values in speeds.items():
        ratios = [a / b for a, b in zip(speeds["this project"], values, strict=True)]
        print(f"{name:<34}{median(values):>10,.0f}{median(ratios):>27.1f}x")


def augmentation_speeds() -> None:
    """Print the speed of each of ``COMBINATIONS``, and of the usual one at smaller sides."""
    train = make_synthetic(12_800, 100).train

    def loader(text: str, side: int = 32) -> BatchLoader:
        chain, mixing = build_augmentations(text), build_mixing(text)
        return BatchLoader(train.images, train.fine_labels, BATCH, chain, mixing, [side], shuffle=True)

    loaders = {text: loader(text) for text in COMBINATIONS}
    loaders |= {f"crop,flip at {side}x{side}": loader("crop,flip", side) for side in SIDES}
    print(f"\n{'this project, augmentations':<44}{'images/s':>10}")
    for name, batches in loaders.items():
        speed = median(images_per_second(batches, 12_800) for _ in range(ROUNDS))
        print(f"{name:<44}{speed:>10,.0f}")


if __name__ == "__main__":
    main()
    augmentation_speeds()
