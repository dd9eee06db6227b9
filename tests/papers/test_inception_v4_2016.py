"""Inception-v4 and Inception-ResNet against the figures and tables of Szegedy et al., 2016."""

import functools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convatlas.analysis.summary import summarize
from convatlas.errors import UsageError
from convatlas.models.inception_resnet import VARIANTS as RESIDUAL
from convatlas.models.inception_resnet import Residual
from convatlas.models.inception_v4 import VARIANTS as PLAIN
from convatlas.models.inception_v4 import Conv, Inception, avg_pool, initialise
from convatlas.models.network import Description

VARIANTS = PLAIN | RESIDUAL

# Parameters, the same without the scales of batch normalisation, multiply-adds at 3x299x299.
TOTALS = {
    "inception_v4": (42_679_816, 42_648_232, 12_253_974_624),
    "inception_resnet_v1": (22_756_328, 22_742_808, 6_206_361_696),
    "inception_resnet_v2": (32_433_928, 32_417_496, 9_257_953_632),
    "inception_resnet_v2_released": (55_843_464, 55_813_192, 13_155_794_016),
}

# Figures 9 and 15 (whose sizes are those of v1); of v2 the sums that its figures give.
ROWS = {
    "inception_v4": {
        "stem": (384, 35, 35), "inception_a": (384, 35, 35), "reduction_a": (1024, 17, 17),
        "inception_b": (1024, 17, 17), "reduction_b": (1536, 8, 8), "inception_c": (1536, 8, 8),
        "pool": (1536,), "dropout": (1536,), "linear": (1000,),
    },
    "inception_resnet_v1": {
        "stem": (256, 35, 35), "inception_resnet_a": (256, 35, 35), "reduction_a": (896, 17, 17),
        "inception_resnet_b": (896, 17, 17), "reduction_b": (1792, 8, 8), "inception_resnet_c": (1792, 8, 8),
        "pool": (1792,), "dropout": (1792,), "linear": (1000,),
    },
    "inception_resnet_v2": {
        "stem": (384, 35, 35), "inception_resnet_a": (384, 35, 35), "reduction_a": (1152, 17, 17),
        "inception_resnet_b": (1152, 17, 17), "reduction_b": (2144, 8, 8), "inception_resnet_c": (2144, 8, 8),
        "pool": (2144,), "dropout": (2144,), "linear": (1000,),
    },
    "inception_resnet_v2_released": {
        "stem": (192, 35, 35), "mixed_5b": (320, 35, 35), "inception_resnet_a": (320, 35, 35),
        "reduction_a": (1088, 17, 17), "inception_resnet_b": (1088, 17, 17), "reduction_b": (2080, 8, 8),
        "inception_resnet_c": (2080, 8, 8), "conv_7b": (1536, 8, 8),
        "pool": (1536,), "dropout": (1536,), "linear": (1000,),
    },
}  # fmt: skip

BLOCKS = {
    "inception_v4": (4, 7, 3),
    "inception_resnet_v1": (5, 10, 5),
    "inception_resnet_v2": (5, 10, 5),
    "inception_resnet_v2_released": (10, 20, 10),
}

# Every convolution of a figure as "kernel channels", V without padding, /2 with stride 2; a semicolon between branches.
REDUCTION_A = "3x3 {n} /2 V; 1x1 {k}, 3x3 {l}, 3x3 {m} /2 V"
STEM_V4 = "3x3 32 /2 V, 3x3 32 V, 3x3 64; 3x3 96 /2 V; 1x1 64, 3x3 96 V; 1x1 64, 1x7 64, 7x1 64, 3x3 96 V; 3x3 192 /2 V"
V2_A = "1x1 32; 1x1 32, 3x3 32; 1x1 32, 3x3 48, 3x3 64; "
V2_B = "1x1 192; 1x1 128, 1x7 160, 7x1 192; "
V2_REDUCTION_B = "1x1 256, 3x3 384 /2 V; 1x1 256, 3x3 288 /2 V; 1x1 256, 3x3 288, 3x3 320 /2 V"
V2_C = "1x1 192; 1x1 192, 1x3 224, 3x1 256; "
FIGURES = {
    "inception_v4": {
        "stem": STEM_V4,
        "inception_a.0": "1x1 96; 1x1 64, 3x3 96; 1x1 64, 3x3 96, 3x3 96; 1x1 96",
        "reduction_a": REDUCTION_A.format(k=192, l=224, m=256, n=384),
        "inception_b.6": "1x1 384; 1x1 192, 1x7 224, 7x1 256; 1x1 192, 7x1 192, 1x7 224, 7x1 224, 1x7 256; 1x1 128",
        "reduction_b": "1x1 192, 3x3 192 /2 V; 1x1 256, 1x7 256, 7x1 320, 3x3 320 /2 V",
        "inception_c.2": "1x1 256; 1x1 384, 1x3 256; 3x1 256; 1x1 384, 3x1 448, 1x3 512, 1x3 256; 3x1 256; 1x1 256",
    },
    "inception_resnet_v1": {
        "stem": "3x3 32 /2 V, 3x3 32 V, 3x3 64, 1x1 80, 3x3 192 V, 3x3 256 /2 V",
        "inception_resnet_a.4": "1x1 32; 1x1 32, 3x3 32; 1x1 32, 3x3 32, 3x3 32; 1x1 256",
        "reduction_a": REDUCTION_A.format(k=192, l=192, m=256, n=384),
        "inception_resnet_b.9": "1x1 128; 1x1 128, 1x7 128, 7x1 128; 1x1 896",
        "reduction_b": "1x1 256, 3x3 384 /2 V; 1x1 256, 3x3 256 /2 V; 1x1 256, 3x3 256, 3x3 256 /2 V",
        "inception_resnet_c.4": "1x1 192; 1x1 192, 1x3 192, 3x1 192; 1x1 1792",
    },
    "inception_resnet_v2": {
        "stem": STEM_V4,
        "inception_resnet_a.4": V2_A + "1x1 384",
        "reduction_a": REDUCTION_A.format(k=256, l=256, m=384, n=384),
        "inception_resnet_b.9": V2_B + "1x1 1152",
        "reduction_b": V2_REDUCTION_B,
        "inception_resnet_c.4": V2_C + "1x1 2144",
    },
    "inception_resnet_v2_released": {
        "stem": "3x3 32 /2 V, 3x3 32 V, 3x3 64, 1x1 80, 3x3 192 V",
        "mixed_5b": "1x1 96; 1x1 48, 5x5 64; 1x1 64, 3x3 96, 3x3 96; 1x1 64",
        "inception_resnet_a.9": V2_A + "1x1 320",
        "reduction_a": REDUCTION_A.format(k=256, l=256, m=384, n=384),
        "inception_resnet_b.19": V2_B + "1x1 1088",
        "reduction_b": V2_REDUCTION_B,
        "inception_resnet_c.9": V2_C + "1x1 2080",
        "conv_7b": "1x1 1536",
    },
}

# Tables 2, 3 and 4: top-1 and top-5 error of one crop, of 10 or 12, of 144.
ERRORS = {
    "inception_v4": [20.0, 5.0, 18.7, 4.2, 17.7, 3.8],
    "inception_resnet_v1": [21.3, 5.5, 19.8, 4.6, 18.8, 4.3],
    "inception_resnet_v2": [19.9, 4.9, 18.7, 4.1, 17.8, 3.7],
}


@functools.cache
def built(name: str) -> Inception:
    """A network without memory; not to be changed."""
    with torch.device("meta"):
        network = VARIANTS[name].build(1000, 3)
    network.description = Description(name, 1000, 3, VARIANTS[name].min_size)
    return network.eval()


@pytest.fixture(scope="module")
def inception_v4() -> Inception:
    torch.manual_seed(0)
    return VARIANTS["inception_v4"].build(2, 3).eval()


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]


def written(conv: nn.Conv2d) -> str:
    """A convolution in the notation of FIGURES."""
    high, wide = conv.kernel_size
    same = (high // 2, wide // 2)
    assert conv.padding in (same, (0, 0))
    assert conv.stride in ((1, 1), (2, 2))
    stride = " /2" if conv.stride == (2, 2) else ""
    return f"{high}x{wide} {conv.out_channels}{stride}{' V' if conv.padding != same else ''}"


@pytest.mark.parametrize("name", VARIANTS)
def test_totals(name):
    network = built(name)
    summary = summarize(network, (3, 299, 299))
    scales = sum(module.weight.numel() for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    assert (summary.params, summary.params - scales, summary.macs) == TOTALS[name]
    assert sum(p.numel() for p in network.parameters()) == summary.params


@pytest.mark.parametrize("name", VARIANTS)
def test_each_row_has_its_size(name):
    rows = summarize(built(name), (3, 299, 299)).rows
    assert {row.name: row.output for row in rows} == ROWS[name]
    published = VARIANTS[name].published.rows
    assert all(ROWS[name][row] == numbers.output for row, numbers in published.items())


@pytest.mark.parametrize("name", ERRORS)
def test_the_record_has_the_errors_of_tables_two_three_and_four(name):
    results = VARIANTS[name].published.results
    assert [result.error for result in results] == ERRORS[name]
    assert [result.source for result in results] == ["table 2"] * 2 + ["table 3"] * 2 + ["table 4"] * 2


@pytest.mark.parametrize(("name", "row"), [(name, row) for name in FIGURES for row in FIGURES[name]])
def test_each_figure_has_its_convolutions(name, row):
    expected = [conv for branch in FIGURES[name][row].split("; ") for conv in branch.split(", ")]
    assert [written(conv) for conv in convolutions(built(name).get_submodule(row))] == expected


@pytest.mark.parametrize("name", VARIANTS)
def test_blocks_repeat_as_often_as_the_schema_says_and_alike(name):
    network = built(name)
    rows = [network.get_submodule(row) for row in network.rows if row[:-1].endswith("inception_") or "resnet" in row]
    assert tuple(map(len, rows)) == BLOCKS[name]
    for row in rows:
        assert len({tuple(map(written, convolutions(block))) for block in row}) == 1


@pytest.mark.parametrize(("name", "sides"), [
    ("inception_v4", [149, 147, 147, 73, 71, 35]),
    ("inception_resnet_v2", [149, 147, 147, 73, 71, 35]),
    ("inception_resnet_v1", [149, 147, 147, 73, 73, 71, 35]),
    ("inception_resnet_v2_released", [149, 147, 147, 73, 73, 71, 35]),
])  # fmt: skip
def test_the_stem_shrinks_as_drawn(name, sides):
    x = torch.empty(1, 3, 299, 299, device="meta")
    found = []
    for step in built(name).stem:
        x = step(x)
        found.append(x.shape[2])
    assert found == sides


def test_inception_v4_has_149_convolutions():
    assert len(convolutions(built("inception_v4"))) == 149


@pytest.mark.parametrize("name", VARIANTS)
def test_every_convolution_has_batch_normalisation_and_relu_but_the_last_of_a_residual(name):
    network = built(name)
    linear = {id(module.linear1x1) for module in network.modules() if isinstance(module, Residual)}
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == len(convolutions(network)) - len(linear)
    assert {norm.eps for norm in norms} == {0.001}
    assert all((conv.bias is not None) == (id(conv) in linear) for conv in convolutions(network))
    relus = sum(isinstance(module, nn.ReLU) for module in network.modules())
    assert relus == len(norms) + len(linear) - (name == "inception_resnet_v2_released")


def test_branches_are_concatenated_in_order(inception_v4):
    module = inception_v4.inception_c[0]
    x = torch.randn(1, 1536, 4, 5)
    first, short, long, last = (module.get_submodule(name) for name, _ in module.named_children())
    parts = [first(x)]
    for branch in (short, long):
        reduced = branch[:-1](x)
        parts += [branch[-1].branch1x3(reduced), branch[-1].branch3x1(reduced)]
    assert [part.shape[1] for part in [*parts, last(x)]] == [256] * 6
    assert torch.equal(module(x), torch.cat([*parts, last(x)], 1))


def test_the_stem_concatenates_pooling_with_convolution(inception_v4):
    stem = inception_v4.stem
    x = torch.randn(1, 64, 11, 11)
    assert torch.equal(stem[3](x)[:, :64], F.max_pool2d(x, 3, 2))
    x = torch.randn(1, 192, 11, 11)
    assert torch.equal(stem[5](x)[:, 192:], F.max_pool2d(x, 3, 2))


def test_average_pools_leave_the_padding_out():
    maps = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert avg_pool(1)(maps).tolist() == [[[[2.5, 2.5], [2.5, 2.5]]]]
    for name, count in (("inception_v4", 14), ("inception_resnet_v1", 0), ("inception_resnet_v2_released", 1)):
        pools = [module for module in built(name).modules() if isinstance(module, nn.AvgPool2d)]
        assert [pool.count_include_pad for pool in pools] == [False] * count


def test_residual_is_scaled_before_it_is_added():
    torch.manual_seed(0)
    block = Residual(4, {"branch1x1": [lambda channels: nn.Identity()]}, 0.25)
    block.linear1x1.weight.data = torch.eye(4).view(4, 4, 1, 1) * 2
    block.linear1x1.bias.data.fill_(-8)
    # ReLU(x + 0.25 (2 x - 8)) = ReLU(1.5 x - 2)
    x = torch.tensor([4.0, 1.0, 2.0, -1.0]).view(1, 4, 1, 1)
    assert block(x).flatten().tolist() == [4.0, 0.0, 1.0, 0.0]
    block = Residual(4, {"branch1x1": [lambda channels: nn.Identity()]}, 0.25, relu=False)
    block.linear1x1.weight.data.zero_()
    block.linear1x1.bias.data.zero_()
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("name", RESIDUAL)
def test_scales_are_the_authors_and_an_argument(name):
    def scales(network: Inception) -> list[float]:
        return [module.scale for module in network.modules() if isinstance(module, Residual)]

    a, b, c = BLOCKS[name]
    expected = [0.17] * a + [0.10] * b + [0.20] * c
    other = [0.1] * a + [0.2] * b + [0.3] * c
    if name == "inception_resnet_v2_released":
        expected[-1] = other[-1] = 1.0
    assert scales(built(name)) == expected
    with torch.device("meta"):
        assert scales(VARIANTS[name].build(10, 3, (0.1, 0.2, 0.3))) == other


@pytest.mark.parametrize("name", VARIANTS)
def test_dropout_keeps_eight_tenths(name):
    assert built(name).dropout.p == 0.2


def test_initialisation_is_normal_and_cut_at_two_deviations(inception_v4):
    residual = Residual(64, {"branch1x1": [Conv(32, 1)]}, 0.1)
    initialise(residual)
    for module in [*inception_v4.modules(), *residual.modules()]:
        if isinstance(module, nn.Conv2d):
            fan_in = module.weight[0].numel()
            assert module.weight.abs().max().item() <= 2.000001 * math.sqrt(2.6 / fan_in)
            if module.weight.numel() > 10_000:
                assert module.weight.var().item() * fan_in == pytest.approx(2, rel=0.06)
                assert module.weight.mean().abs().item() < 4 * math.sqrt(2 / fan_in / module.weight.numel())
        elif isinstance(module, nn.Linear):
            assert module.weight.abs().max().item() <= math.sqrt(6 / (module.in_features + module.out_features))
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            assert not module.bias.any()


@pytest.mark.parametrize("name", VARIANTS)
def test_smallest_input(name):
    assert VARIANTS[name].min_size == 75
    network = built(name)
    assert network(torch.empty(1, 3, 75, 75, device="meta")).shape == (1, 1000)
    with pytest.raises(UsageError, match="at least 75x75"):
        network(torch.empty(1, 3, 75, 74, device="meta"))
    with pytest.raises(RuntimeError):
        nn.Sequential(*network.children())(torch.empty(1, 3, 75, 74, device="meta"))
