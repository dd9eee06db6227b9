"""Optimizers that a recipe names, and which parameters decay."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from convatlas.train.finetune import rate_scales
from convatlas.train.levenberg_marquardt import DiagonalLevenbergMarquardt
from convatlas.train.recipe import AdamW, DiagonalLm, RmsProp, Sgd


class TensorFlowRmsProp(Optimizer):
    """RMSProp as Inception-v4 was trained with it; Szegedy et al., AAAI 2017, section 4.

    For a gradient g: s <- decay s + (1 - decay) g^2; m <- momentum m + lr g / sqrt(s + epsilon); w <- w - m. PyTorch's
    own adds epsilon behind the root and begins with s = 0; TensorFlow begins with 1. At the paper's epsilon of 1.0 the
    two differ by more than rounding.

    Args:
        parameters: what is learnt, or groups of it.
        lr: learning rate.
        decay: of the running mean of squares.
        epsilon: see above.
        momentum: see above.
        weight_decay: times a weight, added to its gradient.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        *,
        lr: float,
        decay: float,
        epsilon: float,
        momentum: float,
        weight_decay: float,
    ) -> None:
        settings = {"lr": lr, "decay": decay, "epsilon": epsilon, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(parameters, settings)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter against its gradient."""
        for group in self.param_groups:
            pairs = [(parameter, parameter.grad) for parameter in group["params"] if parameter.grad is not None]
            if pairs:
                self._move(group, [parameter for parameter, _ in pairs], [gradient for _, gradient in pairs])

    def _move(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        if group["weight_decay"]:
            gradients = list(torch._foreach_add(gradients, parameters, alpha=group["weight_decay"]))
        squares = self._buffers(parameters, "mean_square", 1.0)
        torch._foreach_mul_(squares, group["decay"])
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - group["decay"])
        roots = list(torch._foreach_add(squares, group["epsilon"]))
        torch._foreach_sqrt_(roots)
        if not group["momentum"]:
            torch._foreach_addcdiv_(parameters, gradients, roots, -group["lr"])
            return
        steps = self._buffers(parameters, "momentum_buffer", 0.0)
        torch._foreach_mul_(steps, group["momentum"])
        torch._foreach_addcdiv_(steps, gradients, roots, group["lr"])
        torch._foreach_sub_(parameters, steps)

    def _buffers(self, parameters: list[Tensor], name: str, start: float) -> list[Tensor]:
        for parameter in parameters:
            if name not in self.state[parameter]:
                self.state[parameter][name] = torch.full_like(parameter, start)
        return [self.state[parameter][name] for parameter in parameters]


def build_optimizer(
    recipe: Sgd | RmsProp | AdamW | DiagonalLm, model: nn.Module, *, layer_decay: float = 1.0
) -> Optimizer:
    """The optimizer that a recipe names, over all parameters of a model.

    Args:
        recipe: the recipe's.
        model: what is learnt.
        layer_decay: see `rate_scales`; each group has its factor as `lr_scale`.
    """
    groups = _groups(recipe, model, layer_decay)
    match recipe:
        case Sgd():
            optimizer = torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, fused=True)
            if recipe.momentum:
                # The fused step takes buffers for all parameters or for none, but rows that thaw have their first
                # gradient later than others. From 0 the first step is the gradient, as without a buffer.
                optimizer.state.update({p: {"momentum_buffer": torch.zeros_like(p)} for p in model.parameters()})
            return optimizer
        case RmsProp():
            return TensorFlowRmsProp(
                groups,
                lr=recipe.lr,
                decay=recipe.decay,
                epsilon=recipe.epsilon,
                momentum=recipe.momentum,
                weight_decay=recipe.weight_decay,
            )
        case AdamW():
            return torch.optim.AdamW(groups, lr=recipe.lr, fused=True)
        case DiagonalLm():
            return DiagonalLevenbergMarquardt(groups, lr=recipe.lr, mu=recipe.mu)


def _groups(recipe: Sgd | RmsProp | AdamW | DiagonalLm, model: nn.Module, layer_decay: float) -> list[dict[str, Any]]:
    """The parameters that share weight decay and learning rate, in the order of their first."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter, scale in rate_scales(model, layer_decay).items():
        decay = 0.0 if isinstance(recipe, DiagonalLm) else recipe.weight_decay
        if not isinstance(recipe, DiagonalLm) and not recipe.decay_norm_and_bias and parameter.ndim <= 1:
            decay = 0.0
        groups.setdefault((decay, scale), []).append(parameter)
    return [{"params": members, "weight_decay": d, "lr_scale": scale} for (d, scale), members in groups.items()]
