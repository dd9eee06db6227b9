"""No write bypasses the durable-write module: the kernel kills a save at its own calls, counted by strace."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from convatlas.train.folder import open_run
from tests.test_checkpoint import save

SAVE = """
import sys
from pathlib import Path
from convatlas.train.folder import RunFolder
from tests.test_checkpoint import save
save(RunFolder(Path(sys.argv[1])), 2)
"""


@pytest.fixture
def strace() -> str:
    """The program. Without it a machine of one's own may go without this proof, one that decides for all may not."""
    program = shutil.which("strace")
    if program is None:
        said = "strace is not installed, so nothing proves that no write bypasses the module"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
    tried = subprocess.run([program, "-qq", "-o", "/dev/null", "true"], capture_output=True, text=True)
    assert tried.returncode == 0, f"strace is there and may not trace: {tried.stderr}"
    return program


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_killed_by_the_kernel_at_each_flush_and_rename(tmp_path, strace, call):
    at, killed = 0, 0
    while at < 20:
        at += 1
        out = tmp_path / str(at)
        with open_run(out, resume=False) as run:
            old = save(run, 1)
            run.write("run.json", "{}")
        command = [strace, "-f", "-qq", "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={at}"]
        done = subprocess.run(
            [*command, sys.executable, "-c", SAVE, str(out)], cwd=Path(__file__).parents[1], capture_output=True
        )
        with open_run(out, resume=True) as run:
            found, _, _ = run.restore()
        assert found.digest == old or found.step == 2
        assert not list(out.rglob("*.tmp"))
        if done.returncode == 0:
            break
        killed += 1
    # Five files: each is flushed, and its folder after it; each takes its name once.
    assert killed >= {"fsync": 10, "rename": 5}[call]
