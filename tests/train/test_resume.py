"""R3, R4: runs that are killed or stopped at random moments end with the same bits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def reference(what: str, count: int = 1, seed: int = 0) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.reference", what, "--count", str(count), "--seed", str(seed)],
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
    found = reference("trials", 20, seed=1998)
    assert found["identical"] == 20
    assert found["kills"] >= 20


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_stopped_by_signals_at_10_random_times():
    found = reference("stops", 10, seed=5)
    assert found["identical"] == 10
    assert found["stopped"] >= 7


@pytest.mark.full
def test_killed_at_every_file_operation_of_the_start():
    assert reference("starts")["operations"] >= 20


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_killed_at_200_random_times():
    assert reference("trials", 200, seed=1986)["identical"] == 200


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_stopped_by_signals_at_100_random_times():
    assert reference("stops", 100, seed=12)["identical"] == 100
