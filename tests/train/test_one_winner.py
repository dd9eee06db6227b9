"""Two runs that start in one folder at the same moment: one gets it, the other is told who has it, at once."""

import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from convatlas.errors import BusyError
from convatlas.train.folder import open_run


def start(out: Path, begin: int, done: int, resume: bool, host: str | None = None) -> int:
    """A process that waits for the signal to begin, tries to get the folder, reports and holds what it has."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        if host is not None:
            socket.gethostname = lambda: host
        os.read(begin, 1)
        before = time.monotonic()
        try:
            with open_run(out, resume=resume) as folder:
                folder.write("run.json", "{}")
                os.write(done, b"1")
                signal.pause()
        except BusyError as error:
            assert "in use by" in str(error)
            os.write(done, b"0" if time.monotonic() - before < 5 else b"late")
            code = error.exit_code
    finally:
        os._exit(code)


def race(out: Path, *, resume: bool) -> None:
    """Start two processes at once, see one win, kill it, and find the folder free."""
    begin, done = os.pipe(), os.pipe()
    children = [start(out, begin[0], done[1], resume) for _ in range(2)]
    try:
        os.write(begin[1], b"go")
        # Whoever wins holds on until it is killed, so both have looked when both have reported.
        reports = os.read(done[0], 1) + os.read(done[0], 1)
        assert sorted(reports) == [ord("0"), ord("1")]
        loser, status = os.wait()
        assert (loser in children, os.waitstatus_to_exitcode(status)) == (True, 4)
        children.remove(loser)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        for descriptor in (*begin, *done):
            os.close(descriptor)


def test_the_holder_on_another_machine_is_named(tmp_path):
    """The lock decides who has the folder, not a name: after its holder's death it is free for any machine."""
    out, begin, done = tmp_path / "run", os.pipe(), os.pipe()
    child = start(out, begin[0], done[1], False, host="elsewhere")
    try:
        os.write(begin[1], b"g")
        assert os.read(done[0], 1) == b"1"
        for resume in (False, True):
            named = f"in use by pid {child} on host elsewhere since "
            with pytest.raises(BusyError, match=named) as caught, open_run(out, resume=resume):
                pass
            assert caught.value.exit_code == 4
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for descriptor in (*begin, *done):
            os.close(descriptor)
    assert json.loads((out / "holder.json").read_text())["host"] == "elsewhere"
    with open_run(out, resume=True):
        assert json.loads((out / "holder.json").read_text())["host"] == socket.gethostname()
    assert (out / "run.json").read_text() == "{}"


@pytest.mark.parametrize("text", ["", "{}", "[1]", "\xff", '{"pid": "x", "host": 1, "since": null}', "[" * 100_000])
def test_a_holder_that_is_not_told_is_another_process(tmp_path, text):
    out, begin, done = tmp_path / "run", os.pipe(), os.pipe()
    child = start(out, begin[0], done[1], False)
    try:
        os.write(begin[1], b"g")
        assert os.read(done[0], 1) == b"1"
        (out / "holder.json").write_text(text, "latin-1")
        with pytest.raises(BusyError, match="in use by another process"), open_run(out, resume=True):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for descriptor in (*begin, *done):
            os.close(descriptor)


def races(tmp_path: Path, count: int) -> None:
    for number in range(count):
        out = tmp_path / str(number)
        race(out, resume=False)
        (out / "mine.txt").write_text("stays")
        # Once more in the folder that a killed process has left.
        race(out, resume=True)
        assert (out / "mine.txt").read_text() == "stays"
        assert (out / "run.json").read_text() == "{}"


def test_one_winner_of_two_starts_10_times(tmp_path):
    races(tmp_path, 5)


@pytest.mark.full
def test_one_winner_of_two_starts_50_times(tmp_path):
    """Each folder's second race is after a kill -9 of its holder."""
    races(tmp_path, 25)
