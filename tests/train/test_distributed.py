"""M8, R9: several ranks learn and answer what one does, and go on after one of them is lost."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from convatlas.checkpoint import read_card, read_tensors
from convatlas.durable import is_temporary
from convatlas.models import create_model, list_models
from convatlas.train.batch_norm import has_batch_norm
from convatlas.train.folder import RunFolder
from tests.cli.harness import CLASSES, class_folders, environment
from tests.train.agents import in_ranks, ranks_of, torchrun, until_restarted, until_step
from tests.train.rank_checks import BATCH, STEPS, run_in

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ranks")
    class_folders(root / "images", CLASSES, count=12)
    (root / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    return root


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    return in_ranks(folder)


@pytest.mark.parametrize("what", STEPS)
def test_an_epoch_of_two_ranks_is_that_of_one(found: dict[str, Any], what: str):
    """In double precision only rounding is left; the last batch has one image."""
    ours = found["steps"][what]
    assert ours["weights"] < 1e-12
    assert ours["loss"] < 1e-6
    assert ours["counts"]


@pytest.mark.parametrize("network", ["lenet5", "lenet5_modern"])
def test_a_step_in_single_precision(found: dict[str, Any], network: str):
    assert found["single precision"][network]["weights"] < 1e-6


def without_batch_norm() -> list[str]:
    every = [name for name in list_models() if not has_batch_norm(create_model(name, device="meta"))]
    # These two have the test above.
    return [name for name in every if name not in ("lenet5", "lenet5_modern")]


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("network", without_batch_norm())
def test_a_step_of_every_network_without_batch_norm(tmp_path: Path, network: str):
    found = in_ranks(tmp_path, network)[network]
    assert found["all weights"] < 1e-6 and found["weights"] < 1e-5


def test_synchronised_batch_norm_is_that_of_one_rank(found: dict[str, Any]):
    """PyTorch's own layers on the whole batch are the measure, with their running statistics."""
    assert found["batch norm"]["weights"] < 1e-5
    assert found["batch norm"]["counts"]


def test_auxiliary_classifiers_learn_what_one_rank_would_teach_them(found: dict[str, Any]):
    """Their gradients come from another call than `forward`."""
    assert found["heads"]["weights"] < 1e-5
    assert found["heads"]["counts"]


def test_evaluation_has_the_same_bits(found: dict[str, Any]):
    """Batches that divide, that do not, and one that is a single rank's."""
    assert found["evaluated"] == [True, True, True]


def test_predictions_are_those_of_one_rank(found: dict[str, Any]):
    assert found["predicted"] == [True, True]


def test_streamed_shards_give_the_batches_and_answers_of_one_rank(found: dict[str, Any]):
    assert found["streamed"] == [True, True]


def test_a_number_that_is_none_stops_both(found: dict[str, Any]):
    first, second = found["poisoned"]
    assert first == second
    assert first["error"].startswith("loss became nan at step 1 ")
    assert (first["images"], first["kept"], first["step"]) == (BATCH, True, 0)


def test_a_number_that_is_none_on_one_rank_ends_a_run(found: dict[str, Any], folder: Path):
    """R6: both ranks stop at the same step, whose images are listed; what was kept is finite."""
    out = folder / "poisoned"
    first, second = found["poisoned run"]
    assert first == second
    assert first["code"] == 7
    assert first["error"].startswith("loss became nan at step 6 ")
    assert f"its images are listed in {out / 'nan_batch.txt'}; last finite: step 5. Do: " in first["error"]
    assert len(set((out / "nan_batch.txt").read_text().splitlines())) == BATCH
    (kept,) = (out / "checkpoints").glob("step-*")
    tensors = [tensor for file in kept.glob("*.safetensors") for tensor in read_tensors(file).values()]
    assert kept.name == "step-00000005"
    assert all(torch.isfinite(tensor).all() for tensor in tensors if tensor.is_floating_point())


def test_ranks_have_masks_of_their_own(found: dict[str, Any]):
    first, second = found["masks"]
    assert first != second


def test_a_stop_of_one_is_a_stop_of_all(found: dict[str, Any]):
    assert found["stopped"] == [[None, None, 143, 143]] * 2


@pytest.mark.parametrize(("what", "code"), [("", 0), ("recipe", 2), ("torch", 2), ("the images", 3)])
def test_ranks_that_disagree(found: dict[str, Any], what: str, code: int):
    first, second = found["disagreeing"][what]
    assert first == second
    assert first[0] == code
    assert what in first[1]
    assert ("on rank 1" in first[1]) == bool(what)


def test_data_that_one_rank_has_not(tmp_path: Path):
    """Each rank begins in a folder of its own, of which one lacks the images."""
    class_folders(tmp_path / "0" / "animals", CLASSES)
    (tmp_path / "1").mkdir()
    begin = (
        "import os, sys; os.chdir(sys.argv[1] + '/' + os.environ['RANK']); "
        "from convatlas.cli.main import main; "
        "sys.exit(main(['train', 'lenet5_modern', './animals', '--out', sys.argv[1] + '/run']))"
    )
    (tmp_path / "begin.py").write_text(begin)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", tmp_path / "begin.py", tmp_path]
    ran = subprocess.run(command, env=environment(None), capture_output=True, text=True, timeout=120)
    (said,) = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert said.startswith(
        'error: "./animals" does not exist (on rank 1 of 2, which has other files). Do: give a folder'
    )
    assert not (tmp_path / "run").exists()


def test_the_first_rank_speaks_for_all(found: dict[str, Any], folder: Path):
    (out, err), other = found["said"]
    assert "use it" in out
    assert "36 images" in err or "images to learn from" in err
    assert other == ["", ""] or other == ("", "")
    assert json.loads((folder / "unbroken" / "environment.json").read_text())["ranks"] == 2


def digest(out: Path) -> str:
    return read_card(RunFolder(out).checkpoints / (RunFolder(out).checkpoints / "last").read_text()).digest


def test_a_killed_rank_is_started_again(found: dict[str, Any], folder: Path):
    out = folder / "killed"
    agent = torchrun("--max-restarts", "3", command=run_in(folder, "killed"))
    until_step(agent, out, 6)
    ranks = ranks_of(agent)
    os.kill(ranks[1], signal.SIGKILL)
    until_restarted(agent, ranks)
    _, err = agent.communicate(timeout=120)
    assert agent.returncode == 0, err
    assert "the group restarts (1 of 3): resumed from step" in err
    assert err.count("error: ") == err.count("error: another rank was lost. ") <= 1
    assert digest(out) == digest(folder / "unbroken")


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(30))
def test_killed_ranks_end_with_the_same_bits(found: dict[str, Any], folder: Path, seed: int):
    """R9: a random rank at a random step; every third time the first rank, as soon as a checkpoint is being written."""
    chance = random.Random(seed)
    out, lost = folder / f"killed-{seed}", 0 if seed % 3 == 0 else chance.randrange(2)
    agent = torchrun("--max-restarts", "3", command=run_in(folder, out.name))
    until_step(agent, out, chance.randrange(1, 30))
    ranks = ranks_of(agent)
    end = time.monotonic() + 5
    while seed % 3 == 0 and time.monotonic() < end and not any(map(is_temporary, out.rglob(".*.tmp"))):
        pass
    with suppress(ProcessLookupError):
        os.kill(ranks[lost], signal.SIGKILL)
    until_restarted(agent, ranks)
    _, err = agent.communicate(timeout=120)
    assert agent.returncode == 0, err
    assert digest(out) == digest(folder / "unbroken")


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(5))
def test_a_killed_torchrun_takes_its_ranks_along(found: dict[str, Any], folder: Path, seed: int):
    """R9: the ranks keep their state; the same command with --resume ends with the same bits."""
    out = folder / f"orphaned-{seed}"
    command = run_in(folder, out.name)
    agent = torchrun(command=command)
    until_step(agent, out, random.Random(seed).randrange(1, 25))
    ranks = ranks_of(agent)
    agent.kill()
    end = time.monotonic() + 60
    while any(Path(f"/proc/{rank}").exists() for rank in ranks):
        assert time.monotonic() < end
        time.sleep(0.01)
    agent.communicate()
    again = torchrun(command=["train", "--resume", "--out", str(out)])
    _, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert digest(out) == digest(folder / "unbroken")


@pytest.mark.full
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_one_rank_stops_all(folder: Path, found: dict[str, Any], number: int, code: int):
    """R4: one line says it, the state is kept, and the run can go on."""
    out = folder / f"stopped-{number}"
    agent = torchrun(command=run_in(folder, out.name))
    until_step(agent, out, 5)
    os.kill(ranks_of(agent)[1], number)
    _, err = agent.communicate(timeout=120)
    assert agent.returncode == 1
    assert f"exitcode  : {code} " in err
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: stopped after step ")
    again = torchrun(command=["train", "--resume", "--out", str(out)])
    assert again.communicate(timeout=120) and again.returncode == 0
    assert digest(out) == digest(folder / "unbroken")
