"""The training loop of one stage: batches -> loss per supervised token -> AdamW, with logs and resumable state.

Processes that train together each work on their rows of a step. The loss is the sum over all supervised tokens divided
by their number, both of all processes and all batches of the step, so that it does not depend on how rows are split.
Where pairs of answers are learnt from, their loss is added likewise (`preference`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from perceptlm.batch import Batch
from perceptlm.errors import TrainingError
from perceptlm.log import logger, progress
from perceptlm.model.plm import PerceptionLM
from perceptlm.train.averaging import RunningMean
from perceptlm.train.checkpoint import STATE_FOLDER, SavedStates, remove_states
from perceptlm.train.configuration import StageConfig
from perceptlm.train.figures import loss_of
from perceptlm.train.guards import DropGuard, SpikeGuard
from perceptlm.train.loader import Dropped, StepData, StepLoader
from perceptlm.train.loss_sums import LossSums
from perceptlm.train.optimiser import (
    apply_gradients,
    gradient_norms,
    make_optimiser,
    set_learning_rates,
    state_tensors,
)
from perceptlm.train.preference import StepCounts, batch_loss
from perceptlm.train.ranks import ALONE, Ranks
from perceptlm.train.schedule import learning_rate_factor
from perceptlm.train.sharding import forget_gathered
from perceptlm.train.stop_signal import Stopped, StopRequest, listening
from perceptlm.train.throughput import batch_flops, measured_peak
from perceptlm.train.training_log import TrainingLog
from perceptlm.train.validation import HeldOut, best_look, is_over

SNAPSHOT_FOLDER = "snapshots"
"""Holds a model directory for every `snapshot_every` steps, named by the number of steps before it."""
BEST_FOLDER = "best"
"""Holds, while a run with `patience` is not over, the state of the model that did best on held-out data."""

_NOT_SAVED = 1000
"""What a process tells the others in place of a signal when a state could not be written."""


def forget_states(folder: Path) -> None:
    """Remove what an interrupted run under `folder` goes on from: its end has been published."""
    for name in (STATE_FOLDER, BEST_FOLDER):
        remove_states(folder / name)


class Trainer:
    """Trains `model` in place. What it writes under `folder` lets the same call go on after a kill.

    `save_model` writes the model as it is into a directory; it is called in every process. `idle` is a batch of nothing
    for a process that has less to do than others; only one that is not alone needs it.
    """

    def __init__(
        self,
        model: PerceptionLM,
        loader: StepLoader,
        config: StageConfig,
        folder: Path,
        save_model: Callable[[Path], None],
        *,
        ranks: Ranks = ALONE,
        held_out: HeldOut | None = None,
        idle: Batch | None = None,
        tensorboard: bool = False,
    ) -> None:
        self.device = model.device
        self.model = model
        self.loader = loader
        self.config = config
        self.folder = folder
        self.save_model = save_model
        self.ranks = ranks
        self.held_out = held_out
        self.idle = idle
        self.tensorboard = tensorboard
        self.optimiser = make_optimiser(model, config)
        self.mean = None if config.ema_decay is None else RunningMean(model, config.ema_decay)

    def fit(self) -> None:
        """Run every step that is left. The model is then what is to be published; after that, `forget_states`.

        Raises Stopped if the process is asked to stop, and TrainingError if the run had better not go on, both with the
        state saved.
        """
        config = self.config
        with (
            deterministic(config.num_threads),
            self.loader,
            nullcontext() if self.held_out is None else self.held_out.loader,
            SavedStates(self.folder / STATE_FOLDER, keep=config.keep_states, ranks=self.ranks) as states,
            SavedStates(self.folder / BEST_FOLDER, ranks=self.ranks) as best,
        ):
            self.states, self.best = states, best
            start = states.load(self._state())
            log = TrainingLog(self.folder, start, writes=self.ranks.is_first, tensorboard=self.tensorboard)
            with log, listening() as request, progress("status") as bar:
                name = f"{config.name}{' (no pixels)' if config.blind else ''}"
                task = bar.add_task(name, total=config.num_steps, completed=start, status="")
                self._run(start, log, request, lambda status: bar.update(task, advance=1, status=status))
                self._take_final_weights()

    def _run(self, start: int, log: TrainingLog, request: StopRequest, show: Callable[[str], None]) -> None:
        """Do the steps from `start` on, until they are done, or held-out data says that more would not help."""
        config = self.config
        # All must come to the same end: what was before an interruption, the first tells the others.
        before = (log.losses(), log.drops(), log.looks()) if self.ranks.is_first else ([], 0, [])
        losses, num_dropped, self.looks = self.ranks.of_first(before)
        spikes = SpikeGuard(config.guard, losses)
        drops = DropGuard(config.guard, num_dropped, start * config.num_groups)
        self._set_training()
        for step in range(start, config.num_steps + 1):
            if self._look_if_due(step, log) or step == config.num_steps:
                return
            if step > start and step % config.checkpoint_every == 0:
                self.states.save(step, self._state())
            if config.snapshot_every and step and step % config.snapshot_every == 0:
                self._snapshot(step)
            began = time.perf_counter()
            data = self.loader.get(step)
            try:
                record = self.step(step, data)
            except TrainingError:
                self._save_now(step)
                raise
            rates = self._rates(data, time.perf_counter() - began)
            dropped = self._all_dropped(data)
            log.step(record, rates, dropped)
            show(f"loss {record['loss']:.3f}  {rates['num_tokens'] / rates['seconds']:,.0f} tokens/s")
            try:
                spikes.watch(step, loss_of(record))
                drops.watch(step, len(dropped), data.num_units, dropped[-1].reason if dropped else "")
            except TrainingError:
                self._save_now(step + 1)
                raise
            self._leave_if_asked(step + 1, request)

    def step(self, step: int, data: StepData) -> dict[str, Any]:
        """Do one update and return its log record; TrainingError if loss or gradient is not finite."""
        config = self.config
        factor = learning_rate_factor(step, config.num_steps, config.schedule)
        set_learning_rates(self.optimiser, factor)
        self.optimiser.zero_grad(set_to_none=True)
        counted = [sum(getattr(batch, what) for batch in data.batches) for what in ("num_supervised", "num_pairs")]
        counts = StepCounts(*map(int, self.ranks.sum(counted)))
        if not counts.num_targets:
            raise TrainingError(f"stage {config.name}, step {step}: none of its samples could be used")
        sums = self.backward(data, counts).of_all(self.ranks)
        norms = gradient_norms(self.optimiser)
        where = f"stage {config.name}, step {step}"
        total = sums.objective(config.preference)
        norm = apply_gradients(self.optimiser, total, config.optimiser.max_grad_norm, where=where)
        if self.mean is not None:
            self.mean.update(step + 1)
        digits = 12 if config.precision == "fp64" else 6
        return {
            "step": step,
            "loss": round(sums.mean, digits),
            "per_task": sums.means_per_task(),
            "gradient_norm": round(norm, digits),
            "gradient_norm_per_part": {part: round(value, digits) for part, value in norms.items()},
            "learning_rate_factor": round(factor, 8),
            "num_targets": counts.num_targets,
            "num_pictures": sums.num_pictures,
            **sums.preference_figures(config.preference, digits),
        }

    def _all_dropped(self, data: StepData) -> list[Dropped]:
        if not self.ranks.largest(len(data.dropped)):
            return []
        return [item for found in self.ranks.all_of(data.dropped) for item in found]

    def backward(self, data: StepData, counts: StepCounts) -> LossSums:
        """Add up the gradients of this process's batches, of losses that are divided by `counts`."""
        sums = LossSums()
        num_batches = self.ranks.largest(len(data.batches))
        for number in range(num_batches):
            batch = data.batches[number] if number < len(data.batches) else self.idle
            if batch is None:
                raise ValueError("a process with less to do than others needs an idle batch")
            with self._autocast():
                loss = batch_loss(self.model, batch, self.config.preference, self.ranks)
            loss.share(counts, self.config.preference).backward()  # type: ignore[no-untyped-call]
            loss.add_to(sums, batch)
        return sums

    def _autocast(self) -> torch.autocast:
        # Weights that are shared out are gathered for each block; a copy of them must not be kept.
        shared_out = self.ranks.mesh is not None
        return torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16", cache_enabled=not shared_out
        )

    def _state(self) -> dict[str, torch.Tensor]:
        return state_tensors(self.model, self.optimiser) | ({} if self.mean is None else self.mean.tensors())

    def _set_training(self) -> None:
        self.model.train()
        if "vision_encoder" not in self.config.learning_rates:
            self.model.vision_encoder.eval()  # what is frozen drops no paths

    def _look_if_due(self, step: int, log: TrainingLog) -> bool:
        """Look at held-out data if it is time to after `step` steps; return whether training is over."""
        if self.held_out is None or self.config.validation is None:
            return False
        settings = self.config.validation
        due = step == self.config.num_steps or (step and step % settings.every == 0)
        if due and not any(look["step"] == step for look in self.looks):
            self.model.eval()
            with self._published_weights(), self._autocast():
                self.looks.append({"step": step, **self.held_out.losses(self.model, self.ranks, self.idle)})
                if settings.patience and best_look(self.looks)["step"] == step:
                    self.best.save(step, self._weights())
                    self.best.wait()
            self._set_training()
            log.validation(self.looks[-1])
            logger.info("%s: held-out loss %.4f after %d steps", self.config.name, loss_of(self.looks[-1]), step)
        return is_over(self.looks, settings.patience)

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: tensor for name, tensor in self._state().items() if name.startswith("model:")}

    @contextmanager
    def _published_weights(self) -> Iterator[None]:
        if self.mean is None:
            yield
            return
        with self.mean.in_place():
            yield
            forget_gathered(self.model)

    def _snapshot(self, step: int) -> None:
        with self._published_weights():
            self.save_model(self.folder / SNAPSHOT_FOLDER / f"{step:08d}")

    def _take_final_weights(self) -> None:
        """Leave the model with the weights to publish: the mean's where there is one, the best where one is sought."""
        if self.config.validation is not None and self.config.validation.patience:
            self.best.load(self._weights())
        elif self.mean is not None:
            with self._published_weights():
                final = {name: tensor.clone() for name, tensor in self._weights().items()}
            with torch.no_grad():
                for name, tensor in self._weights().items():
                    tensor.copy_(final[name])

    def _save_now(self, step: int) -> None:
        self.states.save(step, self._state())
        self.states.wait()

    def _leave_if_asked(self, step: int, request: StopRequest) -> None:
        asked = self.ranks.largest(_NOT_SAVED if self.states.has_failed else request.signal_number)
        if asked == _NOT_SAVED:
            self.states.wait()
            raise TrainingError(f"stage {self.config.name}: another process could not save its state")
        if asked:
            self._save_now(step)
            raise Stopped(f"stage {self.config.name}: asked to stop, saved after step {step - 1}", asked)

    def _rates(self, data: StepData, seconds: float) -> dict[str, float]:
        tokens = sum(int((batch.group >= 0).sum()) for batch in data.batches)
        places = sum(batch.group.numel() for batch in data.batches)
        trained = tuple(self.config.learning_rates)
        flops = sum(batch_flops(self.model.config, trained, batch) for batch in data.batches)
        tokens, places, flops = (round(total) for total in self.ranks.sum([tokens, places, flops]))
        peak = measured_peak(self.device, torch.get_num_threads()) * self.ranks.size
        return {
            "seconds": seconds,
            "data_wait_seconds": data.waited_seconds,
            "num_tokens": tokens,
            "num_places": places,
            "flops": flops,
            "model_flops_utilisation": flops / seconds / peak,
        }


@contextmanager
def deterministic(num_threads: int) -> Iterator[None]:
    """Fix the thread count and forbid operations whose result depends on timing."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(num_threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.set_num_threads(threads)
