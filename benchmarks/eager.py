"""Forward passes and training steps against torchvision's and timm's networks with the same weights, in turn.

`python benchmarks/eager.py [NAME...] [--batch N] [--repeats N] [--threads N] [--json FILE]`: eager PyTorch, float32,
images of the paper's size. And what local response normalisation costs in AlexNet's forward pass.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convatlas.models import create_model, get_variant
from peers import PEERS, build, in_turn, ours_around, write_rows

NAMES = (
    "alexnet_owt", "vgg16", "googlenet_bn", "resnet18", "resnet50_v1_5", "inception_v4", "se_resnet50", "senet154",
)  # fmt: skip


def forward(network: nn.Module, images: Tensor) -> Callable[[], object]:
    network.eval()

    @torch.no_grad()
    def run() -> Tensor:
        return network(images)

    return run


def step(network: nn.Module, images: Tensor) -> Callable[[], object]:
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-6, momentum=0.9)
    labels = torch.arange(len(images))

    def run() -> None:
        optimizer.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimizer.step()

    return run


def without_normalisation(network: nn.Module) -> nn.Module:
    """The same tensors in the same network but for its two layers of local response normalisation."""
    plain = create_model("alexnet", device="meta")
    plain.load_state_dict(network.state_dict(), assign=True)
    plain.norm1, plain.norm2 = nn.Identity(), nn.Identity()
    return plain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(arguments.threads)
    rows = []
    for name in arguments.names:
        peer = PEERS[name]
        theirs = build(peer)
        ours = ours_around(theirs, name)
        if hasattr(theirs, "aux_logits"):
            # In training it would compute auxiliary classifiers, which our forward does not.
            theirs.aux_logits, theirs.aux1, theirs.aux2 = False, None, None
        images = torch.randn(arguments.batch, *get_variant(name).input_size)
        for what, way in (("forward", forward), ("training step", step)):
            pair = in_turn(way(ours, images), way(theirs, images), arguments.repeats)
            rows.append(pair.row(f"{name}, {what}, batch {arguments.batch}, against {peer.library}"))
            print(
                f"{name:16} {what:14} {peer.library:11} {pair.peer:7.3f} s   ours {pair.ours:7.3f} s"
                f"   {1 / pair.ratio:.3f} of it",
                flush=True,
            )
    alexnet = create_model("alexnet")
    images = torch.randn(arguments.batch, 3, 224, 224)
    pair = in_turn(forward(alexnet, images), forward(without_normalisation(alexnet), images), 3 * arguments.repeats)
    rows.append(pair.row(f"alexnet, forward, batch {arguments.batch}, against itself without normalisation"))
    print(f"alexnet with normalisation {1 / pair.ratio:.2f} of the time without")
    write_rows(rows, arguments.json)


if __name__ == "__main__":
    main()
