"""Two gloo ranks of one thread against one process of two threads, and what gloo takes for an all-reduce.

`python benchmarks/ranks.py [--rounds N] [--json FILE]`. Both ways train `resnet20_cifar` with 128 images a step; they
take turns. The all-reduce is that of resnet50's gradients in float32.
"""

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

NETWORK, BATCH, STEPS, WARM = "resnet20_cifar", 128, 6, 2
REDUCED = "resnet50"


def measure() -> dict[str, float]:
    """Images a second and, for several ranks, seconds an all-reduce."""
    import torch
    import torch.distributed as dist

    from convatlas.costs import cost
    from convatlas.data.augment import Distortion
    from convatlas.data.images import Images
    from convatlas.data.loader import Loader
    from convatlas.models import create_model
    from convatlas.recipes import get_recipe
    from convatlas.train.distributed import join_ranks
    from convatlas.train.loaders import share_of
    from convatlas.train.losses import criterion
    from convatlas.train.state import TrainingState
    from convatlas.train.step import take_step

    recipe = get_recipe("lenet5_modern").with_settings(
        [f"batch_size={BATCH}", "preprocess.channels=3", "preprocess.size=[32,32]", "preprocess.padding=0",
         "preprocess.mean=[0.5,0.5,0.5]", "preprocess.std=[0.25,0.25,0.25]"]
    )  # fmt: skip
    torch.manual_seed(0)
    count = BATCH * STEPS
    pixels = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8)
    images = Images(pixels, torch.arange(count) % 10, ("",) * count)
    with join_ranks() as ranks:
        torch.set_num_threads(1 if ranks.world > 1 else 2)
        model = create_model(NETWORK).to(memory_format=torch.channels_last)
        state, share = TrainingState(model, recipe), share_of(ranks, recipe, model)
        loader = Loader(images, recipe.preprocess, batch_size=BATCH, share=share)
        times = [time.perf_counter()]
        for batch in loader.shuffled(seed=0, epoch=0, distortion=Distortion()):
            take_step(state, batch, criterion(recipe.loss), 0.01, recipe, ranks)
            times.append(time.perf_counter())
        steps = [after - before for before, after in zip(times[WARM:], times[WARM + 1 :], strict=False)]
        found = {"images_per_s": BATCH / statistics.median(steps)}
        if ranks.world > 1:
            gradients, reductions = torch.zeros(cost(REDUCED).params), []
            for _ in range(4):
                began = time.perf_counter()
                dist.all_reduce(gradients)
                reductions.append(time.perf_counter() - began)
            found["reduction_s"] = statistics.median(reductions[1:])
        return found if ranks.is_first else {}


def measured(world: int) -> dict[str, float]:
    """What `measure` finds in so many processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    shared = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)} if world > 1 else {}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "--rank"],
            env=environment | shared | ({"RANK": str(rank), "LOCAL_RANK": str(rank)} if world > 1 else {}),
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]
    said = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit("a process failed")
    return dict(json.loads(said[0].splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rank", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank:
        print(json.dumps(measure()), flush=True)
        # As the command line leaves: gloo's threads end after the group and may fail a process that ends normally.
        os._exit(0)
    alone, together = [], []
    for _ in range(options.rounds):
        alone.append(measured(1)["images_per_s"])
        together.append(measured(2))
    ours = statistics.median(found["images_per_s"] for found in together)
    peer = statistics.median(alone)
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    rows = [
        {
            "benchmark": f"training {NETWORK}, 2 gloo ranks of 1 thread against 1 process of 2 threads",
            "ours": round(ours), "peer": round(peer), "unit": "images/s", "ratio": round(ours / peer, 2),
            "machine": machine,
        },
        {
            "benchmark": f"all-reduce of {REDUCED}'s gradients (102 MB), 2 gloo ranks on one machine",
            "ours": round(statistics.median(found["reduction_s"] for found in together), 3), "unit": "s",
            "machine": machine,
        },
    ]  # fmt: skip
    text = json.dumps(rows, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
