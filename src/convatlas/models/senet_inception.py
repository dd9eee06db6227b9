"""SENet in Inception networks and VGG. Hu, Shen, Albanie, Sun and Wu, "Squeeze-and-Excitation Networks",
arXiv:1709.01507.

Read with figure 2 and Table 2 in hand, and for SE-BN-Inception with Table 1 of Batch Normalization, arXiv:1502.03167,
which it departs from as released (hujie-frank/SENet). The block and residual networks are in `senet.py`.

Deviations:
    [biases] Both layers of the excitation have biases, as released; equation 3 has none.
    [init] He et al. 2015 by fan-in, for the excitation and the last layers too, and biases 0; the paper only cites it.
    [conv1] The Batch Normalization paper has a separable conv1. As released: a plain 7x7.
    [proj] The pool projections of 4c and 4d have 128 maps as released, so the modules have 608 where the table prints
        576.
    [modules] The gate is on a module's concatenated maps, also in 3c and 4e, which halve them; as released.
    [larger] Other sizes than 224x224 can give 3c and 4e maps of odd size; their max pool overhangs these by 2 pixels,
        not 1, and so gives as many as the convolutions. The last average is over whatever map there is.
    [unknown] SE-Inception-ResNet-v2 was not released, and no reading of it has the 11.76 billion operations of Table 2.
        Here the gates are on the residual branches of inception_resnet_v2, before they are scaled.
    [vgg] Not released either. Batch normalisation and a gate behind the ReLU of each convolution is all that the paper
        says of it; the rest is vgg16_bn.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from convatlas.models.inception_resnet import FIGURE_16, FIGURE_17, FIGURE_18, FIGURE_19, SCALES, Residual
from convatlas.models.inception_v4 import FIGURE_3, Figure, Inception, figure_7
from convatlas.models.initialisation import uninitialised
from convatlas.models.layers import conv_bn_relu
from convatlas.models.network import Network
from convatlas.models.resnet import initialise, results
from convatlas.models.senet import HERE, PAPER, RELEASE, SqueezeExcitation
from convatlas.models.variant import Published, PublishedRow, Variant, deviations
from convatlas.models.vgg import VGG, batch_normalised

avg = partial(nn.AvgPool2d, 3, stride=1, padding=1)
max_ = partial(nn.MaxPool2d, 3, stride=1, padding=1)
# Between layers: nothing is padded, and sizes are rounded up.
halving_pool = partial(nn.MaxPool2d, 3, stride=2, ceil_mode=True)


class Widths(NamedTuple):
    """The columns of Table 1 of Batch Normalization from #1x1 on; a module without #1x1 has stride 2."""

    conv1x1: int
    reduce3x3: int
    conv3x3: int
    reduce_double: int
    conv_double: int
    pool: Callable[[], nn.Module] = avg
    pool_proj: int = 0

    @property
    def stride(self) -> int:
        """Of the 3x3, of the second of two 3x3, and of the pool."""
        return 1 if self.conv1x1 else 2

    def out_channels(self, in_channels: int) -> int:
        """Maps of all branches; without a projection the pool passes its input's through."""
        return self.conv1x1 + self.conv3x3 + self.conv_double + (self.pool_proj or in_channels)


BN_INCEPTION = {
    "inception_3a": Widths(64, 64, 64, 64, 96, avg, 32),
    "inception_3b": Widths(64, 64, 96, 64, 96, avg, 64),
    "inception_3c": Widths(0, 128, 160, 64, 96),
    "inception_4a": Widths(224, 64, 96, 96, 128, avg, 128),
    "inception_4b": Widths(192, 96, 128, 96, 128, avg, 128),
    "inception_4c": Widths(160, 128, 160, 128, 160, avg, 128),  # [proj]
    "inception_4d": Widths(96, 128, 192, 160, 192, avg, 128),  # [proj]
    "inception_4e": Widths(0, 128, 192, 192, 256),
    "inception_5a": Widths(352, 192, 320, 160, 224, avg, 128),
    "inception_5b": Widths(352, 192, 320, 192, 224, max_, 128),
}


class SEInception(nn.Module):
    """Figure 2: the gate is on the module's concatenated branches."""

    def __init__(self, in_channels: int, w: Widths) -> None:
        super().__init__()
        self.branches = nn.ModuleDict()
        if w.conv1x1:
            self.branches["branch1x1"] = conv_bn_relu(in_channels, w.conv1x1, 1)
        self.branches["branch3x3"] = nn.Sequential(
            conv_bn_relu(in_channels, w.reduce3x3, 1),
            conv_bn_relu(w.reduce3x3, w.conv3x3, 3, stride=w.stride, padding=1),
        )
        self.branches["branch3x3_double"] = nn.Sequential(
            conv_bn_relu(in_channels, w.reduce_double, 1),
            conv_bn_relu(w.reduce_double, w.conv_double, 3, padding=1),
            conv_bn_relu(w.conv_double, w.conv_double, 3, stride=w.stride, padding=1),
        )
        if w.pool_proj:
            self.branches["branch_pool"] = nn.Sequential(w.pool(), conv_bn_relu(in_channels, w.pool_proj, 1))
        else:
            # [larger] No map is below zero, so that zeros never win.
            self.branches["branch_pool"] = nn.Sequential(nn.ZeroPad2d((0, 2, 0, 2)), nn.MaxPool2d(3, stride=2))
        self.gate = SqueezeExcitation(w.out_channels(in_channels))  # [modules] [biases]

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.gate(torch.cat([branch(x) for branch in self.branches.values()], 1))
        return y


class SEBNInception(Network):
    """SE-BN-Inception as released."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        with uninitialised():
            self.conv1 = conv_bn_relu(in_channels, 64, 7, stride=2, padding=3)  # [conv1]
            self.pool1 = halving_pool()
            self.conv2 = nn.Sequential(conv_bn_relu(64, 64, 1), conv_bn_relu(64, 192, 3, padding=1))
            self.pool2 = halving_pool()
            channels = 192
            for name, widths in BN_INCEPTION.items():
                self.add_module(name, SEInception(channels, widths))
                channels = widths.out_channels(channels)
            self.pool5 = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())  # [larger]
            self.fc = nn.Linear(channels, num_classes)
        initialise(self)  # [init]


class SEResidual(Residual):
    """[unknown] An Inception-ResNet block with a gate."""

    def __init__(self, channels: int, figure: Figure, scale: float) -> None:
        super().__init__(channels, figure, scale)
        self.gate = SqueezeExcitation(channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(x + self.scale * self.gate(self.linear1x1(self.branches(x))))
        return y


def se_inception_resnet_v2(num_classes: int, in_channels: int) -> Inception:
    """[unknown] inception_resnet_v2 with gated blocks."""
    a, b, c = SCALES
    return Inception(
        num_classes,
        in_channels,
        {
            "stem": FIGURE_3,
            "inception_resnet_a": 5 * (partial(SEResidual, figure=FIGURE_16, scale=a),),
            "reduction_a": (figure_7("inception_resnet_v2"),),
            "inception_resnet_b": 10 * (partial(SEResidual, figure=FIGURE_17, scale=b),),
            "reduction_b": (FIGURE_18,),
            "inception_resnet_c": 5 * (partial(SEResidual, figure=FIGURE_19, scale=c),),
        },
        initialise,
    )


def gated(channels: int) -> list[nn.Module]:
    """[vgg] What follows a convolution."""
    return [*batch_normalised(channels), SqueezeExcitation(channels)]


SIZES = {
    "conv1": (64, 112, 112), "pool1": (64, 56, 56), "conv2": (192, 56, 56), "pool2": (192, 28, 28),
    "inception_3a": (256, 28, 28), "inception_3b": (320, 28, 28), "inception_3c": (576, 14, 14),
    "inception_4a": (576, 14, 14), "inception_4b": (576, 14, 14), "inception_4c": (608, 14, 14),
    "inception_4d": (608, 14, 14), "inception_4e": (1056, 7, 7),
    "inception_5a": (1024, 7, 7), "inception_5b": (1024, 7, 7), "pool5": (1024,), "fc": (1000,),
}  # fmt: skip

VARIANTS = {
    "se_bn_inception": Variant(
        SEBNInception, "SENet", "BN-Inception, the second GoogLeNet, with squeeze and excitation",
        PAPER, (3, 224, 224), 7, 1000,
        Published(
            "sizes of the release, table 2", {name: PublishedRow(size) for name, size in SIZES.items()},
            macs=2_040_000_000, results=results((*HERE, 24.23, 7.14), (*RELEASE, 23.62, 7.04)),
        ),
        deviations(__doc__, "biases", "init", "conv1", "proj", "modules", "larger"),
    ),
    "se_inception_resnet_v2": Variant(
        se_inception_resnet_v2, "SENet", "Inception-ResNet-v2 with squeeze and excitation in its residual blocks",
        PAPER, (3, 299, 299), 75, 1000,
        Published("table 2", macs=11_760_000_000, results=results((*HERE, 19.80, 4.79))),
        deviations(__doc__, "unknown", "biases", "init"),
    ),
    "se_vgg16": Variant(
        partial(VGG, column="D", after=gated, initialise=initialise), "SENet",
        "VGG-16, batch normalised, with squeeze and excitation behind each convolution",
        PAPER, (3, 224, 224), 32, 1000, None, deviations(__doc__, "vgg", "biases", "init"),
    ),
}  # fmt: skip
