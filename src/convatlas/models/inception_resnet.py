"""Inception-ResNet. Szegedy, Ioffe, Vanhoucke and Alemi, "Inception-v4, Inception-ResNet and the Impact of Residual
Connections on Learning", AAAI 2017, arXiv:1602.07261 (February 2016).

Read with figure 15 in hand, for v1 with figures 10 to 14 and for v2 with figures 3 and 16 to 19; figure 7 serves both.
The authors' code, of v2 alone, is inception_resnet_v2.py of tensorflow/models, research/slim. Inception-v4 of the same
paper, and figures 3 and 7, are in `convatlas.models.inception_v4`.

Deviations:
    [widths] Figures 17 and 19 print their last 1x1 with 1154 and 2048 channels. It is added to what has 1152 (384 + 384
        + 384) and 2144 (1152 + 384 + 288 + 320), so it has as many here.
    [scale] Section 3.3 scales residuals by 0.1 to 0.3 and does not say which by what: 0.17, 0.10 and 0.20 here, as in
        the authors' code.
    [released] inception_resnet_v2_released, the network of the authors' code: a stem like Inception-v3's and a module
        mixed_5b after it; 10, 20 and 10 residual blocks, the last of them unscaled and without ReLU; a 1x1 convolution
        conv_7b before the average.
    [order] Branches are concatenated in the order of the authors' code; 1x7 comes before 7x1 in figure 3, v2's stem.
    [heads] The authors' code has an auxiliary classifier for training. The paper does not mention it, and it is left
        out.
    [gamma] Batch normalisation has a trainable scale, which the authors' code does without.
    [init] The paper has no initialisation; that of Inception-v4.
    [logits] The softmax, the last row of figure 15, belongs to the loss.
    [larger] At other sizes than 299x299 the average is over whatever map there is.
"""

from functools import partial
from typing import TypeAlias

from torch import Tensor, nn

from convatlas.models.inception_v4 import (
    FIGURE_3,
    PAPER,
    Branches,
    Conv,
    Figure,
    Inception,
    Steps,
    avg_pool,
    errors,
    figure_7,
    max_pool,
    width,
)
from convatlas.models.variant import Published, PublishedRow, Result, Variant, deviations

# Inception-ResNet-A of v1; the last 1x1 of this and the others is in Residual.
FIGURE_10: Figure = {
    "branch1x1": [Conv(32, 1)],
    "branch3x3": [Conv(32, 1), Conv(32, 3)],
    "branch3x3_double": [Conv(32, 1), Conv(32, 3), Conv(32, 3)],
}

# Inception-ResNet-B of v1.
FIGURE_11: Figure = {"branch1x1": [Conv(128, 1)], "branch7x7": [Conv(128, 1), Conv(128, (1, 7)), Conv(128, (7, 1))]}

# Reduction-B of v1.
FIGURE_12: Figure = {
    "branch3x3": [Conv(256, 1), Conv(384, 3, 2)],
    "branch3x3_narrow": [Conv(256, 1), Conv(256, 3, 2)],
    "branch3x3_double": [Conv(256, 1), Conv(256, 3), Conv(256, 3, 2)],
    "branch_pool": [max_pool],
}

# Inception-ResNet-C of v1.
FIGURE_13: Figure = {"branch1x1": [Conv(192, 1)], "branch3x3": [Conv(192, 1), Conv(192, (1, 3)), Conv(192, (3, 1))]}

# The stem of v1.
FIGURE_14: Steps = (
    Conv(32, 3, 2),
    Conv(32, 3, 1),
    Conv(64, 3),
    max_pool,
    Conv(80, 1),
    Conv(192, 3, 1),
    Conv(256, 3, 2),
)

# Inception-ResNet-A of v2.
FIGURE_16: Figure = {
    "branch1x1": [Conv(32, 1)],
    "branch3x3": [Conv(32, 1), Conv(32, 3)],
    "branch3x3_double": [Conv(32, 1), Conv(48, 3), Conv(64, 3)],
}

# Inception-ResNet-B of v2.
FIGURE_17: Figure = {"branch1x1": [Conv(192, 1)], "branch7x7": [Conv(128, 1), Conv(160, (1, 7)), Conv(192, (7, 1))]}

# Reduction-B of v2.
FIGURE_18: Figure = {
    "branch3x3": [Conv(256, 1), Conv(384, 3, 2)],
    "branch3x3_narrow": [Conv(256, 1), Conv(288, 3, 2)],
    "branch3x3_double": [Conv(256, 1), Conv(288, 3), Conv(320, 3, 2)],
    "branch_pool": [max_pool],
}

# Inception-ResNet-C of v2.
FIGURE_19: Figure = {"branch1x1": [Conv(192, 1)], "branch3x3": [Conv(192, 1), Conv(224, (1, 3)), Conv(256, (3, 1))]}

# [released] In place of figure 3; the pool is where figure 14 has its last convolution.
RELEASED_STEM: Steps = (*FIGURE_14[:-1], max_pool)
MIXED_5B: Figure = {
    "branch1x1": [Conv(96, 1)],
    "branch5x5": [Conv(48, 1), Conv(64, 5)],
    "branch3x3_double": [Conv(64, 1), Conv(96, 3), Conv(96, 3)],
    "branch_pool": [avg_pool, Conv(64, 1)],
}

# [scale] Of the blocks A, B and C.
Scales: TypeAlias = tuple[float, float, float]
SCALES: Scales = (0.17, 0.10, 0.20)


class Residual(nn.Module):
    """Figures 10, 11, 13, 16, 17 and 19 with the scaling of figure 20: ReLU(x + scale * R(x)).

    Args:
        channels: of the input and of the last 1x1 of R, which has a bias and neither ReLU nor batch normalisation.
        figure: the branches of R.
        relu: with the ReLU behind the sum.
    """

    def __init__(self, channels: int, figure: Figure, scale: float, *, relu: bool = True) -> None:
        super().__init__()
        self.branches = Branches(channels, figure)
        self.linear1x1 = nn.Conv2d(width(channels, [figure]), channels, 1)  # [widths]
        self.scale = scale
        self.activation = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(x + self.scale * self.linear1x1(self.branches(x)))
        return y


# [gamma], [init], [logits], [heads] and [larger] are at the lines of Inception and what it uses.


def inception_resnet_v1(num_classes: int, in_channels: int, scales: Scales = SCALES) -> Inception:
    """Figure 15 with figures 14, 10, 7, 11, 12 and 13."""
    a, b, c = scales
    return Inception(
        num_classes,
        in_channels,
        {
            "stem": FIGURE_14,
            "inception_resnet_a": 5 * (partial(Residual, figure=FIGURE_10, scale=a),),
            "reduction_a": (figure_7("inception_resnet_v1"),),
            "inception_resnet_b": 10 * (partial(Residual, figure=FIGURE_11, scale=b),),
            "reduction_b": (FIGURE_12,),
            "inception_resnet_c": 5 * (partial(Residual, figure=FIGURE_13, scale=c),),
        },
    )


def inception_resnet_v2(num_classes: int, in_channels: int, scales: Scales = SCALES) -> Inception:
    """Figure 15 with figures 3, 16, 7, 17, 18 and 19."""
    a, b, c = scales
    return Inception(
        num_classes,
        in_channels,
        {
            "stem": FIGURE_3,  # [order]
            "inception_resnet_a": 5 * (partial(Residual, figure=FIGURE_16, scale=a),),
            "reduction_a": (figure_7("inception_resnet_v2"),),
            "inception_resnet_b": 10 * (partial(Residual, figure=FIGURE_17, scale=b),),
            "reduction_b": (FIGURE_18,),
            "inception_resnet_c": 5 * (partial(Residual, figure=FIGURE_19, scale=c),),
        },
    )


def inception_resnet_v2_released(num_classes: int, in_channels: int, scales: Scales = SCALES) -> Inception:
    """[released] inception_resnet_v2.py of research/slim."""
    a, b, c = scales
    return Inception(
        num_classes,
        in_channels,
        {
            "stem": RELEASED_STEM,
            "mixed_5b": (MIXED_5B,),
            "inception_resnet_a": 10 * (partial(Residual, figure=FIGURE_16, scale=a),),
            "reduction_a": (figure_7("inception_resnet_v2"),),
            "inception_resnet_b": 20 * (partial(Residual, figure=FIGURE_17, scale=b),),
            "reduction_b": (FIGURE_18,),
            "inception_resnet_c": (
                *9 * (partial(Residual, figure=FIGURE_19, scale=c),),
                partial(Residual, figure=FIGURE_19, scale=1.0, relu=False),
            ),
            "conv_7b": (Conv(1536, 1),),
        },
    )


PUBLISHED_V1 = Published(
    "figure 15",
    {
        "stem": PublishedRow((256, 35, 35)),
        "inception_resnet_a": PublishedRow((256, 35, 35)),
        "reduction_a": PublishedRow((896, 17, 17)),
        "inception_resnet_b": PublishedRow((896, 17, 17)),
        "reduction_b": PublishedRow((1792, 8, 8)),
        "inception_resnet_c": PublishedRow((1792, 8, 8)),
        "pool": PublishedRow((1792,)),
        "dropout": PublishedRow((1792,)),
        "linear": PublishedRow((1000,)),
    },
    results=errors((21.3, 5.5), (19.8, 4.6), (18.8, 4.3)),
)

# The sizes of figure 15 are those of v1.
PUBLISHED_V2 = Published(
    "figure 3",
    {"stem": PublishedRow((384, 35, 35))},
    results=errors((19.9, 4.9), (18.7, 4.1), (17.8, 3.7)),
)

PUBLISHED_RELEASED = Published(
    "comments of the authors' code",
    {
        "stem": PublishedRow((192, 35, 35)),
        "mixed_5b": PublishedRow((320, 35, 35)),
        "reduction_a": PublishedRow((1088, 17, 17)),
        "reduction_b": PublishedRow((2080, 8, 8)),
        "conv_7b": PublishedRow((1536, 8, 8)),
    },
    results=(
        Result("ImageNet top-1 error, 1 crop", 19.6, "README of research/slim"),
        Result("ImageNet top-5 error, 1 crop", 4.7, "README of research/slim"),
    ),
)

_COMMON = ("scale", "heads", "gamma", "init", "logits", "larger")

VARIANTS = {
    "inception_resnet_v1": Variant(
        inception_resnet_v1, "Inception", "inception modules as residual branches, at the cost of Inception-v3",
        PAPER, (3, 299, 299), 75, 1000, PUBLISHED_V1, deviations(__doc__, "order", *_COMMON),
    ),
    "inception_resnet_v2": Variant(
        inception_resnet_v2, "Inception", "the wider residual network as the paper's figures have it",
        PAPER, (3, 299, 299), 75, 1000, PUBLISHED_V2, deviations(__doc__, "widths", "order", *_COMMON),
    ),
    "inception_resnet_v2_released": Variant(
        inception_resnet_v2_released, "Inception", "the wider residual network as its authors released it",
        PAPER, (3, 299, 299), 75, 1000, PUBLISHED_RELEASED, deviations(__doc__, "released", *_COMMON),
    ),
}  # fmt: skip
