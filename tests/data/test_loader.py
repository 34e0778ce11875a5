import numpy as np
import pytest
from PIL import Image

from paddle_cifar.data.augment import build_augmentations, build_mixing
from paddle_cifar.data.loader import (
    CIFAR100_MEAN,
    CIFAR100_STD,
    BatchLoader,
    channel_statistics,
    normalise,
    one_ahead,
)
from paddle_cifar.errors import UsageError

IMAGES = np.random.default_rng(0).integers(0, 256, (100, 3, 32, 32), dtype=np.uint8)
LABELS = np.arange(100)


def loader(**arguments):
    return BatchLoader(IMAGES, LABELS, **{"batch_size": 32, "shuffle": True, "seed": 1, **arguments})


def epoch_of(batches, epoch):
    batches.set_epoch(epoch)
    return list(batches)


def test_every_image_comes_once_with_its_label():
    batches = list(loader())
    assert [len(label) for _, label in batches] == [32, 32, 32, 4] and len(loader()) == 4
    labels = np.concatenate([label for _, label in batches])
    assert sorted(labels) == list(range(100)) and list(labels) != list(range(100))
    images = np.concatenate([image for image, _ in batches])
    assert np.allclose(images, normalise(IMAGES[labels]), atol=0)
    assert images.dtype == np.float32 and labels.dtype == np.int64


def test_drop_last_leaves_the_short_batch_out():
    assert [len(label) for _, label in loader(drop_last=True)] == [32, 32, 32]


def test_no_shuffle_keeps_the_order():
    labels = np.concatenate([label for _, label in loader(shuffle=False)])
    assert list(labels) == list(range(100))


def test_order_and_augmentation_follow_from_seed_and_epoch():
    chain = build_augmentations("crop,flip")
    first = epoch_of(loader(augmentations=chain), 3)
    again = epoch_of(loader(augmentations=chain), 3)
    for (image, label), (same_image, same_label) in zip(first, again, strict=True):
        assert np.array_equal(image, same_image) and np.array_equal(label, same_label)
    other_epoch = epoch_of(loader(augmentations=chain), 4)
    other_seed = epoch_of(loader(augmentations=chain, seed=2), 3)
    assert not np.array_equal(first[0][1], other_epoch[0][1])
    assert not np.array_equal(first[0][1], other_seed[0][1])


def test_a_step_does_not_depend_on_those_before_it():
    """What makes resuming exact: batch 2 is the same whether or not batches 0 and 1 were drawn."""
    everything = {
        "augmentations": build_augmentations("crop,alternating_flip,rotation,autoaugment,augmix,erasing"),
        "mixing": build_mixing("mixup,cutmix"),
        "sides": [32, 20, 32],
    }
    whole = epoch_of(loader(**everything), 1)
    resumed = loader(**everything)
    resumed.set_epoch(1, first_step=2)
    rest = list(resumed)
    assert len(whole) == 4 and len(rest) == 2
    for (image, label), (same_image, same_label) in zip(whole[2:], rest, strict=True):
        assert np.array_equal(image, same_image) and np.array_equal(label, same_label)


def test_epochs_follow_one_another_without_being_told():
    """paddle.Model.fit calls no set_epoch; it must not see the same order again and again."""
    batches = loader()
    first, second = list(batches), list(batches)
    assert not np.array_equal(first[0][1], second[0][1])
    assert np.array_equal(second[0][1], epoch_of(loader(), 1)[0][1])


def test_sample_shows_the_batch_that_comes_next():
    batches = loader(augmentations=build_augmentations("crop,flip"), batch_size=8)
    assert np.array_equal(normalise(batches.sample(8)), next(iter(batches))[0])


def test_sample_is_whole_levels_at_the_full_side_and_unmixed():
    batches = loader(mixing=build_mixing("mixup"), sides=[16])
    assert batches.sample(8).dtype == np.uint8
    assert np.array_equal(batches.sample(8), IMAGES[batches.order(0)[:8]])


def test_sides_follow_the_epochs_and_the_last_one_stays():
    batches = loader(sides=[16, 24, 32])
    assert [next(iter(batches))[0].shape[-1] for _ in range(5)] == [16, 24, 32, 32, 32]
    assert epoch_of(batches, 0)[3][0].shape == (4, 3, 16, 16)


def test_small_images_are_pillows_of_the_augmented_ones():
    chain = {"augmentations": build_augmentations("crop,flip"), "batch_size": 100}
    ((small, _),) = epoch_of(loader(sides=[20], **chain), 0)
    augmented = loader(**chain).sample(100)
    for image, whole in zip(small, augmented, strict=True):
        pillow = Image.fromarray(whole.transpose(1, 2, 0)).resize((20, 20), Image.Resampling.BILINEAR)
        expected = normalise(np.asarray(pillow).transpose(2, 0, 1)[None])[0]
        assert np.abs(image - expected).max() < 1.001 / (255 * min(CIFAR100_STD))


def test_mixed_labels_are_soft_and_belong_to_the_mixed_images():
    plain = epoch_of(loader(), 2)
    mixed = epoch_of(loader(mixing=build_mixing("mixup:1")), 2)
    for (image, label), (blend, soft) in zip(plain, mixed, strict=True):
        assert soft.shape == (len(label), 100) and soft.dtype == np.float32
        # Every image has a class of its own here, so the labels say what was blended.
        expected = np.tensordot(soft[:, label].astype(np.float64), image, 1)
        assert np.abs(blend - expected).max() < 1e-5


def test_batches_made_ahead_are_the_same_and_no_more_than_one_ahead():
    chain = {"augmentations": build_augmentations("crop,flip,autoaugment"), "sides": [16, 32]}
    plain, ahead = loader(**chain), loader(**chain)
    ahead.ahead = True
    for _ in range(2):
        for one, other in zip(plain, ahead, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    made = []
    results = one_ahead(lambda step: made.append(step) or step, range(9))
    assert [next(results), next(results)] == [0, 1] and len(made) <= 3
    results.close()


def test_what_fails_ahead_fails_when_its_turn_comes():
    results = one_ahead(lambda step: 1 / (2 - step), range(4))
    assert [next(results), next(results)] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_limit_steps_ends_early():
    limited = loader(limit_steps=2)
    assert len(limited) == 2 and len(list(limited)) == 2
    assert len(loader(limit_steps=9)) == 4


def test_a_batch_larger_than_the_data_is_refused_with_drop_last():
    with pytest.raises(UsageError, match="--batch-size 101"):
        loader(batch_size=101, drop_last=True)
    assert len(loader(batch_size=101)) == 1


def test_normalise_against_float64():
    expected = (IMAGES / 255 - np.reshape(CIFAR100_MEAN, (3, 1, 1))) / np.reshape(CIFAR100_STD, (3, 1, 1))
    assert np.abs(normalise(IMAGES) - expected).max() < 1e-5


def test_channel_statistics_against_numpy():
    mean, std = channel_statistics(IMAGES)
    pixels = IMAGES.transpose(1, 0, 2, 3).reshape(3, -1) / 255
    assert np.allclose(mean, pixels.mean(1), atol=1e-12) and np.allclose(std, pixels.std(1), atol=1e-12)
