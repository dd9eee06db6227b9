"""ResNets and plain nets against Table 1, section 4 and Table 6 of He, Zhang, Ren and Sun, 2015."""

import pytest
import torch
from torch import nn

from convatlas.errors import UsageError
from convatlas.models import resnet, resnet_cifar
from convatlas.models.resnet import Conv, column
from tests.papers.networks import built, table

VARIANTS = resnet.VARIANTS | resnet_cifar.VARIANTS


# Trainable parameters with those of batch normalisation, and multiply-adds; options A, B, C for 18 and 34 layers.
COUNTS = {
    "plain18": (11_515_688, 1_794_805_760),
    "plain34": (21_623_848, 3_644_493_824),
    "resnet18": (11_689_512, 1_814_073_344),
    "resnet34": (21_797_672, 3_663_761_408),
    "resnet50": (25_557_032, 3_857_973_248),
    "resnet101": (44_549_160, 7_570_194_432),
    "resnet152": (60_192_808, 11_282_415_616),
    "resnet20_cifar": (269_722, 40_551_040),
    "resnet32_cifar": (464_154, 68_862_592),
    "resnet44_cifar": (658_586, 97_174_144),
    "resnet56_cifar": (853_018, 125_485_696),
    "resnet110_cifar": (1_727_962, 252_887_680),
    "resnet1202_cifar": (19_421_274, 2_829_238_912),
    "plain20_cifar": (269_722, 40_551_040),
    "plain32_cifar": (464_154, 68_862_592),
    "plain44_cifar": (658_586, 97_174_144),
    "plain56_cifar": (853_018, 125_485_696),
}


OPTIONS = {
    ("resnet18", "A"): (11_515_688, 1_794_805_760),
    ("resnet18", "C"): (12_043_816, 1_878_298_624),
    ("resnet34", "A"): (21_623_848, 3_644_493_824),
    ("resnet34", "C"): (22_716_840, 3_830_747_136),
}


# Table 1: how many blocks in conv2_x to conv5_x.
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


SHALLOW = ["plain18", "plain34", "resnet18", "resnet34"]


DEEP = ["resnet50", "resnet101", "resnet152", "resnet50_v1_5", "resnet101_v1_5", "resnet152_v1_5"]


CIFAR = list(resnet_cifar.VARIANTS)


QUICK = [name for name in VARIANTS if name != "resnet1202_cifar"]


# 1,202 layers take seconds to build.
SLOW = pytest.param("resnet1202_cifar", marks=pytest.mark.slow)


def depth(name: str) -> int:
    return int("".join(c for c in name.split("_")[0] if c.isdigit()))


@pytest.mark.parametrize("name", [*(name for name in COUNTS if name in QUICK), SLOW])
def test_parameters_and_multiply_adds(name):
    summary = table(name)
    assert (summary.params, summary.macs) == COUNTS[name]


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_parameters_and_multiply_adds_of_the_other_options(name, option):
    summary = table(name, shortcut=option)
    assert (summary.params, summary.macs) == OPTIONS[name, option]


@pytest.mark.parametrize("layers", [50, 101, 152])
def test_v1_5_has_the_same_parameters(layers):
    assert table(f"resnet{layers}_v1_5").params == COUNTS[f"resnet{layers}"][0]


def test_v1_5_costs_more():
    # The first 1x1 of conv3_1, 4_1 and 5_1 runs before the map is halved, 4 times as often, and the 3x3 as before.
    more = 3 * (56**2 * 256 * 128 + 28**2 * 512 * 256 + 14**2 * 1024 * 512) // 4
    assert table("resnet50_v1_5").macs == COUNTS["resnet50"][1] + more == 4_089_184_256


@pytest.mark.parametrize("name", SHALLOW + DEEP)
def test_output_sizes_of_table_1(name):
    widen = 1 if name in SHALLOW else 4
    assert {row.name: row.output for row in table(name).rows} == {
        "conv1": (64, 112, 112),
        "conv2_x": (64 * widen, 56, 56),
        "conv3_x": (128 * widen, 28, 28),
        "conv4_x": (256 * widen, 14, 14),
        "conv5_x": (512 * widen, 7, 7),
        "average_pool": (512 * widen,),
        "fc": (1000,),
    }


@pytest.mark.parametrize("name", [*(name for name in CIFAR if name in QUICK), SLOW])
def test_output_sizes_of_section_4_2(name):
    assert {row.name: row.output for row in table(name).rows} == {
        "conv1": (16, 32, 32),
        "conv2_x": (16, 32, 32),
        "conv3_x": (32, 16, 16),
        "conv4_x": (64, 8, 8),
        "average_pool": (64,),
        "fc": (10,),
    }


@pytest.mark.parametrize("name", [*QUICK, SLOW])
def test_the_record_shown_to_users_is_the_papers_table(name):
    variant = VARIANTS[name]
    sizes = {row.name: row.output for row in table(name).rows if row.name != "average_pool"}
    assert {row: numbers.output for row, numbers in variant.published.rows.items()} == sizes
    summary = table(name)
    # Table 1 prints billions with one digit, some cut and some rounded; Table 6 prints millions with one or two.
    if variant.published.macs is not None:
        assert variant.published.macs == pytest.approx(summary.macs, abs=0.1e9)
    if variant.published.params is not None:
        assert variant.published.params == pytest.approx(summary.params, rel=0.02)
    assert (variant.published.macs is None) == (name in CIFAR or name.endswith("v1_5"))
    assert (variant.published.params is None) == (name not in CIFAR or name.startswith("plain"))


@pytest.mark.parametrize("name", SHALLOW + DEEP)
def test_blocks_and_weighted_layers_of_table_1(name):
    network = built(name)
    blocks = [
        f"conv{row}_{i + 1}" for row, count in zip("2345", BLOCKS[depth(name)], strict=True) for i in range(count)
    ]
    named = [key for row in network.rows[1:5] for key, _ in getattr(network, row).named_children()]
    assert named == ["pool1", *blocks]
    weighted = [
        m for key, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear) and "shortcut" not in key
    ]
    assert len(weighted) == depth(name)


@pytest.mark.parametrize("name", [name for name in CIFAR if name in QUICK])
def test_weighted_layers_of_the_cifar_nets(name):
    kernels = [m.kernel_size for m in built(name).modules() if isinstance(m, nn.Conv2d)]
    assert kernels == [(3, 3)] * (depth(name) - 1)


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet50_v1_5", "resnet20_cifar", "plain34"])
def test_where_the_strides_are(name):
    strided = [key for key, m in built(name).named_modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)]
    first = {"resnet50_v1_5": 1}.get(name, 0)
    rows = ("3", "4") if name in CIFAR else ("3", "4", "5")
    branch = "0" if name.startswith("plain") else "residual_branch"
    expected = [] if name in CIFAR else ["conv1.0"]
    for row in rows:
        expected.append(f"conv{row}_x.conv{row}_1.{branch}.{first}.0")
        if name not in CIFAR and not name.startswith("plain"):
            expected.append(f"conv{row}_x.conv{row}_1.shortcut.0")
    assert strided == expected


def test_option_b_projects_where_maps_are_added():
    projected = [
        key.removesuffix(".shortcut.0") for key, _ in built("resnet50").named_modules() if key.endswith("shortcut.0")
    ]
    # conv2_1 goes from 64 to 256 maps at the same size.
    assert projected == ["conv2_x.conv2_1", "conv3_x.conv3_1", "conv4_x.conv4_1", "conv5_x.conv5_1"]


def test_option_c_projects_in_every_block():
    keys = [key for key, _ in built("resnet34", shortcut="C").named_modules() if key.endswith("shortcut.0")]
    assert len(keys) == 3 + 4 + 6 + 3


def test_columns_are_those_of_table_1():
    assert column(152)["conv4_x"] == ((Conv(1, 256), Conv(3, 256), Conv(1, 1024)), 36)
    assert column(34)["conv3_x"] == ((Conv(3, 128), Conv(3, 128)), 4)


@pytest.mark.parametrize(
    "name", ["plain18", "resnet18", "resnet50", "resnet50_v1_5", "resnet20_cifar", "plain20_cifar"]
)
def test_smallest_input(name):
    least = VARIANTS[name].min_size
    assert least == (3 if name == "resnet50" else 1)
    network = built(name, "cpu")
    assert network(torch.zeros(1, 3, least, least)).shape == (1, VARIANTS[name].num_classes)
    with pytest.raises(UsageError, match=f"needs at least {least}x{least} pixels"):
        network(torch.zeros(1, 3, least - 1, least))
    network.description = None
    with pytest.raises(RuntimeError):
        network(torch.zeros(1, 3, least - 1, least - 1))


@pytest.mark.parametrize("name", QUICK)
def test_smallest_size_is_that_of_the_stem(name):
    assert VARIANTS[name].min_size == (3 if name in ("resnet50", "resnet101", "resnet152") else 1)


@pytest.mark.parametrize("name", VARIANTS)
def test_names_of_the_deviations(name):
    tags = {deviation.tag for deviation in VARIANTS[name].deviations}
    assert "init" in tags
    assert ("v1_5" in tags) == name.endswith("v1_5")
    assert ("stride" in tags) == ("pool" in tags) == (name in ("resnet50", "resnet101", "resnet152"))
    assert ("zeros" in tags) == (name.startswith("resnet") and name in CIFAR)


@pytest.mark.parametrize("file", [resnet, resnet_cifar])
def test_every_declared_deviation_is_at_a_line_of_the_file_that_registers_it(file):
    source = file.__loader__.get_source(file.__name__)
    for variant in file.VARIANTS.values():
        for deviation in variant.deviations:
            assert source.count(f"[{deviation.tag}]") >= 2, deviation.tag
