"""Looks at held-out data while a run goes on: the loss on the same Samples each time, and when no better is to be had.

It trains nothing and knows no files but those that its loader reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from perceptlm.batch import Batch
from perceptlm.errors import TrainingError
from perceptlm.model.plm import PerceptionLM
from perceptlm.train.configuration import PreferenceConfig
from perceptlm.train.figures import loss_of
from perceptlm.train.loader import StepLoader
from perceptlm.train.loss_sums import LossSums
from perceptlm.train.preference import batch_loss
from perceptlm.train.ranks import Ranks


@dataclass(frozen=True)
class HeldOut:
    """Held-out data: `loader` has it in `num_steps` steps. With `preference` its pairs are looked at as well."""

    loader: StepLoader
    num_steps: int
    preference: PreferenceConfig | None = None

    @torch.no_grad()
    def losses(self, model: PerceptionLM, ranks: Ranks, idle: Batch | None) -> dict[str, Any]:
        """Return the mean loss per supervised token, in all and per task. The model must be in evaluation mode."""
        sums = LossSums()
        for step in range(self.num_steps):
            batches = self.loader.get(step).batches
            for number in range(ranks.largest(len(batches))):
                batch = batches[number] if number < len(batches) else idle
                assert batch is not None
                batch_loss(model, batch, self.preference, ranks).add_to(sums, batch)
        found = sums.of_all(ranks)
        if not found.num_targets:
            raise TrainingError("none of the held-out samples could be used")
        return {
            "loss": round(found.mean, 6),
            "per_task": found.means_per_task(),
            "num_targets": found.num_targets,
            **found.preference_figures(self.preference, 6),
        }


def best_look(looks: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the look with the lowest loss, the first of equals."""
    return min(looks, key=loss_of)


def is_over(looks: Sequence[Mapping[str, Any]], patience: int | None) -> bool:
    """Say whether the last `patience` looks found nothing better than one before; never without patience."""
    if patience is None or not looks:
        return False
    best = int(best_look(looks)["step"])
    return sum(int(look["step"]) > best for look in looks) >= patience
