"""What bfloat16 gives in training: the same steps in float32 and with `[fit] mixed_precision`, in turns.

    python -m benchmarks.training_step [--config burned-area] [--steps 4] [--threads 2]

Time is that of forward and backward, over that in float32; the angle is the cosine between the gradients, and the loss
the mean of both. Chips are drawn before. Where bfloat16 is not faster (`models.training.precision`), both are float32.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from statistics import mean, median
from time import perf_counter

import torch
from torch import Tensor, nn

from models.training.config import read_config, shipped_config
from models.training.lesson import Batch, open_lesson
from models.training.loop import ALONE, sum_of
from models.training.precision import memory_format, multiplies_bfloat16


def step(objective: nn.Module, weights: Sequence[nn.Parameter], batch: Batch) -> tuple[float, float, Tensor]:
    """Return seconds, loss and gradient of one step."""
    started = perf_counter()
    terms, _ = objective(*batch)
    loss = sum_of(terms)
    gradients = torch.autograd.grad(loss, weights)
    return perf_counter() - started, float(loss.detach()), torch.cat([gradient.flatten() for gradient in gradients])


def main() -> None:
    """Walk the steps by turns, so that a busy machine slows both alike."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="burned-area", help="of a Recurrent U-Net; name of a shipped one")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    config = read_config(shipped_config(wanted.config))
    lessons = [
        open_lesson(dataclasses.replace(config, fit=dataclasses.replace(config.fit, mixed_precision=mixed)))
        for mixed in (False, True)
    ]
    order = memory_format(torch.device("cpu"))
    net = lessons[0].build().to(memory_format=order)  # type: ignore[call-overload] # its stubs lag
    weights = [weight for weight in net.parameters() if weight.requires_grad]
    objectives = [lesson.objective(net, ALONE) for lesson in lessons]
    ratios, losses, cosines = [], [], []
    for number in range(1 + wanted.steps):  # the first warms up
        batch = lessons[0].draw(number, ALONE)
        full, mixed = (step(objective, weights, batch) for objective in objectives)
        if number > 0:
            ratios.append(mixed[0] / full[0])
            losses.append((full[1], mixed[1]))
            cosines.append(float(torch.nn.functional.cosine_similarity(full[2], mixed[2], dim=0)))
    faster = "is" if multiplies_bfloat16(torch.device("cpu")) else "is not"
    print(f"bfloat16 {faster} faster on this CPU; {wanted.steps} steps of {wanted.config}")
    print(f"time over that in float32: {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"loss: {mean(f for f, _ in losses):.4f} in float32, {mean(m for _, m in losses):.4f}")
    print(f"angle between the gradients: cosine {min(cosines):.4f} at least")


if __name__ == "__main__":
    main()
