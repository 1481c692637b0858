"""Losses added up over batches and processes: in all, for every task, and of pairs. Knows no model and no gradient."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from perceptlm.batch import Batch
from perceptlm.schema import Task
from perceptlm.train.configuration import PreferenceConfig
from perceptlm.train.ranks import Ranks

if TYPE_CHECKING:
    from perceptlm.model.plm import Loss

_TASKS: tuple[Task, ...] = get_args(Task)


@dataclass
class PairSums:
    """Sums over pairs of answers: losses, margins, and how many there are and are ranked right (margin above 0)."""

    total: float = 0.0
    margin: float = 0.0
    num_right: int = 0
    num_pairs: int = 0

    @property
    def mean(self) -> float:
        """Loss per pair; 0 where there is none."""
        return self.total / self.num_pairs if self.num_pairs else 0.0

    def figures(self, digits: int) -> dict[str, float]:
        """Return what a log says of them; without pairs only that there are none."""
        if not self.num_pairs:
            return {"num_pairs": 0}
        return {
            "preference_loss": round(self.mean, digits),
            "preference_accuracy": round(self.num_right / self.num_pairs, digits),
            "preference_margin": round(self.margin / self.num_pairs, digits),
            "num_pairs": self.num_pairs,
        }


@dataclass
class LossSums:
    """The sum of losses, the targets that they are of and the pictures shown; per task losses and targets, in turn."""

    total: float = 0.0
    num_targets: int = 0
    num_pictures: int = 0
    per_task: list[float] = field(default_factory=lambda: [0.0] * (2 * len(_TASKS)))
    pairs: PairSums = field(default_factory=PairSums)

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
        pairs = self.pairs
        total, targets, pictures, of_pairs, margin, num_right, num_pairs, *per_task = ranks.sum(
            [
                *(self.total, self.num_targets, self.num_pictures),
                *(pairs.total, pairs.margin, pairs.num_right, pairs.num_pairs),
                *self.per_task,
            ]
        )
        return LossSums(
            total, int(targets), int(pictures), per_task, PairSums(of_pairs, margin, int(num_right), int(num_pairs))
        )

    @property
    def mean(self) -> float:
        """Loss per target; not a number where there is none."""
        return self.total / self.num_targets if self.num_targets else float("nan")

    def objective(self, config: PreferenceConfig | None) -> float:
        """Return what was minimised: the mean loss and, with preference, that of pairs."""
        return self.mean if config is None else config.answer_weight * self.mean + self.pairs.mean

    def preference_figures(self, config: PreferenceConfig | None, digits: int) -> dict[str, float]:
        """Return what a log says of pairs, and of all that was minimised; nothing without preference."""
        if config is None:
            return {}
        return {"total_loss": round(self.objective(config), digits), **self.pairs.figures(digits)}

    def means_per_task(self) -> dict[str, float]:
        """Return the mean loss of every task that has targets, by name."""
        pairs = zip(_TASKS, self.per_task[::2], self.per_task[1::2], strict=True)
        return {task: round(total / count, 6) for task, total, count in sorted(pairs) if count}
