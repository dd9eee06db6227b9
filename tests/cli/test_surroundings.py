"""The commands in surroundings that a program may find itself in: each works, or says in one line why it cannot."""

import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.harness import CLASSES, QUICK, class_folders

UNKNOWN_USER = 54_321
LONG = "a long name " * 15


@dataclass(frozen=True)
class Surroundings:
    """What a process is started with.

    Attributes:
        changes: of the environment; None takes a variable out.
        line: of bash; "$@" in it is the command.
        prepare: called in the process before it becomes the command.
        codes: exit codes other than 0 that are right, by command.
    """

    changes: dict[str, str | None] = field(default_factory=dict)
    line: str = 'exec "$@"'
    prepare: Callable[[], object] = lambda: None
    codes: dict[str, int] = field(default_factory=dict)


COMMANDS = ("show", "compare", "draw", "check", "train", "evaluate", "predict")
NO_HOME = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "CONVATLAS_DATA", "TORCH_HOME", "MPLCONFIGDIR"))
ASCII = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
ALL = {
    "as it is": Surroundings(),
    "no home": Surroundings(NO_HOME),
    "a home that is not there": Surroundings({**NO_HOME, "HOME": "/nowhere/at/all"}),
    # Even root cannot write there.
    "a home that cannot be written": Surroundings({**NO_HOME, "HOME": "/proc"}),
    "a user without a name or a home": Surroundings(
        NO_HOME, line=f'exec unshare --user --map-user={UNKNOWN_USER} "$@"'
    ),
    "no locale": Surroundings(ASCII),
    "no place for temporary files": Surroundings({"TMPDIR": "/nowhere/at/all"}),
    "no terminal type": Surroundings({"TERM": None}),
    "a dumb terminal": Surroundings({"TERM": "dumb"}),
    "a terminal of 20 columns": Surroundings({"COLUMNS": "20", "LINES": "3"}),
    "a width that is no number": Surroundings({"COLUMNS": "wide"}),
    "colours forbidden": Surroundings({"NO_COLOR": "1"}),
    "colours forced": Surroundings({"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}),
    "an unknown time zone": Surroundings({"TZ": "Atlantis/Capital"}),
    "no docstrings": Surroundings({"PYTHONOPTIMIZE": "2"}),
    "another plotting backend": Surroundings({"MPLBACKEND": "TkAgg"}),
    "stdin closed": Surroundings(line='exec "$@" <&-'),
    "stdout closed": Surroundings(line='exec "$@" >&-'),
    "stderr closed": Surroundings(line='exec "$@" 2>&-'),
    "all streams closed": Surroundings(line='exec "$@" <&- >&- 2>&-'),
    "a full disk behind stdout": Surroundings(line='exec "$@" >/dev/full', codes=dict.fromkeys(COMMANDS, 5)),
    "a reader that has left": Surroundings(line='"$@" | true; exit ${PIPESTATUS[0]}'),
    "a terminal": Surroundings({"TERM": "xterm"}, line='exec script -qec "$(printf "%q " "$@")" /dev/null </dev/null'),
    "a folder of other letters": Surroundings(line='mkdir -p "мои данные ü" && cd "мои данные ü" && exec "$@"'),
    "a folder deep down": Surroundings(line=" && ".join([f"mkdir -p '{LONG}' && cd '{LONG}'"] * 15) + ' && exec "$@"'),
    "a folder that cannot be written": Surroundings(line='cd /proc && exec "$@"'),
    "files for their owner alone": Surroundings(prepare=lambda: os.umask(0o077)),
    "few open files": Surroundings(prepare=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))),
}


@pytest.fixture(scope="module")
def place(trained):
    """Images and a run that everyone may read, in a folder that everyone may write."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        class_folders(root / "animals", CLASSES)
        subprocess.run(["cp", "-r", trained, root / "run"], check=True)
        subprocess.run(["chmod", "-R", "a+rX", root], check=True)
        root.chmod(0o777)
        yield root


def arguments(command: str, place: Path, out: Path) -> list[object]:
    return {
        "show": ["lenet5"],
        "compare": ["lenet5", "alexnet"],
        "draw": ["lenet5", "--out", out / "drawing.svg"],
        "check": [place / "animals"],
        "train": [QUICK[0], place / "animals", *QUICK[1:], "--out", out / "run"],
        "evaluate": [place / "run", "mnist5k"],
        "predict": [place / "run", place / "animals" / "owl" / "0.png"],
    }[command]


def may_be_another_user() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(["unshare", "--user", f"--map-user={UNKNOWN_USER}", "true"], capture_output=True)
    return tried.returncode == 0


def assert_fine(name: str, command: str, place: Path) -> None:
    around = ALL[name]
    if "user" in name and not may_be_another_user():
        pytest.skip("this system lets nobody make a user namespace")
    with tempfile.TemporaryDirectory(dir=place) as folder:
        out = Path(folder)
        out.chmod(0o777)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **around.changes}
        words = [sys.executable, "-m", "convatlas", command, *map(str, arguments(command, place, out))]
        ran = subprocess.run(
            ["bash", "-c", around.line, "bash", *words], cwd=out, preexec_fn=around.prepare,
            env={key: value for key, value in environment.items() if value is not None},
            capture_output=True, timeout=120,
        )  # fmt: skip
        said = ran.stdout.decode(errors="replace"), ran.stderr.decode(errors="replace")
        assert "Traceback" not in said[0] + said[1], shlex.join(words) + "\n" + said[1]
        assert ran.returncode == around.codes.get(command, 0), said
        if ran.returncode:
            assert said[1].splitlines()[-1].startswith("error: ") and ". Do: " in said[1]
            return
        if command == "train":
            assert (out / "run" / "result.json").is_file()
        if command == "draw":
            assert (out / "drawing.svg").stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "command"),
    [("a home that cannot be written", "train"), ("few open files", "predict"), ("no docstrings", "show")],
)
def test_some_commands_in_some_surroundings(place, name, command):
    assert_fine(name, command, place)


def test_there_are_24():
    assert len(ALL) >= 24


@pytest.mark.full
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ALL)
def test_every_command_in_all_surroundings(place, name, command):
    assert_fine(name, command, place)
