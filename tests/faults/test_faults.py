"""The suite notices each fault of the list."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.faults import FAULTS, Fault

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "convatlas"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_list_is_up_to_date(fault: Fault):
    """A fault that changes nothing would prove nothing."""
    assert (SOURCE / fault.file).read_text().count(fault.old) == 1 or fault.name == "full C3"
    assert all((ROOT / test).exists() for test in fault.tests)


@pytest.mark.full
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault_is_noticed(fault: Fault, tmp_path):
    copy = tmp_path / "src" / "convatlas"
    shutil.copytree(SOURCE, copy)
    path = copy / fault.file
    path.write_text(path.read_text().replace(fault.old, fault.new))
    environment = os.environ | {"PYTHONPATH": str(copy.parent), "OMP_NUM_THREADS": "1"}
    where = subprocess.run(
        [sys.executable, "-c", "import convatlas.errors as e; print(e.__file__)"],
        env=environment, cwd=ROOT, capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(tmp_path), where.stderr
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *fault.tests],
        env=environment, cwd=ROOT, capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    # 1: tests ran and failed; anything else is a fault of this list.
    assert done.returncode == 1, done.stdout[-3000:]
