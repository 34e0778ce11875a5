"""Archives damaged in each of their layers: gzip, tar, members and pickles; some of them hostile."""

import gzip
import random

import numpy as np
import pytest

from paddle_cifar.data.archive import read_archive
from tests.data.archives import (
    assert_same,
    contents_of,
    good_members,
    python2_pickle,
    small_archive,
    tar_bytes,
)
from tests.data.test_unpickle import hostile_pickles
from tests.fuzz.files import COUNTS, mutated, refused, report


def fuzzed_archive(rng, canary):
    """The bytes of an archive, and whether what it holds can only be that of the good one."""
    members = good_members(rng.choice([2, 4, 5]))
    if rng.random() < 0.2:
        members["cifar-100-python/train"] = python2_pickle(contents_of(small_archive().train))
    layer = rng.choice(["gzip", "tar", "tar", "pickle", "pickle", "hostile", "members"])
    names = sorted(members)
    if layer == "pickle":
        name = rng.choice(names)
        members[name] = mutated(members[name], members[rng.choice(names)], rng)
    if layer == "hostile":
        evil = rng.choice(sorted(hostile_pickles(canary).items()))[1]
        evil = mutated(evil, evil, rng) if rng.random() < 0.5 else evil
        at = rng.choice([0, rng.randrange(200)])
        name = rng.choice(names)
        members[name] = members[name][:at] + evil
    listed = list(members.items())
    if layer == "members":
        rng.shuffle(listed)
        change = rng.randrange(4)
        if change == 0:  # swapped
            listed[0], listed[1] = (listed[0][0], listed[1][1]), (listed[1][0], listed[0][1])
        elif change == 1:
            listed.append(rng.choice(listed))
        elif change == 2:
            listed.pop()
    tar, other = tar_bytes(listed), tar_bytes(list(good_members().items()))
    if layer == "tar":
        tar = mutated(tar, other, rng)
    packed = gzip.compress(tar, 1)
    return (mutated(packed, gzip.compress(other, 1), rng), True) if layer == "gzip" else (packed, False)


def check_archive(archive, only_good):
    if only_good:  # the checksum finds everything
        assert_same(archive, small_archive())
    for split in (archive.train, archive.test):
        count = len(split.images)
        assert split.images.shape == (count, 3, 32, 32) and split.images.dtype == np.uint8
        assert len(split.fine_labels) == len(split.coarse_labels) == len(split.filenames) == count
        assert 0 <= split.fine_labels.min() <= split.fine_labels.max() < 100
        assert 0 <= split.coarse_labels.min() <= split.coarse_labels.max() < 20
    assert len(archive.fine_names) == 100 and len(archive.coarse_names) == 20


@pytest.mark.parametrize("count", COUNTS)
def test_archives(tmp_path, count):
    rng, path, canary, outcomes = random.Random(0), tmp_path / "a.tar.gz", tmp_path / "ran", []
    for _ in range(count):
        data, only_good = fuzzed_archive(rng, str(canary))
        path.write_bytes(data)
        archive = refused(lambda: read_archive(path))
        outcomes.append(archive is not None)
        if archive is not None:
            check_archive(archive, only_good)
        assert not canary.exists()
    report("archives", outcomes)
