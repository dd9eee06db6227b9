"""Inception-v4. Szegedy, Ioffe, Vanhoucke and Alemi, "Inception-v4, Inception-ResNet and the Impact of Residual
Connections on Learning", AAAI 2017, arXiv:1602.07261 (February 2016).

Read with figures 3 to 9 in hand, and Table 1 for figure 7. The authors' code is inception_v4.py of tensorflow/models,
research/slim. The residual networks of the same paper are in `convatlas.models.inception_resnet`.

Deviations:
    [order] Where the figures differ from the authors' code, it is followed: 1x7 before 7x1 in figure 3; 1x7, 7x1 for
        the two 1x7 that figure 5 prints in its shorter branch, and 7x1 first in its longer one; 3x1 before 1x3 in the
        longer branch of figure 6. Branches are concatenated in the code's order.
    [heads] The authors' code has an auxiliary classifier for training. The paper does not mention it, and it is left
        out.
    [gamma] Batch normalisation has a trainable scale, which the authors' code does without.
    [init] The paper has no initialisation. As in the authors' code: kernels normal with a variance of 2 / fan-in,
        truncated at two deviations; linear layers Xavier uniform; biases 0.
    [logits] The softmax, the last row of figure 9, belongs to the loss.
    [larger] At other sizes than 299x299 the average is over whatever map there is.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from convatlas.models.initialisation import layers_to_initialise, truncated_normal_, uninitialised
from convatlas.models.layers import conv_bn_relu
from convatlas.models.network import Network
from convatlas.models.variant import Paper, Published, PublishedRow, Result, Variant, deviations


class Conv(NamedTuple):
    """A convolution of the figures: it keeps the size, unless they mark it V (valid) and it has a stride here."""

    out_channels: int
    kernel: int | tuple[int, int]
    valid_stride: int | None = None


# A figure is a column of steps or, by name, several beside each other over one input. A function makes, from the number
# of channels, a layer that keeps it.
Steps: TypeAlias = "Sequence[Conv | Mapping[str, Steps] | Callable[[int], nn.Module]]"
Figure: TypeAlias = Mapping[str, Steps]


def max_pool(channels: int) -> nn.Module:
    """3x3 MaxPool (stride 2 V)."""
    return nn.MaxPool2d(3, 2)


def avg_pool(channels: int) -> nn.Module:
    """Avg Pooling, 3x3. TensorFlow leaves the padding out of the mean."""
    return nn.AvgPool2d(3, 1, padding=1, count_include_pad=False)


# The stem of Inception-v4 and of Inception-ResNet-v2.
FIGURE_3: Steps = (
    Conv(32, 3, 2),
    Conv(32, 3, 1),
    Conv(64, 3),
    {"branch_pool": [max_pool], "branch3x3": [Conv(96, 3, 2)]},
    {
        "branch3x3": [Conv(64, 1), Conv(96, 3, 1)],
        "branch7x7": [Conv(64, 1), Conv(64, (1, 7)), Conv(64, (7, 1)), Conv(96, 3, 1)],  # [order]
    },
    {"branch3x3": [Conv(192, 3, 2)], "branch_pool": [max_pool]},
)

# Inception-A.
FIGURE_4: Figure = {
    "branch1x1": [Conv(96, 1)],
    "branch3x3": [Conv(64, 1), Conv(96, 3)],
    "branch3x3_double": [Conv(64, 1), Conv(96, 3), Conv(96, 3)],
    "branch_pool": [avg_pool, Conv(96, 1)],
}

# Inception-B. [order]
FIGURE_5: Figure = {
    "branch1x1": [Conv(384, 1)],
    "branch7x7": [Conv(192, 1), Conv(224, (1, 7)), Conv(256, (7, 1))],
    "branch7x7_double": [Conv(192, 1), Conv(192, (7, 1)), Conv(224, (1, 7)), Conv(224, (7, 1)), Conv(256, (1, 7))],
    "branch_pool": [avg_pool, Conv(128, 1)],
}

# Inception-C, two of whose branches end in two. [order]
_SPLIT: Figure = {"branch1x3": [Conv(256, (1, 3))], "branch3x1": [Conv(256, (3, 1))]}
FIGURE_6: Figure = {
    "branch1x1": [Conv(256, 1)],
    "branch3x3": [Conv(384, 1), _SPLIT],
    "branch3x3_double": [Conv(384, 1), Conv(448, (3, 1)), Conv(512, (1, 3)), _SPLIT],
    "branch_pool": [avg_pool, Conv(256, 1)],
}

# The columns k, l, m and n.
TABLE_1 = {
    "inception_v4": (192, 224, 256, 384),
    "inception_resnet_v1": (192, 192, 256, 384),
    "inception_resnet_v2": (256, 256, 384, 384),
}


def figure_7(name: str) -> Figure:
    """Reduction-A with a row of Table 1."""
    k, l, m, n = TABLE_1[name]  # noqa: E741
    return {
        "branch3x3": [Conv(n, 3, 2)],
        "branch3x3_double": [Conv(k, 1), Conv(l, 3), Conv(m, 3, 2)],
        "branch_pool": [max_pool],
    }


# Reduction-B of Inception-v4.
FIGURE_8: Figure = {
    "branch3x3": [Conv(192, 1), Conv(192, 3, 2)],
    "branch7x7": [Conv(256, 1), Conv(256, (1, 7)), Conv(320, (7, 1)), Conv(320, 3, 2)],
    "branch_pool": [max_pool],
}

FIGURE_9: Mapping[str, Steps] = {
    "stem": FIGURE_3,
    "inception_a": 4 * (FIGURE_4,),
    "reduction_a": (figure_7("inception_v4"),),
    "inception_b": 7 * (FIGURE_5,),
    "reduction_b": (FIGURE_8,),
    "inception_c": 3 * (FIGURE_6,),
}


class Branches(nn.Module):
    """The branches of a figure over one input, concatenated."""

    def __init__(self, in_channels: int, figure: Figure) -> None:
        super().__init__()
        for name, steps in figure.items():
            self.add_module(name, column(in_channels, steps))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.children()], 1)


def width(channels: int, steps: Steps) -> int:
    """Channels behind the steps."""
    for step in steps:
        if isinstance(step, Conv):
            channels = step.out_channels
        elif isinstance(step, Mapping):
            channels = sum(width(channels, branch) for branch in step.values())
    return channels


def column(channels: int, steps: Steps) -> nn.Sequential:
    """The layers of the steps."""
    layers: list[nn.Module] = []
    for step in steps:
        if isinstance(step, Conv):
            high, wide = step.kernel if isinstance(step.kernel, tuple) else (step.kernel, step.kernel)
            stride, padding = step.valid_stride or 1, (0, 0) if step.valid_stride else (high // 2, wide // 2)
            conv = partial(conv_bn_relu, stride=stride, padding=padding, eps=1e-3)  # [gamma]
            layers.append(conv(channels, step.out_channels, (high, wide)))
        else:
            layers.append(Branches(channels, step) if isinstance(step, Mapping) else step(channels))
        channels = width(channels, [step])
    return nn.Sequential(*layers)


def initialise(network: nn.Module) -> None:
    """[init] The paper is silent."""
    for _, layer in layers_to_initialise(network):
        if isinstance(layer, nn.Conv2d):
            # A normal distribution cut at two deviations keeps 1 / 1.3 of its variance.
            truncated_normal_(layer.weight, (1.3 * 2 / layer.weight[0].numel()) ** 0.5)
        else:
            nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


class Inception(Network):
    """Figures 9 and 15.

    Args:
        rows: steps of each row up to the average pooling.
        initialise: what sets the weights.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        rows: Mapping[str, Steps],
        initialise: Callable[[nn.Module], None] = initialise,
    ) -> None:
        super().__init__()
        with uninitialised():
            channels = in_channels
            for name, steps in rows.items():
                self.add_module(name, column(channels, steps))
                channels = width(channels, steps)
            self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())  # [larger]
            self.dropout = nn.Dropout(0.2)
            self.linear = nn.Linear(channels, num_classes)  # [logits] [heads]
        initialise(self)


def inception_v4(num_classes: int, in_channels: int) -> Inception:
    """Figure 9."""
    return Inception(num_classes, in_channels, FIGURE_9)


PAPER = Paper(
    "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning",
    "Christian Szegedy, Sergey Ioffe, Vincent Vanhoucke, Alex Alemi",
    "AAAI 2017", 2016, "arXiv:1602.07261",
)  # fmt: skip


def errors(*pairs: tuple[float, float]) -> tuple[Result, ...]:
    """A network's line in tables 2, 3 and 4: top-1 and top-5 error of one crop, of 10 or 12, and of 144."""
    return tuple(
        Result(f"ImageNet {top} error, {crops}", error, f"table {table}")
        for (table, crops), pair in zip(((2, "1 crop"), (3, "10/12 crops"), (4, "144 crops")), pairs, strict=True)
        for top, error in zip(("top-1", "top-5"), pair, strict=True)
    )


VARIANTS = {
    "inception_v4": Variant(
        inception_v4, "Inception", "the deepest Inception without residual connections",
        PAPER, (3, 299, 299), 75, 1000,
        Published(
            "figure 9",
            {
                "stem": PublishedRow((384, 35, 35)),
                "inception_a": PublishedRow((384, 35, 35)),
                "reduction_a": PublishedRow((1024, 17, 17)),
                "inception_b": PublishedRow((1024, 17, 17)),
                "reduction_b": PublishedRow((1536, 8, 8)),
                "inception_c": PublishedRow((1536, 8, 8)),
                "pool": PublishedRow((1536,)),
                "dropout": PublishedRow((1536,)),
                "linear": PublishedRow((1000,)),
            },
            results=errors((20.0, 5.0), (18.7, 4.2), (17.7, 3.8)),
        ),
        deviations(__doc__, "order", "heads", "gamma", "init", "logits", "larger"),
    ),
}  # fmt: skip
