"""ResNet. He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv:1512.03385.

Read with Table 1 and figure 3 in hand, figures 2 and 5 for the block, section 4.1 for the shortcuts. Where the paper is
silent, the authority is what its authors released: ResNet-50, 101 and 152. Section 4.2's nets are in `resnet_cifar.py`.

Deviations:
    [stride] The paper names conv3_1, conv4_1 and conv5_1 as the blocks that halve the map, not the layer; the released
        files have the stride in the first 1x1 and in the projection.
    [pool] The paper does not pad conv2_x's max pool. Here as in the released files: no padding, sizes rounded up.
    [padded] Of 18, 34 and plain nets nothing was released; their max pool is padded by 1, as in fb.resnet.torch.
    [bias] Convolutions have no bias. The released ResNet-50, unlike 101 and 152, has one in conv1 (64 numbers).
    [b18] Shortcuts are option B as in the deeper nets; the paper's result of 18 layers is with option A.
    [zeros] Option A's zero maps are appended behind the others; the paper does not say where they go.
    [init] Fan-in, for the last layer too, and biases 0; the paper refers to He et al. 2015, who allow either fan.
    [v1_5] Stride in the 3x3 instead of the first 1x1, and the padded max pool: fb.resnet.torch's, known as v1.5.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from convatlas.errors import UsageError
from convatlas.models.initialisation import layers_to_initialise, uninitialised
from convatlas.models.layers import conv_bn, conv_bn_relu
from convatlas.models.network import Network
from convatlas.models.variant import Paper, Published, PublishedRow, Result, Variant, deviations


class Conv(NamedTuple):
    """One line of a bracket in Table 1."""

    kernel: int
    maps: int
    groups: int = 1


Convs = tuple[Conv, ...]
# A row's bracket, and how many blocks it stands for.
Rows = Mapping[str, tuple[Convs, int]]
Option = Literal["A", "B", "C"]
Gate = Callable[[int], nn.Module]


class Stem(NamedTuple):
    """What comes before the first block, and the smallest input that leaves something of it."""

    conv1: Callable[[int], nn.Module]
    maps: int
    pool1: Callable[[], nn.Module] | None
    min_size: int


CONV1 = partial(conv_bn_relu, out_channels=64, kernel_size=7, stride=2, padding=3)
RELEASED = Stem(CONV1, 64, partial(nn.MaxPool2d, 3, stride=2, ceil_mode=True), 3)  # [pool]
PADDED = Stem(CONV1, 64, partial(nn.MaxPool2d, 3, stride=2, padding=1), 1)  # [padded]

# Table 1: output size, the bracket of 18 and 34 layers, of 50 and more, and how many blocks in each column.
COLUMNS = (18, 34, 50, 101, 152)
TABLE_1: dict[str, tuple[int, Convs, Convs, tuple[int, ...]]] = {
    "conv2_x": (56, (Conv(3, 64), Conv(3, 64)), (Conv(1, 64), Conv(3, 64), Conv(1, 256)), (2, 3, 3, 3, 3)),
    "conv3_x": (28, (Conv(3, 128), Conv(3, 128)), (Conv(1, 128), Conv(3, 128), Conv(1, 512)), (2, 4, 4, 4, 8)),
    "conv4_x": (14, (Conv(3, 256), Conv(3, 256)), (Conv(1, 256), Conv(3, 256), Conv(1, 1024)), (2, 6, 6, 23, 36)),
    "conv5_x": (7, (Conv(3, 512), Conv(3, 512)), (Conv(1, 512), Conv(3, 512), Conv(1, 2048)), (2, 3, 3, 3, 3)),
}


def column(layers: int) -> Rows:
    """Table 1's column of a net with this many layers."""
    i = COLUMNS.index(layers)
    return {name: (two if layers < 50 else three, blocks[i]) for name, (_, two, three, blocks) in TABLE_1.items()}


def convolutions(in_channels: int, convs: Convs, stride: int, stride_at: int) -> nn.Sequential:
    """A bracket: batch normalisation behind each convolution, ReLU behind each but the last; figure 5."""
    layers = []
    for i, conv in enumerate(convs):
        layer = conv_bn if i == len(convs) - 1 else conv_bn_relu
        step, padding = (stride if i == stride_at else 1), conv.kernel // 2  # [stride]
        # [bias] There is none.
        layers.append(layer(in_channels, conv.maps, conv.kernel, stride=step, padding=padding, groups=conv.groups))
        in_channels = conv.maps
    return nn.Sequential(*layers)


class PlainBlock(nn.Sequential):
    """A block of figure 3's middle column: no shortcut."""

    def __init__(self, in_channels: int, convs: Convs, stride: int) -> None:
        super().__init__(convolutions(in_channels, convs, stride, stride_at=0), nn.ReLU())


class PaddedIdentity(nn.Module):
    """Option A where maps are added: every `stride`-th pixel, and zeros for the new maps."""

    def __init__(self, new_maps: int, stride: int) -> None:
        super().__init__()
        self.new_maps, self.stride = new_maps, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new_maps))  # [zeros]


def make_shortcut(option: Option, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Section 4.1: A without parameters, B with a projection where maps are added, C with projections only."""
    if option not in ("A", "B", "C"):
        raise UsageError(f"shortcut is {option!r}", do="give 'A', 'B' or 'C'")
    if option == "C" or (option == "B" and in_channels != out_channels):
        return conv_bn(in_channels, out_channels, 1, stride=stride)
    if in_channels != out_channels:
        return PaddedIdentity(out_channels - in_channels, stride)
    return nn.Identity()


class ResidualBlock(nn.Module):
    """Figure 2; figure 5 by its bracket, in which the convolution at `stride_at` has the stride.

    `gate` makes one more layer of the residual branch from the number of maps.
    """

    def __init__(
        self, in_channels: int, convs: Convs, stride: int, *, stride_at: int, shortcut: Option, gate: Gate
    ) -> None:
        super().__init__()
        self.residual_branch = convolutions(in_channels, convs, stride, stride_at)
        self.gate = gate(convs[-1].maps)
        self.shortcut = make_shortcut(shortcut, in_channels, convs[-1].maps, stride)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.relu(self.gate(self.residual_branch(x)) + self.shortcut(x))
        return y


class ResNet(Network):
    """Section 3.3: convolution, rows of blocks, global average pooling, one fully connected layer.

    Args:
        rows: a column of the table.
        stem: what comes before the first block.
        shortcut: option A, B or C; None for a plain net.
        stride_at: which convolution of a bracket has the stride.
        block: makes a block.
        gate: makes one more layer for every block, from its number of maps.
        zero_init_last_gamma: whether residual branches start as zero (Goyal et al. 2017); the paper's do not.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        *,
        rows: Rows,
        stem: Stem,
        shortcut: Option | None = "B",
        stride_at: int = 0,
        block: type[ResidualBlock] = ResidualBlock,
        gate: Gate = nn.Identity,
        zero_init_last_gamma: bool = False,
    ) -> None:
        super().__init__()
        make: Callable[..., nn.Module] = PlainBlock
        if shortcut is not None:
            make = partial(block, stride_at=stride_at, shortcut=shortcut, gate=gate)
        with uninitialised():
            self.conv1 = stem.conv1(in_channels)
            maps = stem.maps
            for name, (convs, count) in rows.items():
                row = OrderedDict[str, nn.Module]()
                if name == "conv2_x" and stem.pool1:
                    row["pool1"] = stem.pool1()
                for i in range(1, count + 1):
                    # Table 1: conv3_1, conv4_1 and conv5_1 halve the map.
                    stride = 2 if i == 1 and name != "conv2_x" else 1
                    row[name.replace("x", str(i))] = make(maps, convs, stride)
                    maps = convs[-1].maps
                self.add_module(name, nn.Sequential(row))
            self.average_pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
            self.fc = nn.Linear(maps, num_classes)
        initialise(self, zero_init_last_gamma)


def initialise(network: nn.Module, zero_init_last_gamma: bool = False) -> None:
    """Section 3.4, "as in" He et al. 2015: weights normal with variance 2 / fan-in, biases 0."""
    for _, layer in layers_to_initialise(network):
        nn.init.kaiming_normal_(layer.weight)  # [init]
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for block in network.modules():
        if zero_init_last_gamma and isinstance(block, ResidualBlock):
            *_, gamma, _beta = block.residual_branch.parameters()
            nn.init.zeros_(gamma)


PAPER = Paper(
    "Deep Residual Learning for Image Recognition", "Kaiming He, Xiangyu Zhang, Shaoqing Ren, Jian Sun",
    "CVPR 2016, pages 770-778", 2015, "arXiv:1512.03385",
)  # fmt: skip


def sizes(rows: Rows) -> dict[str, PublishedRow]:
    """Table 1's output sizes, with the maps of a column's brackets."""
    blocks = {name: (rows[name][0][-1].maps, side, side) for name, (side, *_) in TABLE_1.items()}
    return {name: PublishedRow(size) for name, size in {"conv1": (64, 112, 112), **blocks, "fc": (1000,)}.items()}


Errors = tuple[str, str, float, float | None]


def results(*errors: Errors) -> tuple[Result, ...]:
    """Errors on ImageNet's validation images, from test, source, top-1 and top-5."""
    return tuple(
        Result(f"ImageNet val top-{k} error, {test}", error, source)
        for test, source, *both in errors
        for k, error in zip((1, 5), both, strict=True)
        if error is not None
    )


def _variant(kind: str, net: partial[ResNet], layers: int, giga: float | None, tags: str, *errors: Errors) -> Variant:
    build, min_size = partial(net, rows=column(layers)), net.keywords["stem"].min_size
    macs = None if giga is None else round(giga * 1e9)
    published = Published("table 1", sizes(column(layers)), macs=macs, results=results(*errors))
    summary, departures = f"{layers} layers, {kind}", deviations(__doc__, *tags.split(), "init")
    return Variant(build, "ResNet", summary, PAPER, (3, 224, 224), min_size, 1000, published, departures)


_plain = partial(_variant, "two 3x3 a block, no shortcuts", partial(ResNet, stem=PADDED, shortcut=None))
_basic = partial(_variant, "two 3x3 a block", partial(ResNet, stem=PADDED))  # [b18]
_v1 = partial(_variant, "bottleneck blocks", partial(ResNet, stem=RELEASED))
# [v1_5]
_v1_5 = partial(_variant, "bottlenecks with their stride in the 3x3", partial(ResNet, stem=PADDED, stride_at=1))

TEN, SCALES = ("10 crops", "table 3"), ("several scales", "table 4")
ONE, TORCH = ("1 crop", "the authors' release"), ("1 crop", "fb.resnet.torch")
VARIANTS = {
    "plain18": _plain(18, 1.8, "padded", ("10 crops", "table 2", 27.94, None)),
    "plain34": _plain(34, 3.6, "padded", (*TEN, 28.54, 10.02)),
    "resnet18": _basic(18, 1.8, "padded b18", ("10 crops, option A", "table 2", 27.88, None)),
    "resnet34": _basic(34, 3.6, "padded", (*TEN, 24.52, 7.46), (*SCALES, 21.84, 5.71)),
    "resnet50": _v1(50, 3.8, "stride pool bias", (*TEN, 22.85, 6.71), (*SCALES, 20.74, 5.25), (*ONE, 24.7, 7.8)),
    "resnet101": _v1(101, 7.6, "stride pool", (*TEN, 21.75, 6.05), (*SCALES, 19.87, 4.60), (*ONE, 23.6, 7.1)),
    "resnet152": _v1(152, 11.3, "stride pool", (*TEN, 21.43, 5.71), (*SCALES, 19.38, 4.49), (*ONE, 23.0, 6.7)),
    "resnet50_v1_5": _v1_5(50, None, "v1_5", (*TORCH, 24.01, 7.02)),
    "resnet101_v1_5": _v1_5(101, None, "v1_5", (*TORCH, 22.44, 6.21)),
    "resnet152_v1_5": _v1_5(152, None, "v1_5", (*TORCH, 22.16, 6.16)),
}
