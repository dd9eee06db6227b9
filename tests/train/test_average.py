"""The moving average of the weights, by hand: running statistics too, counters not."""

import torch
from torch import nn

from convatlas.train.state import TrainingState
from tests.train.reference import recipe


def test_weights_and_running_statistics_are_averaged_and_counters_are_copied():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    state = TrainingState(model, recipe("ema=0.75"))
    expected = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for step in range(40):
        state.progress.step = step
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += torch.randn(parameter.shape)
            model(torch.randn(8, 3) + step)
        # The decay grows to its value: 0.1 at the first step, 0.75 from the 26th on.
        decay = min(0.75, (1 + step) / (10 + step))
        for name, tensor in model.state_dict().items():
            moved = decay * expected[name] + (1 - decay) * tensor if tensor.is_floating_point() else tensor.clone()
            expected[name] = moved
        state.update_average()
    found = state.evaluated.state_dict()
    assert found["1.num_batches_tracked"].item() == 40
    for name, tensor in expected.items():
        assert torch.allclose(found[name], tensor, rtol=1e-5, atol=1e-5), name
