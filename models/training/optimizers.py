"""Optimizers by name: AdamW, and Muon, whose steps move all directions of a layer's weights alike."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
ROUNDS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the odd polynomial that draws singular values of 0..1 to about 1, and of how often it is taken."""

RMS_OF_ADAMW = 0.2
"""Root mean square of AdamW's steps over the rate, as it is usually seen: one rate does for both."""

LEAST_SIDE = 8
"""Rows and columns from which on a layer's weights are taken as a matrix; of fewer there is nothing to make alike."""


class Muon(torch.optim.AdamW):
    """Momentum whose matrix is made orthogonal; AdamW for what is no matrix (biases, norms, logits).

    Filters (out, in, height, width) are matrices of out rows. A step uses the gradients of matrices up.

    Rate and weight decay are AdamW's, for both.

    Source:
        Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the size of its steps from Liu
        et al. 2025, "Muon is scalable for LLM training", section 2.2.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move the weights; see `torch.optim.Optimizer.step`."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None and is_matrix(weight):
                    self._turn(weight, weight.grad, group["lr"], group["weight_decay"])
                    weight.grad = None
        loss: float | None = super().step(closure)
        return loss

    def _turn(self, weight: Tensor, gradient: Tensor, rate: float, decay: float) -> None:
        state = self.state[weight]
        if not state:
            state |= {"momentum": torch.zeros_like(weight), "step": torch.zeros(())}  # AdamW loads none without a step
        momentum: Tensor = state["momentum"]
        momentum.mul_(MOMENTUM).add_(gradient)
        matrix = torch.add(gradient, momentum, alpha=MOMENTUM).flatten(1)
        step = orthogonal(matrix) * (RMS_OF_ADAMW * max(matrix.shape) ** 0.5)
        weight.mul_(1 - rate * decay).add_(step.reshape(weight.shape), alpha=-rate)


def is_matrix(weight: Tensor) -> bool:
    """Tell whether weights are of a layer that has many inputs and outputs."""
    return weight.ndim >= 2 and len(weight) >= LEAST_SIDE and weight[0].numel() >= LEAST_SIDE


def orthogonal(matrix_RC: Tensor) -> Tensor:
    """Return about U V^T of a matrix U S V^T: singular values of about 0.5 to 1.2, but for those that are near 0.

    Newton-Schulz: no decomposition is needed.
    """
    linear, cubic, quintic = COEFFICIENTS
    tall = matrix_RC.shape[0] > matrix_RC.shape[1]
    x: Tensor = matrix_RC.T if tall else matrix_RC
    x = x / (x.norm() + 1e-7)
    for _ in range(ROUNDS):
        square = x @ x.T
        x = linear * x + (cubic * square + quintic * square @ square) @ x
    return x.T if tall else x


OPTIMIZERS: dict[str, type[torch.optim.AdamW]] = {"adamw": torch.optim.AdamW, "muon": Muon}


def open_optimizer(name: str, net: nn.Module, *, rate: float, weight_decay: float) -> torch.optim.AdamW:
    """Return an optimizer of all weights of a network.

    Args:
        name: `adamw` or `muon`.
        net: on the device where it learns.
        rate: learning rate.
        weight_decay: share of the weights that a step at rate 1 would take away.
    """
    return OPTIMIZERS[name](net.parameters(), lr=rate, weight_decay=weight_decay)
