"""The command as its own process: pipes that close, streams and homes that are missing, other encodings, Ctrl-C."""

import os
import signal
import subprocess
import sys
import sysconfig
import time
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.harness import Ran, assert_refusal, class_folders, command, environment, process


def heeding() -> None:
    """Let a child heed Ctrl-C, which what a shell starts in the background does not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def shell(line: str, *arguments: object) -> Ran:
    """Run a line of bash; CONVATLAS in it stands for the command."""
    program = f"'{sys.executable}' -m convatlas"
    done = subprocess.run(
        ["bash", "-c", line.replace("CONVATLAS", program), "bash", *map(str, arguments)],
        env=environment(None), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.slow
def test_a_pipe_that_closes_is_no_error():
    # `true` reads nothing, so the pipe is closed before the first line.
    ran = shell("CONVATLAS show lenet5 --json | true; exit ${PIPESTATUS[0]}")
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.slow
def test_a_full_disk_behind_stdout_is_told():
    ran = shell("CONVATLAS show lenet5 > /dev/full")
    assert_refusal(ran, 5)
    assert "No space left on device" in ran.err


@pytest.mark.slow
def test_closed_streams(tmp_path):
    folder = class_folders(tmp_path / "animals", {"bat": 0, "owl": 8})
    ran = shell('CONVATLAS train lenet5_modern "$1" --set epochs=1 --out "$2" <&- >&- 2>&-', folder, tmp_path / "run")
    assert ran.code == 0
    # A file of the run that had got the number of a closed stream would hold what was printed.
    assert (tmp_path / "run" / "result.json").is_file()
    assert not any(b"test error  " in p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file())


@pytest.mark.slow
def test_a_reader_of_notes_that_leaves_does_not_stop_the_run(tmp_path):
    folder = class_folders(tmp_path / "animals", {"bat": 0, "owl": 8})
    line = 'CONVATLAS train lenet5_modern "$1" --set epochs=1 --out "$2" 2>&1 | true; exit ${PIPESTATUS[0]}'
    assert shell(line, folder, tmp_path / "run").code == 0
    assert (tmp_path / "run" / "result.json").is_file()


def test_names_that_the_terminal_cannot_show(trained, tmp_path):
    strange = tmp_path / "сова \udcff.png"
    Image.new("L", (28, 28)).save(strange)
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    ran = process("predict", trained, strange, tmp_path / "нет.png", env=ascii_only)
    assert (ran.code, len(ran.out.splitlines())) == (3, 1)
    assert ran.err.startswith("error: 1 of 2 images cannot be used: ") and ran.err.count("\n") == 1


@pytest.mark.slow
def test_no_home(tmp_path):
    folder = class_folders(tmp_path / "animals", {"bat": 0, "owl": 8})
    bare = {"HOME": None, "XDG_CACHE_HOME": None, "CONVATLAS_DATA": None, "TORCH_HOME": None}
    ran = process("train", "lenet5_modern", folder, "--set", "epochs=1", "--out", tmp_path / "run", env=bare)
    assert ran.code == 0, ran.err


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="sees what a process reads in /proc")
def test_ctrl_c_while_images_are_read(tmp_path):
    for name in ("bat", "owl"):
        (tmp_path / "large" / name).mkdir(parents=True)
        Image.effect_noise((2000, 2000), 50).save(tmp_path / "large" / name / "0.png", compress_level=1)
        for index in range(1, 100):
            os.link(tmp_path / "large" / name / "0.png", tmp_path / "large" / name / f"{index}.png")
    arguments = command("train", "lenet5", tmp_path / "large", "--out", tmp_path / "run")
    with subprocess.Popen(
        arguments, env=environment(None), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heeding
    ) as running:
        while running.poll() is None and not reads(running.pid, tmp_path / "large"):
            time.sleep(0.005)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (130, "", "stopped\n")
    assert not (tmp_path / "run").exists()


def reads(process: int, folder: Path) -> bool:
    for descriptor in Path(f"/proc/{process}/fd").glob("*"):
        try:
            if str(descriptor.readlink()).startswith(str(folder)):
                return True
        except OSError:
            continue
    return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="sees in /proc how far a process is")
@pytest.mark.parametrize(
    "library", ["libtorch_global_deps", "_multiarray_umath", "_pydantic_core", "_safetensors_rust"]
)
def test_ctrl_c_while_modules_are_imported(library):
    # What pip has made of the project's entry point: `python -m` would import torch before a line of ours is run.
    script = Path(sysconfig.get_path("scripts"), "convatlas")
    with subprocess.Popen(
        [script, "list"],
        env=environment(None),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heeding,
    ) as running:
        while running.poll() is None and library not in Path(f"/proc/{running.pid}/maps").read_text():
            time.sleep(0.005)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (130, "", "stopped\n")


def test_ctrl_c_while_an_image_is_awaited(trained, tmp_path):
    os.mkfifo(tmp_path / "camera.png")
    arguments = command("predict", trained, tmp_path / "camera.png")
    with subprocess.Popen(
        arguments, env=environment(None), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heeding
    ) as running:
        # Opening for writing returns when the other side reads.
        camera = os.open(tmp_path / "camera.png", os.O_WRONLY)
        for _ in range(3):
            # Python sees a signal between the opening and the reading only when the reading is interrupted: once more.
            running.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                out, err = running.communicate(timeout=30)
                break
        os.close(camera)
    assert (running.returncode, out, err) == (130, "", "stopped\n")
