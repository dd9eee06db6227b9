"""SE nets against the figures and tables of Hu, Shen, Albanie, Sun and Wu, 2017, and the released files."""

import math

import pytest
import torch
from torch import nn

from convatlas.errors import UsageError
from convatlas.models import senet, senet_inception
from convatlas.models.resnet import Conv
from convatlas.models.senet import POSITIONS, SqueezeExcitation
from tests.papers.networks import built, table

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


@pytest.mark.parametrize("file", [senet, senet_inception])
def test_every_declared_deviation_is_at_a_line_of_the_file_that_registers_it(file):
    source = file.__loader__.get_source(file.__name__)
    for variant in file.VARIANTS.values():
        for deviation in variant.deviations:
            assert source.count(f"[{deviation.tag}]") >= 2, deviation.tag
