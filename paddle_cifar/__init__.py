"""ResNets on CIFAR-100 with PaddlePaddle's high-level API."""

__version__ = "0.1.0"
