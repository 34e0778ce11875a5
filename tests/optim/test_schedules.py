import numpy as np
import pytest

from paddle_cifar.errors import UsageError
from paddle_cifar.optim.schedules import SCHEDULES, build_schedule, step


def rates(name, total=100, warmup=0, lr=0.5, **shape):
    scheduler = build_schedule(name, lr, total, warmup, **shape)
    values = []
    for _ in range(total):
        values.append(scheduler.get_lr())
        scheduler.step()
    return np.array(values)


def test_constant():
    assert np.all(rates("constant") == 0.5)


def test_step_falls_to_a_fifth_three_times():
    values = rates("step")
    assert values[[0, 29, 30, 59, 60, 79, 80, 99]] == pytest.approx(
        [0.5, 0.5, 0.1, 0.1, 0.02, 0.02, 0.004, 0.004]
    )
    assert step(1.0) == pytest.approx(0.008)


def test_cosine():
    values = rates("cosine")
    assert values[0] == 0.5 and values[50] == pytest.approx(0.25) and values[99] < 0.001
    assert np.all(np.diff(values) < 0)


def test_onecycle_peaks_after_a_quarter_and_ends_near_zero():
    values = rates("onecycle")
    assert values[0] == pytest.approx(0.02) and values.argmax() == 25 and values[25] == 0.5
    assert np.all(np.diff(values[:26]) > 0) and np.all(np.diff(values[25:]) < 0) and values[99] < 0.001


def test_polynomial():
    values = rates("polynomial", power=3.0)
    assert values == pytest.approx(0.5 * (1 - np.arange(100) / 100) ** 3)
    assert rates("polynomial", power=1.0)[75] == pytest.approx(0.125)


def test_hold_then_a_straight_line_to_zero():
    values = rates("hold", hold_share=0.4)
    assert np.all(values[:41] == 0.5) and values[70] == pytest.approx(0.25)
    assert np.allclose(np.diff(values[40:]), -0.5 / 60)


def test_hold_without_holding_is_a_triangle():
    values = rates("hold", total=110, warmup=10, hold_share=0.0)
    assert values.argmax() == 10 and values[10] == 0.5
    assert np.allclose(np.diff(values[:11]), 0.5 / 11) and np.allclose(np.diff(values[10:]), -0.005)


def test_warmup_is_linear_and_leaves_the_rest_to_the_schedule():
    values = rates("cosine", total=110, warmup=10)
    assert values[:10] == pytest.approx(0.5 * np.arange(1, 11) / 11)
    assert values[10:] == pytest.approx(rates("cosine", total=100))


@pytest.mark.parametrize("name", SCHEDULES)
def test_warmup_rises_to_where_the_schedule_begins(name):
    values = rates(name, total=110, warmup=10)
    assert np.all(np.diff(values[:11]) > 0) and values[10] == rates(name)[0]
    assert values[10] - values[9] == pytest.approx(values[1] - values[0]), "no jump"


def test_a_scheduler_goes_on_from_its_state():
    first = build_schedule("onecycle", 0.5, 100)
    for _ in range(40):
        first.step()
    second = build_schedule("onecycle", 0.5, 100)
    second.set_state_dict(first.state_dict())
    first.step()
    second.step()
    assert second.get_lr() == first.get_lr()


def test_unknown_schedule():
    with pytest.raises(UsageError, match="did you mean"):
        build_schedule("onecycel", 0.1, 10)
