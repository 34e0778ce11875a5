"""CIFAR-100 and its stand-in: archives, the ``Cifar100`` data set, augmentations and the batch loader.

Only ``cifar100.py`` imports Paddle.
"""
