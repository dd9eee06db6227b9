"""What `make demo` runs: train LeNet-5 on real digits, look at the result, classify a few images."""

import itertools
import sys
import time
from pathlib import Path

import torch
from PIL import Image

import convatlas
from convatlas.cli.output import percent, training_progress
from convatlas.data.source import load_data
from convatlas.recipes import lenet5

SHOWN = 8


def new_folder() -> Path:
    return next(path for k in itertools.count(1) if not (path := Path("runs") / f"demo-{k}").exists())


def save_digits(folder: Path) -> list[Path]:
    """A few test images as files, as a user would have them."""
    test = load_data("mnist5k", lenet5().preprocess).test
    paths = []
    for index in range(0, len(test), len(test) // SHOWN)[:SHOWN]:
        paths.append(folder / "digits" / f"{int(test.labels[index])}-{index:03d}.png")
        paths[-1].parent.mkdir(exist_ok=True)
        Image.fromarray(test.pixels[index, 0].numpy()).save(paths[-1])
    return paths


def main() -> None:
    started = time.perf_counter()
    out = new_folder()
    print("Training LeNet-5 (1998) on 4,000 real handwritten digits; 1,000 more are kept for the test.")
    recipe = lenet5()
    torch.manual_seed(recipe.seed)
    with training_progress() as progress:
        result = convatlas.train(convatlas.create_model("lenet5"), "mnist5k", recipe, out, on_event=progress)
    low, high = result.test.interval
    print(f"\nTest error {percent(result.test.top1_error)} on {result.test.images:,} digits that it has never seen")
    print(f"(95 % interval: {percent(low)} to {percent(high)}), {result.figures['seconds']:.0f} s of training.\n")
    paths = save_digits(out)
    for path, prediction in zip(paths, convatlas.load(out).predict(paths), strict=True):
        mark = "" if path.name.startswith(prediction.label) else "   <- wrong"
        print(f"  {path.name:12} -> {prediction.label}  {percent(prediction.probability)}{mark}")
    command = Path(sys.executable).parent / "convatlas"
    if command.is_relative_to(Path.cwd()):
        command = command.relative_to(Path.cwd())
    print(f"\nDone in {time.perf_counter() - started:.0f} s. Next:")
    print(f"  the report                open {out / 'report.html'} in a browser")
    print(f"  the network's table       {command} show lenet5")
    print(f"  your own image            {command} predict {out} photo-of-a-digit.jpg")
    print(f"  your own folder           {command} train lenet5 FOLDER    (a folder of images for each class)")
    print(f"  all of MNIST              {command} train lenet5 mnist")


if __name__ == "__main__":
    main()
