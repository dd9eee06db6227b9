"""Network in Network. Lin, Chen and Yan, ICLR 2014, arXiv:1312.4400 (December 2013).

Read with section 3 and figures 1(b) and 2 in hand: an mlpconv layer is a convolution and two 1x1 convolutions, each
with its ReLU, so that the class scores, too, are never negative. The paper gives no sizes; the tables are the authors'
files cifar-10_def and mnist_def, in mavenlin/cuda-convnet, with the names that layers have there ("cccp" for 1x1).

Deviations:
    [sizes] The paper prints no widths, kernels or pooling windows; they are those of the authors' files.
    [init] The paper says that initial weights were set by hand. As in the authors' files: normal with deviation 0.05,
        0.01 for three layers of nin_imagenet, and biases of zero.
    [dropout] The paper does not say where dropout is scaled. As everywhere in PyTorch, what it keeps is doubled in
        training.
    [imagenet] nin_imagenet is not in the paper: it is the first author's model of that name in the Caffe Model Zoo,
        with four mlpconv layers and dropout before the last one only.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from torch import nn

from convatlas.models.initialisation import layers_to_initialise, uninitialised
from convatlas.models.layers import conv_relu
from convatlas.models.network import Network
from convatlas.models.variant import Paper, Published, Result, Variant, deviations


class Conv(NamedTuple):
    """A convolution, or a 1x1 "cccp" layer."""

    maps: int | None
    """None: a map for each class."""
    size: int = 1
    stride: int = 1
    padding: int = 0
    deviation: float = 0.05
    """Of the initial weights."""


def max_pool() -> nn.Module:
    """Windows of 3x3 at stride 2, as many as touch the map: cuda-convnet and Caffe round up."""
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


def dropout() -> nn.Module:
    """Half of the values; section 4.1."""
    return nn.Dropout(0.5)  # [dropout]


def global_average() -> nn.Module:
    """Each class's map averaged to its score; section 3.2."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


Rows = Mapping[str, Conv | Callable[[], nn.Module]]

# [sizes] NIN/cifar-10_def
CIFAR_10: Rows = {
    "conv1": Conv(192, 5, padding=2),
    "cccp1": Conv(160),
    "cccp2": Conv(96),
    "pool1": max_pool,
    "dropout1": dropout,
    "conv2": Conv(192, 5, padding=2),
    "cccp3": Conv(192),
    "cccp4": Conv(192),
    "pool2": max_pool,
    "dropout2": dropout,
    "conv3": Conv(192, 3, padding=1),
    "cccp5": Conv(192),
    "cccp6": Conv(None),
    "poolg": global_average,
}

# [sizes] NIN/mnist_def
MNIST: Rows = {
    "conv1": Conv(96, 5, padding=2),
    "cccp1": Conv(64),
    "cccp2": Conv(48),
    "pool1": max_pool,
    "dropout1": dropout,
    "conv2": Conv(128, 5, padding=2),
    "cccp3": Conv(96),
    "cccp4": Conv(48),
    "pool2": max_pool,
    "dropout2": dropout,
    "conv3": Conv(128, 5, padding=2),
    "cccp5": Conv(96),
    "cccp6": Conv(None),
    "poolg": global_average,
}

# [imagenet] train_val.prototxt of nin_imagenet
IMAGENET: Rows = {
    "conv1": Conv(96, 11, stride=4, deviation=0.01),
    "cccp1": Conv(96),
    "cccp2": Conv(96),
    "pool0": max_pool,
    "conv2": Conv(256, 5, padding=2),
    "cccp3": Conv(256),
    "cccp4": Conv(256),
    "pool2": max_pool,
    "conv3": Conv(384, 3, padding=1, deviation=0.01),
    "cccp5": Conv(384),
    "cccp6": Conv(384),
    "pool3": max_pool,
    "drop": dropout,
    "conv4": Conv(1024, 3, padding=1),
    "cccp7": Conv(1024),
    "cccp8": Conv(None, deviation=0.01),
    "pool4": global_average,
}


class NiN(Network):
    """Figure 2: mlpconv layers, and the global average of the last one's maps."""

    def __init__(self, num_classes: int, in_channels: int, *, rows: Rows) -> None:
        super().__init__()
        with uninitialised():
            channels = in_channels
            for name, row in rows.items():
                if isinstance(row, Conv):
                    maps = num_classes if row.maps is None else row.maps
                    layer = conv_relu(channels, maps, row.size, stride=row.stride, padding=row.padding)
                    self.add_module(name, layer)
                    channels = maps
                else:
                    self.add_module(name, row())
        initialise(self, rows)


def initialise(network: nn.Module, rows: Rows) -> None:
    """[init] "We manually set proper initializations for the weights"; section 4.1."""
    for name, layer in layers_to_initialise(network):
        row = rows[name.split(".")[0]]
        if isinstance(row, Conv) and layer.bias is not None:
            nn.init.normal_(layer.weight, std=row.deviation)
            nn.init.zeros_(layer.bias)


PAPER = Paper("Network In Network", "Min Lin, Qiang Chen, Shuicheng Yan", "ICLR 2014", 2013, "arXiv:1312.4400")

VARIANTS = {
    "nin_cifar10": Variant(
        partial(NiN, rows=CIFAR_10), "NiN", "three mlpconv layers for CIFAR-10, and no linear layer",
        PAPER, (3, 32, 32), 4, 10,
        Published("sizes are in the authors' cifar-10_def", results=(
            Result("CIFAR-10 test error, no augmentation", 10.41, "table 1"),
            Result("CIFAR-10 test error, augmentation", 8.81, "table 1"),
        )),
        deviations(__doc__, "sizes", "init", "dropout"),
    ),
    "nin_mnist": Variant(
        partial(NiN, rows=MNIST), "NiN", "three narrower mlpconv layers for MNIST",
        PAPER, (1, 28, 28), 4, 10,
        Published("sizes are in the authors' mnist_def", results=(
            Result("MNIST test error, no augmentation", 0.47, "table 4"),
        )),
        deviations(__doc__, "sizes", "init", "dropout"),
    ),
    "nin_imagenet": Variant(
        partial(NiN, rows=IMAGENET), "NiN", "four mlpconv layers for ImageNet, the first author's model",
        PAPER, (3, 224, 224), 39, 1000,
        Published("not in the paper; sizes are in the Caffe Model Zoo's nin_imagenet", results=(
            Result("ILSVRC-2012 validation top-1 error, 1 crop", 40.64, "its readme"),
        )),
        deviations(__doc__, "imagenet", "init", "dropout"),
    ),
}  # fmt: skip
