"""F2: whatever is wrong with a checkpoint's files, reading them is an error of ours in one line, or what they say."""

import json
import os
import resource
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from convatlas import create_model
from convatlas.checkpoint import CARD
from convatlas.errors import ConvAtlasError, StorageError
from convatlas.serve.predictor import load
from tests.hostile.mutants import JSON, SAFETENSORS, mutant
from tests.hostile.sound import go_on_from, sound_checkpoint, with_file
from tests.train.reference import fork, wait

_MIB = 1 << 20


def mapped() -> int:
    """Bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def read(sound: Path, spoilt: Path, number: int) -> Callable[[], object]:
    """Spoil a copy and give what reads it: by turns the card, files that it vouches for, and weights alone."""
    shutil.copytree(sound, spoilt, dirs_exist_ok=True)
    turn, kind = number % 5, number // 5
    if turn in (0, 1):
        (spoilt / CARD).write_bytes(mutant((sound / CARD).read_bytes(), JSON, 2 * kind + turn))
        return lambda: (load if turn else go_on_from)(spoilt)
    file = "training" if turn == 2 else "weights"
    wrong = mutant((sound / f"{file}.safetensors").read_bytes(), SAFETENSORS, kind)
    if turn == 4:
        (spoilt / "alone.safetensors").write_bytes(wrong)
        return lambda: create_model("lenet5_modern", weights=spoilt / "alone.safetensors")
    with_file(sound, spoilt, wrong, file)
    return lambda: (load if file == "weights" else go_on_from)(spoilt)


def what_comes(job: Callable[[], object]) -> str:
    """ "read", "refused", or what is wrong with the answer."""
    try:
        job()
    except ConvAtlasError as error:
        said = str(error)
        return "refused" if said.isprintable() and len(said) < 3000 and ". Do: " in said else f"says {said[:300]!r}"
    except BaseException:
        return traceback.format_exc()[-2000:]
    return "read"


def read_all(root: Path, count: int) -> None:
    """As a child that has little memory; writes what came of each mutant that was neither read nor refused."""
    torch.set_num_threads(1)
    (root / "spoilt").mkdir()
    sound = sound_checkpoint(root / "sound")
    most = mapped() + 200 * _MIB + 3 * sum(file.stat().st_size for file in sound.iterdir()) // 2
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    counts, wrong = {"read": 0, "refused": 0}, {}
    for number in range(count):
        came = what_comes(read(sound, root / "spoilt", number))
        if came in counts:
            counts[came] += 1
        else:
            wrong[number] = came
    (root / "found.json").write_text(json.dumps({"counts": counts, "wrong": wrong}))


def judge(root: Path, count: int, seconds: float) -> None:
    child = fork(lambda: read_all(root, count))
    code = wait(child, seconds)
    if code is None:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert code == 0, "a signal, or no end"
    found = json.loads((root / "found.json").read_text())
    assert not found["wrong"], "\n".join(f"mutant {n}: {text}" for n, text in list(found["wrong"].items())[:3])
    assert sum(found["counts"].values()) == count
    # Were all of them refused, or hardly any, the mutants would be no good.
    assert count // 50 < found["counts"]["read"] < count // 2, found["counts"]


@pytest.mark.parametrize("name", ["optimizer.99.momentum_buffer", "optimizer.x.y", "optimizer", "model.C1.weight"])
def test_what_another_network_has_left_is_refused(tmp_path, name):
    """Its files are whole and its card vouches for them."""
    data = safetensors.torch.save({name: torch.zeros(3)})
    place = with_file(sound_checkpoint(tmp_path / "sound"), tmp_path / "other", data, "training")
    with pytest.raises(StorageError, match="the checkpoint is of another network or optimizer"):
        go_on_from(place)


@pytest.mark.parametrize(("field", "value"), [("step", "x"), ("best", [0.1]), ("errors", 3), ("batch", None)])
def test_a_position_that_is_none_is_refused(tmp_path, field, value):
    place = sound_checkpoint(tmp_path / "sound")
    card = json.loads((place / CARD).read_text())
    card["progress"][field] = value
    (place / CARD).write_text(json.dumps(card))
    with pytest.raises(StorageError, match=rf"card is damaged \(progress\.{field}"):
        go_on_from(place)


@pytest.mark.skipif(sys.platform != "linux", reason="the memory is counted as Linux does")
def test_300_mutants_of_a_checkpoint(tmp_path):
    judge(tmp_path, 300, 250)


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform != "linux", reason="the memory is counted as Linux does")
def test_10_000_mutants_of_a_checkpoint(tmp_path):
    judge(tmp_path, 10_000, 3500)
