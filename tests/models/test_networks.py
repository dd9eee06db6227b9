"""What holds for every network of the atlas."""

import copy
import inspect

import pytest
import torch

import convatlas
from convatlas.errors import UsageError
from convatlas.models import _FILES, VARIANTS, create_model, get_variant, list_models

NAMES = list(VARIANTS)
SMALL = 2_000_000


def parameters(name: str) -> int:
    return sum(p.numel() for p in create_model(name, device="meta").parameters())


# What is really computed takes minutes for the large ones: theirs are long proofs.
COMPUTED = [name if parameters(name) < SMALL else pytest.param(name, marks=pytest.mark.full) for name in NAMES]


def images(name: str, count: int = 2, channels: int | None = None) -> torch.Tensor:
    least = get_variant(name).min_size
    return torch.randn(count, channels or get_variant(name).input_size[0], least, least)


def test_list_names_every_network():
    assert sorted(list_models()) == sorted(NAMES)
    assert list_models("lenet5_m*") == ["lenet5_modern"]
    assert list_models(family="LeNet", year=1998) == [n for n in NAMES if get_variant(n).family == "LeNet"]
    assert list_models(year=1066) == []


@pytest.mark.parametrize("name", COMPUTED)
def test_forward_gives_finite_logits(name):
    assert torch.isfinite(create_model(name).eval()(images(name))).all()


@pytest.mark.parametrize("name", COMPUTED)
def test_backward_reaches_every_parameter(name):
    network = create_model(name)
    in_channels, height, width = get_variant(name).input_size
    network(torch.randn(4, in_channels, height, width)).square().sum().backward()
    rows = [network.get_submodule(row) for row in network.rows]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for row in rows for p in row.parameters())


@pytest.mark.parametrize("name", COMPUTED)
@pytest.mark.parametrize(("num_classes", "in_channels"), [(2, 1), (10, 3), (37, 4)])
def test_classes_and_channels_are_arguments(name, num_classes, in_channels):
    network = create_model(name, num_classes=num_classes, in_channels=in_channels).eval()
    assert network(images(name, 2, in_channels)).shape == (2, num_classes)


@pytest.mark.parametrize("name", COMPUTED)
def test_rows_are_the_children_and_end_with_the_classifier(name):
    network = create_model(name).eval()
    x = images(name)
    features = network.features(x)
    assert tuple(features) == network.rows == get_variant(name).rows
    assert torch.equal(list(features.values())[-1], network(x))
    assert network.classifier is network.get_submodule(network.rows[-1])


@pytest.mark.parametrize("name", NAMES)
def test_rows_have_the_published_output_sizes(name):
    published = get_variant(name).published
    if published is None:
        # A variant without a table of its own has to be declared as a departure.
        assert get_variant(name).deviations
        return
    features = create_model(name, device="meta").features(torch.empty(1, *get_variant(name).input_size, device="meta"))
    printed = {row: numbers.output for row, numbers in published.rows.items() if numbers.output is not None}
    assert {row: tuple(features[row].shape[1:]) for row in printed} == printed


@pytest.mark.parametrize("name", NAMES)
def test_declared_deviations_are_marked_at_their_lines(name):
    variant = get_variant(name)
    (file,) = [file for file in _FILES if name in file.VARIANTS]
    source = inspect.getsource(file)
    for deviation in variant.deviations:
        assert deviation.text
        assert source.count(f"[{deviation.tag}]") >= 2, deviation.tag


@pytest.mark.parametrize("name", COMPUTED)
def test_smallest_size_works_and_one_less_is_refused_in_words(name):
    least = get_variant(name).min_size
    network = create_model(name).eval()
    channels = get_variant(name).input_size[0]
    assert network(torch.zeros(1, channels, least, least)).shape == (1, get_variant(name).num_classes)
    with pytest.raises(UsageError, match=f"{name} needs at least {least}x{least} pixels, got {least - 1}x{least}"):
        network(torch.zeros(1, channels, least - 1, least))


@pytest.mark.parametrize("name", COMPUTED)
def test_larger_and_oblong_inputs_work(name):
    channels, height, width = get_variant(name).input_size
    assert torch.isfinite(create_model(name).eval()(torch.randn(1, channels, height + 9, width + 20))).all()


@pytest.mark.parametrize("name", COMPUTED)
def test_same_seed_same_network(name):
    torch.manual_seed(3)
    first = create_model(name)
    torch.manual_seed(3)
    second = create_model(name)
    assert all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("name", NAMES)
def test_meta_device_needs_no_memory(name):
    network = create_model(name, device="meta")
    assert all(t.is_meta for t in [*network.parameters(), *network.buffers()])


@pytest.mark.parametrize("name", COMPUTED)
def test_batch_of_eight_equals_eight_singles(name):
    network = create_model(name).eval()
    x = images(name, 8)
    together, alone = network(x), torch.cat([network(image.unsqueeze(0)) for image in x])
    assert (together - alone).abs().max() <= 1e-5 * together.abs().max()


@pytest.mark.parametrize("name", COMPUTED)
def test_copies_traces_and_layouts_agree(name):
    network = create_model(name).eval()
    x = images(name)
    expected = network(x)
    tolerance = 1e-5 * expected.abs().max()
    exported = torch.export.export(network, (x,)).module()
    traced = torch.fx.symbolic_trace(network)
    channels_last = copy.deepcopy(network).to(memory_format=torch.channels_last)
    for other in (copy.deepcopy(network), exported, traced, channels_last):
        assert (other(x) - expected).abs().max() <= tolerance


@pytest.mark.parametrize("name", COMPUTED)
def test_bfloat16(name):
    assert create_model(name).eval().to(torch.bfloat16)(images(name).to(torch.bfloat16)).dtype == torch.bfloat16


def test_unknown_name_gives_the_nearest():
    with pytest.raises(UsageError, match="there is no network 'lenet_5'; the nearest are lenet5"):
        convatlas.create_model("lenet_5")


@pytest.mark.parametrize("argument", ["num_classes", "in_channels"])
def test_numbers_below_one_are_refused(argument):
    with pytest.raises(UsageError, match=f"{argument} is 0"):
        create_model("lenet5", **{argument: 0})


def test_wrong_channels_say_what_to_do():
    with pytest.raises(UsageError, match=r"takes 1 channel, got 3\. Do: .*in_channels=3"):
        create_model("lenet5")(torch.zeros(1, 3, 32, 32))


def test_an_image_without_a_batch_says_what_to_do():
    with pytest.raises(UsageError, match="unsqueeze"):
        create_model("lenet5")(torch.zeros(1, 32, 32))
