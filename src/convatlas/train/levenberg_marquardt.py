"""The stochastic diagonal Levenberg-Marquardt method; LeCun et al. 1998, appendix C.

Each parameter has a step of its own, eta / (mu + h_kk), where h_kk estimates the second derivative of the loss. The
estimates come from a pass backwards through the network in which every derivative is squared: the Gauss-Newton
approximation, the diagonal of each layer's Hessian alone. A shared weight's h_kk is the sum over its connections.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, vjp, vmap

Criterion = Callable[[Tensor, Tensor], Tensor]


class DiagonalLevenbergMarquardt(torch.optim.Optimizer):
    """Gradient descent with a step of its own for each parameter.

    Args:
        parameters: what is learnt, or groups of it.
        lr: the global rate eta.
        mu: keeps the steps finite where the loss is flat.
    """

    def __init__(self, parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]], *, lr: float, mu: float) -> None:
        super().__init__(parameters, {"lr": lr, "mu": mu})

    @torch.no_grad()
    def set_curvature(self, curvature: Iterable[Tensor]) -> None:
        """Take estimates of h_kk, one tensor a parameter, in the parameters' order."""
        parameters = [p for group in self.param_groups for p in group["params"]]
        for parameter, values in zip(parameters, curvature, strict=True):
            self.state[parameter]["curvature"] = torch.empty_like(parameter).copy_(values)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter against its gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    curvature = self.state[parameter]["curvature"]
                    parameter.addcdiv_(parameter.grad, curvature + group["mu"], value=-group["lr"])


def diagonal_curvature(model: nn.Module, compute_loss: Criterion, inputs: Tensor, labels: Tensor) -> list[Tensor]:
    """Estimates of the loss's second derivatives, one tensor a parameter, in the parameters' order.

    Args:
        model: a chain of layers; those with parameters are linear in their input and in their parameters, those without
            act on each value alone or only reshape. The last has no parameters.
        compute_loss: (logits, labels) -> mean loss.
        inputs: (N, C, H, W).
        labels: class indices (N,).

    Returns:
        Means over the inputs, none below 0.
    """
    chain = _chain(model, inputs)
    last, x, _ = chain.pop()

    def loss_of_one(value: Tensor, label: Tensor) -> Tensor:
        return compute_loss(last(value.unsqueeze(0)), label.unsqueeze(0))

    second = vmap(lambda value, label: jacrev(grad(loss_of_one))(value, label).diagonal())(x, labels).clamp(min=0)
    estimates: dict[nn.Parameter, Tensor] = {}
    for layer, x, y in reversed(chain):
        found, second = _through(layer, x, y, second)
        estimates |= {layer.get_parameter(name): values / len(inputs) for name, values in found.items()}
    return [estimates[parameter] for parameter in model.parameters()]


def _through(layer: nn.Module, x: Tensor, y: Tensor, second: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """From the second derivatives at a layer's output to those of its parameters and those at its input."""
    parameters = {name: parameter.detach() for name, parameter in layer.named_parameters()}
    if parameters:
        found = _weighted(lambda p: functional_call(layer, p, x.square()), parameters, second)
        squared = {name: torch.zeros_like(p) if name == "bias" else p.square() for name, p in parameters.items()}
        return found, _weighted(lambda value: functional_call(layer, squared, value), x, second)
    if y.shape == x.shape:
        return {}, _weighted(layer, x, torch.ones_like(y)).square() * second
    return {}, _weighted(layer, x, second)


def _weighted(function: Callable[[Any], Tensor], at: Any, weights: Tensor) -> Any:
    """The derivatives of a function's values, added up with weights."""
    return vjp(function, at)[1](weights)[0]


def _chain(model: nn.Module, inputs: Tensor) -> list[tuple[nn.Module, Tensor, Tensor]]:
    """The layers with what went in and came out, in the order of the forward pass."""
    chain: list[tuple[nn.Module, Tensor, Tensor]] = []
    leaves = [module for module in model.modules() if not list(module.children())]
    handles = [m.register_forward_hook(lambda m, i, y: chain.append((m, i[0].detach(), y.detach()))) for m in leaves]
    try:
        with torch.no_grad():
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return chain
