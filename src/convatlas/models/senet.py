"""SENet. Hu, Shen, Albanie, Sun and Wu, "Squeeze-and-Excitation Networks", IEEE TPAMI 42(8):2011-2023, 2020,
doi:10.1109/TPAMI.2019.2913372; first in September 2017, arXiv:1709.01507.

Read with figures 1 to 3 and Table 1 in hand, figure 7 for where else the block may sit. Where the paper is silent the
authority is what its authors released (hujie-frank/SENet). Everything but the block is that of `resnet.py`.

Deviations:
    [biases] Both layers of the excitation have biases, as released; equation 3 has none.
    [stride] The paper does not say which layer halves the map. As released: the first 1x1 in SE-ResNet, the 3x3 in
        SE-ResNeXt and SENet-154.
    [pool] The max pool is not padded and sizes are rounded up, as released.
    [init] He et al. 2015 by fan-in, for the excitation and the last layer too, and biases 0; the paper only cites it.
    [identity] Figure 7(e) draws no projection. Where a block has one, the gate follows it.
    [v1_5] se_resnet50_v1_5 has the stride in the 3x3 and a padded max pool, as today's libraries have.
    [cifar] se_resnet20_cifar is not in the paper, whose nets for CIFAR are deeper: ResNet-20 with figure 3's block.
        The zero maps of its shortcuts (option A) are appended behind the others.
"""

from collections.abc import Mapping
from functools import partial

from torch import Tensor, nn

from convatlas.models.layers import conv_bn, conv_bn_relu
from convatlas.models.resnet import (
    PADDED,
    RELEASED,
    Conv,
    Convs,
    Errors,
    Gate,
    Option,
    ResidualBlock,
    ResNet,
    Rows,
    column,
    results,
    sizes,
)
from convatlas.models.resnet_cifar import CIFAR
from convatlas.models.resnet_cifar import rows as cifar_rows
from convatlas.models.variant import Paper, Published, Variant, deviations

Brackets = Mapping[str, Convs]

# Table 1, third column (32x4d), without the blocks' numbers, which are those of the ResNet as deep.
RESNEXT: Brackets = {
    "conv2_x": (Conv(1, 128), Conv(3, 128, groups=32), Conv(1, 256)),
    "conv3_x": (Conv(1, 256), Conv(3, 256, groups=32), Conv(1, 512)),
    "conv4_x": (Conv(1, 512), Conv(3, 512, groups=32), Conv(1, 1024)),
    "conv5_x": (Conv(1, 1024), Conv(3, 1024, groups=32), Conv(1, 2048)),
}

# Appendix: SENet-154 is 64x4d and 152 deep, with half the maps in the first 1x1.
SENET_154: Brackets = {
    "conv2_x": (Conv(1, 128), Conv(3, 256, groups=64), Conv(1, 256)),
    "conv3_x": (Conv(1, 256), Conv(3, 512, groups=64), Conv(1, 512)),
    "conv4_x": (Conv(1, 512), Conv(3, 1024, groups=64), Conv(1, 1024)),
    "conv5_x": (Conv(1, 1024), Conv(3, 2048, groups=64), Conv(1, 2048)),
}


def grouped(brackets: Brackets, layers: int) -> Rows:
    """These brackets, as often as the ResNet with this many layers has its own."""
    return {name: (brackets[name], blocks) for name, (_, blocks) in column(layers).items()}


class SqueezeExcitation(nn.Module):
    """Figure 1: each map is multiplied by a number between 0 and 1 that is computed from the means of all maps."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        # [biases]
        self.excitation = nn.Sequential(
            nn.Linear(channels, channels // reduction),
            nn.ReLU(),
            nn.Linear(channels // reduction, channels),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        scale: Tensor = self.excitation(self.squeeze(x))
        return x * scale.unsqueeze(-1).unsqueeze(-1)


class PreBlock(ResidualBlock):
    """Figure 7(c): the gate comes before the residual branch."""

    def __init__(
        self, in_channels: int, convs: Convs, stride: int, *, stride_at: int, shortcut: Option, gate: Gate
    ) -> None:
        super().__init__(in_channels, convs, stride, stride_at=stride_at, shortcut=shortcut, gate=nn.Identity)
        self.gate = gate(in_channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.relu(self.residual_branch(self.gate(x)) + self.shortcut(x))
        return y


class PostBlock(ResidualBlock):
    """Figure 7(d): the gate comes last, after the sum and its ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.gate(self.relu(self.residual_branch(x) + self.shortcut(x)))
        return y


class IdentityBlock(ResidualBlock):
    """Figure 7(e): the gate is on the shortcut."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.relu(self.residual_branch(x) + self.gate(self.shortcut(x)))  # [identity]
        return y


# Figure 7(b) to (e).
POSITIONS = {"standard": ResidualBlock, "pre": PreBlock, "post": PostBlock, "identity": IdentityBlock}


def senet154_stem(in_channels: int) -> nn.Module:
    """Three 3x3 in place of the 7x7."""
    return nn.Sequential(
        *conv_bn_relu(in_channels, 64, 3, stride=2, padding=1),
        *conv_bn_relu(64, 64, 3, padding=1),
        *conv_bn_relu(64, 128, 3, padding=1),
    )


class SENet154Block(ResidualBlock):
    """Where the map is halved, the projection is a 3x3."""

    def __init__(
        self, in_channels: int, convs: Convs, stride: int, *, stride_at: int, shortcut: Option, gate: Gate
    ) -> None:
        super().__init__(in_channels, convs, stride, stride_at=stride_at, shortcut=shortcut, gate=gate)
        if stride > 1:
            self.shortcut = conv_bn(in_channels, convs[-1].maps, 3, stride=stride, padding=1)


class SENet154(ResNet):
    """The network behind the entry of ILSVRC 2017; appendix."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__(
            num_classes,
            in_channels,
            rows=grouped(SENET_154, 152),
            stem=RELEASED._replace(conv1=senet154_stem, maps=128),
            stride_at=1,
            block=SENet154Block,
            gate=SqueezeExcitation,
        )
        self.average_pool.append(nn.Dropout(0.2))


PAPER = Paper(
    "Squeeze-and-Excitation Networks", "Jie Hu, Li Shen, Samuel Albanie, Gang Sun, Enhua Wu",
    "CVPR 2018; IEEE TPAMI 42(8):2011-2023", 2017, "arXiv:1709.01507",
)  # fmt: skip

# [init] ResNet's serves all.
_resnet = partial(ResNet, stem=RELEASED, gate=SqueezeExcitation)  # [stride] [pool]
_resnext = partial(ResNet, stem=RELEASED, stride_at=1, gate=SqueezeExcitation)  # [stride] [pool]
_v1_5 = partial(ResNet, rows=column(50), stem=PADDED, stride_at=1, gate=SqueezeExcitation)  # [v1_5]
_cifar = partial(ResNet, rows=cifar_rows(3), stem=CIFAR, shortcut="A", gate=SqueezeExcitation)  # [cifar]


def _variant(summary: str, build: partial[ResNet], mega: int, *errors: Errors, params: int | None = None) -> Variant:
    published = Published(
        "table 1 for sizes, table 2", sizes(build.keywords["rows"]), params, macs=mega * 10**6, results=results(*errors)
    )
    departures = deviations(__doc__, "biases", "stride", "pool", "init")
    return Variant(build, "SENet", summary, PAPER, (3, 224, 224), RELEASED.min_size, 1000, published, departures)


HERE, RELEASE = ("1 crop", "table 2"), ("1 crop, trained again", "the authors' release")
SENET_154_ERRORS = (
    ("224x224, 1 crop", "the authors' release", 18.68, 4.47),
    ("320x320, 1 crop", "journal version", 17.28, 3.79),
)
VARIANTS = {
    "se_resnet50": _variant(
        "ResNet-50 with a squeeze-and-excitation block in every block", partial(_resnet, rows=column(50)),
        3_870, (*HERE, 23.29, 6.62), (*RELEASE, 22.37, 6.36), params=28_100_000,
    ),
    "se_resnet101": _variant(
        "ResNet-101 with a squeeze-and-excitation block in every block", partial(_resnet, rows=column(101)),
        7_600, (*HERE, 22.38, 6.07), (*RELEASE, 21.75, 5.72),
    ),
    "se_resnet152": _variant(
        "ResNet-152 with a squeeze-and-excitation block in every block", partial(_resnet, rows=column(152)),
        11_320, (*HERE, 21.57, 5.73), (*RELEASE, 21.34, 5.54),
    ),
    "se_resnext50_32x4d": _variant(
        "ResNeXt-50, 32 groups, with squeeze and excitation", partial(_resnext, rows=grouped(RESNEXT, 50)),
        4_250, (*HERE, 21.10, 5.49), (*RELEASE, 20.97, 5.54),
    ),
    "se_resnext101_32x4d": _variant(
        "ResNeXt-101, 32 groups, with squeeze and excitation", partial(_resnext, rows=grouped(RESNEXT, 101)),
        8_000, (*HERE, 20.70, 5.01), (*RELEASE, 19.81, 4.96),
    ),
    "senet154": Variant(
        SENet154, "SENet", "the largest: 64 groups, a stem of three 3x3, 3x3 projections, dropout",
        PAPER, (3, 224, 224), RELEASED.min_size, 1000,
        Published("the appendix, which has no table", results=results(*SENET_154_ERRORS)),
        deviations(__doc__, "biases", "stride", "pool", "init"),
    ),
    "se_resnet50_v1_5": Variant(
        _v1_5, "SENet", "SE-ResNet-50 with its stride in the 3x3",
        PAPER, (3, 224, 224), PADDED.min_size, 1000, None, deviations(__doc__, "biases", "v1_5", "init"),
    ),
    "se_resnet20_cifar": Variant(
        _cifar, "SENet", "20 layers for 32x32, with squeeze and excitation",
        PAPER, (3, 32, 32), CIFAR.min_size, 10, None, deviations(__doc__, "biases", "cifar", "init"),
    ),
}  # fmt: skip
