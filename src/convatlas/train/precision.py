"""The forward pass of a training step, in the number format and memory layout of a recipe."""

import torch
from torch import Tensor, nn

from convatlas.train.recipe import Recipe


def forward(model: nn.Module, inputs: Tensor, recipe: Recipe) -> tuple[Tensor, ...]:
    """Logits (N, classes) of a batch (N, C, H, W), those of auxiliary classifiers behind, in the weights' format.

    With bf16, convolutions and linear layers multiply in bfloat16 and sum in float32 (`torch.autocast`). It has the
    range of float32, so that no loss has to be scaled, as float16's would; the weights stay float32.

    Args:
        model: laid out by `settle`.
        inputs: in either layout.
        recipe: its `precision` and `layout`; what is "auto" is as the default.
    """
    if recipe.layout == "contiguous":
        # Photos come with a pixel's channels side by side, and the first convolution would hand that on.
        inputs = inputs.contiguous()
    if recipe.precision != "bf16":
        return _as_tuple(model(inputs))
    with torch.autocast(inputs.device.type, dtype=torch.bfloat16):
        answers = _as_tuple(model(inputs))
    return tuple(logits.float() for logits in answers)


def _as_tuple(answers: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return answers if isinstance(answers, tuple) else (answers,)
