"""Finding the archive: the order, strictness about files the user names, and what to do without one."""

import subprocess
import sys
from pathlib import Path

import pytest

from paddle_cifar.data import locate
from paddle_cifar.data.locate import ARCHIVE_NAME, find_archive
from paddle_cifar.errors import RunError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty home and working folder, no variable, and a download that must not happen."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setattr(locate.Path, "home", lambda: home)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    monkeypatch.delenv("CIFAR100_FILE", raising=False)
    monkeypatch.setattr(locate, "fetch", lambda destination: pytest.fail("no download expected"))
    return home


def put(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def places(home, monkeypatch):
    """Every place in the order in which it is looked at, with a file in each."""
    variable = put(home / "elsewhere" / "variable.tar.gz")
    monkeypatch.setenv("CIFAR100_FILE", str(variable))
    return [
        variable,
        put(locate.Path.cwd() / "data" / ARCHIVE_NAME),
        put(home / "data" / "data76994" / ARCHIVE_NAME),
        put(home / "data" / "data100" / ARCHIVE_NAME),
        put(home / "data" / "data99999" / ARCHIVE_NAME),
        put(home / ".cache" / "paddle" / "dataset" / "cifar" / ARCHIVE_NAME),
    ]


def test_order(home, monkeypatch):
    expected = places(home, monkeypatch)
    explicit = put(home / "explicit.tar.gz")
    assert find_archive(str(explicit)) == explicit
    assert find_archive("~/explicit.tar.gz") == explicit
    for place in expected:
        assert find_archive(None).resolve() == place.resolve()
        place.unlink()
        monkeypatch.delenv("CIFAR100_FILE", raising=False)


@pytest.mark.parametrize("source", ["--data-file", "CIFAR100_FILE"])
def test_a_file_the_user_names_must_exist(home, monkeypatch, source):
    places(home, monkeypatch)
    for wrong, reason in ((home / "typo.tar.gz", "does not exist"), (home, "is a directory")):
        if source == "CIFAR100_FILE":
            monkeypatch.setenv(source, str(wrong))
        with pytest.raises(RunError) as caught:
            find_archive(str(wrong) if source == "--data-file" else None)
        message = str(caught.value)
        assert source in message and str(wrong) in message and reason in message
        assert caught.value.exit_code == 1


def test_empty_variable_counts_as_unset(home, monkeypatch):
    expected = places(home, monkeypatch)
    monkeypatch.setenv("CIFAR100_FILE", "")
    assert find_archive().resolve() == expected[1]


def test_a_folder_of_the_archives_name_is_passed_over(home):
    locate.Path("data", ARCHIVE_NAME).mkdir(parents=True)
    cached = put(home / ".cache" / "paddle" / "dataset" / "cifar" / ARCHIVE_NAME)
    assert find_archive() == cached


def test_download_goes_into_paddles_cache(home, monkeypatch):
    monkeypatch.setattr(locate, "fetch", lambda destination: destination)
    assert find_archive() == home / ".cache" / "paddle" / "dataset" / "cifar" / ARCHIVE_NAME


@pytest.mark.parametrize("download", [False, True])
def test_nothing_works(monkeypatch, download):
    def offline(destination):
        raise RunError(f"cannot download; {locate.WAYS_TO_SUPPLY}")

    if download:
        monkeypatch.setattr(locate, "fetch", offline)
    with pytest.raises(RunError) as caught:
        find_archive(None, download=download)
    message = str(caught.value)
    assert caught.value.exit_code == 1 and "\n" not in message
    for part in (
        "--data-file",
        "CIFAR100_FILE",
        "data/",
        "python main.py --dataset synthetic --recipe quick",
    ):
        assert part in message


def test_reading_does_not_import_paddle():
    code = (
        "import sys, paddle_cifar.data.archive, paddle_cifar.data.locate; sys.exit('paddle' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=60).returncode == 0
