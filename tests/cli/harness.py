"""Running the command line in this process or in one of its own, and what a refusal has to look like."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convatlas.cli.main import main

CLASSES = {"bat": 0, "owl": 6, "zebra": 12}
QUICK = ("lenet5_modern", "--set", "epochs=1", "--set", "batch_size=4")


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> Ran:
    """Run a command in this process."""
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    return Ran(code, *capsys.readouterr())


def done(capsys: pytest.CaptureFixture[str], *arguments: object) -> Ran:
    """As `call`; it has to go well."""
    ran = call(capsys, *arguments)
    assert ran.code == 0, ran.err
    return ran


def refused(capsys: pytest.CaptureFixture[str], code: int, *arguments: object) -> str:
    """Run a command that must be refused: the exit code, one line on stderr, nothing on stdout; gives the line."""
    ran = call(capsys, *arguments)
    assert_refusal(ran, code)
    return ran.err.strip()


def assert_refusal(ran: Ran, code: int) -> None:
    assert (ran.code, ran.out) == (code, ""), ran
    assert ran.err.startswith("error: ") and ran.err.endswith(".\n"), ran.err
    assert ran.err.count("\n") == 1 and ". Do: " in ran.err, ran.err


def process(*arguments: object, env: dict[str, str | None] | None = None, cwd: Path | None = None) -> Ran:
    """Run `python -m convatlas` in a process of its own; a variable that is None is taken out of the environment."""
    done = subprocess.run(command(*arguments), env=environment(env), cwd=cwd, capture_output=True, timeout=120)
    return Ran(done.returncode, done.stdout.decode(errors="surrogateescape"), done.stderr.decode())


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "convatlas", *map(str, arguments)]


def environment(changes: dict[str, str | None] | None) -> dict[str, str]:
    merged = {**os.environ, "OMP_NUM_THREADS": "1", **(changes or {})}
    return {name: value for name, value in merged.items() if value is not None}


def leaves(group: Any, before: str = "") -> dict[str, Any]:
    """Commands by name, those of a group with the group's name before theirs."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        found |= leaves(command, f"{name} ") if hasattr(command, "commands") else {before + name: command}
    return found


def class_folders(root: Path, classes: dict[str, int], *, count: int = 6) -> Path:
    """A folder of class folders with grey 28x28 images of a square whose place tells the class."""
    for name, place in classes.items():
        (root / name).mkdir(parents=True)
        for index in range(count):
            pixels = np.zeros((28, 28), np.uint8)
            pixels[4 + place : 12 + place, 4 + index : 20] = 255
            Image.fromarray(pixels).save(root / name / f"{index}.png")
    return root


def contents(root: Path) -> dict[str, tuple[int, bytes]]:
    """Time of change and bytes of every file below a folder."""
    return {
        str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
