"""R3, R4: runs that are killed or stopped at random moments end with the same bits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def reference(what: str, count: int = 1, seed: int = 0, run: str = "A") -> dict[str, int]:
    asked = [what, "--count", str(count), "--seed", str(seed), "--run", run]
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.reference", *asked],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_20_random_times():
    """One in three of the runs is killed three times in one pass; one in four goes on with other workers."""
    found = [reference("trials", count, 1998, run) for run, count in (("A", 16), ("B", 2), ("C", 2))]
    assert sum(one["identical"] for one in found) == 20
    assert sum(one["kills"] for one in found) >= 18


@pytest.mark.slow
def test_a_run_gives_the_same_bits_again():
    """M9, with another number of workers each time."""
    assert reference("repeats", 2)["digests"] == 1


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("run", ["A", "B", "C"])
def test_five_runs_give_the_same_bits(run):
    assert reference("repeats", 5, run=run)["digests"] == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_stopped_by_signals_at_10_random_times():
    found = reference("stops", 10, seed=5)
    assert found["identical"] == 10
    assert found["stopped"] >= 7


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once():
    assert reference("seconds", 3, seed=3)["identical"] == 3


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_second_signal_at_30_random_steps():
    assert reference("seconds", 30, seed=4)["identical"] == 30


@pytest.mark.full
def test_killed_at_every_file_operation_of_the_start():
    assert reference("starts")["operations"] >= 20


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("run", "count"), [("A", 120), ("B", 40), ("C", 40)])
def test_killed_at_200_random_times(run, count):
    """Run D, of two ranks, is `test_killed_ranks_end_with_the_same_bits`."""
    assert reference("trials", count, 1986, run)["identical"] == count


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_stopped_by_signals_at_100_random_times():
    assert reference("stops", 100, seed=12)["identical"] == 100
