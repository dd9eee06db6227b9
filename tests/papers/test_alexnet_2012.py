"""AlexNet against figure 2 and the text of Krizhevsky, Sutskever and Hinton, 2012."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convatlas.analysis.summary import summarize
from convatlas.errors import UsageError
from convatlas.models.alexnet import VARIANTS, AlexNet
from convatlas.models.layers import LocalResponseNorm
from convatlas.models.network import Description, Network

# Figure 2 and section 3.5, both GPUs together: output size, parameters with biases.
ROWS = {
    "conv1": ((96, 55, 55), 96 * (3 * 11 * 11 + 1)),
    "norm1": ((96, 55, 55), 0),
    "pool1": ((96, 27, 27), 0),
    "conv2": ((256, 27, 27), 256 * (48 * 5 * 5 + 1)),
    "norm2": ((256, 27, 27), 0),
    "pool2": ((256, 13, 13), 0),
    "conv3": ((384, 13, 13), 384 * (256 * 3 * 3 + 1)),
    "conv4": ((384, 13, 13), 384 * (192 * 3 * 3 + 1)),
    "conv5": ((256, 13, 13), 256 * (192 * 3 * 3 + 1)),
    "pool5": ((256, 6, 6), 0),
    "fc6": ((4096,), 4096 * (9216 + 1)),
    "fc7": ((4096,), 4096 * (4096 + 1)),
    "fc8": ((1000,), 1000 * (4096 + 1)),
}


def on_meta(name: str, num_classes: int = 1000) -> Network:
    with torch.device("meta"):
        return VARIANTS[name].build(num_classes, 3)


@pytest.fixture(scope="module")
def alexnet() -> Network:
    torch.manual_seed(0)
    return AlexNet(10, 3).eval()


def test_each_row_has_the_papers_size_and_parameters():
    summary = summarize(on_meta("alexnet"), (3, 224, 224))
    assert {row.name: (row.output, row.params) for row in summary.rows} == ROWS


def test_the_paper_rounds_our_parameters_to_sixty_million():
    params = summarize(on_meta("alexnet"), (3, 224, 224)).params
    assert params == 60_965_224
    assert abs(params - 60_000_000) < 1_000_000


def test_multiply_adds():
    convolutions = 55 * 55 * 96 * 3 * 121 + 27 * 27 * 256 * 48 * 25 + 13 * 13 * (384 * 256 + 384 * 192 + 256 * 192) * 9
    macs = summarize(on_meta("alexnet"), (3, 224, 224)).macs
    assert macs == convolutions + 9216 * 4096 + 4096 * 4096 + 4096 * 1000 == 724_406_816


def test_neurons_are_the_caption_of_figure_2_but_for_its_253440():
    sizes = {row.name: row.output for row in summarize(on_meta("alexnet"), (3, 224, 224)).rows}
    neurons = [torch.Size(sizes[name]).numel() for name in ROWS if name.startswith(("conv", "fc"))]
    assert neurons == [290_400, 186_624, 64_896, 64_896, 43_264, 4_096, 4_096, 1_000]
    # The paper says 650,000.
    assert sum(neurons) == 659_272


def test_the_record_shown_to_users_is_figure_2():
    published = VARIANTS["alexnet"].published.rows
    assert {name: row.output for name, row in published.items()} == {
        name: size for name, (size, _) in ROWS.items() if name.startswith(("conv", "fc"))
    }


def test_published_errors():
    errors = [result.error for result in VARIANTS["alexnet"].published.results]
    assert errors == [37.5, 17.0, 39.0, 18.3, 40.7, 18.2]


def test_windows_overhang_the_image_to_the_right_and_below():
    conv1 = on_meta("alexnet").conv1.to_empty(device="cpu")
    conv1[1].weight.data.fill_(1.0)
    conv1[1].bias.data.zero_()
    sums = conv1(torch.ones(1, 3, 224, 224))[0, 0]
    assert sums.shape == (55, 55)
    # 55 windows of 11 at stride 4 end at 227: the last ones see 8 columns, 8 rows, or both.
    assert torch.all(sums[:54, :54] == 3 * 11 * 11)
    assert torch.all(sums[:54, 54] == 3 * 11 * 8)
    assert torch.all(sums[54, :54] == 3 * 8 * 11)
    assert sums[54, 54] == 3 * 8 * 8


@pytest.mark.parametrize("size", [64, 65, 66, 67, 224, 225, 226, 227])
def test_conv1_rounds_up_at_every_size(size):
    images = torch.empty(1, 3, size, size, device="meta")
    assert on_meta("alexnet").conv1(images).shape[-1] == 1 + -((11 - size) // 4)


@pytest.mark.parametrize(
    ("row", "channels", "separate"),
    [("conv2", 96, True), ("conv3", 256, False), ("conv4", 384, True), ("conv5", 384, True)],
)
def test_only_conv3_reads_the_other_gpus_maps(alexnet, row, channels, separate):
    layer = getattr(alexnet, row)
    maps = torch.randn(1, channels, 5, 5)
    changed = maps.clone()
    changed[:, : channels // 2] += 1.0
    half = layer[0].out_channels // 2
    assert not torch.equal(layer(maps)[:, :half], layer(changed)[:, :half])
    assert torch.equal(layer(maps)[:, half:], layer(changed)[:, half:]) == separate


def test_normalisation_stays_within_a_gpus_maps(alexnet):
    maps = 100 * torch.rand(1, 96, 3, 3)
    changed = maps.clone()
    changed[:, 47] = 0.0
    before, after = alexnet.norm1(maps), alexnet.norm1(changed)
    touched = {i for i in range(96) if not torch.equal(before[:, i], after[:, i])}
    assert touched == {45, 46, 47}


def test_normalisation_by_hand():
    values = torch.tensor([3.0, -1.0, 4.0, 1.0, -5.0, 9.0])
    norm = LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)
    # The window of map 0 is maps 0 to 2, that of map 3 is maps 1 to 5; alpha is divided by five at the edges too.
    expected_0 = 3.0 / (2 + 1e-4 / 5 * (9 + 1 + 16)) ** 0.75
    expected_3 = 1.0 / (2 + 1e-4 / 5 * (1 + 16 + 1 + 25 + 81)) ** 0.75
    result = norm(values.view(1, 6, 1, 1)).flatten().tolist()
    assert result[0] == pytest.approx(expected_0, rel=1e-6)
    assert result[3] == pytest.approx(expected_3, rel=1e-6)


def test_the_printed_formula_is_five_times_the_alpha_that_was_run():
    as_run = on_meta("alexnet").norm1
    with torch.device("meta"):
        as_printed = AlexNet(10, 3, divide_alpha_by_n=False).norm2
    assert (as_run.size, as_run.alpha, as_run.beta, as_run.k) == (5, 1e-4, 0.75, 2.0)
    value = torch.full((1, 2, 1, 1), 100.0)
    # One map in each half: b = a / (k + alpha a^2)^0.75, as printed.
    assert as_printed(value)[0, 0].item() == pytest.approx(100 / (2 + 1e-4 * 1e4) ** 0.75, rel=1e-6)
    assert as_run(value)[0, 0].item() == pytest.approx(100 / (2 + 2e-5 * 1e4) ** 0.75, rel=1e-6)


def test_initialisation_is_section_5(alexnet):
    ones = {"conv2", "conv4", "conv5", "fc6", "fc7"}
    layers = {
        name: next(m for m in row.modules() if isinstance(m, nn.Conv2d | nn.Linear))
        for name, row in alexnet.named_children()
        if name.startswith(("conv", "fc"))
    }
    assert len(layers) == 8
    for name, layer in layers.items():
        assert torch.all(layer.bias == (1.0 if name in ones else 0.0))
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.02)
        assert abs(layer.weight.mean().item()) < 3e-4


def test_dropout_is_on_the_outputs_of_the_hidden_layers():
    for row in (on_meta("alexnet").fc6, on_meta("alexnet").fc7, on_meta("caffenet").fc6, on_meta("caffenet").fc7):
        assert [type(layer) for layer in list(row)[-3:]] == [nn.Linear, nn.ReLU, nn.Dropout]
        assert row[-1].p == 0.5
    assert not any(isinstance(layer, nn.Dropout) for layer in on_meta("alexnet").fc8.modules())


def test_pools_overlap():
    for name in VARIANTS:
        pools = [layer for layer in on_meta(name).modules() if isinstance(layer, nn.MaxPool2d)]
        assert [(pool.kernel_size, pool.stride, pool.padding) for pool in pools] == [(3, 2, 0)] * 3


def test_receptive_fields_and_strides():
    rows = {row.name: row for row in summarize(on_meta("alexnet"), (3, 224, 224)).rows}
    assert [rows[name].receptive_field for name in ("conv1", "pool1", "conv2", "pool2")] == [11, 19, 51, 67]
    assert [rows[name].receptive_field for name in ("conv3", "conv4", "conv5", "pool5")] == [99, 131, 163, 195]
    assert rows["pool5"].stride == 32


def test_at_the_papers_size_the_head_only_flattens(alexnet):
    maps = torch.randn(1, 256, 6, 6)
    assert torch.equal(alexnet.fc6[:2](maps), maps.flatten(1))


def test_the_chain_is_the_papers(alexnet):
    parameters = dict(alexnet.named_parameters())

    def conv(name: str, x: torch.Tensor, **arguments: int) -> torch.Tensor:
        weight, bias = (p for key, p in parameters.items() if key.startswith(name))
        return F.relu(F.conv2d(x, weight, bias, **arguments))

    def linear(name: str, x: torch.Tensor) -> torch.Tensor:
        weight, bias = (p for key, p in parameters.items() if key.startswith(name))
        return F.linear(x, weight, bias)

    def norm_and_pool(x: torch.Tensor) -> torch.Tensor:
        halves = [F.local_response_norm(half, 5, 1e-4, 0.75, 2.0) for half in x.chunk(2, dim=1)]
        return F.max_pool2d(torch.cat(halves, dim=1), 3, 2)

    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        x = norm_and_pool(conv("conv1", F.pad(images, (0, 3, 0, 3)), stride=4))
        x = norm_and_pool(conv("conv2", x, padding=2, groups=2))
        x = conv("conv4", conv("conv3", x, padding=1), padding=1, groups=2)
        x = F.max_pool2d(conv("conv5", x, padding=1, groups=2), 3, 2)
        expected = linear("fc8", F.relu(linear("fc7", F.relu(linear("fc6", x.flatten(1))))))
        assert (alexnet(images) - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_caffenet_pools_before_it_normalises_over_all_maps():
    network = on_meta("caffenet")
    assert network.rows[:6] == ("conv1", "pool1", "norm1", "conv2", "pool2", "norm2")
    for norm in (network.norm1, network.norm2):
        assert (norm.size, norm.alpha, norm.beta, norm.k, norm.groups) == (5, 1e-4, 0.75, 1.0, 1)
    summary = summarize(network, (3, 227, 227))
    assert (summary.params, summary.macs) == (60_965_224, 724_406_816)
    assert {row.name: row.output for row in summary.rows}["norm1"] == (96, 27, 27)


def test_caffenet_starts_fc6_and_fc7_with_half_the_deviation():
    torch.manual_seed(0)
    network = VARIANTS["caffenet"].build(10, 3)
    deviations = [network.fc6[2].weight.std(), network.fc7[0].weight.std(), network.fc8.weight.std()]
    assert torch.stack(deviations).tolist() == pytest.approx([0.005, 0.005, 0.01], rel=0.02)
    assert network.fc7[0].bias.unique().tolist() == [1.0]


def test_one_gpu_network_has_the_usual_numbers():
    summary = summarize(on_meta("alexnet_owt"), (3, 224, 224))
    assert summary.params == 61_100_840
    assert [row.output for row in summary.rows if row.name.startswith("conv")] == [
        (64, 55, 55), (192, 27, 27), (384, 13, 13), (256, 13, 13), (256, 13, 13),
    ]  # fmt: skip
    # 64*3*121*55^2 + 192*64*25*27^2 + (384*192 + 256*384 + 256*256)*9*13^2 + the three linear layers.
    assert summary.macs == 714_188_480


@pytest.mark.parametrize(("name", "least"), [("alexnet", 64), ("alexnet_owt", 63), ("caffenet", 67)])
def test_smallest_input(name, least):
    assert VARIANTS[name].min_size == least
    network = on_meta(name)
    assert network(torch.empty(1, 3, least, least, device="meta")).shape == (1, 1000)
    with pytest.raises(RuntimeError, match=r"too small|Kernel size"):
        network(torch.empty(1, 3, least - 1, least, device="meta"))
    network.description = Description(name, 1000, 3, least)
    with pytest.raises(UsageError, match=f"{name} needs at least {least}x{least} pixels"):
        network(torch.empty(1, 3, least - 1, least, device="meta"))


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize(("num_classes", "in_channels"), [(2, 1), (37, 4)])
def test_classes_and_channels_are_arguments(name, num_classes, in_channels):
    with torch.device("meta"):
        network = VARIANTS[name].build(num_classes, in_channels)
    height, width = VARIANTS[name].min_size + 9, VARIANTS[name].min_size + 40
    assert network(torch.empty(2, in_channels, height, width, device="meta")).shape == (2, num_classes)
    assert network.classifier.out_features == num_classes


def test_gradients_reach_every_parameter(alexnet):
    alexnet(torch.randn(2, 3, 96, 80)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in alexnet.parameters())
    alexnet.zero_grad(set_to_none=True)


def test_exported_traced_and_cast_it_gives_the_same(alexnet):
    images = torch.randn(1, 3, 67, 80)
    expected = alexnet(images)
    tolerance = 1e-5 * expected.abs().max()
    for other in (torch.export.export(alexnet, (images,)).module(), torch.fx.symbolic_trace(alexnet)):
        assert (other(images) - expected).abs().max() <= tolerance
    images_last = images.to(memory_format=torch.channels_last)
    assert (alexnet(images_last) - expected).abs().max() <= tolerance
