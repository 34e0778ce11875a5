"""Ways are chosen by timing, so what was chosen is remembered: a resumed run computes the same bits."""

import pytest

from paddle_cifar.engine import fastest

WAYS = {"slow": lambda problem, x: x + 1, "quick": lambda problem, x: x + 2}


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    monkeypatch.setattr(fastest, "_chosen", {})
    monkeypatch.setattr(fastest, "_recorded", {})


def test_the_choice_is_made_once(monkeypatch):
    measured = []
    monkeypatch.setattr(fastest, "_measure", lambda *arguments: measured.append(1) or "quick")
    assert [fastest.fastest("forward", "p", WAYS, 5) for _ in range(3)] == [7, 7, 7]
    assert len(measured) == 1 and fastest.choices() == {"forward of p": "quick"}


def test_a_recorded_choice_is_followed_without_measuring(monkeypatch):
    monkeypatch.setattr(fastest, "_measure", lambda *arguments: "quick")
    fastest.fastest("forward", "p", WAYS, 5)
    fastest.follow({"forward of p": "slow"})
    assert fastest.fastest("forward", "p", WAYS, 5) == 6
    assert fastest.fastest("forward", "another", WAYS, 5) == 7, "what was not recorded is measured"


def test_a_record_of_another_machine_is_not_trusted(monkeypatch):
    monkeypatch.setattr(fastest, "_measure", lambda *arguments: "quick")
    fastest.follow({"forward of p": "amx"})
    assert fastest.fastest("forward", "p", WAYS, 5) == 7
