"""GoogLeNet against Table 1 and the text of Szegedy et al., 2014."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convatlas.analysis.summary import summarize
from convatlas.errors import UsageError
from convatlas.models.googlenet import PAPER_PARTS, VARIANTS, AuxiliaryClassifier, GoogLeNet, loss_with_auxiliary
from convatlas.models.network import Description

# Table 1, row by row: output size, weights without biases, operations printed (in millions).
ROWS = {
    "conv1": ((64, 112, 112), 9_408, 34),
    "pool1": ((64, 56, 56), 0, None),
    "conv2": ((192, 56, 56), 114_688, 360),
    "pool2": ((192, 28, 28), 0, None),
    "inception_3a": ((256, 28, 28), 163_328, 128),
    "inception_3b": ((480, 28, 28), 388_096, 304),
    "pool3": ((480, 14, 14), 0, None),
    "inception_4a": ((512, 14, 14), 375_552, 73),
    "inception_4b": ((512, 14, 14), 448_512, 88),
    "inception_4c": ((512, 14, 14), 509_440, 100),
    "inception_4d": ((528, 14, 14), 604_672, 119),
    "inception_4e": ((832, 14, 14), 867_328, 170),
    "pool4": ((832, 7, 7), 0, None),
    "inception_5a": ((832, 7, 7), 1_042_432, 54),
    "inception_5b": ((1024, 7, 7), 1_442_816, 71),
    "pool5": ((1024, 1, 1), 0, None),
    "dropout": ((1024,), 0, None),
    "linear": ((1000,), 1_024_000, 1),
}

# Table 1: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj.
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def built(name: str = "googlenet", device: str = "meta", num_classes: int = 1000) -> GoogLeNet:
    with torch.device(device):
        network = VARIANTS[name].build(num_classes, 3)
    network.description = Description(name, num_classes, 3, VARIANTS[name].min_size)
    return network.eval()


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]


def test_each_row_of_table_one_has_its_size_and_weights():
    network = built()
    sizes = {row.name: row.output for row in summarize(network, (3, 224, 224)).rows}
    weights = {
        row: sum(p.numel() for name, p in network.get_submodule(row).named_parameters() if name.endswith("weight"))
        for row in network.rows
    }
    assert {row: (sizes[row], weights[row]) for row in ROWS} == {row: numbers[:2] for row, numbers in ROWS.items()}
    # Figure 3 has two more: local response normalisation, whose sizes are those of its neighbours.
    assert [row for row in network.rows if row not in ROWS] == ["norm1", "norm2"]


def test_the_record_shown_to_users_is_table_one():
    published = VARIANTS["googlenet"].published
    assert {name: row.output for name, row in published.rows.items()} == {name: row[0] for name, row in ROWS.items()}
    errors = [result.error for result in published.results]
    assert errors == [10.07, 9.15, 7.89, 6.67]


def test_printed_operations_are_ours_but_for_the_two_rows_that_the_docstring_names():
    macs = {row.name: row.macs for row in summarize(built(), (3, 224, 224)).rows}
    differ = [row for row, (_, _, millions) in ROWS.items() if millions and abs(macs[row] / 1e6 - millions) > 1]
    assert differ == ["conv1", "inception_5a"]


def test_totals_with_and_without_heads():
    network = built()
    with torch.device("meta"):
        plain = GoogLeNet(1000, 3, heads=False)
    summary = summarize(network, (3, 224, 224))
    assert summary.params == sum(p.numel() for p in plain.parameters()) == 6_998_552
    assert sum(p.numel() for p in network.parameters()) == 13_378_280
    assert summary.macs == summarize(plain, (3, 224, 224)).macs == 1_582_671_872
    assert [sum(p.numel() for p in network.get_submodule(head).parameters()) for head in network.off_path] == [
        3_188_840, 3_190_888,
    ]  # fmt: skip


def test_totals_of_torchvisions_network():
    network = built("googlenet_bn")
    assert summarize(network, (3, 224, 224)).params == 6_624_904
    assert sum(p.numel() for p in network.parameters()) == 13_004_888
    # 1,582,671,872 with 16 of 25 weights in each 5x5 gone.
    fewer = sum(side**2 * module[3] * module[4] * 16 for module, side in zip(
        MODULES.values(), (28, 28, 14, 14, 14, 14, 14, 7, 7), strict=True
    ))  # fmt: skip
    assert summarize(network, (3, 224, 224)).macs == 1_582_671_872 - fewer


@pytest.mark.parametrize("row", MODULES)
def test_each_module_has_the_widths_and_kernels_of_its_row(row):
    module = built().get_submodule(f"inception_{row}")
    found = [(conv.out_channels, conv.kernel_size[0], conv.padding[0], conv.stride[0]) for conv in convolutions(module)]
    one, reduce3, three, reduce5, five, projection = MODULES[row]
    assert found == [
        (one, 1, 0, 1), (reduce3, 1, 0, 1), (three, 3, 1, 1), (reduce5, 1, 0, 1), (five, 5, 2, 1), (projection, 1, 0, 1)
    ]  # fmt: skip


def test_every_convolution_is_followed_by_relu_and_has_a_bias():
    network = built()
    assert len(convolutions(network)) == 3 + 9 * 6 + 2
    assert all(conv.bias is not None for conv in convolutions(network))
    relus = [module for module in network.modules() if isinstance(module, nn.ReLU)]
    assert len(relus) == len(convolutions(network))


def test_a_module_concatenates_its_branches_in_the_order_of_the_columns():
    torch.manual_seed(0)
    module = GoogLeNet(2, 3, heads=False).inception_3a
    maps = torch.randn(1, 192, 5, 6)
    one, reduce3, three, reduce5, five, projection = convolutions(module)

    def conv(layer: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
        return F.relu(F.conv2d(x, layer.weight, layer.bias, padding=layer.kernel_size[0] // 2))

    pooled = F.pad(maps, (1, 1, 1, 1), value=-math.inf).unfold(2, 3, 1).unfold(3, 3, 1).amax((-2, -1))
    expected = [conv(one, maps), conv(three, conv(reduce3, maps)), conv(five, conv(reduce5, maps))]
    assert torch.allclose(module(maps), torch.cat([*expected, conv(projection, pooled)], 1), atol=1e-5)


def test_pools_round_up_without_padding():
    network = built()
    for row in ("pool1", "pool2", "pool3", "pool4"):
        pool = network.get_submodule(row)
        assert (pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode) == (3, 2, 0, True)
    # The last window of a map of four sees its last two values only.
    assert network.pool1(torch.arange(16.0).view(1, 1, 4, 4)).tolist() == [[[[10.0, 11.0], [14.0, 15.0]]]]


def test_local_response_normalisation_by_hand():
    network = built()
    maps = torch.zeros(1, 64, 1, 1)
    maps[0, 10:15, 0, 0] = torch.tensor([100.0, 200.0, 300.0, 400.0, 500.0])
    squares = [100.0**2, 200.0**2, 300.0**2, 400.0**2, 500.0**2]
    for norm in (network.norm1, network.norm2):
        normalised = norm(maps)[0, :, 0, 0]
        # Five maps centred on the one: alpha of 0.0001 over n = 5, to the power of 0.75.
        assert normalised[12].item() == pytest.approx(300 / (1 + 1e-4 / 5 * sum(squares)) ** 0.75, rel=1e-5)
        assert normalised[10].item() == pytest.approx(100 / (1 + 1e-4 / 5 * sum(squares[:3])) ** 0.75, rel=1e-5)


def test_dropout_is_forty_percent_and_seventy_in_the_heads():
    network = built()
    found = [module.p for module in network.modules() if isinstance(module, nn.Dropout)]
    assert found == [0.7, 0.7, 0.4]


def test_heads_average_5x5_with_stride_3_and_have_the_layers_of_section_five():
    head = AuxiliaryClassifier(512, 7, PAPER_PARTS)
    maps = torch.randn(1, 512, 14, 14)
    averaged = torch.stack([
        torch.stack([maps[:, :, 3 * i : 3 * i + 5, 3 * j : 3 * j + 5].mean((2, 3)) for j in range(4)], 2)
        for i in range(4)
    ], 2)  # fmt: skip
    assert torch.allclose(head.pool(maps), averaged, atol=1e-6)
    conv = convolutions(head)[0]
    assert (conv.out_channels, conv.kernel_size) == (128, (1, 1))
    assert (head.fc.in_features, head.fc.out_features, head.linear.out_features) == (2048, 1024, 7)


@pytest.mark.parametrize("side", [1, 2, 3, 5, 13, 15, 28])
def test_heads_take_any_map(side):
    head = built().auxiliary_4a
    assert head.pool(torch.ones(1, 2, side, side + 3)).tolist() == torch.ones(1, 2, 4, 4).tolist()


@pytest.mark.parametrize("name", VARIANTS)
def test_logits_come_alone_and_with_those_of_the_heads(name):
    torch.manual_seed(0)
    network = built(name, "cpu", num_classes=5)
    images = torch.randn(2, 3, 64, 48)
    logits, first, second = network.forward_with_auxiliary(images)
    assert torch.equal(logits, network(images))
    features = network.features(images)
    assert torch.equal(first, network.auxiliary_4a(features["inception_4a"]))
    assert torch.equal(second, network.auxiliary_4d(features["inception_4d"]))
    assert not torch.equal(first, second)
    assert isinstance(network.train()(images), torch.Tensor)


def test_without_heads_the_three_logits_are_refused_in_words():
    with torch.device("meta"):
        network = GoogLeNet(10, 3, heads=False)
    with pytest.raises(UsageError, match=r"has no auxiliary classifiers. Do: build it with heads=True"):
        network.forward_with_auxiliary(torch.empty(1, 3, 64, 64, device="meta"))


def test_the_heads_are_off_the_path():
    network = built()
    assert network.off_path == ("auxiliary_4a", "auxiliary_4d")
    assert not set(network.off_path) & set(network.rows)
    assert isinstance(network.classifier, nn.Linear) and network.rows[-1] == "linear"


def test_loss_adds_three_tenths_of_each_head():
    labels = torch.tensor([0, 1])
    # Two classes of equal logits cost log 2; a right answer by 2 costs log(1 + e^-2).
    equal, right = torch.zeros(2, 2), torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    cost = math.log(1 + math.exp(-2))
    assert loss_with_auxiliary((right, equal, equal), labels).item() == pytest.approx(cost + 0.6 * math.log(2))
    assert loss_with_auxiliary((equal, right, equal), labels).item() == pytest.approx(1.3 * math.log(2) + 0.3 * cost)


def test_gradients_reach_every_parameter_through_the_three_losses():
    torch.manual_seed(0)
    network = built(device="cpu", num_classes=3)
    images, labels = torch.randn(2, 3, 64, 64), torch.tensor([0, 2])
    loss_with_auxiliary(network.forward_with_auxiliary(images), labels).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize("name", VARIANTS)
def test_initialisation_is_uniform_in_root_three_over_the_fan_in(name):
    torch.manual_seed(0)
    network = built(name, "cpu")
    for path, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = math.sqrt(3 / module.weight[0].numel())
            assert module.weight.abs().max().item() <= bound
            assert module.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05), path
            if module.bias is not None:
                value = 0.0 if path.endswith("linear") else 0.2
                assert torch.equal(module.bias, torch.full_like(module.bias, value)), path


@pytest.mark.parametrize(("name", "least"), [("googlenet", 31), ("googlenet_bn", 15)])
def test_smallest_input(name, least):
    assert VARIANTS[name].min_size == least
    network = built(name)
    assert network(torch.empty(1, 3, least, least, device="meta")).shape == (1, 1000)
    assert [part.shape for part in network.forward_with_auxiliary(torch.empty(1, 3, least, least, device="meta"))] == [
        (1, 1000)
    ] * 3
    with pytest.raises(UsageError, match=f"at least {least}x{least}"):
        network(torch.empty(1, 3, least, least - 1, device="meta"))
    network.description = None
    with pytest.raises(RuntimeError):
        network(torch.empty(1, 3, least, least - 1, device="meta"))
