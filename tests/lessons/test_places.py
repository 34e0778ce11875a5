"""Where the notebook says it looked, held against where the program looks."""

from pathlib import Path

import pytest

from paddle_cifar.data.locate import ARCHIVE_NAME, find_archive
from paddle_cifar.errors import RunError
from paddle_cifar.lessons.places import look_for_archive


def put(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_without_an_archive_every_place_is_named(tmp_path):
    path, lines = look_for_archive()
    assert path is None
    assert [line.split()[-1] for line in lines if "AI Studio" not in line] == [
        "$CIFAR100_FILE",
        f"data/{ARCHIVE_NAME}",
        f"~/.cache/paddle/dataset/cifar/{ARCHIVE_NAME}",
    ]
    assert any("~/data/data*/" in line for line in lines)
    assert not any(line.startswith("found") or str(tmp_path) in line for line in lines)


@pytest.mark.parametrize("place", ["home/data/data76994", "home/.cache/paddle/dataset/cifar", "data"])
def test_what_it_finds_is_what_the_program_takes(tmp_path, place):
    archive = put(tmp_path / place / ARCHIVE_NAME)
    put(tmp_path / "home" / "data" / "data99999" / ARCHIVE_NAME)
    path, lines = look_for_archive()
    assert path.resolve() == find_archive().resolve()
    if not place.startswith("home/.cache"):  # AI Studio's come first
        assert path.resolve() == archive
    found = [line for line in lines if line.startswith("found")]
    shown = found[0].split()[-1]
    assert Path(shown).expanduser().resolve() == path.resolve()
    assert not any(str(tmp_path) in line for line in lines)


def test_the_variable_comes_first_and_must_be_right(tmp_path, monkeypatch):
    monkeypatch.setenv("CIFAR100_FILE", str(put(tmp_path / "mine.tar.gz")))
    assert look_for_archive() == (tmp_path / "mine.tar.gz", ["found      $CIFAR100_FILE"])
    monkeypatch.setenv("CIFAR100_FILE", str(tmp_path / "not-there"))
    with pytest.raises(RunError, match="CIFAR100_FILE"):
        look_for_archive()
