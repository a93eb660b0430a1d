"""The [fit] table of a training configuration: how the weights are found. No torch here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pydantic import ConfigDict

from models.training.refusing import require
from models.training.written import LATER


@dataclass(frozen=True)
class FitConfig:
    """How the weights are found.

    Attributes:
        steps: optimiser steps.
        schedule: steps of the one-cycle schedule of the learning rate where that is longer than the training, whose
            weights another goes on with; 0 = as long as it.
        peak_rate: largest learning rate of the schedule.
        warmup: share of the steps in which the rate rises.
        weight_decay: of the optimizer, decoupled from the gradient.
        clip_norm: largest norm of the gradient.
        average_decay: of the exponential moving average of the weights, which is what is shipped.
        dice_weight: of soft Dice beside cross-entropy.
        missed_weight: what a missed pixel of class 1 costs in the cross-entropy, a false alarm costing 1; probabilities
            stay true all the same (`models.training.losses.masked_loss`).
        save_every: steps between two saves; a killed run goes on from the last.
        validate_every: steps between two scores on validation landscapes.
        threads: CPU threads; set explicitly, since sums depend on it.
        patience: scores in a row without a new best one after which training stops, and the weights of the best score
            are what is shipped; 0 = never.
        mixed_precision: bfloat16 in the convolutions on CUDA and on CPUs with matrix tiles (AMX), where it is faster;
            float32 elsewhere.
        start: folder of a checkpoint whose weights come first, or name of a shipped one; empty = fresh ones. Not
            written to the card, which tells the checkpoint's name and hash instead.
        optimizer: `adamw`, or `muon` for all weights that are matrices or filters (`models.training.optimizers`); one
            peak rate does for both.
        keep: share of the first weights in those that are shipped, for fine-tuning on few images: half way back loses
            little of what they teach, and little of what the network knew (Wortsman et al. 2022, "Robust fine-tuning
            of zero-shot models").
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    steps: int = 2000
    peak_rate: float = 4e-3
    warmup: float = 0.1
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    average_decay: float = 0.995
    dice_weight: float = 0.5
    missed_weight: float = field(default=1.0, metadata=LATER)
    save_every: int = 100
    validate_every: int = 500
    threads: int = 1
    patience: int = field(default=0, metadata=LATER)
    mixed_precision: bool = field(default=False, metadata=LATER)
    start: str = field(default="", metadata=LATER)
    optimizer: Literal["adamw", "muon"] = field(default="adamw", metadata=LATER)
    keep: float = field(default=0.0, metadata=LATER)
    schedule: int = field(default=0, metadata=LATER)

    def __post_init__(self) -> None:
        require(self.steps >= 1, "fit.steps", "1 or more", self.steps)
        fits = self.schedule == 0 or self.schedule > self.steps
        require(fits, "fit.schedule", f"0, or more than fit.steps = {self.steps}", self.schedule)
        require(self.peak_rate > 0, "fit.peak_rate", "more than 0", self.peak_rate)
        require(0 <= self.warmup < 1, "fit.warmup", "a share in 0..1", self.warmup)
        require(0 <= self.average_decay < 1, "fit.average_decay", "0 or more, below 1", self.average_decay)
        require(min(self.save_every, self.validate_every) >= 1, "fit.save_every, validate_every", "1 or more", 0)
        require(self.threads >= 1, "fit.threads", "1 or more", self.threads)
        require(self.missed_weight > 0, "fit.missed_weight", "more than 0", self.missed_weight)
        require(self.clip_norm > 0, "fit.clip_norm", "more than 0", self.clip_norm)
        require(self.patience >= 0, "fit.patience", "0 or more", self.patience)
        require(0 <= self.keep < 1, "fit.keep", "a share of 0 or more, below 1", self.keep)
        require(
            not self.keep or bool(self.start), "fit.start", "a checkpoint, of which fit.keep keeps a share", self.start
        )
