"""Runs with damaged files: one of our errors with one line, or the answer of the whole run; never another error."""

import json
import random
import shutil
from pathlib import Path

import pytest

import convatlas
from convatlas.errors import ConvAtlasError, StorageError
from convatlas.serve.evaluate import trained_on

FILES = ("card.json", "weights.safetensors", "best")


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a run with nothing but what using it needs."""
    copied = tmp_path / "run"
    best = (trained / "checkpoints" / "best").read_text().strip()
    shutil.copytree(trained / "checkpoints" / best, copied / "checkpoints" / best)
    shutil.copy(trained / "checkpoints" / "best", copied / "checkpoints" / "best")
    shutil.copy(trained / "run.json", copied / "run.json")
    return copied


def place(run: Path, name: str) -> Path:
    return next(path for path in run.rglob(name))


def load_or_say(run: Path) -> str | None:
    """The error's text, or None if the run can be used."""
    try:
        convatlas.load(run)
    except ConvAtlasError as error:
        assert "\n" not in str(error) and ". Do: " in str(error)
        return str(error)
    return None


@pytest.mark.parametrize("name", FILES)
def test_cut_at_every_twentieth(run, name):
    path = place(run, name)
    whole = path.read_bytes()
    for k in range(20):
        path.write_bytes(whole[: len(whole) * k // 20])
        message = load_or_say(run)
        assert message is not None and str(run) in message
    path.write_bytes(whole)
    assert load_or_say(run) is None


@pytest.mark.parametrize("name", FILES)
def test_missing(run, name):
    place(run, name).unlink()
    assert str(run) in load_or_say(run)


def test_every_flipped_bit_of_the_weights_is_found(run):
    path = place(run, "weights.safetensors")
    whole = path.read_bytes()
    generator = random.Random(4)
    for _ in range(30):
        damaged = bytearray(whole)
        damaged[generator.randrange(len(whole))] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        assert "weights.safetensors is damaged" in load_or_say(run)


@pytest.mark.parametrize("name", ["card.json", "best"])
def test_flipped_bits_of_small_files_never_end_in_another_error(run, name):
    path = place(run, name)
    whole = path.read_bytes()
    generator = random.Random(4)
    for _ in range(100):
        damaged = bytearray(whole)
        damaged[generator.randrange(len(whole))] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        load_or_say(run)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"classes": ["0", "1"]}, "2 class names"),
        ({"preprocess": {"channels": 7}}, "preprocess.channels"),
        ({"preprocess": {"size": [9, 9]}}, "preprocess makes 1x9x9, which lenet5 does not take"),
        ({"preprocess": {"sise": [9, 9]}}, "preprocess.sise"),
        ({"network": {"name": "lenet5"}}, "network.num_classes: None"),
        ({"network": {"name": "lenet5", "num_classes": "ten", "in_channels": 1}}, "network.num_classes: 'ten'"),
        ({"network": {"name": "os.system", "num_classes": 10, "in_channels": 1}}, "there is no network 'os.system'"),
        ({"network": None}, "is of a module that is not in the atlas"),
        ({"network": {"name": "lenet5_modern", "num_classes": 10, "in_channels": 1}}, "does not fit lenet5_modern"),
        ({"format": 2}, "format"),
        ({"surprise": 1}, "surprise"),
        ({"temperature": 0}, "temperature: Input should be greater than 0"),
        ({"temperature": float("inf")}, "temperature"),
        ({"files": {}}, "has no weights.safetensors"),
    ],
)
def test_cards_that_do_not_fit(run, change, what):
    path = place(run, "card.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert what in load_or_say(run)


def test_cards_from_before_there_were_temperatures(run):
    path = place(run, "card.json")
    card = json.loads(path.read_text())
    assert card.pop("temperature") != 1
    path.write_text(json.dumps(card))
    assert convatlas.load(run).temperature == 1


def test_a_pointer_cannot_leave_the_run(run, tmp_path):
    shutil.copytree(next((run / "checkpoints").glob("step-*")), tmp_path / "other")
    (run / "checkpoints" / "best").write_text("../../other")
    message = load_or_say(run)
    assert "best is damaged: it names no checkpoint" in message
    assert next((run / "checkpoints").glob("step-*")).name in message


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b'{"data": 3}', b"\xff\xfe"])
def test_a_damaged_run_file_asks_for_the_data(run, damage):
    (run / "run.json").write_bytes(damage)
    with pytest.raises(StorageError, match=r"run\.json is damaged"):
        trained_on(run)
