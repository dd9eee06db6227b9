"""Two processes that take turns, so that neither has the other's memory or its allocator."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable

from peers import Pair, measured_in_turn


def serve(call: Callable[[], object]) -> None:
    """Make a call for every line that comes in, and tell its seconds, its result and the peak memory in MiB."""
    for _ in sys.stdin:
        started = time.perf_counter()
        result = call()
        seconds = time.perf_counter() - started
        print(json.dumps([seconds, result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]), flush=True)


class Side:
    """A process of this script, with other arguments, that makes a call when it is told to."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, sys.argv[0], *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.peak, self.results = 0.0, []

    def call(self) -> float:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        seconds, result, self.peak = json.loads(self.process.stdout.readline())
        self.results.append(result)
        return seconds

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def in_turn(ours: Side, peer: Side, repeats: int) -> tuple[Pair, Pair]:
    """Seconds of a call, and MiB of peak memory; the first two calls of each do not count."""
    try:
        for side in (ours, peer):
            # They make the optimizer's state and whatever the libraries keep.
            side.call(), side.call()
        pair = measured_in_turn(ours.call, peer.call, repeats)
    finally:
        ours.close(), peer.close()
    return pair, Pair(ours.peak, peer.peak, peer.peak / ours.peak)
