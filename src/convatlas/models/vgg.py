"""VGG. Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
arXiv:1409.1556 (September 2014).

Read with Table 1 in hand: TABLE_1 is that table. Layers have the names of the released networks, D and E: conv3_2
is the second convolution between the second and the third maxpool, fc6 to fc8 are the fully-connected layers.

Deviations:
    [variance] Section 3.1 prints a variance of 0.01, under which activations grow about fivefold a layer. It is read as
        the deviation of 0.01 that was usual then; `partial(gaussian, deviation=0.1)` is the letter.
    [start] The paper starts B to E from a trained A, which `start_from` does. Built alone they have the initialisation
        that the paper's note in section 3.1 gives for that: Glorot and Bengio's.
    [lrn] The paper takes Krizhevsky's parameters without saying in which form. As in AlexNet, alpha is divided by n.
    [dropout] As everywhere in PyTorch, what dropout keeps is doubled in training, not halved in testing.
    [larger] An input of another size than 224x224 gives fc6 maps of another size; they are brought to 7x7 by averaging.
        Nothing at 224x224. The paper's way for larger images, section 3.2, is `dense_logits` in `dense.py`.
    [bn] The networks with _bn are torchvision's: batch normalisation between each convolution, whose bias stays, and
        its ReLU.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from torch import Tensor, nn

from convatlas.models.initialisation import layers_to_initialise, uninitialised
from convatlas.models.layers import LocalResponseNorm
from convatlas.models.network import Network
from convatlas.models.variant import Paper, Published, PublishedRow, Result, Variant, deviations

# A dot where the column has no layer. The last rows, FC-4096, FC-4096, FC-1000 and soft-max, are the same for all.
TABLE_1 = """
    A          A-LRN      B          C          D          E
    conv3-64   conv3-64   conv3-64   conv3-64   conv3-64   conv3-64
    .          LRN        conv3-64   conv3-64   conv3-64   conv3-64
    maxpool    maxpool    maxpool    maxpool    maxpool    maxpool
    conv3-128  conv3-128  conv3-128  conv3-128  conv3-128  conv3-128
    .          .          conv3-128  conv3-128  conv3-128  conv3-128
    maxpool    maxpool    maxpool    maxpool    maxpool    maxpool
    conv3-256  conv3-256  conv3-256  conv3-256  conv3-256  conv3-256
    conv3-256  conv3-256  conv3-256  conv3-256  conv3-256  conv3-256
    .          .          .          conv1-256  conv3-256  conv3-256
    .          .          .          .          .          conv3-256
    maxpool    maxpool    maxpool    maxpool    maxpool    maxpool
    conv3-512  conv3-512  conv3-512  conv3-512  conv3-512  conv3-512
    conv3-512  conv3-512  conv3-512  conv3-512  conv3-512  conv3-512
    .          .          .          conv1-512  conv3-512  conv3-512
    .          .          .          .          .          conv3-512
    maxpool    maxpool    maxpool    maxpool    maxpool    maxpool
    conv3-512  conv3-512  conv3-512  conv3-512  conv3-512  conv3-512
    conv3-512  conv3-512  conv3-512  conv3-512  conv3-512  conv3-512
    .          .          .          conv1-512  conv3-512  conv3-512
    .          .          .          .          .          conv3-512
    maxpool    maxpool    maxpool    maxpool    maxpool    maxpool
"""

Column = Literal["A", "A-LRN", "B", "C", "D", "E"]


def layers_of(column: Column) -> Iterator[tuple[str, str]]:
    """Name and cell of each layer of a column of Table 1, downwards."""
    heads, *lines = (line.split() for line in TABLE_1.strip().splitlines())
    block, number = 1, 0
    for line in lines:
        cell = line[heads.index(column)]
        if cell == "maxpool":
            yield f"pool{block}", cell
            block, number = block + 1, 0
        elif cell == "LRN":
            yield f"norm{block}", cell
        elif cell != ".":
            number += 1
            yield f"conv{block}_{number}", cell


def gaussian(network: nn.Module, *, deviation: float = 0.01) -> None:
    """Weights normal with mean zero, biases zero; section 3.1. [variance]"""
    _initialise(network, partial(nn.init.normal_, std=deviation))


def glorot(network: nn.Module) -> None:
    """[start] Glorot and Bengio's uniform weights, with which no pre-training is needed; section 3.1. Biases zero."""
    _initialise(network, nn.init.xavier_uniform_)


def _initialise(network: nn.Module, fill: Callable[[Tensor], object]) -> None:
    for _, layer in layers_to_initialise(network):
        fill(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def plain(channels: int) -> list[nn.Module]:
    """Between a convolution and the next layer: ReLU."""
    return [nn.ReLU()]


def batch_normalised(channels: int) -> list[nn.Module]:
    """[bn] Between a convolution and the next layer: batch normalisation and ReLU."""
    return [nn.BatchNorm2d(channels), nn.ReLU()]


class VGG(Network):
    """A column of Table 1.

    Args:
        column: the column's heading.
        after: makes what follows a convolution, from its number of maps.
        initialise: what sets the weights.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        *,
        column: Column,
        after: Callable[[int], list[nn.Module]] = plain,
        initialise: Callable[[nn.Module], None] = gaussian,
    ) -> None:
        super().__init__()
        with uninitialised():
            channels = in_channels
            for name, cell in layers_of(column):
                if cell == "maxpool":
                    self.add_module(name, nn.MaxPool2d(2, stride=2))
                elif cell == "LRN":
                    self.add_module(name, LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0))  # [lrn]
                else:
                    size, maps = map(int, cell.removeprefix("conv").split("-"))
                    conv = nn.Conv2d(channels, maps, size, padding=size // 2)
                    self.add_module(name, nn.Sequential(conv, *after(maps)))
                    channels = maps
            # [larger] [dropout]
            to_vector = nn.AdaptiveAvgPool2d(7), nn.Flatten()
            self.fc6 = nn.Sequential(*to_vector, nn.Linear(channels * 7 * 7, 4096), nn.ReLU(), nn.Dropout(0.5))
            self.fc7 = nn.Sequential(nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5))
            self.fc8 = nn.Linear(4096, num_classes)
        initialise(self)


def start_from(network: VGG, trained: VGG) -> None:
    """Copy the first four convolutions and the fully-connected layers of a trained A; section 3.1. [start]"""
    for name in ("conv1_1", "conv2_1", "conv3_1", "conv3_2", "fc6", "fc7", "fc8"):
        network.get_submodule(name).load_state_dict(trained.get_submodule(name).state_dict())


PAPER = Paper(
    "Very Deep Convolutional Networks for Large-Scale Image Recognition",
    "Karen Simonyan, Andrew Zisserman",
    "ICLR 2015", 2014, "arXiv:1409.1556",
)  # fmt: skip


def _published(millions: int, *table_3: tuple[str, float, float]) -> Published:
    return Published(
        source="table 1; parameters in millions from table 2",
        params=millions * 1_000_000,
        rows={"fc6": PublishedRow((4096,)), "fc7": PublishedRow((4096,)), "fc8": PublishedRow((1000,))},
        results=tuple(
            Result(f"ILSVRC-2012 validation {measure} error, trained at {scales}", error, "table 3")
            for scales, *errors in table_3
            for measure, error in zip(("top-1", "top-5"), errors, strict=True)
        ),
    )


A = _published(133, ("256, tested at 256", 29.6, 10.4))
A_LRN = _published(133, ("256, tested at 256", 29.7, 10.5))
B = _published(133, ("256, tested at 256", 28.7, 9.9))
C = _published(
    134, ("256, tested at 256", 28.1, 9.4), ("384, tested at 384", 28.1, 9.3), ("256 to 512, tested at 384", 27.3, 8.8)
)
D = _published(
    138, ("256, tested at 256", 27.0, 8.8), ("384, tested at 384", 26.8, 8.7), ("256 to 512, tested at 384", 25.6, 8.1)
)
E = _published(
    144, ("256, tested at 256", 27.3, 9.0), ("384, tested at 384", 26.9, 8.7), ("256 to 512, tested at 384", 25.5, 8.0)
)


def _variant(build: Callable[[int, int], Network], summary: str, published: Published | None, *tags: str) -> Variant:
    declared = deviations(__doc__, *tags, "dropout", "larger")
    return Variant(build, "VGG", summary, PAPER, (3, 224, 224), 32, 1000, published, declared)


_BN = partial(VGG, after=batch_normalised)
_DEEPER, _DEEPER_BN = partial(VGG, initialise=glorot), partial(_BN, initialise=glorot)

VARIANTS = {
    "vgg11": _variant(partial(VGG, column="A"), "column A, 11 layers, the start of the deeper ones", A, "variance"),
    "vgg11_bn": _variant(partial(_BN, column="A"), "column A, batch normalised", None, "bn", "variance"),
    "vgg11_lrn": _variant(
        partial(VGG, column="A-LRN"), "column A-LRN: A and local response normalisation", A_LRN, "lrn", "variance",
    ),
    "vgg11_lrn_bn": _variant(
        partial(_BN, column="A-LRN"), "column A-LRN, batch normalised", None, "bn", "lrn", "variance",
    ),
    "vgg13": _variant(partial(_DEEPER, column="B"), "column B: two 3x3 convolutions in each block", B, "start"),
    "vgg13_bn": _variant(partial(_DEEPER_BN, column="B"), "column B, batch normalised", None, "bn", "start"),
    "vgg16_c": _variant(partial(_DEEPER, column="C"), "column C: B and a 1x1 in each of blocks 3 to 5", C, "start"),
    "vgg16_c_bn": _variant(partial(_DEEPER_BN, column="C"), "column C, batch normalised", None, "bn", "start"),
    "vgg16": _variant(partial(_DEEPER, column="D"), "column D: B and a 3x3 in each of blocks 3 to 5", D, "start"),
    "vgg16_bn": _variant(partial(_DEEPER_BN, column="D"), "column D, batch normalised", None, "bn", "start"),
    "vgg19": _variant(partial(_DEEPER, column="E"), "column E: D and a 3x3 in each of blocks 3 to 5", E, "start"),
    "vgg19_bn": _variant(partial(_DEEPER_BN, column="E"), "column E, batch normalised", None, "bn", "start"),
}  # fmt: skip
