"""The discriminator's side of adversarial training: what it is shown, its optimiser, its turn after the network's."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.adversarial import Discriminator, Reads, discriminator_loss, fooling_loss, one_hot, soften_truth
from models.training.lesson import Shown
from models.training.processes import Processes
from models.training.static_config import AdversarialConfig


class Adversary:
    """A discriminator that learns beside a network, one turn each per step.

    Source: Luc et al. 2016, sections 3.1-3.3.

    Args:
        config: what it reads, and how it learns.
        bands: of the images.
        classes: of the maps.
        processes: among which a batch is shared.
    """

    def __init__(self, config: AdversarialConfig, bands: int, classes: int, processes: Processes) -> None:
        self._config, self._classes = config, classes
        self.judge = Discriminator(bands, classes, reads=config.reads, widths=config.widths).to(processes.device)
        self.adam = torch.optim.AdamW(self.judge.parameters(), lr=config.rate)
        self._turn, self._gather = processes.spread(_Verdicts(self.judge, config.reads, classes)), processes.gather

    def fooling(self, shown: Shown, step: int) -> Tensor | None:
        """Return the weighted term of the network's loss; None before the step from which there is one."""
        if step < self._config.from_step:
            return None
        self.judge.requires_grad_(False)  # the network must not make its judge milder
        try:
            return self._config.weight * fooling_loss(self._gather(self.judge(shown.x, _made(shown))))
        finally:
            self.judge.requires_grad_(True)

    def learn(self, shown: Shown) -> float:
        """Take the discriminator's turn on the maps that the network has just made; return its loss."""
        self.adam.zero_grad(set_to_none=True)
        verdicts = self._turn(shown.x, _made(shown).detach(), shown.target, shown.valid)
        loss = discriminator_loss(*(self._gather(verdict) for verdict in verdicts))
        torch.autograd.backward(loss)
        self.adam.step()
        return float(loss.detach())


class _Verdicts(nn.Module):
    """The discriminator on true and made maps, its parameters' gradients a mean over processes."""

    def __init__(self, judge: Discriminator, reads: Reads, classes: int) -> None:
        super().__init__()
        self.judge, self._reads, self._classes = judge, reads, classes

    def forward(
        self, x_BCHW: Tensor, made_BKHW: Tensor, target_BHW: Tensor, valid_BHW: Tensor
    ) -> tuple[Tensor, Tensor]:
        truth = one_hot(target_BHW, valid_BHW, self._classes)
        if self._reads == "scaling":
            truth = soften_truth(truth, made_BKHW)
        return self.judge(x_BCHW, truth), self.judge(x_BCHW, made_BKHW)


def _made(shown: Shown) -> Tensor:
    """Return the network's map, zeros where the truth's is zeros too."""
    return shown.logits.softmax(dim=1) * shown.valid.unsqueeze(1)
