"""What the notebook installs: only what is missing, and never Paddle."""

import subprocess
import sys

import pytest

from paddle_cifar.errors import RunError
from paddle_cifar.lessons import packages
from paddle_cifar.lessons.packages import PACKAGES, install_missing, missing_packages
from tests.conftest import ROOT


@pytest.fixture
def hidden(monkeypatch):
    """A set of modules that are not found."""
    names = set()
    find_spec = packages.importlib.util.find_spec
    monkeypatch.setattr(
        packages.importlib.util, "find_spec", lambda name: None if name in names else find_spec(name)
    )
    return names


@pytest.fixture
def pip(monkeypatch):
    """The commands that would have been run; none is. ``pip.error`` makes them fail."""

    class Pip(list):
        error = ""

        def run(self, command, **options):
            self.append(command)
            return subprocess.CompletedProcess(command, bool(self.error), "", self.error)

    fake = Pip()
    monkeypatch.setattr(packages.subprocess, "run", fake.run)
    return fake


def test_the_requirements_are_those_of_the_project_without_paddle_and_numpy():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    requirements = [line for line in lines if line and not line.startswith("#")]
    # setuptools is what some versions of Paddle import; where Paddle is installed already it is there.
    rest = [line for line in requirements if not line.startswith(("paddlepaddle", "numpy", "setuptools"))]
    assert sorted(PACKAGES.values()) == sorted(rest) and len(rest) == len(requirements) - 3


def test_nothing_is_installed_where_nothing_is_missing(pip):
    assert missing_packages() == install_missing() == [] == pip


def test_only_what_is_missing_is_installed(hidden, pip):
    hidden.update(("visualdl", "PIL", "paddle"))
    assert install_missing() == [PACKAGES["visualdl"], PACKAGES["PIL"]]
    ((python, *rest),) = pip
    assert python == sys.executable and rest[:3] == ["-m", "pip", "install"]
    assert rest[-2:] == install_missing()
    # No option that would replace what is there, and no Paddle among what is asked for.
    assert not any("paddle" in word or "upgrade" in word or "force" in word for word in rest)


def test_a_failure_is_one_line(hidden, pip):
    hidden.add("sklearn")
    pip.error = "WARNING: retrying\nERROR: No matching distribution found\n"
    with pytest.raises(RunError, match=r"cannot install scikit-learn.*: ERROR: No matching") as caught:
        install_missing()
    assert "\n" not in str(caught.value)


def test_it_can_be_imported_before_anything_is_installed():
    program = (
        "import sys, paddle_cifar.lessons.packages; "
        "sys.exit(bool({'numpy', 'paddle', 'matplotlib', 'PIL'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
