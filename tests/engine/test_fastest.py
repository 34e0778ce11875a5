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


def test_what_was_recorded_is_recorded_again(monkeypatch):
    """A run may be resumed twice before a problem comes up again, such as that of the last, smaller batch."""
    monkeypatch.setattr(fastest, "_measure", lambda *arguments: "quick")
    fastest.follow({"forward of p": "slow"})
    fastest.fastest("forward", "another", WAYS, 5)
    assert fastest.choices() == {"forward of p": "slow", "forward of another": "quick"}


def test_ways_are_timed_on_a_sample_and_used_on_everything(monkeypatch):
    timed = []
    monkeypatch.setattr(fastest, "_measure", lambda *arguments: timed.append(arguments) or "quick")
    result = fastest.fastest("forward", "p", WAYS, 5, sample=lambda problem, arguments: ("small p", (1,)))
    assert result == 7 and timed == [("forward", "small p", WAYS, (1,))]
    assert fastest.choices() == {"forward of p": "quick"}


def test_a_record_of_another_machine_is_not_trusted(monkeypatch):
    monkeypatch.setattr(fastest, "_measure", lambda *arguments: "quick")
    fastest.follow({"forward of p": "amx"})
    assert fastest.fastest("forward", "p", WAYS, 5) == 7


def test_the_best_round_counts_and_long_ones_are_few(monkeypatch):
    """Seconds of each round; the first one of a way also makes its machine code."""
    seconds = {
        "made slowly": [0.4, 0.001, 0.001],
        "steady": [0.002, 0.002, 0.002],
        "long": [0.07, 0.07],
        "impossible": [],
    }
    rounds = {name: iter(each) for name, each in seconds.items()}
    monkeypatch.setattr(fastest, "_seconds", lambda way, *_: way())

    def of(name):
        def way():
            if name == "impossible":
                raise fastest.DnnlError("no code")
            return next(rounds[name])  # one round too many raises StopIteration

        return way

    assert fastest._measure("forward", "p", {name: of(name) for name in seconds}, ()) == "made slowly"
    assert [len(list(each)) for each in rounds.values()] == [0, 0, 0, 0]
    rounds = {"long": iter([0.4, 0.2]), "longer": iter([0.3, 0.3])}
    assert fastest._measure("forward", "p", {name: of(name) for name in rounds}, ()) == "long"
