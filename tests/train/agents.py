"""Ranks that a test starts: by hand, and by torchrun, whose ranks may be killed."""

import json
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.cli.harness import environment
from tests.train.reference import steps_logged

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def in_ranks(folder: Path, *networks: str) -> dict[str, Any]:
    """Let two ranks make `rank_checks`."""
    port, second = free_port(), free_port()
    ranks = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.train.rank_checks", str(folder), str(second), *networks],
            cwd=ROOT,
            env=environment(
                {
                    "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
                    "MASTER_PORT": str(port),
                }
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        said = [rank.communicate(timeout=600) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0, 0], said
    return json.loads((folder / "found.json").read_text()) | {"said": said}


def torchrun(*options: str, command: list[str]) -> subprocess.Popen[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *options, "-m", "convatlas"]
    return subprocess.Popen(
        [*launcher, *command],
        cwd=ROOT,
        env=environment(None),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ranks_of(agent: subprocess.Popen[str]) -> list[int]:
    """Process ids of the ranks, in their order; none of an agent that has ended."""
    with suppress(FileNotFoundError):
        return [int(child) for child in Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()]
    return []


def until_restarted(agent: subprocess.Popen[str], before: list[int]) -> None:
    """Wait, at most a minute, until torchrun has started its ranks again, or all is done."""
    end = time.monotonic() + 60
    while agent.poll() is None and not set(ranks_of(agent)) - set(before):
        assert time.monotonic() < end, "the ranks that are left wait for the lost one"
        time.sleep(0.01)


def until_step(agent: subprocess.Popen[str], out: Path, step: int) -> None:
    end = time.monotonic() + 120
    while steps_logged(out) < step:
        assert agent.poll() is None, agent.communicate()
        assert time.monotonic() < end
        time.sleep(0.005)
