"""What holds for every network of the atlas."""

import copy
import inspect
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import convatlas
from convatlas.analysis.summary import summarize
from convatlas.errors import UsageError
from convatlas.models import _FILES, VARIANTS, create_model, get_variant, list_models
from convatlas.models.network import Network
from convatlas.models.senet import SqueezeExcitation

NAMES = list(VARIANTS)
# What is checked on the meta device is checked for all, but for the one that takes longer than the others together.
ON_META = [pytest.param(name, marks=pytest.mark.full) if name == "resnet1202_cifar" else name for name in NAMES]
# Its third layer multiplies by zeros where Table I has no kernel, and its last is a matrix product that no one counts.
COUNTED_OTHERWISE = ["lenet5"]


@cache
def empty(name: str) -> Network:
    """On the meta device, in evaluation; not to be changed."""
    return create_model(name, device="meta").eval()


def on_meta(name: str, height: int, width: int, count: int = 1) -> torch.Tensor:
    return torch.empty(count, get_variant(name).input_size[0], height, width, device="meta")


def test_list_names_every_network():
    assert sorted(list_models()) == sorted(NAMES)
    assert list_models("lenet5_m*") == ["lenet5_modern"]
    assert list_models(family="LeNet", year=1998) == [n for n in NAMES if get_variant(n).family == "LeNet"]
    assert list_models(year=1066) == []


@pytest.mark.parametrize("name", ON_META)
def test_rows_have_the_published_output_sizes(name):
    published = get_variant(name).published
    if published is None:
        # A variant without a table of its own has to be declared as a departure.
        assert get_variant(name).deviations
        return
    features = empty(name).features(on_meta(name, *get_variant(name).input_size[1:]))
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


@pytest.mark.parametrize("name", ON_META)
def test_meta_device_needs_no_memory(name):
    assert all(t.is_meta for t in [*empty(name).parameters(), *empty(name).buffers()])


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_META)
def test_any_size_from_the_smallest(name):
    variant = get_variant(name)
    network = empty(name)
    least = variant.min_size
    for height, width in [(least, least), (least, least + 1), (least + 2, least), (least + 7, least + 51)]:
        assert network(on_meta(name, height, width)).shape == (1, variant.num_classes)
    with pytest.raises(UsageError, match=f"{name} needs at least {least}x{least} pixels, got {least - 1}x{least}"):
        network(on_meta(name, least - 1, least))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ON_META if name not in COUNTED_OTHERWISE])
def test_multiply_adds_are_those_that_pytorch_counts(name):
    network = empty(name)
    with FlopCounterMode(display=False) as counter:
        network(on_meta(name, *get_variant(name).input_size[1:]))
    assert 2 * summarize(network, get_variant(name).input_size).macs == counter.get_total_flops()


def test_logits_are_finite_at_the_smallest_size(network, images):
    assert torch.isfinite(network(images)).all()


def test_logits_are_finite_at_a_larger_oblong_size(name, network):
    channels, height, width = get_variant(name).input_size
    # In training mode: until it has seen a batch, batch normalisation divides by one, and 1,202 layers overflow.
    network = copy.deepcopy(network).train()
    with torch.no_grad():
        assert torch.isfinite(network(torch.randn(2, channels, height + 9, width + 20))).all()


@pytest.mark.parametrize(("num_classes", "in_channels"), [(2, 1), (37, 4)])
def test_classes_and_channels_are_arguments(name, num_classes, in_channels):
    network = create_model(name, num_classes=num_classes, in_channels=in_channels).eval()
    least = get_variant(name).min_size
    logits = network(torch.randn(2, in_channels, least, least))
    assert logits.shape == (2, num_classes)
    assert torch.isfinite(logits).all()


def test_rows_are_the_children_and_end_with_the_classifier(name, network, images):
    features = network.features(images)
    assert tuple(features) == network.rows == get_variant(name).rows
    assert torch.equal(list(features.values())[-1], network(images))
    assert network.classifier is network.get_submodule(network.rows[-1])


@pytest.mark.parametrize("training", [False, True])
def test_what_a_hook_keeps_is_what_the_layer_gave(network, images, training):
    network = copy.deepcopy(network).train(training)
    kept, copies = {}, {}

    def keep(module, inputs, output):
        kept[module] = (*inputs, output)
        copies[module] = [tensor.clone() for tensor in kept[module]]

    for module in network.modules():
        module.register_forward_hook(keep)
    network(images)
    path = [module for row in network.rows for module in network.get_submodule(row).modules()]
    # A dictionary of branches is never called itself.
    assert {module for module in path if not isinstance(module, nn.ModuleDict)} <= set(kept)
    for module, tensors in kept.items():
        for tensor, then in zip(tensors, copies[module], strict=True):
            assert torch.equal(tensor, then), module


def test_training_differs_by_batch_normalisation_and_dropout_only(network, images):
    training = copy.deepcopy(network).train()
    for module in training.modules():
        if isinstance(module, nn.BatchNorm2d | nn.Dropout):
            module.eval()
    state = copy.deepcopy(training.state_dict())
    assert torch.equal(training(images), network(images))
    assert all(torch.equal(tensor, state[key]) for key, tensor in training.state_dict().items())


def test_gradients_of_every_parameter_are_the_slope_of_the_loss(name, network):
    network = copy.deepcopy(network).double().train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
        elif isinstance(module, SqueezeExcitation):
            # A narrow gate has four hidden units, all of which may be dead at first.
            nn.init.ones_(module.excitation[0].bias)
    channels, height, width = get_variant(name).input_size
    # Half the paper's size: a fourth of the time, and maps that 3x3 kernels still move over.
    size = [max(side // 2, get_variant(name).min_size) for side in (height, width)]
    inputs, labels = torch.randn(3, channels, *size, dtype=torch.float64), torch.tensor([1, 0, 1])

    def loss() -> torch.Tensor:
        return F.cross_entropy(network(inputs), labels)

    before = loss()
    before.backward()
    parameters = [p for row in network.rows for p in network.get_submodule(row).parameters()]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in parameters)
    slope = float(sum(p.grad.square().sum() for p in parameters)) ** 0.5
    step = 1e-8 * float(before.detach()) / slope

    def move(length: float) -> None:
        for p in parameters:
            p.sub_(p.grad, alpha=length / slope)

    with torch.no_grad():
        move(-step)
        above = loss()
        move(2 * step)
        assert float(above - loss()) / (2 * step) == pytest.approx(slope, rel=1e-3)


def test_same_seed_same_network(name, network):
    torch.manual_seed(0)
    again = create_model(name).state_dict()
    torch.manual_seed(1)
    other = create_model(name).state_dict()
    assert all(torch.equal(tensor, again[key]) for key, tensor in network.state_dict().items())
    assert any(not torch.equal(tensor, other[key]) for key, tensor in network.state_dict().items())


def test_nothing_is_left_without_an_initial_value(name):
    torch.use_deterministic_algorithms(True)
    try:
        # PyTorch fills with NaN what it only allocates.
        assert torch.empty(1).isnan()
        network = create_model(name)
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.isfinite(tensor).all() for tensor in network.state_dict().values())


def test_saved_and_loaded_it_gives_the_same_bits(name, network, images, tmp_path):
    file = tmp_path / "weights.safetensors"
    save_file(network.state_dict(), file)
    torch.manual_seed(1)
    loaded = convatlas.create_model(name, weights=file).eval()
    file.unlink()
    state = loaded.state_dict()
    assert all(torch.equal(tensor, state[key]) for key, tensor in network.state_dict().items())
    assert torch.equal(loaded(images), network(images))


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
