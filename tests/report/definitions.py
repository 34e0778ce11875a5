"""The definitions of the measures, written out in plain numpy; slow, and independent of the package."""

from __future__ import annotations

import numpy as np


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def top_k_error(logits, labels, k):
    """Share of images for which k or more classes have a higher logit than the true one."""
    true = logits[np.arange(len(labels)), labels]
    return float(np.mean((logits > true[:, None]).sum(axis=1) >= k))


def confusion(labels, predicted, classes):
    counts = np.zeros((classes, classes), int)
    for true, guess in zip(labels, predicted, strict=True):
        counts[true, guess] += 1
    return counts


def precision_recall_f1(counts):
    right = np.diag(counts).astype(float)
    precision = right / np.maximum(counts.sum(axis=0), 1)
    recall = right / np.maximum(counts.sum(axis=1), 1)
    return precision, recall, 2 * precision * recall / np.maximum(precision + recall, 1e-300)


def average_precision(truth, score):
    """The mean, over the images of the class, of the precision among those ranked as high or higher."""
    return float(np.mean([truth[score >= own].mean() for own in score[truth]]))


def area_under_roc(truth, score):
    """The probability that an image of the class is ranked above one of another class; ties count half."""
    above = np.sort(score[~truth])
    lower = np.searchsorted(above, score[truth], "left")
    tied = np.searchsorted(above, score[truth], "right") - lower
    return float(np.mean((lower + tied / 2) / len(above)))


def calibration_error(confidence, correct, bins=15):
    """Bins of equal width, each without its lower and with its upper edge."""
    error = 0.0
    for index in range(bins):
        inside = (confidence > index / bins) & (confidence <= (index + 1) / bins)
        if inside.any():
            error += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return error
