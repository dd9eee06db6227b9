"""R5: a run on a disk of its own that is too small, or fills up, or may not hold a file of some size any more."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.train.reference import digest, run_once

ROOT = Path(__file__).parents[2]
# A disk that only this process and its children see. What fills it is removed again before the run goes on.
RUN = """
import subprocess
import sys
from pathlib import Path

from convatlas.errors import StorageError
from convatlas.train.folder import RunFolder
from convatlas.train.loop import StepDone
from tests.train.reference import digest, run_once

place, size, at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)


def fill(event):
    if isinstance(event, StepDone) and event.step == at:
        with open(place / "filler", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass


try:
    run_once(place / "run", workers=0, on_event=fill)
except StorageError as error:
    print(error.exit_code, error)
if at:
    print(RunFolder(place / "run").restore()[0].step)
    (place / "filler").unlink()
    run_once(place / "run", workers=0)
    print(digest(place / "run"))
"""

# No file may become larger than 20 kB from a step on, until the run goes on.
LIMITED = """
import resource
import sys
from pathlib import Path

from convatlas.errors import StorageError
from convatlas.train.folder import RunFolder
from convatlas.train.loop import StepDone
from tests.train.reference import digest, run_once

run, at = Path(sys.argv[1]), int(sys.argv[2])
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)


def limit(event):
    if isinstance(event, StepDone) and event.step == at:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, most))


try:
    run_once(run, workers=0, on_event=limit)
except StorageError as error:
    print(error.exit_code, error)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
print(RunFolder(run).restore()[0].step)
run_once(run, workers=0)
print(digest(run))
"""


def _cannot(reason: str) -> None:
    pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


def on_small_disk(place: Path, size: str, at: int) -> list[str]:
    """What a run says on a disk of some size that is filled after a step; 0 for never."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        _cannot("only root may mount a disk")
    place.mkdir()
    tried = subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", str(place)], capture_output=True, text=True
    )
    if tried.returncode != 0:
        _cannot(f"no disk can be mounted here: {tried.stderr.strip()}")
    command = ["unshare", "-m", sys.executable, "-c", RUN, str(place), size, str(at)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_a_disk_of_1_mib_is_refused_before_the_first_step(tmp_path):
    (said,) = on_small_disk(tmp_path / "disk", "1m", 0)
    assert said.startswith(f"5 {tmp_path / 'disk' / 'run'} has ") and " bytes free, its checkpoints need " in said
    assert said.endswith("Do: free space or give another --out.")


@pytest.mark.slow
def test_a_disk_that_fills_up_costs_no_checkpoint(tmp_path):
    """A checkpoint comes every 8 steps; the disk is full from step 29 on."""
    said, kept, ended = on_small_disk(tmp_path / "disk", "16m", 29)
    assert said.startswith("5 ") and "disk full" in said and "bytes" in said and "last good: step 24" in said
    assert kept == "24"
    run_once(tmp_path / "run", workers=0)
    assert ended == digest(tmp_path / "run")


@pytest.mark.slow
def test_a_limit_of_the_file_size_costs_no_checkpoint(tmp_path):
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "limited"), "29"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said, kept, ended = done.stdout.splitlines()
    assert said.startswith("5 a limit on the size of files stopped writing ")
    assert "bytes); last good: step 24. Do: raise the limit" in said
    assert kept == "24"
    run_once(tmp_path / "run", workers=0)
    assert ended == digest(tmp_path / "run")
