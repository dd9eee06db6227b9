"""AlexNet. Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks",
Advances in Neural Information Processing Systems 25, 2012, reprinted as doi:10.1145/3065386.

Read with figure 2 and section 3.5 in hand, section 3.3 for the normalisation, section 5 for the initialisation. Where
the paper leaves a question open, the authority is the authors' own definition of it: layers-145.cfg, in the source code
that the Computer History Museum released. A group of ours is a GPU of theirs.

Deviations:
    [overhang] Windows of 11x11 at stride 4 do not fit 224 pixels. As in the authors' code, which rounds up, the last
        ones overhang the image by 3 pixels to the right and below, and read zeros there.
    [alpha] As printed, alpha multiplies the sum of squares; the authors' code, from which their results come, divides
        it by n before. Ours divides; the class has the printed formula as `divide_alpha_by_n=False`.
    [halves] As printed, the sum runs over all the maps of a layer; in the authors' code over those of one GPU, and so
        in ours.
    [text] layers-145.cfg departs from the paper's text: conv1 is normalised and pooled before its ReLU, conv2 has a
        second normalisation within each map, conv3 to conv5 start with deviation 0.03. Ours follows the text.
    [dropout] As everywhere in PyTorch, what dropout keeps is doubled in training; the paper halves it in testing.
    [larger] An input of another size than the paper's gives fc6 maps of another size; they are averaged to 6x6.
        Nothing at the paper's size.
    [owt] alexnet_owt is torchvision's network: the widths of the later one-GPU network, neither groups nor
        normalisation, 2 pixels of padding in conv1, dropout on the inputs of fc6 and fc7, PyTorch's initialisation.
    [caffenet] caffenet is the network of Caffe, models/bvlc_reference_caffenet: it pools before it normalises, over all
        maps and with k = 1, takes 227 pixels without padding, and starts fc6 and fc7 with deviation 0.005.
"""

from typing import NamedTuple

from torch import nn

from convatlas.models.initialisation import layers_to_initialise, uninitialised
from convatlas.models.layers import LocalResponseNorm, conv_relu
from convatlas.models.network import Network
from convatlas.models.variant import Paper, Published, PublishedRow, Result, Variant, deviations


class Kernels(NamedTuple):
    """A convolutional layer as section 3.5 states it; padding as figure 2's sizes need it."""

    kernels: int
    size: int
    stride: int = 1
    padding: int = 0
    groups: int = 1


FIGURE_2 = {
    "conv1": Kernels(96, 11, stride=4),
    "conv2": Kernels(256, 5, padding=2, groups=2),
    "conv3": Kernels(384, 3, padding=1),
    "conv4": Kernels(384, 3, padding=1, groups=2),
    "conv5": Kernels(256, 3, padding=1, groups=2),
}

# [owt]
ONE_GPU = {
    "conv1": Kernels(64, 11, stride=4, padding=2),
    "conv2": Kernels(192, 5, padding=2),
    "conv3": Kernels(384, 3, padding=1),
    "conv4": Kernels(256, 3, padding=1),
    "conv5": Kernels(256, 3, padding=1),
}

# Section 5: "the second, fourth, and fifth convolutional layers, as well as [...] the fully-connected hidden layers".
BIASED_BY_ONE = ("conv2", "conv4", "conv5", "fc6", "fc7")


def convolution(table: dict[str, Kernels], name: str, in_channels: int) -> nn.Sequential:
    """The layer of that name, and its ReLU."""
    row = table[name]
    return conv_relu(in_channels, row.kernels, row.size, stride=row.stride, padding=row.padding, groups=row.groups)


def overlapping_pool() -> nn.MaxPool2d:
    """Section 3.4: s = 2 and z = 3."""
    return nn.MaxPool2d(3, stride=2)


def hidden(in_features: int) -> nn.Sequential:
    """A fully-connected hidden layer, its ReLU, and dropout of its output; section 4.2."""
    return nn.Sequential(nn.Linear(in_features, 4096), nn.ReLU(), nn.Dropout(0.5))  # [dropout]


def maps_to_vector() -> nn.Sequential:
    """The 6x6 maps of pool5 as one vector."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(6), nn.Flatten())  # [larger]


class AlexNet(Network):
    """Figure 2."""

    def __init__(self, num_classes: int, in_channels: int, *, divide_alpha_by_n: bool = True) -> None:
        super().__init__()
        n = 5
        alpha = 1e-4 if divide_alpha_by_n else n * 1e-4  # [alpha] LocalResponseNorm divides.
        with uninitialised():
            overhang = nn.ZeroPad2d((0, 3, 0, 3))  # [overhang]
            self.conv1 = nn.Sequential(overhang, *convolution(FIGURE_2, "conv1", in_channels))
            # [text] [halves]
            self.norm1 = LocalResponseNorm(n, alpha, beta=0.75, k=2.0, groups=2)
            self.pool1 = overlapping_pool()
            self.conv2 = convolution(FIGURE_2, "conv2", 96)
            self.norm2 = LocalResponseNorm(n, alpha, beta=0.75, k=2.0, groups=2)
            self.pool2 = overlapping_pool()
            self.conv3 = convolution(FIGURE_2, "conv3", 256)
            self.conv4 = convolution(FIGURE_2, "conv4", 384)
            self.conv5 = convolution(FIGURE_2, "conv5", 384)
            self.pool5 = overlapping_pool()
            self.fc6 = nn.Sequential(*maps_to_vector(), *hidden(256 * 6 * 6))
            self.fc7 = hidden(4096)
            self.fc8 = nn.Linear(4096, num_classes)
        initialise(self)


def initialise(network: nn.Module, *, hidden_deviation: float = 0.01) -> None:
    """Weights normal with deviation 0.01, biases of 1 where a ReLU should start with positive inputs; section 5."""
    for name, layer in layers_to_initialise(network):
        row = name.split(".")[0]
        nn.init.normal_(layer.weight, std=hidden_deviation if row in ("fc6", "fc7") else 0.01)
        if layer.bias is not None:
            nn.init.constant_(layer.bias, float(row in BIASED_BY_ONE))


class CaffeNet(Network):
    """[caffenet] deploy.prototxt and train_val.prototxt of models/bvlc_reference_caffenet."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        with uninitialised():
            self.conv1 = convolution(FIGURE_2, "conv1", in_channels)
            self.pool1 = overlapping_pool()
            self.norm1 = LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
            self.conv2 = convolution(FIGURE_2, "conv2", 96)
            self.pool2 = overlapping_pool()
            self.norm2 = LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
            self.conv3 = convolution(FIGURE_2, "conv3", 256)
            self.conv4 = convolution(FIGURE_2, "conv4", 384)
            self.conv5 = convolution(FIGURE_2, "conv5", 384)
            self.pool5 = overlapping_pool()
            self.fc6 = nn.Sequential(*maps_to_vector(), *hidden(256 * 6 * 6))
            self.fc7 = hidden(4096)
            self.fc8 = nn.Linear(4096, num_classes)
        initialise(self, hidden_deviation=0.005)


class OneGPU(Network):
    """[owt] torchvision's alexnet."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.conv1 = convolution(ONE_GPU, "conv1", in_channels)
        self.pool1 = overlapping_pool()
        self.conv2 = convolution(ONE_GPU, "conv2", 64)
        self.pool2 = overlapping_pool()
        self.conv3 = convolution(ONE_GPU, "conv3", 192)
        self.conv4 = convolution(ONE_GPU, "conv4", 384)
        self.conv5 = convolution(ONE_GPU, "conv5", 256)
        self.pool5 = overlapping_pool()
        self.fc6 = nn.Sequential(*maps_to_vector(), nn.Dropout(0.5), nn.Linear(256 * 6 * 6, 4096), nn.ReLU())
        self.fc7 = nn.Sequential(nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU())
        self.fc8 = nn.Linear(4096, num_classes)


PAPER = Paper(
    "ImageNet Classification with Deep Convolutional Neural Networks",
    "Alex Krizhevsky, Ilya Sutskever, Geoffrey E. Hinton",
    "Advances in Neural Information Processing Systems 25:1097-1105", 2012, "doi:10.1145/3065386",
)  # fmt: skip

CAFFE = Paper(
    "Caffe: Convolutional Architecture for Fast Feature Embedding",
    "Yangqing Jia, Evan Shelhamer, Jeff Donahue, Sergey Karayev, Jonathan Long, Ross Girshick, Sergio Guadarrama, "
    "Trevor Darrell",
    "ACM Multimedia 2014", 2014, "arXiv:1408.5093",
)  # fmt: skip

ONE_WEIRD_TRICK = Paper(
    "One weird trick for parallelizing convolutional neural networks", "Alex Krizhevsky", "preprint", 2014,
    "arXiv:1404.5997",
)  # fmt: skip

PUBLISHED = Published(
    source="figure 2, both GPUs together; parameters in section 4",
    rows={
        "conv1": PublishedRow((96, 55, 55)),
        "conv2": PublishedRow((256, 27, 27)),
        "conv3": PublishedRow((384, 13, 13)),
        "conv4": PublishedRow((384, 13, 13)),
        "conv5": PublishedRow((256, 13, 13)),
        "fc6": PublishedRow((4096,)),
        "fc7": PublishedRow((4096,)),
        "fc8": PublishedRow((1000,)),
    },
    params=60_000_000,
    results=(
        Result("ILSVRC-2010 test top-1 error, 10 crops", 37.5, "table 1"),
        Result("ILSVRC-2010 test top-5 error, 10 crops", 17.0, "table 1"),
        Result("ILSVRC-2010 test top-1 error, 1 crop", 39.0, "section 4.1"),
        Result("ILSVRC-2010 test top-5 error, 1 crop", 18.3, "section 4.1"),
        Result("ILSVRC-2012 validation top-1 error, 10 crops", 40.7, "table 2"),
        Result("ILSVRC-2012 validation top-5 error, 10 crops", 18.2, "table 2"),
    ),
)

PUBLISHED_CAFFENET = Published(
    source="models/bvlc_reference_caffenet of BVLC/caffe, which prints no sizes",
    results=(
        Result("ILSVRC-2012 validation top-1 error, 1 crop", 42.6, "its readme.md"),
        Result("ILSVRC-2012 validation top-5 error, 1 crop", 19.6, "its readme.md"),
    ),
)

VARIANTS = {
    "alexnet": Variant(
        AlexNet, "AlexNet", "the network of 2012: two groups for two GPUs, local response normalisation",
        PAPER, (3, 224, 224), 64, 1000, PUBLISHED,
        deviations(__doc__, "overhang", "alpha", "halves", "text", "dropout", "larger"),
    ),
    "alexnet_owt": Variant(
        OneGPU, "AlexNet", "torchvision's AlexNet: the later one-GPU widths, no groups, no normalisation",
        ONE_WEIRD_TRICK, (3, 224, 224), 63, 1000, None, deviations(__doc__, "owt", "dropout", "larger"),
    ),
    "caffenet": Variant(
        CaffeNet, "AlexNet", "Caffe's reference network: pooling before normalisation",
        CAFFE, (3, 227, 227), 67, 1000, PUBLISHED_CAFFENET, deviations(__doc__, "caffenet", "dropout", "larger"),
    ),
}  # fmt: skip
