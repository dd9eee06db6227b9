"""F1: pickles in every kind of file, given to every command that opens one: none of them runs."""

import json
import os
import pickletools
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.harness import environment
from tests.hostile.pickles import DRESSES, MODULE, hostile_module, hostiles

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the hostile module, a home and a place for temporary files."""
    for name in ("markers", "modules", "home", "temporary"):
        (tmp_path / name).mkdir()
    (tmp_path / "modules" / f"{MODULE}.py").write_text(hostile_module(tmp_path / "markers" / "imported"))
    return tmp_path


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server that nobody may connect to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])
        assert not select.select([server], [], [], 0)[0], "something connected"


def surroundings(place: Path) -> dict[str, str]:
    home, temporary, data = (str(place / name) for name in ("home", "temporary", "data"))
    modules = os.pathsep.join((str(place / "modules"), os.environ.get("PYTHONPATH", "")))
    own = {"HOME": home, "HF_HOME": home, "XDG_CACHE_HOME": home, "MPLCONFIGDIR": home, "TMPDIR": temporary}
    quiet = {"PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1"}
    return environment({**own, **quiet, "PYTHONPATH": modules, "CONVATLAS_DATA": data})


def opened(place: Path, port: int, count: int, which: str) -> list[dict[str, Any]]:
    """Let a process open cases; gives what became of each call."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.opened", str(place), str(port), str(count), which],
        cwd=ROOT, env=surroundings(place), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def judge(found: list[dict[str, Any]], *, roles: int) -> None:
    bad = [line for line in found if not line["ok"]]
    assert not bad, json.dumps(bad[:3], indent=1)
    # The proof is of nothing if a command is left out.
    assert len({line["role"] for line in found}) == roles
    assert {line["dress"] for line in found} == set(DRESSES)
    assert sum(line["code"] == 8 for line in found) > len(found) / 8


def test_the_pickles_use_every_opcode(tmp_path):
    seen = set()
    for case in hostiles(tmp_path, 28, 1):
        seen |= {opcode.name for opcode, _, _ in pickletools.genops(case.opened)}
    assert seen == {opcode.name for opcode in pickletools.opcodes}


NAIVE = """
import copyreg, os, pickle, sys
from contextlib import suppress
from pathlib import Path
from tests.hostile.pickles import EXTENSIONS, MODULE, hostiles
for code, function in EXTENSIONS.items():
    copyreg.add_extension(*function, code)
root, ran, cases = Path(sys.argv[1]), set(), list(hostiles(Path(sys.argv[1]) / "markers", int(sys.argv[2]), 1))
for case in cases:
    sys.modules.pop(MODULE, None)
    (root / "markers" / "imported").unlink(missing_ok=True)
    with suppress(Exception):
        pickle.loads(case.opened)
    ran |= {case.number} if (root / "markers" / "imported").exists() else set()
with suppress(ChildProcessError):
    while True:
        os.wait()
print(sorted(case.number for case in cases if case.number not in ran and not case.marker.exists()))
"""


def test_the_pickles_do_run_where_they_are_unpickled(place):
    """Otherwise nothing would be proved by their silence."""
    done = subprocess.run(
        [sys.executable, "-c", NAIVE, str(place), "34"],
        cwd=ROOT,
        env=surroundings(place),
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.slow
def test_no_command_runs_any_of_24(place, port):
    judge(opened(place, port, 24, "some"), roles=30)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_no_command_runs_any_of_500(place, port):
    judge(opened(place, port, 500, "all"), roles=32)
