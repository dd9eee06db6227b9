"""LeNet-5. LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition",
Proceedings of the IEEE 86(11):2278-2324, November 1998, doi:10.1109/5.726791.

Read with figure 2 and Table I (section II-B) in hand, figure 3 for the codes, appendix A for squash and initialisation.
The losses, equations 8 and 9, are in `convatlas.train.losses`.

Deviations:
    [codes] The paper prints the 7x12 codes only as a picture (figure 3); these bitmaps are drawn for ConvAtlas. Classes
        beyond the ten digits get fixed random codes.
    [logits] The output units are distances, and the smallest wins; they are negated, so that as everywhere the largest
        wins.
    [larger] An input above 32x32 gives C5 larger maps; they are averaged before F6. Nothing at 32x32.
    [modern] lenet5_modern has ReLU, max pooling, a full C3, a linear output and He initialisation in place of these.
"""

from itertools import chain
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convatlas.models.network import Network
from convatlas.models.variant import Paper, Published, PublishedRow, Result, Variant, deviations

# Table I: the maps of S2 (down) that each map of C3 (across) is connected to.
TABLE_I = """
    X . . . X X X . . X X X X . X X
    X X . . . X X X . . X X X X . X
    X X X . . . X X X . . X . X X X
    . X X X . . X X X X . . X . X X
    . . X X X . . X X X X . X X . X
    . . . X X X . . X X X X . X X X
"""

# [codes] Figure 3: what the 84 units of F6 should show for each digit, 7 wide and 12 high.
DIGITS = (
    """
    .......  .......  .......  .......  .......
    ..XXX..  ...X...  ..XXX..  .XXXX..  ....XX.
    .XX.XX.  ..XX...  .XX.XX.  XX..XX.  ...XXX.
    .X...X.  .XXX...  XX...XX  .....X.  ..XX.X.
    XX...XX  ...X...  .....XX  ....XX.  ..X..X.
    XX...XX  ...X...  ....XX.  ..XXX..  .XX..X.
    XX...XX  ...X...  ...XX..  ....XX.  XX...X.
    XX...XX  ...X...  ..XX...  .....XX  XXXXXXX
    .X...X.  ...X...  .XX....  .....XX  .....X.
    .XX.XX.  ...X...  XX.....  XX..XX.  .....X.
    ..XXX..  .XXXXX.  XXXXXXX  .XXXX..  .....X.
    .......  .......  .......  .......  .......
    """,
    """
    .......  .......  .......  .......  .......
    .XXXXXX  ...XXX.  XXXXXXX  ..XXX..  ..XXX..
    .X.....  ..XX...  XX...XX  .XX.XX.  .XX.XX.
    .X.....  .XX....  .....X.  XX...XX  XX...XX
    .XXXX..  .X.....  ....XX.  .XX.XX.  XX...XX
    .X..XX.  XX.XX..  ....X..  ..XXX..  .XX..XX
    .....XX  XXX.XX.  ...XX..  .XX.XX.  ..XXXXX
    .....XX  XX...XX  ...X...  XX...XX  .....XX
    .....XX  XX...XX  ..XX...  XX...XX  .....X.
    XX..XX.  .XX.XX.  ..XX...  .XX.XX.  ...XX..
    .XXXX..  ..XXX..  ..XX...  ..XXX..  .XXX...
    .......  .......  .......  .......  .......
    """,
)


def _picture(text: str) -> list[list[int]]:
    """A text picture as rows of ones and zeros."""
    return [[int(mark == "X") for mark in "".join(line.split())] for line in text.split("\n") if line.strip()]


def digit_codes(num_classes: int) -> list[list[int]]:
    """The 84 values +1 or -1 that each class's output unit compares F6 with; figure 3."""
    random = Random(1998)
    digits = [[row[7 * i : 7 * i + 7] for row in _picture(half)] for half in DIGITS for i in range(5)]
    codes = [[2 * pixel - 1 for row in digit for pixel in row] for digit in digits]
    codes += [random.choices((-1, 1), k=84) for _ in range(num_classes - 10)]  # [codes]
    return codes[:num_classes]


class ScaledTanh(nn.Module):
    """f(a) = A tanh(S a) with A = 1.7159 and S = 2/3, so that f(1) = 1 and f(-1) = -1; appendix A."""

    def forward(self, x: Tensor) -> Tensor:
        return 1.7159 * torch.tanh(x * (2 / 3))


class Subsampling(nn.Module):
    """Sum of a 2x2 neighbourhood, times a trainable coefficient, plus a trainable bias; one of each a map."""

    kernel_size = stride = 2

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        # The sum is four times the mean.
        return F.avg_pool2d(x, 2) * (4 * self.coefficient).view(-1, 1, 1) + self.bias.view(-1, 1, 1)

    def connections(self, output: Tensor) -> int:
        """Four inputs and a bias a unit."""
        return 5 * output[0].numel()


class PartialConv2d(nn.Module):
    """A convolution whose every output map reads only some of the input maps; C3 with Table I.

    Args:
        table: a row an input map, a column an output map; 1 where a kernel connects the two.
        kernel_size: height and width of a kernel.
    """

    used: Tensor

    def __init__(self, table: list[list[int]], kernel_size: int) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.kernel_size = len(table), len(table[0]), kernel_size
        columns = list(zip(*table, strict=True))
        self.fan_in = [sum(column) * kernel_size**2 for column in columns]
        used = [i for i, connected in enumerate(chain.from_iterable(columns)) if connected]
        self.kernels = nn.Parameter(torch.empty(len(used), kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.empty(self.out_channels))
        self.register_buffer("used", torch.tensor(used))

    def forward(self, x: Tensor) -> Tensor:
        # One dense convolution with zeros at the missing kernels: sixteen small ones take several times as long.
        side = self.kernel_size
        dense = self.kernels.new_zeros(self.out_channels * self.in_channels, side, side)
        dense = dense.index_copy(0, self.used, self.kernels)
        return F.conv2d(x, dense.view(self.out_channels, self.in_channels, side, side), self.bias)

    def macs(self, output: Tensor) -> int:
        """A multiply-add a kernel weight a position."""
        return self.kernels.numel() * output[0, 0].numel()

    def connections(self, output: Tensor) -> int:
        return (self.kernels.numel() + self.bias.numel()) * output[0, 0].numel()


class EuclideanRBF(nn.Module):
    """Negated squared distance of F6 to each class's code: y_i = sum_j (x_j - w_ij)^2, equation 7."""

    codes: Tensor

    def __init__(self, codes: list[list[int]]) -> None:
        super().__init__()
        self.register_buffer("codes", torch.tensor(codes, dtype=torch.get_default_dtype()))

    def forward(self, x: Tensor) -> Tensor:
        # The square expanded: no (N, classes, 84) difference is ever formed.
        distance = x.square().sum(1, keepdim=True) - 2 * x @ self.codes.t() + self.codes.square().sum(1)
        return -distance  # [logits]

    def connections(self, output: Tensor) -> int:
        return self.codes.numel()


class LeNet5(Network):
    """Figure 2."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.C1 = nn.Sequential(nn.Conv2d(in_channels, 6, 5), ScaledTanh())
        self.S2 = nn.Sequential(Subsampling(6), ScaledTanh())
        self.C3 = nn.Sequential(PartialConv2d(_picture(TABLE_I), 5), ScaledTanh())
        self.S4 = nn.Sequential(Subsampling(16), ScaledTanh())
        self.C5 = nn.Sequential(nn.Conv2d(16, 120, 5), ScaledTanh())
        # [larger] The average over C5's map is the map itself at 32x32.
        self.F6 = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(120, 84), ScaledTanh())
        self.output = EuclideanRBF(digit_codes(num_classes))
        initialise(self)


@torch.no_grad()
def initialise(network: nn.Module) -> None:
    """Weights and biases uniform in +-2.4 / F_i, F_i being the inputs of a unit; appendix A."""
    for module in network.modules():
        if isinstance(module, Subsampling):
            _uniform(2.4 / 4, module.coefficient, module.bias)
        elif isinstance(module, PartialConv2d):
            maps = [fan_in // module.kernels[0].numel() for fan_in in module.fan_in]
            for unit, kernels in enumerate(torch.split(module.kernels, maps)):
                _uniform(2.4 / module.fan_in[unit], kernels, module.bias[unit])
        elif isinstance(module, nn.Conv2d | nn.Linear):
            _uniform(2.4 / module.weight[0].numel(), module.weight, module.bias)


def _uniform(bound: float, *parameters: Tensor | None) -> None:
    for parameter in parameters:
        if parameter is not None:
            nn.init.uniform_(parameter, -bound, bound)


class LeNet5Modern(Network):
    """[modern] The same table with the parts that later networks use."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        # ReLU and max pooling commute; after the pooling there is a quarter of the units left to rectify.
        self.C1 = nn.Conv2d(in_channels, 6, 5)
        self.S2 = nn.Sequential(nn.MaxPool2d(2), nn.ReLU())
        self.C3 = nn.Conv2d(6, 16, 5)
        self.S4 = nn.Sequential(nn.MaxPool2d(2), nn.ReLU())
        self.C5 = nn.Sequential(nn.Conv2d(16, 120, 5), nn.ReLU())
        self.F6 = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(120, 84), nn.ReLU())
        self.output = nn.Linear(84, num_classes)
        for name, parameter in self.named_parameters():
            nn.init.zeros_(parameter) if name.endswith("bias") else nn.init.kaiming_normal_(parameter)


PAPER = Paper(
    "Gradient-Based Learning Applied to Document Recognition",
    "Yann LeCun, Leon Bottou, Yoshua Bengio, Patrick Haffner",
    "Proceedings of the IEEE 86(11):2278-2324", 1998, "doi:10.1109/5.726791",
)  # fmt: skip

PUBLISHED = Published(
    source="section II-B, figure 2",
    rows={
        "C1": PublishedRow((6, 28, 28), 156, 122_304),
        "S2": PublishedRow((6, 14, 14), 12, 5_880),
        "C3": PublishedRow((16, 10, 10), 1_516, 151_600),
        "S4": PublishedRow((16, 5, 5), 32, 2_000),
        "C5": PublishedRow((120, 1, 1), 48_120, 48_120),
        "F6": PublishedRow((84,), 10_164, 10_164),
        "output": PublishedRow((10,), 0, 840),
    },
    params=60_000,
    connections=340_908,
    results=(
        Result("MNIST test error, no distortions", 0.95, "section III-C"),
        Result("MNIST test error, distortions", 0.8, "section III-C"),
    ),
)

VARIANTS = {
    "lenet5": Variant(
        LeNet5, "LeNet", "the network of 1998: squash, trainable subsampling, partial C3, RBF output",
        PAPER, (1, 32, 32), 32, 10, PUBLISHED, deviations(__doc__, "codes", "logits", "larger"),
    ),
    "lenet5_modern": Variant(
        LeNet5Modern, "LeNet", "the same table with ReLU, max pooling, full C3 and a linear output",
        PAPER, (1, 32, 32), 32, 10, None, deviations(__doc__, "modern", "larger"),
    ),
}  # fmt: skip
