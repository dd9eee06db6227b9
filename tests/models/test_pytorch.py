"""What PyTorch does with a network besides calling it: copies, layouts, types, compilers, data parallel training."""

import copy

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from convatlas.models import create_model, get_variant
from convatlas.models.googlenet import GoogLeNet, loss_with_auxiliary
from convatlas.models.network import Network


def close(result: Tensor, expected: Tensor) -> bool:
    return bool((result - expected).abs().max() <= 1e-5 * expected.abs().max())


@pytest.fixture(autouse=True)
def without_gradients(request):
    with torch.set_grad_enabled("gradient" in request.node.name):
        yield


def test_a_batch_of_eight_equals_eight_singles(network, images):
    assert close(torch.cat([network(image.unsqueeze(0)) for image in images]), network(images))


def test_a_copy_is_equal_and_independent(network, images):
    expected = network(images)
    other = copy.deepcopy(network)
    assert torch.equal(other(images), expected)
    for parameter in other.parameters():
        parameter.zero_()
    assert torch.equal(network(images), expected)


def test_channels_last(network, images):
    other = copy.deepcopy(network).to(memory_format=torch.channels_last)
    assert close(other(images.to(memory_format=torch.channels_last)), network(images))


def test_fx(network, images):
    assert close(torch.fx.symbolic_trace(network)(images), network(images))


@pytest.mark.slow
def test_export(network, images):
    assert close(torch.export.export(network, (images,)).module()(images), network(images))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compile(network, images, backend):
    torch.compiler.reset()
    assert close(torch.compile(network, backend=backend, fullgraph=True)(images), network(images))


def test_bfloat16(network, images):
    """Of eight bits of mantissa, three are left."""
    expected = network(images)
    cast = copy.deepcopy(network).to(torch.bfloat16)(images.to(torch.bfloat16))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = network(images)
    for logits in (cast, mixed):
        assert (logits - expected).abs().max() <= 2**-3 * expected.abs().max()
    assert cast.dtype == torch.bfloat16


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    """A process group of this process alone."""
    store = dist.FileStore(str(tmp_path_factory.mktemp("group") / "store"), 1)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def freeze_off_path(network: Network) -> None:
    for head in network.off_path:
        network.get_submodule(head).requires_grad_(False)


def test_gradients_of_data_parallel_training(name, network, one_process):
    """Without find_unused_parameters: the second step fails if the first left a parameter without its gradient."""
    alone = copy.deepcopy(network)
    freeze_off_path(alone)
    parallel = DistributedDataParallel(copy.deepcopy(alone))
    least = get_variant(name).min_size
    for _ in range(2):
        batch = torch.randn(2, get_variant(name).input_size[0], least, least)
        for model in (alone, parallel):
            model.zero_grad()
            model(batch).square().mean().backward()
    for expected, parameter in zip(alone.parameters(), parallel.parameters(), strict=True):
        if expected.requires_grad:
            assert torch.equal(parameter.grad, expected.grad)


class WithAuxiliary(nn.Module):
    """GoogLeNet as it is trained, for data parallel training to wrap."""

    def __init__(self, network: GoogLeNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        labels = torch.zeros(len(images), dtype=torch.int64)
        return loss_with_auxiliary(self.network.forward_with_auxiliary(images), labels)


def test_gradients_of_data_parallel_training_with_auxiliary_classifiers(one_process):
    parallel = DistributedDataParallel(WithAuxiliary(create_model("googlenet", num_classes=2)))
    for _ in range(2):
        parallel.zero_grad()
        parallel(torch.randn(2, 3, 31, 31)).backward()
    assert all(p.grad.abs().sum() > 0 for p in parallel.parameters())


def network_and_batch() -> tuple[Network, Tensor]:
    torch.manual_seed(0)
    return create_model("lenet5").double(), torch.randn(6, 1, 32, 32, dtype=torch.float64)


def half_of_the_batch(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    network, batch = network_and_batch()
    parallel = DistributedDataParallel(network)
    parallel(batch.chunk(2)[rank]).square().mean().backward()
    if rank == 0:
        torch.save([p.grad for p in network.parameters()], f"{folder}/gradients")
    dist.destroy_process_group()


@pytest.mark.slow
def test_gradients_of_two_processes_are_those_of_the_joint_batch(tmp_path):
    torch.multiprocessing.spawn(half_of_the_batch, (str(tmp_path),), nprocs=2)
    network, batch = network_and_batch()
    network(batch).square().mean().backward()
    gradients = torch.load(tmp_path / "gradients", weights_only=True)
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        assert (gradient - parameter.grad).abs().max() <= 1e-6 * parameter.grad.abs().max()
