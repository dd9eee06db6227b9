"""How long training waits for its images, against torchvision's network and loader, in turn.

`python benchmarks/waiting.py [NAME...] [--folder FOLDER] [--repeats N] [--json FILE]`: training steps at 224x224 on
1,000 photos that are decoded each time, and the part of the time in which there is no batch to go on with. Ours is the
step and the loader of `convatlas train`; the peer torchvision's network in PyTorch's own layout, `ImageFolder`,
`transforms.v2` and `DataLoader` with as many workers as serve it best.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from convatlas.data.augment import Distortion
from convatlas.data.crop import AreaCrop
from convatlas.data.loader import Loader
from decode import BATCH, default_folder, images, photos, their_loader
from peers import write_rows
from sides import Side, in_turn, serve
from train import INPUT, our_training, their_training

_NAMES, _STEPS = ("alexnet_owt", "resnet18"), 10


class Steps:
    """Steps of training at each call, which tells for how much of its time they waited."""

    def __init__(self, passes: Callable[[], Iterator[object]], learn: Callable[[object], object]) -> None:
        self.passes, self.learn, self.batches = passes, learn, iter(())

    def __call__(self) -> float:
        begun, waited = time.perf_counter(), 0.0
        for _ in range(_STEPS):
            asked = time.perf_counter()
            batch = self._next()
            waited += time.perf_counter() - asked
            self.learn(batch)
        return waited / (time.perf_counter() - begun)

    def _next(self) -> object:
        batch = next(self.batches, None)
        if batch is None:
            self.batches = self.passes()
            batch = next(self.batches)
        return batch


def ours(name: str, files: list[Path]) -> Steps:
    loader = Loader(images(files, 0), INPUT, batch_size=BATCH, crop=AreaCrop(), workers=os.cpu_count() or 1)
    learn = our_training(name, BATCH)
    return Steps(lambda: loader.shuffled(seed=0, epoch=0, distortion=Distortion(mirror=True)), learn)


def theirs(name: str, folder: Path, workers: int) -> Steps:
    loader, learn = their_loader(folder, workers), their_training(name)
    return Steps(lambda: iter(loader), lambda batch: learn(*batch))


def best_workers(name: str, folder: Path) -> int:
    """Of none to one for each core, those with which the peer trains the fastest."""

    def seconds(workers: int) -> float:
        steps = theirs(name, folder, workers)
        steps()
        begun = time.perf_counter()
        steps()
        return time.perf_counter() - begun

    return min(range((os.cpu_count() or 1) + 1), key=seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(_NAMES))
    parser.add_argument("--folder", type=Path, default=default_folder())
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        (name,), folder = arguments.names, arguments.folder
        files = sorted(folder.rglob("*.jpg"))
        serve(ours(name, files) if arguments.serve == "ours" else theirs(name, folder, int(arguments.serve)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as place:
        photos(arguments.folder, Path(place))
        for name in arguments.names:
            workers = best_workers(name, Path(place))
            sides = [Side(name, "--folder", place, "--serve", which) for which in ("ours", str(workers))]
            speed, _ = in_turn(*sides, arguments.repeats)
            per_s = {side: round(_STEPS * BATCH / getattr(speed, side), 1) for side in ("ours", "peer")}
            waited = [round(100 * statistics.median(side.results), 1) for side in sides]
            what = f"{name} on photos at 224x224, batches of {BATCH}, against ImageFolder and DataLoader"
            rows.append(speed.row(f"{what}: training", "images/s") | per_s)
            row = {"ours": waited[0], "peer": waited[1], "unit": "% of the time", "machine": rows[0]["machine"]}
            rows.append({"benchmark": f"{what}: waiting for images"} | row)
            print(
                f"{name:12} ours {per_s['ours']} images/s, {waited[0]} % of the time waiting; peer with {workers} "
                f"workers {per_s['peer']}, {waited[1]} %",
                flush=True,
            )
    write_rows(rows, arguments.json)


if __name__ == "__main__":
    main()
