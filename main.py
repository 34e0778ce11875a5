"""Train, evaluate and save a network on CIFAR-100: ``python main.py --epochs 20 --lr 0.01``."""

import sys

from paddle_cifar.cli import main

if __name__ == "__main__":
    sys.exit(main())
