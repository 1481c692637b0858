"""Losses added up over batches and processes, in all and for every task. Knows no model and no gradient."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from perceptlm.batch import Batch
from perceptlm.schema import Task
from perceptlm.train.ranks import Ranks

if TYPE_CHECKING:
    from perceptlm.model.plm import Loss

_TASKS: tuple[Task, ...] = get_args(Task)


@dataclass
class LossSums:
    """The sum of losses, the targets that they are of and the pictures shown; per task losses and targets, in turn."""

    total: float = 0.0
    num_targets: int = 0
    num_pictures: int = 0
    per_task: list[float] = field(default_factory=lambda: [0.0] * (2 * len(_TASKS)))

    def add(self, batch: Batch, loss: Loss) -> None:
        """Add the losses of a batch."""
        self.total += float(loss.total.detach())
        self.num_targets += loss.num_targets
        self.num_pictures += batch.num_pictures
        for tag, total, count in zip(batch.tags, loss.per_tag.tolist(), loss.per_tag_count.tolist(), strict=True):
            place = 2 * _TASKS.index(tag)
            self.per_task[place] += total
            self.per_task[place + 1] += count

    def of_all(self, ranks: Ranks) -> LossSums:
        """Return the sums over all processes."""
        total, targets, pictures, *per_task = ranks.sum(
            [self.total, self.num_targets, self.num_pictures, *self.per_task]
        )
        return LossSums(total, int(targets), int(pictures), per_task)

    @property
    def mean(self) -> float:
        """Loss per target; not a number where there is none."""
        return self.total / self.num_targets if self.num_targets else float("nan")

    def means_per_task(self) -> dict[str, float]:
        """Return the mean loss of every task that has targets, by name."""
        pairs = zip(_TASKS, self.per_task[::2], self.per_task[1::2], strict=True)
        return {task: round(total / count, 6) for task, total, count in sorted(pairs) if count}
