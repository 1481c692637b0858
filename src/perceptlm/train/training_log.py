"""What a run writes about itself: one line a step in `metrics.jsonl`, and beside it validation, drops and rates.

Only what follows from recipe, seed and data is in the run's folder; times and TensorBoard's files are in `run/`. With
several processes the first one writes. Each line is of one step, so that a resumed run cuts off what it does again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perceptlm.artifact import RUN_FOLDER
from perceptlm.errors import UsageError
from perceptlm.exchange.jsonl import JsonlAppender, read_lines
from perceptlm.train.checkpoint import cut_log
from perceptlm.train.figures import loss_of, preference_of
from perceptlm.train.loader import Dropped

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

METRICS = "metrics.jsonl"
VALIDATION = "validation.jsonl"
DROPPED = "dropped.jsonl"
THROUGHPUT = "throughput.jsonl"
TENSORBOARD_FOLDER = "tensorboard"


class TrainingLog:
    """The logs of a run in `folder` that goes on at step `start`. Without `writes`, nothing is written or cut."""

    def __init__(self, folder: Path, start: int, *, writes: bool = True, tensorboard: bool = False) -> None:
        self.folder = folder
        self._writes = writes
        self._stack = ExitStack()
        self._board: SummaryWriter | None = None
        if not writes:
            return
        (folder / RUN_FOLDER).mkdir(exist_ok=True)
        cut_log(folder / METRICS, start)
        cut_log(folder / RUN_FOLDER / THROUGHPUT, start)
        cut_log(folder / DROPPED, start)
        # A look before step k is of the model after k steps, as a saved state is.
        cut_log(folder / VALIDATION, start + 1)
        if tensorboard:
            self._board = _summary_writer(folder / RUN_FOLDER / TENSORBOARD_FOLDER, start)
            for look in self.looks():
                if int(look["step"]) == start:  # taken off with all from `start` on, and not done again
                    self._show_look(look)

    def __enter__(self) -> TrainingLog:
        if self._writes:
            self._metrics = self._stack.enter_context(JsonlAppender(self.folder / METRICS))
            self._rates = self._stack.enter_context(JsonlAppender(self.folder / RUN_FOLDER / THROUGHPUT))
        if self._board is not None:
            self._stack.callback(self._board.close)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def step(self, record: Mapping[str, Any], rates: Mapping[str, Any], dropped: Sequence[Dropped]) -> None:
        """Write what was done in a step, and how fast."""
        if not self._writes:
            return
        step = int(record["step"])
        self._metrics.write(dict(record))
        self._rates.write({"step": step, **rates})
        if dropped:
            with JsonlAppender(self.folder / DROPPED) as file:
                for item in dropped:
                    file.write({"step": step, "ids": list(item.ids), "reason": item.reason})
        if self._board is not None:
            self._show(step, "train", _losses(record))
            norms = {"gradient_norm": record["gradient_norm"], **record["gradient_norm_per_part"]}
            self._show(step, "gradient", norms)
            self._show(step, "rate", rates)
            self._board.flush()  # a kill loses no more here than in the other logs

    def validation(self, record: Mapping[str, Any]) -> None:
        """Write what a look at held-out data found."""
        if self._writes:
            with JsonlAppender(self.folder / VALIDATION) as file:
                file.write(dict(record))
        if self._board is not None:
            self._show_look(record)
            self._board.flush()

    def looks(self) -> list[dict[str, Any]]:
        """Return the records of all looks at held-out data so far. Only the first process may ask."""
        path = self.folder / VALIDATION
        return [record for _, record in read_lines(path)] if path.exists() else []

    def losses(self) -> list[float]:
        """Return the losses of all steps so far, as guards watch them. Only the first process may ask."""
        path = self.folder / METRICS
        return [loss_of(record) for _, record in read_lines(path)] if path.exists() else []

    def drops(self) -> int:
        """Return how many units could not be used so far. Only the first process may ask."""
        path = self.folder / DROPPED
        return sum(1 for _ in read_lines(path)) if path.exists() else 0

    def _show_look(self, record: Mapping[str, Any]) -> None:
        self._show(int(record["step"]), "validation", _losses(record))

    def _show(self, step: int, group: str, values: Mapping[str, float]) -> None:
        assert self._board is not None
        for name, value in values.items():
            self._board.add_scalar(f"{group}/{name}", value, step)


def _losses(record: Mapping[str, Any]) -> dict[str, float]:
    return {"loss": record["loss"], **preference_of(record), **record["per_task"]}


def _summary_writer(folder: Path, start: int) -> SummaryWriter:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError(
            "TensorBoard is not installed", hint="pip install 'perceptlm[tensorboard]', or leave out --tensorboard"
        ) from error
    return SummaryWriter(str(folder), purge_step=start)
