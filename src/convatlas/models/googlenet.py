"""GoogLeNet. Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke and Rabinovich, "Going Deeper with
Convolutions", CVPR 2015, arXiv:1409.4842 (September 2014).

Read with Table 1, figure 2(b) for the module and figure 3 for the whole network in hand. Where the paper is silent the
authority is bvlc_googlenet of BVLC/caffe, a replication that its readme thanks Szegedy for helping with.

Deviations:
    [counts] Table 1 prints 2.7K parameters and 34M operations for conv1. They fit a separable convolution, which
        neither the text nor figure 3 has: the plain 7x7 has 9.4K weights and 118M multiply-adds. The rows 4a to 5b
        print other parameters than their own widths give. Widths and sizes are held to.
    [lrn] The paper has no parameters for local response normalisation: size 5, alpha 0.0001, beta 0.75 and k 1, as in
        bvlc_googlenet.
    [init] The paper has no initialisation. As in bvlc_googlenet: weights uniform in +-sqrt(3 / fan-in), biases 0.2, and
        0 in the classifiers.
    [logits] The softmax, the last row of Table 1, belongs to the loss.
    [larger] At other sizes than 224x224 the average is over whatever map there is, and the heads average theirs to 4x4.
    [bn] googlenet_bn, the network of torchvision: batch normalisation in place of local response normalisation and of
        biases, a 3x3 where the module has its 5x5, 2x2 in pool4, dropout of 20 %, heads that average straight to 4x4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convatlas.errors import UsageError
from convatlas.models.initialisation import layers_to_initialise, uninitialised
from convatlas.models.layers import LocalResponseNorm, conv_bn_relu, conv_relu
from convatlas.models.network import Network
from convatlas.models.variant import Paper, Published, PublishedRow, Ratio, Result, Variant, deviations


class Widths(NamedTuple):
    """The columns of Table 1 from #1x1 to pool proj."""

    conv1x1: int
    reduce3x3: int
    conv3x3: int
    reduce5x5: int
    conv5x5: int
    pool_proj: int


TABLE_1 = {
    "inception_3a": Widths(64, 96, 128, 16, 32, 32),
    "inception_3b": Widths(128, 128, 192, 32, 96, 64),
    "inception_4a": Widths(192, 96, 208, 16, 48, 64),
    "inception_4b": Widths(160, 112, 224, 24, 64, 64),
    "inception_4c": Widths(128, 128, 256, 24, 64, 64),
    "inception_4d": Widths(112, 144, 288, 32, 64, 64),
    "inception_4e": Widths(256, 160, 320, 32, 128, 128),
    "inception_5a": Widths(256, 160, 320, 32, 128, 128),
    "inception_5b": Widths(384, 192, 384, 48, 128, 128),
}

# Section 5: "the losses of the auxiliary classifiers were weighted by 0.3".
AUXILIARY_WEIGHT = 0.3


class HeadPool(nn.Module):
    """The 5x5 average with stride 3 that an auxiliary classifier begins with; section 5. 4x4 for a map of 14x14."""

    def forward(self, x: Tensor) -> Tensor:
        kernel = (min(5, x.shape[2]), min(5, x.shape[3]))
        return F.adaptive_avg_pool2d(F.avg_pool2d(x, kernel, 3), 4)  # [larger]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the rows are made of."""

    conv: Callable[..., nn.Module]
    norm: Callable[[], nn.Module] | None
    side5x5: int
    pool4: int
    dropout: float
    head_pool: Callable[[], nn.Module]


PAPER_PARTS = Parts(
    conv=conv_relu,
    norm=partial(LocalResponseNorm, 5, alpha=1e-4, beta=0.75, k=1.0),  # [lrn]
    side5x5=5,
    pool4=3,
    dropout=0.4,
    head_pool=HeadPool,
)

BN_PARTS = Parts(  # [bn]
    conv=partial(conv_bn_relu, eps=1e-3),
    norm=None,
    side5x5=3,
    pool4=2,
    dropout=0.2,
    head_pool=partial(nn.AdaptiveAvgPool2d, 4),
)


class Inception(nn.Module):
    """Figure 2(b): four branches over one input, concatenated."""

    def __init__(self, in_channels: int, w: Widths, parts: Parts) -> None:
        super().__init__()
        conv, side = parts.conv, parts.side5x5
        self.branch1x1 = conv(in_channels, w.conv1x1, 1)
        self.branch3x3 = nn.Sequential(conv(in_channels, w.reduce3x3, 1), conv(w.reduce3x3, w.conv3x3, 3, padding=1))
        self.branch5x5 = nn.Sequential(
            conv(in_channels, w.reduce5x5, 1), conv(w.reduce5x5, w.conv5x5, side, padding=side // 2)
        )
        self.branch_pool = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), conv(in_channels, w.pool_proj, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1x1(x), self.branch3x3(x), self.branch5x5(x), self.branch_pool(x)], 1)


class AuxiliaryClassifier(nn.Module):
    """The small network that section 5 puts on the output of 4a and of 4d."""

    def __init__(self, in_channels: int, num_classes: int, parts: Parts) -> None:
        super().__init__()
        self.pool = parts.head_pool()
        self.conv = parts.conv(in_channels, 128, 1)
        self.fc = nn.Linear(128 * 4 * 4, 1024)
        self.dropout = nn.Dropout(0.7)
        self.linear = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.pool(x)).flatten(1)
        logits: Tensor = self.linear(self.dropout(F.relu(self.fc(x))))
        return logits


class GoogLeNet(Network):
    """Table 1 and figure 3.

    Args:
        parts: what the rows are made of.
        heads: with the auxiliary classifiers, which the paper throws away after training.
    """

    off_path = ("auxiliary_4a", "auxiliary_4d")

    def __init__(self, num_classes: int, in_channels: int, *, parts: Parts = PAPER_PARTS, heads: bool = True) -> None:
        super().__init__()
        conv, inception = parts.conv, partial(Inception, parts=parts)
        pool = partial(nn.MaxPool2d, stride=2, ceil_mode=True)  # the sizes of Table 1, without padding
        with uninitialised():
            self.conv1 = conv(in_channels, 64, 7, stride=2, padding=3)  # [counts]
            self.pool1 = pool(3)
            if parts.norm:
                self.norm1 = parts.norm()
            self.conv2 = nn.Sequential(conv(64, 64, 1), conv(64, 192, 3, padding=1))
            if parts.norm:
                self.norm2 = parts.norm()
            self.pool2 = pool(3)
            self.inception_3a = inception(192, TABLE_1["inception_3a"])
            self.inception_3b = inception(256, TABLE_1["inception_3b"])
            self.pool3 = pool(3)
            self.inception_4a = inception(480, TABLE_1["inception_4a"])
            if heads:
                self.auxiliary_4a = AuxiliaryClassifier(512, num_classes, parts)
            self.inception_4b = inception(512, TABLE_1["inception_4b"])
            self.inception_4c = inception(512, TABLE_1["inception_4c"])
            self.inception_4d = inception(512, TABLE_1["inception_4d"])
            if heads:
                self.auxiliary_4d = AuxiliaryClassifier(528, num_classes, parts)
            self.inception_4e = inception(528, TABLE_1["inception_4e"])
            self.pool4 = pool(parts.pool4)
            self.inception_5a = inception(832, TABLE_1["inception_5a"])
            self.inception_5b = inception(832, TABLE_1["inception_5b"])
            self.pool5 = nn.AdaptiveAvgPool2d(1)  # [larger]
            self.dropout = nn.Sequential(nn.Flatten(), nn.Dropout(parts.dropout))
            self.linear = nn.Linear(1024, num_classes)  # [logits]
        initialise(self)

    def forward_with_auxiliary(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the network and of the auxiliary classifiers on 4a and 4d, for images (N, C, H, W).

        DistributedDataParallel follows `forward` alone: give it a module whose `forward` calls this.

        Raises:
            UsageError: if the network was built without auxiliary classifiers.
        """
        if not set(self.off_path) <= self._modules.keys():
            raise UsageError("this network has no auxiliary classifiers", do="build it with heads=True")
        rows = self.features(images)
        return rows["linear"], self.auxiliary_4a(rows["inception_4a"]), self.auxiliary_4d(rows["inception_4d"])


def loss_with_auxiliary(logits: tuple[Tensor, Tensor, Tensor], labels: Tensor) -> Tensor:
    """Cross-entropy of the network plus 0.3 of that of each auxiliary classifier; section 5.

    Args:
        logits: what `GoogLeNet.forward_with_auxiliary` gives.
        labels: class indices (N,).
    """
    network, head_4a, head_4d = (F.cross_entropy(part, labels) for part in logits)
    return network + AUXILIARY_WEIGHT * (head_4a + head_4d)


def initialise(network: nn.Module) -> None:
    """[init] The paper is silent."""
    for name, layer in layers_to_initialise(network):
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="linear")  # +-sqrt(3 / fan-in)
        if layer.bias is not None:
            nn.init.constant_(layer.bias, 0.0 if name.endswith("linear") else 0.2)


PAPER = Paper(
    "Going Deeper with Convolutions",
    "Christian Szegedy, Wei Liu, Yangqing Jia, Pierre Sermanet, Scott Reed, Dragomir Anguelov, Dumitru Erhan, "
    "Vincent Vanhoucke, Andrew Rabinovich", "CVPR 2015", 2014, "arXiv:1409.4842",
)  # fmt: skip

SIZES = {
    "conv1": (64, 112, 112), "pool1": (64, 56, 56), "conv2": (192, 56, 56), "pool2": (192, 28, 28),
    "inception_3a": (256, 28, 28), "inception_3b": (480, 28, 28), "pool3": (480, 14, 14),
    "inception_4a": (512, 14, 14), "inception_4b": (512, 14, 14), "inception_4c": (512, 14, 14),
    "inception_4d": (528, 14, 14), "inception_4e": (832, 14, 14), "pool4": (832, 7, 7), "inception_5a": (832, 7, 7),
    "inception_5b": (1024, 7, 7), "pool5": (1024, 1, 1), "dropout": (1024,), "linear": (1000,),
}  # fmt: skip

PUBLISHED = Published(
    source="table 1", rows={name: PublishedRow(size) for name, size in SIZES.items()}, macs=1_500_000_000,
    results=(
        Result("ImageNet top-5 error, 1 crop", 10.07, "table 3"),
        Result("ImageNet top-5 error, 10 crops", 9.15, "table 3"),
        Result("ImageNet top-5 error, 144 crops", 7.89, "table 3"),
        Result("ImageNet top-5 error, 144 crops, 7 networks", 6.67, "table 3"),
    ),
    ratios=(
        Ratio("alexnet", 10, "the notes'", (60_000_000, 6_000_000), ""),
        Ratio("alexnet", 12, "its paper's", (60_000_000, 5_000_000), "section 1; numbers of arXiv:1512.00567"),
    ),
)  # fmt: skip

VARIANTS = {
    "googlenet": Variant(
        GoogLeNet, "GoogLeNet", "the network of 2014: nine inception modules, two auxiliary classifiers",
        PAPER, (3, 224, 224), 31, 1000, PUBLISHED, deviations(__doc__, "counts", "lrn", "init", "logits", "larger"),
    ),
    "googlenet_bn": Variant(
        partial(GoogLeNet, parts=BN_PARTS), "GoogLeNet", "torchvision's network: batch normalisation, 3x3 for 5x5",
        PAPER, (3, 224, 224), 15, 1000, None, deviations(__doc__, "bn", "init", "logits", "larger"),
    ),
}  # fmt: skip
