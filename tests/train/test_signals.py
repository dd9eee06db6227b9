"""R4: runs that are stopped by signals, at random times and at exact moments, go on to the same bits."""

import pytest

from tests.train.test_resume import reference


def signalled(what: str, count: int, seed: int = 0) -> dict[str, float]:
    return reference(what, count, seed, script="signals")


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once():
    assert signalled("seconds", 3, seed=3)["identical"] == 3


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_stopped_at_some_moments():
    """In batches of validation, in file operations of saves, and a second time in those of the closing save."""
    assert signalled("moments", 40, seed=2) == {"evaluation": 1, "save": 3, "closing": 1}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_stopped_by_signals_at_10_random_times():
    found = signalled("stops", 10, seed=5)
    assert found["identical"] == 10
    assert found["stopped"] >= 7


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_stopped_at_every_moment():
    found = signalled("moments", 1)
    assert found["evaluation"] == 10
    assert found["save"] >= 83
    assert found["closing"] >= 36


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_second_signal_at_30_random_steps():
    assert signalled("seconds", 30, seed=4)["identical"] == 30


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_stopped_by_signals_at_100_random_times():
    assert signalled("stops", 100, seed=12)["identical"] == 100
