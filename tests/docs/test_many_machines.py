"""The plan's arithmetic, and that the examples can be read."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scale():
    sys.path.insert(0, str(ROOT / "docs"))
    yield importlib.import_module("parts.scale")
    sys.path.remove(str(ROOT / "docs"))


def test_the_plan_by_hand(scale):
    """ResNet-50's 25,557,032 gradients of 4 bytes; a ring of 1,000 moves 1.998 of them at 12.5 GB/s: 16.34 ms."""
    row = scale.row(1000, scale.Assumed())
    assert (row.batch, row.each) == (8192, 8.192)
    assert row.reduce_s == pytest.approx(1.998 * 102_228_128 / 12.5e9)
    # 8.192 ms of computing, two thirds of which cover 5.461 ms of 16.340.
    step = 8.192e-3 + 16.340e-3 - 5.461e-3
    assert row.images_per_s == pytest.approx(8192 / step, rel=1e-3)
    assert row.steps == pytest.approx(100e6 / 8192)
    assert row.lr == pytest.approx(3.2)
    alone = scale.row(1, scale.Assumed())
    assert (alone.reduce_s, alone.images_per_s, alone.efficiency) == (0, 1000, 1)


def test_the_examples_can_be_read():
    assert subprocess.run(["bash", "-n", ROOT / "examples" / "slurm.sh"], check=False).returncode == 0
    job, policy = yaml.safe_load_all((ROOT / "examples" / "kubernetes.yaml").read_text())
    assert (job["kind"], policy["kind"]) == ("PyTorchJob", "NetworkPolicy")
    command = job["spec"]["pytorchReplicaSpecs"]["Worker"]["template"]["spec"]["containers"][0]["command"][-1]
    assert subprocess.run(["bash", "-n"], input=command, text=True, check=False).returncode == 0
