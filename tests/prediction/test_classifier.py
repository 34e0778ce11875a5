"""The Python API against ``evaluate`` and against the network called by hand."""

import ctypes
import gc
import itertools
import sys
import tempfile
import threading

import numpy as np
import paddle
import psutil
import pytest
from PIL import Image

from paddle_cifar import Classifier
from paddle_cifar.cli import main
from paddle_cifar.data.labels import COARSE_NAMES, FINE_NAMES, FINE_TO_COARSE
from paddle_cifar.data.load import load_datasets
from paddle_cifar.data.loader import normalise
from paddle_cifar.errors import RunError, UsageError
from paddle_cifar.prediction.classifier import as_images, softmax


@pytest.fixture(scope="module")
def test_images():
    return load_datasets("synthetic", synthetic_size=500)[1].images


@pytest.mark.parametrize("engine", ["paddle", "auto"])
def test_logits_are_those_of_evaluate_bit_for_bit(run, test_images, engine):
    assert main(["evaluate", "--run", str(run), "--logits", "--engine", engine]) == 0
    stored = np.load(run / "logits.npz")["logits"]
    classifier = Classifier.from_run(run, engine=engine)
    logits = classifier.logits(test_images)
    assert logits.dtype == np.float32 and np.array_equal(logits, stored)
    assert np.array_equal(classifier.logits(normalise(test_images), normalised=True), stored)
    best = [guesses[0].label for guesses in classifier.predict(test_images, top=1)]
    assert best == stored.argmax(axis=1).tolist()


def test_guesses_are_the_most_probable_classes(run, test_images):
    classifier = Classifier.from_run(run)
    logits = classifier.logits(test_images[:7]).astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for guesses, row in zip(classifier.predict(test_images[:7], top=100), expected, strict=True):
        assert sorted(guess.label for guess in guesses) == list(range(100))
        for guess in guesses:
            assert guess.probability == pytest.approx(row[guess.label], rel=1e-6)
            assert guess.name == FINE_NAMES[guess.label]
            assert guess.superclass == COARSE_NAMES[FINE_TO_COARSE[guess.label]]
        probabilities = [guess.probability for guess in guesses]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1)
    assert [len(guesses) for guesses in classifier.predict(test_images[:2], top=3)] == [3, 3]


def test_softmax_of_large_logits():
    assert softmax(np.array([[1000.0, 1000.0, -1000.0]], np.float32)).tolist() == [[0.5, 0.5, 0.0]]


def test_every_way_to_hand_over_a_picture(run, test_images, tmp_path):
    classifier = Classifier.from_run(run)
    image = test_images[3]
    picture = Image.fromarray(image.transpose(1, 2, 0))
    picture.save(tmp_path / "a.png")
    expected = classifier.logits(image)
    assert expected.shape == (1, 100)
    last = np.ascontiguousarray(image.transpose(1, 2, 0))
    for given in (
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        picture,
        [picture],
        [image],
        last,
        last[None],
        [last],
    ):
        assert np.array_equal(classifier.logits(given), expected)
    several = as_images([str(tmp_path / "a.png"), image, picture.resize((90, 50))])
    assert several.shape == (3, 3, 32, 32) and np.array_equal(several[0], several[1])
    assert classifier.predict([]) == [] and classifier.logits(test_images[:0]).shape == (0, 100)


def test_test_time_augmentation_is_the_mean_of_image_and_mirror(run, test_images):
    plain, averaged = Classifier.from_run(run), Classifier.from_run(run, tta="mirror")
    mirrored = np.ascontiguousarray(test_images[:9, :, :, ::-1])
    expected = (plain.logits(test_images[:9]) + plain.logits(mirrored)) / 2
    np.testing.assert_allclose(averaged.logits(test_images[:9]), expected, atol=1e-5)


def test_the_networks_state_is_left_alone(run, test_images):
    classifier = Classifier.from_run(run)
    before = {name: value.numpy().copy() for name, value in classifier.network.state_dict().items()}
    classifier.predict(test_images)
    assert not classifier.network.training and paddle.is_grad_enabled()
    assert all(
        np.array_equal(before[name], value.numpy()) for name, value in classifier.network.state_dict().items()
    )


@pytest.mark.parametrize("engine", ["paddle", "auto"])
def test_eight_threads_at_once(run, test_images, tmp_path, engine):
    """Good and bad requests mixed; every good one gets the answer it gets alone."""
    classifier = Classifier.from_run(run, engine=engine)
    alone = [classifier.logits(image) for image in test_images[:16]]
    (tmp_path / "bad.png").write_bytes(b"\x89PNG nothing")
    wrong, refused = [], []

    def client(number):
        for request in range(25):
            index = (number * 5 + request) % 16
            try:
                if request % 5 == 4:
                    classifier.predict(tmp_path / "bad.png")
                elif not np.array_equal(classifier.logits(test_images[index]), alone[index]):
                    wrong.append(index)
            except RunError:
                refused.append(number)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and len(refused) == 8 * 5
    switch = classifier.network.__dict__.get("_engine")
    assert switch is None or switch.working, "the engine did not give up"


def _memory():
    """Bytes in use: not the peak, perhaps another test's, nor freed ones that the C library keeps."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    return psutil.Process().memory_info().rss


def test_two_thousand_requests_leave_nothing_behind(run, tmp_path, monkeypatch):
    """Files of every size from 8 clients, a fifth of them bad: no error on a good one, no memory, no file."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    classifier = Classifier.from_run(run)
    files = []
    for number in range(20):
        file = tmp_path / f"{number}.jpg"
        Image.effect_noise((32 + 40 * number, 32 + 25 * number), 90).convert("RGB").save(file)
        if number % 5 == 4:
            file.write_bytes(file.read_bytes()[:200])
        files.append(file)
    before = sorted(tmp_path.iterdir())
    answered, failed = [], []

    def clients(requests):
        def client(first):
            for request in range(first, first + requests):
                try:
                    answered.append(len(classifier.predict(files[request % 20])[0]))
                except RunError:
                    failed.append(request % 20)

        threads = [threading.Thread(target=client, args=(number * 3,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    clients(requests=40)  # so that caches are filled
    used = [_memory()]
    answered.clear(), failed.clear()
    for _ in range(5):
        clients(requests=50)
        used.append(_memory())
    assert len(answered) + len(failed) == 2000 and set(answered) == {5}
    assert {number % 5 for number in failed} == {4} and len(failed) == 400
    # 10 kB of every request would show in each round of 400; caches and the C library's arenas grow in some.
    growth = [later - sooner for sooner, later in itertools.pairwise(used)]
    assert min(growth) < 4e6, growth
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 3, 32, 32), np.float32),
        np.zeros((32, 32), np.uint8),
        np.zeros((2, 4, 33, 33), np.uint8),
        np.zeros((2, 2, 3, 32, 32), np.uint8),
        [np.zeros((2, 3, 32, 32), np.uint8)],
        [None],
        3,
        None,
    ],
)
def test_what_is_no_picture_is_refused(run, images):
    with pytest.raises(UsageError, match="uint8"):
        Classifier.from_run(run).predict(images)


def test_a_damaged_picture_that_pillow_has_not_read_yet(run, tmp_path):
    Image.fromarray(np.zeros((90, 90, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    with pytest.raises(RunError, match=r"^the picture is damaged or cut off"):
        Classifier.from_run(run).predict(Image.open(tmp_path / "cut.png"))


def test_an_answer_that_is_no_number_is_none(run, test_images, monkeypatch):
    classifier = Classifier.from_run(run)
    monkeypatch.setattr(classifier, "_run", lambda batch, _: np.full((len(batch), 100), np.nan, np.float32))
    with pytest.raises(RunError, match="weights are damaged"):
        classifier.predict(test_images[:2])


def test_bad_usage(run, tmp_path, test_images):
    classifier = Classifier.from_run(run)
    for top in (0, -1, 101):
        with pytest.raises(UsageError, match="--top"):
            classifier.predict(test_images[:1], top)
    with pytest.raises(UsageError, match="float32"):
        classifier.logits(test_images, normalised=True)
    with pytest.raises(RunError, match=r"none\.png"):
        classifier.predict([test_images[0], tmp_path / "none.png"])
    with pytest.raises(RunError, match="no run at"):
        Classifier.from_run(tmp_path / "none")
    with pytest.raises(RunError, match=r"config\.json"):
        Classifier.from_run(tmp_path)
    with pytest.raises(UsageError, match="engin"):
        Classifier.from_run(run, engin="paddle")
    with pytest.raises(UsageError, match="did you mean mirror"):
        Classifier.from_run(run, tta="mirrors")
