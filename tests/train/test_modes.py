"""A module that is kept in evaluation mode while its network trains, as when BatchNorm's statistics are frozen."""

import pytest
import torch
from torch import nn

from convatlas.data.loader import Loader
from convatlas.data.preprocess import Preprocess
from convatlas.train.loop import classify
from convatlas.train.run import train
from tests.train.reference import data, generated, recipe


def frozen() -> nn.Sequential:
    network = nn.Sequential(nn.Conv2d(1, 4, 5, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))
    network(torch.zeros(2, 1, 32, 32))
    network.train()
    network[1].eval()
    network[1].reset_running_stats()
    return network


def modes(network: nn.Module) -> list[bool]:
    return [module.training for module in network.modules()]


def test_classify_restores_each_modules_mode():
    images = Loader(generated("x", 20, 0), Preprocess(padding=2), batch_size=8)
    network = frozen()
    before = modes(network)
    assert len(classify(network, images).labels) == 20
    assert modes(network) == before
    with pytest.raises(InterruptedError):
        classify(network, images, stop_requested=lambda: True)
    assert modes(network) == before
    network.eval()
    classify(network, images)
    assert not any(modes(network))


def test_frozen_statistics_stay_as_they_are_throughout_a_run(tmp_path):
    network = frozen()
    weights = network[0].weight.detach().clone()
    train(network, data(), recipe("epochs=2", "loss.name=cross_entropy"), tmp_path / "run")
    assert not torch.equal(network[0].weight, weights)
    assert network[1].running_mean.tolist() == [0] * 4
    assert network[1].running_var.tolist() == [1] * 4


def test_a_network_that_comes_in_evaluation_mode_is_trained(tmp_path):
    network = frozen().eval()
    train(network, data(), recipe("epochs=1", "loss.name=cross_entropy"), tmp_path / "run")
    assert network[1].running_mean.tolist() != [0] * 4
