"""Gives hostile files to every command that opens a file, in this process, and watches what the process does.

`python -m tests.hostile.opened FOLDER PORT COUNT CALLS` prints a line of JSON for each call; of the calls, each case
makes "some" or "all". Only what the folder holds may be written; the one program that may be started is the confined
child that looks into pickles.
"""

import contextlib
import copyreg
import io
import json
import os
import shutil
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from convatlas.cli.main import main
from convatlas.weights import unpickle
from tests.cli.harness import CLASSES, QUICK, class_folders
from tests.hostile.pickles import EXTENSIONS, MARKED_SUFFIXES, MODULE, Hostile, hostile_module, hostiles
from tests.hostile.sound import sound_checkpoint, with_file

WEIGHTS = (*MARKED_SUFFIXES, ".safetensors", ".pt2", ".npy", "")
DATA = (".csv", ".parquet", ".npy", ".tar", ".zip", ".pkl", ".txt", "")
IMAGES = (".png", ".jpg", ".tif", ".webp")
REFUSED, UNSAFE, DATA_ERROR = {2, 3, 5, 8}, {8}, {3}
Call = tuple[str, list[str], set[int]]
_PROGRAMS = ("os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "pty.spawn")
_NETWORK = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto")
_CHANGING = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """An audit hook that notes what no file may bring about."""

    def __init__(self, allowed: Path) -> None:
        self.allowed = str(allowed)
        self.armed = False
        self.seen: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.armed:
            return
        bad = event.startswith((*_PROGRAMS, *_NETWORK)) or event == "pickle.find_class"
        if event == "subprocess.Popen":
            # platform.platform() asks it; nothing that a file could name.
            bad = unpickle.__file__ not in list(arguments[1]) and arguments[1] != ["uname", "-p"]  # type: ignore[call-overload]
        elif event == "import":
            bad = str(arguments[0]).startswith(MODULE)
        elif event in _CHANGING or (event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING):
            bad = self._is_outside(arguments[0])
        if bad:
            self.seen.append(f"{event} {arguments!r:.300}")

    def _is_outside(self, path: object) -> bool:
        # A number is open already; a name alone belongs to the folder that it is removed from.
        if not isinstance(path, str | bytes | os.PathLike) or os.fspath(path) in (os.devnull, os.devnull.encode()):
            return False
        return not os.path.abspath(os.fsdecode(path)).startswith(self.allowed)  # noqa: PTH100 - may be bytes


def some(number: int, made: Iterator[Call], *, whole: bool) -> Iterator[Call]:
    """All calls, or a third of them: every third case makes the same."""
    for place, call in enumerate(made):
        if whole or (number + place) % 3 == 0:
            yield call


def unfinished(run: Path, folder: Path, data: bytes) -> Path:
    """A run to go on with, whose checkpoints are not whole: they are set aside, and the run starts again."""
    place = folder / "run"
    shutil.copytree(run, place)
    (place / "result.json").unlink()
    for number, kept in enumerate(list((place / "checkpoints").glob("step-*"))):
        shutil.move(kept, folder / f"kept-{number}")
        with_file(folder / f"kept-{number}", kept, data, "training")
    return place


def calls(case: Hostile, root: Path, sound: Path, images: Path, *, whole: bool) -> Iterator[Call]:
    """What to type, with the exit codes that are right."""
    number, folder, out = case.number, root / f"case-{case.number}", root / "out"
    folder.mkdir()

    def file(suffixes: tuple[str, ...], data: bytes = case.data) -> Path:
        path = folder / f"model{suffixes[number % len(suffixes)]}"
        path.write_bytes(data)
        return path

    weights = file(WEIGHTS)
    is_known = case.is_marked or weights.suffix in MARKED_SUFFIXES
    known, new = UNSAFE if is_known else {5, 8} if case.is_pickle else {2, 5}, ("--out", str(out))
    train = ("train", "lenet5_modern", str(images), *QUICK[1:], *new)
    photo = str(next(images.rglob("*.png")))
    yield "train --weights", [*train, "--weights", str(weights)], known
    yield "predict FILE", ["predict", str(weights), photo], {2, *known}
    yield "evaluate FILE", ["evaluate", str(weights), str(images)], {2, *known}
    yield "push FILE", ["push", str(weights), f"{out}"], {2, *known}
    yield "pull FILE", ["pull", str(weights), *new], REFUSED
    yield "show FILE", ["show", str(weights)], {2}
    yield "show FILE:net", ["show", f"{weights}:net", "--input-size", "1x28x28"], {2}
    yield "draw FILE", ["draw", str(weights), "-o", f"{out}.svg"], {2}
    yield "compare FILE", ["compare", str(weights), str(sound)], REFUSED
    yield "compare NAMES", ["compare", str(weights), "lenet5"], {2}
    # Some are left to `make test-full`: each starts a Python of its own, or a run.
    if whole or number % 36 == 2:
        importing = ["weights", "import", str(weights), "--network", "resnet20_cifar", *new]
        yield "weights import", importing, {2, 5, 6, 8}
    made = with_file(sound, folder / "checkpoint", case.data)
    # A file without a tensor, which is what the one that is no pickle looks like, is a checkpoint that fits no network.
    inside = UNSAFE if case.is_marked else {5} if case.is_pickle else {0, 2, 5}
    yield "predict RUN", ["predict", str(made), photo], inside
    yield "evaluate RUN", ["evaluate", str(made), str(images)], inside
    yield "train --weights RUN", [*train, "--weights", str(made)], inside
    yield "push RUN", ["push", str(made), str(out)], inside
    yield "pull", ["pull", str(made), *new], inside
    yield "compare RUNS", ["compare", str(sound), str(made), "--data", str(images)], inside
    if whole and number % 8 == 1:
        going_on = unfinished(root / "run", folder, case.data)
        yield "train --resume", ["train", "--resume", "--out", str(going_on)], {0, 5}
    recipe = file((".toml", ".yaml", ".yml"), case.config.encode() if number % 2 else case.data)
    yield "train --recipe", [*train, "--recipe", str(recipe)], {2, 3}
    data = file(DATA)
    yield "train DATA", ["train", "lenet5_modern", str(data), *QUICK[1:], *new], REFUSED
    yield "evaluate DATA", ["evaluate", str(sound), str(data)], REFUSED
    yield "compare --data", ["compare", str(sound), str(sound), "--data", str(data)], REFUSED
    yield "check FILE", ["check", str(data)], REFUSED
    yield "data info", ["data", "info", str(data)], REFUSED
    yield "data pack", ["data", "pack", str(data), str(out)], REFUSED
    hidden = folder / "photos"
    shutil.copytree(images, hidden)
    image = hidden / "bat" / f"model{IMAGES[number % len(IMAGES)]}"
    image.write_bytes(case.data)
    yield "predict IMAGE", ["predict", str(sound), str(image)], DATA_ERROR
    yield "train FOLDER", ["train", "lenet5_modern", str(hidden), *QUICK[1:], *new], DATA_ERROR
    yield "data pack FOLDER", ["data", "pack", str(hidden), str(out)], DATA_ERROR
    yield "check FOLDER", ["check", str(hidden), "--html", f"{out}.html"], {0}
    yield "data info FOLDER", ["data", "info", str(hidden)], {0, 3}
    if whole:
        saved = folder / "hub"
        saved.mkdir()
        for name in ("train.tar", "train.zip", "data.pkl", "train.npy", "train.parquet")[number % 5 :: 2]:
            (saved / name).write_bytes(case.data)
        (saved / "hub.py").write_text(hostile_module(case.marker))
        (saved / "README.md").write_text(f"---\nconfigs: {case.config}\n---\n")
        yield "check hf:", ["check", f"hf:{saved}"], REFUSED
    if whole or number % 36 == 8:
        batches = root / "data" / "cifar-10-batches-py"
        batches.mkdir(parents=True, exist_ok=True)
        for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"):
            (batches / name).write_bytes(case.data)
        yield "train cifar10", ["train", "lenet5_modern", "cifar10", "--offline", *new], REFUSED


def called(arguments: list[str]) -> tuple[int | None, str, str]:
    """Exit code, output and error output; the code is None, and the error a traceback, where that is what came out."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code: int | None = main(arguments)
        except BaseException:
            return None, out.getvalue(), traceback.format_exc()
    return code, out.getvalue(), err.getvalue()


def watched(root: Path, port: int, count: int, *, whole: bool) -> None:
    for code, (module, name) in EXTENSIONS.items():
        copyreg.add_extension(module, name, code)
    images, sound = class_folders(root / "images", CLASSES), sound_checkpoint(root / "sound")
    if whole:
        # What is imported later on would be watched, too.
        import datasets  # noqa: F401

        ready = called(["train", "lenet5_modern", str(images), *QUICK[1:], "--out", str(root / "run")])
        assert ready[0] == 0, ready
    watch = Watch(root)
    for case in hostiles(root / "markers", count, port):
        made = calls(case, root, sound, images, whole=whole)
        for role, arguments, allowed in some(case.number, made, whole=whole):
            watch.armed = True
            code, _, err = called(arguments)
            watch.armed = False
            found, watch.seen = watch.seen, []
            ran = [path.name for path in (root / "markers").iterdir()]
            is_clean = code in allowed and not found and not ran
            is_one_line = code == 0 or (
                err.count("error: ") == 1 and err.rstrip().splitlines()[-1].startswith("error: ")
            )
            line = {
                "case": case.number,
                "dress": case.dress,
                "role": role,
                "code": code,
                "ok": is_clean and is_one_line,
            }
            if not line["ok"]:
                line |= {"err": err[-1500:], "seen": found, "ran": ran, "allowed": sorted(allowed)}
            print(json.dumps(line), flush=True)
            for left in root.glob("out*"):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        shutil.rmtree(root / f"case-{case.number}")


if __name__ == "__main__":
    place, port, count, how = sys.argv[1:]
    watched(Path(place), int(port), int(count), whole=how == "all")
