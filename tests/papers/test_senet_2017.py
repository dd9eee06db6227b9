"""SE nets against the figures and tables of Hu, Shen, Albanie, Sun and Wu, 2017, and the released files."""

import math
from functools import cache

import pytest
import torch
from torch import nn

from convatlas.analysis.summary import Summary, summarize
from convatlas.errors import UsageError
from convatlas.models import inception_resnet, senet, senet_inception, vgg
from convatlas.models.network import Description, Network
from convatlas.models.resnet import Conv
from convatlas.models.senet import POSITIONS, SqueezeExcitation

VARIANTS = senet.VARIANTS | senet_inception.VARIANTS

# Parameters of convolutions and linear layers, of batch normalisation, and multiply-adds.
COUNTS = {
    "se_resnet50": (28_034_904, 53_120, 3_860_488_192),
    "se_resnet101": (49_221_528, 105_344, 7_574_937_600),
    "se_resnet152": (66_670_424, 151_424, 11_288_993_792),
    "se_resnext50_32x4d": (27_491_672, 68_224, 4_232_994_816),
    "se_resnext101_32x4d": (48_817_560, 137_856, 7_974_739_968),
    "senet154": (114_841_432, 247_552, 20_688_363_520),
    "se_bn_inception": (11_911_590, 20_032, 2_033_239_424),
}

# Table 2, column SENet: GFLOPs.
GFLOPS = {
    "se_resnet50": 3.87,
    "se_resnet101": 7.60,
    "se_resnet152": 11.32,
    "se_resnext50_32x4d": 4.25,
    "se_resnext101_32x4d": 8.00,
    "se_bn_inception": 2.04,
}

# Table 1: maps of the block's first 1x1, of its 3x3, its groups, the last 1x1, and the hidden layer of the excitation.
BLOCKS = {
    "se_resnet50": [(64, 64, 1, 256, 16), (128, 128, 1, 512, 32), (256, 256, 1, 1024, 64), (512, 512, 1, 2048, 128)],
    "se_resnext50_32x4d": [
        (128, 128, 32, 256, 16), (256, 256, 32, 512, 32), (512, 512, 32, 1024, 64), (1024, 1024, 32, 2048, 128),
    ],
    "senet154": [
        (128, 256, 64, 256, 16), (256, 512, 64, 512, 32), (512, 1024, 64, 1024, 64), (1024, 2048, 64, 2048, 128),
    ],
}  # fmt: skip
DEPTHS = {
    "se_resnet50": (3, 4, 6, 3), "se_resnet101": (3, 4, 23, 3), "se_resnet152": (3, 8, 36, 3),
    "se_resnext50_32x4d": (3, 4, 6, 3), "se_resnext101_32x4d": (3, 4, 23, 3), "senet154": (3, 8, 36, 3),
    "se_resnet50_v1_5": (3, 4, 6, 3),
}  # fmt: skip


# The released file, layer by layer: weights of a row's convolutions, and with their biases those of its gate.
BN_INCEPTION = {
    "conv1": [9_408],
    "conv2": [4_096, 110_592],
    "inception_3a": [12_288, 12_288, 36_864, 12_288, 55_296, 82_944, 6_144, 4_112, 4_352],
    "inception_3b": [16_384, 16_384, 55_296, 16_384, 55_296, 82_944, 16_384, 6_420, 6_720],
    "inception_3c": [40_960, 184_320, 20_480, 55_296, 82_944, 20_772, 21_312],
    "inception_4a": [129_024, 36_864, 55_296, 55_296, 110_592, 147_456, 73_728, 20_772, 21_312],
    "inception_4b": [110_592, 55_296, 110_592, 55_296, 110_592, 147_456, 73_728, 20_772, 21_312],
    "inception_4c": [92_160, 73_728, 184_320, 73_728, 184_320, 230_400, 73_728, 23_142, 23_712],
    "inception_4d": [58_368, 77_824, 221_184, 97_280, 276_480, 331_776, 77_824, 23_142, 23_712],
    "inception_4e": [77_824, 221_184, 116_736, 442_368, 589_824, 69_762, 70_752],
    "inception_5a": [371_712, 202_752, 552_960, 168_960, 322_560, 451_584, 135_168, 65_600, 66_560],
    "inception_5b": [360_448, 196_608, 552_960, 196_608, 387_072, 451_584, 131_072, 65_600, 66_560],
    "fc": [1_025_000],
}


def built(name: str, device: str = "meta", **arguments: object) -> Network:
    variant = VARIANTS[name]
    with torch.device(device):
        network = variant.build(variant.num_classes, 3, **arguments)
    network.description = Description(name, variant.num_classes, 3, variant.min_size)
    return network.eval()


@cache
def table(name: str) -> Summary:
    return summarize(built(name), VARIANTS[name].input_size)


def of_kind(network: nn.Module, kind: type[nn.Module] | tuple[type[nn.Module], ...]) -> int:
    return sum(p.numel() for m in network.modules() if isinstance(m, kind) for p in m.parameters(recurse=False))


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_and_multiply_adds(name):
    network = built(name)
    found = of_kind(network, (nn.Conv2d, nn.Linear)), of_kind(network, nn.BatchNorm2d), table(name).macs
    assert found == COUNTS[name]
    assert table(name).params == sum(COUNTS[name][:2])


def test_totals_that_are_known_by_heart():
    assert (table("se_resnet50").params, table("senet154").params) == (28_088_024, 115_088_984)
    assert table("se_resnet50_v1_5").params == 28_088_024


def test_the_gates_of_the_small_net_by_hand():
    # A gate of 16, 32 and 64 maps has 1, 2 and 4 hidden units: 2 C C/16 + C/16 + C.
    gates = 3 * ((2 * 16 * 1 + 1 + 16) + (2 * 32 * 2 + 2 + 32) + (2 * 64 * 4 + 4 + 64))
    assert table("se_resnet20_cifar").params == 269_722 + gates == 272_095
    assert table("se_resnet20_cifar").macs == 40_551_040 + 3 * 2 * (16 * 1 + 32 * 2 + 64 * 4)


@pytest.mark.parametrize("name", GFLOPS)
def test_the_papers_gflops_count_pooling_and_scaling_too(name):
    # Ours counts convolutions and linear layers only: at most one percent less.
    assert 0.99 * GFLOPS[name] < table(name).macs / 1e9 < GFLOPS[name]
    assert VARIANTS[name].published.macs == round(GFLOPS[name] * 1e9)


@pytest.mark.parametrize("name", DEPTHS)
def test_output_sizes_of_table_1(name):
    assert {row.name: row.output for row in table(name).rows} == {
        "conv1": (128 if name == "senet154" else 64, 112, 112),
        "conv2_x": (256, 56, 56),
        "conv3_x": (512, 28, 28),
        "conv4_x": (1024, 14, 14),
        "conv5_x": (2048, 7, 7),
        "average_pool": (2048,),
        "fc": (1000,),
    }


@pytest.mark.parametrize("name", VARIANTS)
def test_the_record_shown_to_users_is_the_papers_table(name):
    published = VARIANTS[name].published
    if published is None or not published.rows:
        assert name in ("senet154", "se_resnet50_v1_5", "se_resnet20_cifar", "se_inception_resnet_v2", "se_vgg16")
        return
    sizes = {row.name: row.output for row in table(name).rows if row.name != "average_pool"}
    assert {row: numbers.output for row, numbers in published.rows.items()} == sizes
    # Section 4: 28.1 million.
    assert published.params == (28_100_000 if name == "se_resnet50" else None)


@pytest.mark.parametrize("name", DEPTHS)
def test_how_many_blocks(name):
    network = built(name)
    counts = [
        sum(isinstance(m, SqueezeExcitation) for m in getattr(network, f"conv{i}_x").modules()) for i in (2, 3, 4, 5)
    ]
    assert tuple(counts) == DEPTHS[name]


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_of_table_1(name):
    network = built(name)
    for row, expected in zip((2, 3, 4, 5), BLOCKS[name], strict=True):
        blocks = [m for m in getattr(network, f"conv{row}_x") if not isinstance(m, nn.MaxPool2d)]
        for block in blocks:
            reduce, middle, expand = (layer[0] for layer in block.residual_branch)
            hidden = block.gate.excitation[0].out_features
            found = (reduce.out_channels, middle.out_channels, middle.groups, expand.out_channels, hidden)
            assert found == expected
            assert (reduce.kernel_size, middle.kernel_size, expand.kernel_size) == ((1, 1), (3, 3), (1, 1))


@pytest.mark.parametrize(
    ("name", "layer"),
    [("se_resnet50", 0), ("se_resnext50_32x4d", 1), ("senet154", 1), ("se_resnet50_v1_5", 1), ("se_resnet20_cifar", 0)],
)
def test_where_the_strides_are(name, layer):
    for key, module in built(name).named_modules():
        if isinstance(module, nn.Conv2d) and module.stride == (2, 2) and not key.startswith("conv1."):
            assert key.endswith(("_1.shortcut.0", f"_1.residual_branch.{layer}.0")), key


def test_what_is_different_in_senet154():
    network = built("senet154")
    stem = [m for m in network.conv1 if isinstance(m, nn.Conv2d)]
    assert [(m.out_channels, m.kernel_size, m.stride) for m in stem] == [
        (64, (3, 3), (2, 2)), (64, (3, 3), (1, 1)), (128, (3, 3), (1, 1)),
    ]  # fmt: skip
    projections = {key[:7]: m for key, m in network.named_modules() if key.endswith("shortcut.0")}
    assert {row: m.kernel_size for row, m in projections.items()} == {
        "conv2_x": (1, 1), "conv3_x": (3, 3), "conv4_x": (3, 3), "conv5_x": (3, 3),
    }  # fmt: skip
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.2]
    assert not [m for m in built("se_resnet152").modules() if isinstance(m, nn.Dropout)]


def test_squeeze_and_excitation_by_hand():
    block = SqueezeExcitation(2, reduction=2)
    first, second = block.excitation[0], block.excitation[2]
    assert (first.out_features, second.out_features) == (1, 2)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0, -1.0]]))
        first.bias.fill_(0.5)
        second.weight.copy_(torch.tensor([[2.0], [-1.0]]))
        second.bias.copy_(torch.tensor([0.0, 1.0]))
    # The maps' means are 2.5 and 1: the hidden unit is ReLU(2.5 - 1 + 0.5) = 2.
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0], [1.0, 1.0]]]])
    gates = [1 / (1 + math.exp(-4.0)), 1 / (1 + math.exp(1.0))]
    expected = torch.stack([x[0, 0] * gates[0], x[0, 1] * gates[1]])
    assert torch.allclose(block(x)[0], expected, atol=1e-6)
    # Means of 0 and 1: ReLU(-0.5) is 0.
    x = torch.stack([torch.zeros(3, 3), torch.ones(3, 3)]).unsqueeze(0)
    assert torch.allclose(block(x)[0, 1], torch.full((3, 3), 1 / (1 + math.exp(-1.0))), atol=1e-6)


def test_reduction_is_sixteen():
    assert SqueezeExcitation(256).excitation[0].out_features == 16


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("convs", [(Conv(3, 32), Conv(3, 32)), (Conv(1, 8), Conv(3, 8), Conv(1, 32))])
def test_positions_of_figure_7_in_any_block(position, convs):
    torch.manual_seed(0)
    block = POSITIONS[position](16, convs, 2, stride_at=0, shortcut="B", gate=SqueezeExcitation).eval()
    x = torch.randn(2, 16, 6, 6)
    residual, gate, shortcut = block.residual_branch, block.gate, block.shortcut
    expected = {
        "standard": lambda: torch.relu(gate(residual(x)) + shortcut(x)),
        "pre": lambda: torch.relu(residual(gate(x)) + shortcut(x)),
        "post": lambda: gate(torch.relu(residual(x) + shortcut(x))),
        "identity": lambda: torch.relu(residual(x) + gate(shortcut(x))),
    }[position]()
    assert torch.allclose(block(x), expected, atol=1e-6)
    assert gate.excitation[2].out_features == (16 if position == "pre" else 32)


@pytest.mark.parametrize("position", POSITIONS)
def test_positions_are_an_argument_of_the_networks(position):
    network = built("se_resnet50", block=POSITIONS[position])
    gates = [m for m in network.modules() if isinstance(m, SqueezeExcitation)]
    assert len(gates) == 16
    params = sum(p.numel() for p in network.parameters())
    if position == "pre":
        # The gates of each row's first block see the maps of the row before.
        hand = [64, *[256] * 3, *[512] * 4, *[1024] * 6, *[2048] * 2]
        assert params == 25_557_032 + sum(2 * c * c // 16 + c // 16 + c for c in hand)
    else:
        assert params == 28_088_024


def test_initialisation_of_the_excitation():
    torch.manual_seed(0)
    network = built("se_resnet50", "cpu")
    for layer in (network.conv5_x.conv5_1.gate.excitation[0], network.conv5_x.conv5_1.gate.excitation[2]):
        assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / layer.in_features), rel=0.03)
        assert not layer.bias.any()


@pytest.mark.parametrize("name", ["se_resnet50", "se_resnext50_32x4d", "se_resnet50_v1_5", "se_resnet20_cifar"])
def test_smallest_input(name):
    least = VARIANTS[name].min_size
    assert least == (1 if name in ("se_resnet50_v1_5", "se_resnet20_cifar") else 3)
    network = built(name, "cpu")
    assert network(torch.zeros(1, 3, least, least)).shape == (1, VARIANTS[name].num_classes)
    with pytest.raises(UsageError, match=f"needs at least {least}x{least} pixels"):
        network(torch.zeros(1, 3, least - 1, least))
    network.description = None
    with pytest.raises(RuntimeError):
        network(torch.zeros(1, 3, least - 1, least - 1))


@pytest.mark.parametrize("name", ["se_resnet101", "se_resnet152", "se_resnext101_32x4d", "senet154"])
def test_smallest_input_of_the_large_nets(name):
    network = built(name)
    assert VARIANTS[name].min_size == 3
    assert network(torch.empty(1, 3, 3, 3, device="meta")).shape == (1, 1000)
    network.description = None
    with pytest.raises(RuntimeError):
        network(torch.empty(1, 3, 2, 2, device="meta"))


@pytest.mark.parametrize("row", BN_INCEPTION)
def test_every_layer_of_se_bn_inception(row):
    layers = [m for m in getattr(built("se_bn_inception"), row).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert [sum(p.numel() for p in m.parameters()) for m in layers] == BN_INCEPTION[row]


def test_output_sizes_of_se_bn_inception():
    outputs = {row.name: row.output for row in table("se_bn_inception").rows}
    assert outputs["inception_3c"] == (160 + 96 + 320, 14, 14)
    assert outputs["inception_4c"] == outputs["inception_4d"] == (608, 14, 14)
    assert outputs["inception_4e"] == (192 + 256 + 608, 7, 7)
    assert outputs["inception_5b"] == (352 + 320 + 224 + 128, 7, 7)


def test_pools_of_se_bn_inception():
    network = built("se_bn_inception")
    kinds = {
        row: type(getattr(network, row).branches["branch_pool"][0]).__name__
        for row in network.rows
        if row.startswith("inception")
    }
    passing = {"inception_3c": "ZeroPad2d", "inception_4e": "ZeroPad2d", "inception_5b": "MaxPool2d"}
    assert kinds == dict.fromkeys(kinds, "AvgPool2d") | passing


def test_the_passing_pool_is_the_released_one_at_even_sizes():
    pool = built("se_bn_inception", "cpu").inception_3c.branches["branch_pool"]
    x = torch.rand(1, 3, 8, 10)
    assert torch.equal(pool(x), nn.functional.max_pool2d(x, 3, stride=2, ceil_mode=True))
    assert pool(torch.rand(1, 3, 7, 9)).shape == (1, 3, 4, 5)


def test_se_inception_resnet_v2_is_its_base_and_gates():
    size = (3, 299, 299)
    with torch.device("meta"):
        base = summarize(inception_resnet.VARIANTS["inception_resnet_v2"].build(1000, 3), size)
    gates = [384] * 5 + [1152] * 10 + [2144] * 5
    more = table("se_inception_resnet_v2").params - base.params
    assert more == sum(2 * c * c // 16 + c // 16 + c for c in gates) == 4_649_670
    assert table("se_inception_resnet_v2").macs - base.macs == sum(2 * c * c // 16 for c in gates)


def test_the_gate_of_inception_resnet_comes_before_the_scaling():
    torch.manual_seed(0)
    block = senet_inception.SEResidual(32, {"branch1x1": inception_resnet.FIGURE_10["branch1x1"]}, 0.17).eval()
    x = torch.randn(1, 32, 5, 5)
    expected = torch.relu(x + 0.17 * block.gate(block.linear1x1(block.branches(x))))
    assert torch.allclose(block(x), expected, atol=1e-6)


def test_se_vgg16_is_its_base_and_a_gate_behind_each_relu():
    with torch.device("meta"):
        base = vgg.VARIANTS["vgg16_bn"].build(1000, 3)
    gates = [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    more = table("se_vgg16").params - sum(p.numel() for p in base.parameters())
    assert more == sum(2 * c * c // 16 + c // 16 + c for c in gates)
    rows = [row for name, row in built("se_vgg16").named_children() if name.startswith("conv")]
    assert [type(layer).__name__ for row in rows for layer in row] == [
        "Conv2d", "BatchNorm2d", "ReLU", "SqueezeExcitation",
    ] * 13  # fmt: skip


@pytest.mark.parametrize(("name", "least"), [("se_bn_inception", 7), ("se_inception_resnet_v2", 75), ("se_vgg16", 32)])
def test_smallest_input_of_the_others(name, least):
    assert VARIANTS[name].min_size == least
    network = built(name)
    for height, width in ((least, least), (least, least + 38), (least + 13, least)):
        assert network(torch.empty(1, 3, height, width, device="meta")).shape == (1, 1000)
    network.description = None
    with pytest.raises(RuntimeError):
        network(torch.empty(1, 3, least - 1, least - 1, device="meta"))


@pytest.mark.parametrize("file", [senet, senet_inception])
def test_every_declared_deviation_is_at_a_line_of_the_file_that_registers_it(file):
    source = file.__loader__.get_source(file.__name__)
    for variant in file.VARIANTS.values():
        for deviation in variant.deviations:
            assert source.count(f"[{deviation.tag}]") >= 2, deviation.tag
