"""Optimizers by name: AdamW, and Muon, whose steps move all directions of a layer's weights alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

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
            matrices = [weight for weight in group["params"] if weight.grad is not None and is_matrix(weight)]
            if matrices:
                self._turn(matrices, group["lr"], group["weight_decay"])
        loss: float | None = super().step(closure)
        return loss

    def _turn(self, weights: list[Tensor], rate: float, decay: float) -> None:
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        momenta = [self._momentum(weight) for weight in weights]
        torch._foreach_mul_(momenta, MOMENTUM)
        torch._foreach_add_(momenta, gradients)
        matrices = [ahead.flatten(1) for ahead in torch._foreach_add(gradients, momenta, alpha=MOMENTUM)]
        turned = orthogonal_at_once(matrices) if weights[0].is_cuda else [orthogonal(matrix) for matrix in matrices]
        steps = [
            (step * (RMS_OF_ADAMW * max(step.shape) ** 0.5)).reshape(weight.shape)
            for weight, step in zip(weights, turned, strict=True)
        ]
        torch._foreach_mul_(weights, 1 - rate * decay)
        torch._foreach_add_(weights, steps, alpha=-rate)
        for weight in weights:
            weight.grad = None

    def _momentum(self, weight: Tensor) -> Tensor:
        state = self.state[weight]
        if not state:
            state |= {"momentum": torch.zeros_like(weight), "step": torch.zeros(())}  # AdamW loads none without a step
        momentum: Tensor = state["momentum"]
        return momentum


def is_matrix(weight: Tensor) -> bool:
    """Tell whether weights are of a layer that has many inputs and outputs."""
    return weight.ndim >= 2 and len(weight) >= LEAST_SIDE and weight[0].numel() >= LEAST_SIDE


def orthogonal(matrix_RC: Tensor) -> Tensor:
    """Return about U V^T of a matrix U S V^T: singular values of about 0.5 to 1.2, but for those that are near 0.

    Newton-Schulz: no decomposition is needed. A stack of matrices (N, R, C) gives one of each.
    """
    linear, cubic, quintic = COEFFICIENTS
    tall = matrix_RC.shape[-2] > matrix_RC.shape[-1]
    x: Tensor = matrix_RC.mT if tall else matrix_RC
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(ROUNDS):
        square = x @ x.mT
        x = linear * x + (cubic * square + quintic * square @ square) @ x
    return x.mT if tall else x


def orthogonal_at_once(matrices: Sequence[Tensor]) -> list[Tensor]:
    """Return `orthogonal` of each, as one stack, filled up with zeros, which stay zeros.

    For GPUs, on which each of the thousands of small products of a step would cost as much as one large one.
    """
    wide = [matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix for matrix in matrices]
    rows, cols = max(one.shape[0] for one in wide), max(one.shape[1] for one in wide)
    filled = [functional.pad(one, (0, cols - one.shape[1], 0, rows - one.shape[0])) for one in wide]
    turned = orthogonal(torch.stack(filled)).unbind()
    cut = [many[: one.shape[0], : one.shape[1]] for many, one in zip(turned, wide, strict=True)]
    return [one.mT if one.shape != matrix.shape else one for one, matrix in zip(cut, matrices, strict=True)]


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
