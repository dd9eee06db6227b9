"""ResNet for CIFAR-10. He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", arXiv:1512.03385.

Read with section 4.2 and its table in hand, Table 6 for the depths. Blocks and initialisation are those of `resnet.py`.

Deviations:
    [names] The paper numbers no rows here; they are called as in Table 1.
    [zeros] The zero maps of option A are appended behind the others; the paper does not say where they go.
    [init] Fan-in, for the last layer too, and biases 0; the paper refers to He et al. 2015, who allow either fan.
"""

from functools import partial

from convatlas.models.layers import conv_bn_relu
from convatlas.models.resnet import PAPER, Conv, Option, ResNet, Rows, Stem
from convatlas.models.variant import Published, PublishedRow, Result, Variant, deviations

# Section 4.2: output map size, filters. 1 + 2n, 2n and 2n layers of 3x3; conv1 is the 1.
SECTION_4_2 = {"conv1": (32, 16), "conv2_x": (32, 16), "conv3_x": (16, 32), "conv4_x": (8, 64)}  # [names]
CIFAR = Stem(partial(conv_bn_relu, out_channels=16, kernel_size=3, padding=1), 16, None, 1)
SIZES = {name: PublishedRow((maps, side, side)) for name, (side, maps) in SECTION_4_2.items()}


def rows(n: int) -> Rows:
    """The blocks of a net with 6n+2 layers."""
    return {name: ((Conv(3, maps), Conv(3, maps)), n) for name, (_, maps) in SECTION_4_2.items() if name != "conv1"}


def _variant(n: int, shortcut: Option | None, params: int | None, error: float | None, *tags: str) -> Variant:
    kind = "no shortcuts" if shortcut is None else "shortcuts without parameters (option A)"
    results = () if error is None else (Result("CIFAR-10 test error", error, "table 6"),)
    published = Published("section 4.2 and table 6", {**SIZES, "fc": PublishedRow((10,))}, params, results=results)
    return Variant(
        partial(ResNet, rows=rows(n), stem=CIFAR, shortcut=shortcut), "ResNet", f"{6 * n + 2} layers for 32x32, {kind}",
        PAPER, (3, 32, 32), CIFAR.min_size, 10, published, deviations(__doc__, "names", *tags),
    )  # fmt: skip


# Section 4.2 has option A in all cases. [zeros] [init] They are `PaddedIdentity` and `initialise` of resnet.py.
VARIANTS = {
    "resnet20_cifar": _variant(3, "A", 270_000, 8.75, "zeros", "init"),
    "resnet32_cifar": _variant(5, "A", 460_000, 7.51, "zeros", "init"),
    "resnet44_cifar": _variant(7, "A", 660_000, 7.17, "zeros", "init"),
    "resnet56_cifar": _variant(9, "A", 850_000, 6.97, "zeros", "init"),
    "resnet110_cifar": _variant(18, "A", 1_700_000, 6.43, "zeros", "init"),
    "resnet1202_cifar": _variant(200, "A", 19_400_000, 7.93, "zeros", "init"),
    "plain20_cifar": _variant(3, None, None, None, "init"),
    "plain32_cifar": _variant(5, None, None, None, "init"),
    "plain44_cifar": _variant(7, None, None, None, "init"),
    "plain56_cifar": _variant(9, None, None, None, "init"),
}
