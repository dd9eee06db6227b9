"""Trackers: what TensorBoard, MLflow and W&B themselves read of a run, and that no run depends on them."""

import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from convatlas.checkpoint import read_card
from convatlas.errors import UsageError
from convatlas.models import create_model
from convatlas.train import track
from convatlas.train.folder import RunFolder
from convatlas.train.loop import StepDone
from convatlas.train.run import train
from convatlas.train.track import TRACKERS, tracked, trackers_of
from tests.train.reference import data, recipe

SETTINGS = ("epochs=2", "loss.name=cross_entropy")
"""32 steps, a checkpoint each 8."""


@pytest.fixture(autouse=True)
def _own_variables(monkeypatch, tmp_path):
    """Nothing set by the user, and a place of one's own for what the libraries might leave."""
    for name in [name for name in os.environ if name.startswith(("WANDB", "MLFLOW"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    # The libraries' own threads and sub-processes warn of each other.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def run(out: Path, trackers: tuple[str, ...], *, resume: bool = False, at=lambda event: None) -> list[str]:
    """Train, and give what is said of the trackers."""
    said: list[str] = []
    torch.manual_seed(0)
    with tracked(trackers, at, say=said.append) as on_event:
        train(create_model("lenet5_modern"), data(), recipe(*SETTINGS), out, resume=resume, on_event=on_event)
    return said


def in_tensorboard(out: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(out / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    return {name: [(e.step, e.value) for e in events.Scalars(name)] for name in events.Tags()["scalars"]}


def in_mlflow(out: Path) -> dict[str, list[tuple[int, float]]]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=(out / "mlflow" / "store").as_uri())
    (kept,) = client.search_runs([client.get_experiment_by_name("convatlas").experiment_id])
    assert kept.info.status == "FINISHED" and kept.data.params["epochs"] == "2"
    return {name: [(m.step, m.value) for m in client.get_metric_history(kept.info.run_id, name)]
            for name in kept.data.metrics}  # fmt: skip


def in_wandb(out: Path) -> dict[str, list[tuple[int, float]]]:
    from wandb.proto.wandb_internal_pb2 import Record

    found: dict[str, list[tuple[int, float]]] = {}
    for file in sorted((out / "wandb").glob("offline-run-*/*.wandb")):
        for content in leveldb_records(file.read_bytes()):
            row = {(i.key or ".".join(i.nested_key)): json.loads(i.value_json)
                   for i in Record.FromString(content).history.item}  # fmt: skip
            for name, value in row.items():
                if not name.startswith("_"):
                    found.setdefault(name, []).append((row["_step"], value))
    return found


def leveldb_records(content: bytes) -> Iterator[bytes]:
    """Records of a log in LevelDB's format, which W&B writes behind 7 bytes of its own: blocks of 32 KiB, in them
    pieces with 4 bytes of check sum, 2 of length and 1 of kind (1 whole, 2 first, 3 middle, 4 last)."""
    place, record = 7, b""
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        length, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        record += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield record
            record = b""


READ = {"tensorboard": in_tensorboard, "mlflow": in_mlflow, "wandb": in_wandb}


def digest(out: Path) -> str:
    return read_card(RunFolder(out).best()).digest


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("plain") / "run"
    run(out, ())
    return out


@pytest.mark.slow
def test_each_library_reads_what_the_run_kept_and_the_bits_are_the_same(tmp_path, plain):
    """Left in the second epoch, at step 21 of 32, and resumed from step 16: no step is there twice."""

    def leave(event):
        if isinstance(event, StepDone) and event.step == 22:
            raise RuntimeError("the machine is gone")

    out = tmp_path / "run"
    with pytest.raises(RuntimeError, match="the machine is gone"):
        run(out, tuple(TRACKERS), at=leave)
    assert trackers_of(out) == tuple(TRACKERS)
    assert run(out, tuple(TRACKERS), resume=True) == []
    assert digest(out) == digest(plain)
    lines = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if line["event"] == "step"]
    epochs = [line for line in lines if line["event"] == "epoch"]
    result = json.loads((out / "result.json").read_text())
    for read in READ.values():
        shown = read(out)
        assert [step for step, _ in shown["train/step_loss"]] == list(range(1, 33))
        assert [value for _, value in shown["train/step_loss"]] == pytest.approx(losses)
        assert [step for step, _ in shown["validation/error"]] == [16, 32]
        assert [value for _, value in shown["validation/error"]] == pytest.approx(
            [epoch["validation_error"] for epoch in epochs]
        )
        assert shown["test/error"] == [(32, pytest.approx(result["test"]["top1_error"]))]
    # Nothing beside the run folder.
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.slow
def test_a_tracker_that_fails_ends_alone(tmp_path, plain):
    """Its place on the disk is taken away in the middle."""

    def spoil(event):
        store = tmp_path / "run" / "mlflow" / "store"
        if isinstance(event, StepDone) and event.step == 12:
            while not (tmp_path / "run" / "mlflow" / "run_id").is_file():
                pass
            # At once: the tracker's thread may be writing there.
            store.rename(tmp_path / "away")

    (said,) = run(tmp_path / "run", ("mlflow",), at=spoil)
    assert said.startswith("mlflow failed (") and said.endswith("; the run goes on without it")
    assert digest(tmp_path / "run") == digest(plain)


@pytest.mark.full
def test_a_server_that_is_gone(tmp_path, plain, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (said,) = run(tmp_path / "run", ("mlflow",))
    assert said.startswith("mlflow failed (") and "127.0.0.1" in said
    assert digest(tmp_path / "run") == digest(plain)


def test_a_missing_library_is_an_error_before_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(track, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"wandb is not installed. Do: pip install 'convatlas\[track\]'"):
        run(tmp_path / "run", ("wandb",))
    assert not (tmp_path / "run").exists()


def test_a_name_that_is_no_tracker(tmp_path):
    with pytest.raises(
        UsageError, match=r"there is no tracker 'comet'; known are mlflow, tensorboard, wandb\. Do: name one"
    ):
        run(tmp_path / "run", ("comet",))
