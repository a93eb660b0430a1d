"""The training loop: draw, step, average; save often, so that a killed run goes on and ends the same."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.card import Card
from models.checkpoint import save_checkpoint
from models.errors import ConfigRefused, TrainingDiverged
from models.networks import Network
from models.training.adversary import Adversary
from models.training.config import TrainConfig
from models.training.drawing import draw_batches
from models.training.lesson import Batch, Lesson, open_lesson
from models.training.optimizers import open_optimizer
from models.training.precision import memory_format
from models.training.processes import Processes, join_norms
from models.training.revision import code_revision
from models.training.run_state import Run, load_run, save_run
from models.training.start import find_start
from models.training.watching import Note, Saved, Scored, Started, Stepped, Watcher
from models.training.written import written

ALONE = Processes()


def train(
    config: TrainConfig,
    out_dir: Path,
    *,
    watchers: Sequence[Watcher] = (),
    processes: Processes = ALONE,
    readers: int = 0,
) -> Path:
    """Train a network, or go on with the run that `out_dir` holds.

    Args:
        config: what to train.
        out_dir: of the run; gets run.safetensors while training, and the checkpoint at the end. All processes see it.
        watchers: are told what happens; in the first process only.
        processes: those that train together, this one among them.
        readers: processes that draw chips ahead; see `models.training.drawing`. The weights do not depend on it.

    Returns:
        Folder of the finished checkpoint, `out_dir/NAME`.

    Raises:
        ConfigRefused: `out_dir` holds a run of another configuration, or the network cannot be built.
        DataRefused: the data cannot be learned from as they are.
        TrainingDiverged: the loss is no number any more.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(config.fit.threads)
    lesson = open_lesson(config)
    card = _on_record(lesson)
    average = fit(lesson, card, out_dir, watchers=watchers, processes=processes, readers=readers)
    folder = out_dir / config.name
    if processes.first:
        save_checkpoint(folder, average, card)
    processes.agree(0)  # nobody leaves before the checkpoint is there
    return folder


def _on_record(lesson: Lesson) -> Card:
    """Return the lesson's card with what tells this run from others."""
    card = lesson.card()
    facts = {"data_sha256": lesson.fingerprint, "seed": lesson.config.seed, "revision": code_revision()}
    start = find_start(lesson.config.fit.start, card)
    facts |= {} if start is None else {"start": start.told}
    return card.model_copy(update={"training": card.training | facts})


def fit(
    lesson: Lesson,
    card: Card,
    out_dir: Path,
    *,
    watchers: Sequence[Watcher] = (),
    processes: Processes = ALONE,
    readers: int = 0,
) -> Network:
    """Find the weights of a lesson's network.

    Args:
        lesson: what to learn.
        card: put on record with every save.
        out_dir: of the run.
        watchers: are told what happens, in the first process.
        processes: those that train together.
        readers: processes that draw chips ahead.

    Returns:
        The network with averaged weights: the last ones, or with patience those that scored best.
    """
    config = lesson.config
    torch.manual_seed(config.seed)
    fresh, start = lesson.build(), find_start(config.fit.start, card)
    if start is not None:
        fresh.load_state_dict(start.load())
    net = join_norms(fresh, processes).to(processes.device)
    net = net.to(memory_format=memory_format(processes.device))  # type: ignore[call-overload] # its stubs lag
    average = copy.deepcopy(net).eval().requires_grad_(False)
    plan = config.fit
    adam = open_optimizer(plan.optimizer, net, rate=plan.peak_rate, weight_decay=plan.weight_decay)
    run, adversary = Run(net, average, adam), None
    if config.adversarial is not None:
        adversary = Adversary(config.adversarial, len(card.bands), len(card.classes), processes)
        run.judge, run.judge_adam = adversary.judge, adversary.adam
    facts = {
        "config": json.dumps(written(config), sort_keys=True),
        "fingerprint": lesson.fingerprint,
        "seed": str(config.seed),
        "card": card.model_dump_json(),
        "revision": code_revision(),
        **({} if start is None else {"start": start.sha256}),
    }
    load_run(out_dir, run, facts)
    if processes.agree(run.step) != run.step:
        raise ConfigRefused(f"{out_dir}: processes see different runs there; give a folder that all of them share")
    _Loop(lesson, run, adversary, processes, watchers if processes.first else ()).walk(card, out_dir, facts, readers)
    found = lesson.build().eval().requires_grad_(False)  # on the CPU, with norms that know no other process
    found.load_state_dict(run.best or average.state_dict())
    if start is not None and config.fit.keep > 0:
        first = lesson.build()
        first.load_state_dict(start.load())
        follow(found, first, 1 - config.fit.keep)
    return found


def rate_at(step: int, config: TrainConfig) -> float:
    """Learning rate of the one-cycle schedule: a straight rise, then half a cosine down to nothing."""
    steps = config.fit.schedule or config.fit.steps
    rise = max(1, round(config.fit.warmup * steps))
    if step < rise:
        return config.fit.peak_rate * (step + 1) / rise
    share = (step - rise) / max(1, steps - rise)
    return config.fit.peak_rate * 0.5 * (1 + math.cos(math.pi * share))


class _Loop:
    """Steps, scores and saves of one run."""

    def __init__(
        self, lesson: Lesson, run: Run, adversary: Adversary | None, processes: Processes, watchers: Sequence[Watcher]
    ) -> None:
        self._lesson, self._run, self._adversary = lesson, run, adversary
        self._processes, self._watchers, self._config = processes, watchers, lesson.config
        self._objective = processes.spread(lesson.objective(run.net, processes))

    def walk(self, card: Card, out_dir: Path, facts: Mapping[str, str], readers: int) -> None:
        """Walk from the run's step to the last, or until patience is at its end."""
        run, plan, started = self._run, self._config.fit, time.monotonic()
        for note in self._lesson.notes:
            self._tell(Note(note))
        self._tell(Started(run.step, plan.steps, card))
        batches = draw_batches(self._lesson, self._processes, range(run.step, plan.steps), readers)
        while run.step < plan.steps and not self._is_over():
            loss = self._step(next(batches))
            run.step += 1
            if run.step % plan.validate_every == 0:
                self._score()
            if run.step % plan.save_every == 0 or run.step == plan.steps or self._is_over():
                if self._processes.first:
                    save_run(out_dir, run, facts)
                self._tell(Saved(run.step, plan.steps, loss, (time.monotonic() - started) / 60))

    def _is_over(self) -> bool:
        return 0 < self._config.fit.patience <= self._run.stale

    def _step(self, batch: Batch) -> float:
        """Take a step: the network's turn, then the discriminator's, then the average's."""
        run, plan, step = self._run, self._config.fit, self._run.step
        rate = rate_at(step, self._config)
        for group in run.adam.param_groups:
            group["lr"] = rate
        # What chance there is in a step (dropout) hangs on the step alone, so that a run can go on anywhere.
        chance = np.random.SeedSequence((self._config.seed, step, self._processes.rank))
        torch.manual_seed(int(chance.generate_state(1)[0]))
        run.net.train()
        run.adam.zero_grad(set_to_none=True)
        terms, shown = self._objective(*(tensor.to(self._processes.device) for tensor in batch))
        if self._adversary is not None and shown is not None:
            fooling = self._adversary.fooling(shown, step)
            terms |= {} if fooling is None else {"fooling": fooling}
        loss = sum_of(terms)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(run.net.parameters(), plan.clip_norm)
        value, told = float(loss.detach()), {name: float(term.detach()) for name, term in terms.items()}
        if not math.isfinite(value):
            raise TrainingDiverged(
                f"the loss is {value} at step {step + 1} ({told}); lower fit.peak_rate, and start from the last save"
            )
        run.adam.step()
        if self._adversary is not None and shown is not None:
            told["discriminator"] = self._adversary.learn(shown)
        follow(run.average, run.net, min(plan.average_decay, (1 + step) / (10 + step)))
        self._tell(Stepped(step + 1, value, told, rate))
        return value

    def _score(self) -> None:
        """Score the averaged weights in the first process; all of them learn whether it is time to stop."""
        run, patient = self._run, self._config.fit.patience > 0
        if self._processes.first:
            scores, examples = self._lesson.score(run.average)
            best = patient and run.scored(scores[self._lesson.watched])
            self._tell(Scored(run.step, scores, best, examples))
        run.stale = self._processes.agree(run.stale)

    def _tell(self, event: Note | Started | Stepped | Saved | Scored) -> None:
        for watcher in self._watchers:
            watcher(event)


def sum_of(terms: Mapping[str, Tensor]) -> Tensor:
    """Sum the terms of a loss."""
    first, *others = terms.values()
    for term in others:
        first = first + term
    return first


@torch.no_grad()
def follow(average: nn.Module, net: nn.Module, decay: float) -> None:
    """Move the averaged weights, and the norms' statistics with them, towards the net's."""
    means, nows = average.state_dict(), net.state_dict()
    floats = [name for name, mean in means.items() if mean.is_floating_point()]
    torch._foreach_lerp_([means[name] for name in floats], [nows[name] for name in floats], 1 - decay)
    for name in means.keys() - set(floats):
        means[name].copy_(nows[name])
