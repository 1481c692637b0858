"""The objective for pairs of answers, one judged better: direct preference optimisation (arXiv 2305.18290, eq. 7).

The loss of a pair is -log sigmoid(margin), where

    margin = beta * ((log p(chosen) - log p(rejected)) - (the same of the reference))

and the reference is the model without its low-rank matrices, which is what training started from. What a step
minimises is `answer_weight` times the usual loss per supervised token, chosen answers among them, plus the mean loss of
its pairs, both over all batches and processes together. Knows no data, no files and no optimiser.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from perceptlm.batch import Batch
from perceptlm.model.low_rank import without_low_rank
from perceptlm.model.plm import Loss, PerceptionLM
from perceptlm.train.configuration import PreferenceConfig
from perceptlm.train.loss_sums import LossSums
from perceptlm.train.ranks import Ranks


@dataclass(frozen=True)
class StepCounts:
    """What the losses of a step are divided by: of all batches and processes."""

    num_targets: int
    num_pairs: int


@dataclass(frozen=True)
class BatchLoss:
    """The losses of a batch: of its answers, and of each pair the margin (pairs,); None where no pairs are learnt."""

    answers: Loss
    margins: Tensor | None = None

    def share(self, counts: StepCounts, config: PreferenceConfig | None) -> Tensor:
        """Return what this batch adds to the loss of a step, with a graph."""
        per_target = self.answers.total / counts.num_targets
        if config is None or self.margins is None:
            return per_target
        return config.answer_weight * per_target + pair_losses(self.margins).sum() / max(1, counts.num_pairs)

    def add_to(self, sums: LossSums, batch: Batch) -> None:
        """Add this to the sums of a step."""
        sums.add(batch, self.answers)
        if self.margins is not None and len(self.margins):
            margins = self.margins.detach()
            sums.pairs.total += float(pair_losses(margins).sum())
            sums.pairs.margin += float(margins.sum())
            sums.pairs.num_right += int((margins > 0).sum())
            sums.pairs.num_pairs += len(margins)


def batch_loss(model: PerceptionLM, batch: Batch, config: PreferenceConfig | None, ranks: Ranks) -> BatchLoss:
    """Return the losses of `batch`. All processes call this together, one that has no pairs too.

    The reference is asked first, without a gradient, and only if any process has a pair in its batch.
    """
    batch = batch.to(model.device)
    if config is None:
        return BatchLoss(model.loss(batch))
    before: Tensor | float = 0.0
    if ranks.largest(batch.num_pairs):
        with torch.no_grad(), without_low_rank(model):
            reference = model.pairwise_loss(batch)
        before = reference.chosen - reference.rejected
    found = model.pairwise_loss(batch)
    return BatchLoss(found.loss, config.beta * (found.chosen - found.rejected - before))


def pair_losses(margins: Tensor) -> Tensor:
    """Return the loss of each pair by its margin."""
    return -functional.logsigmoid(margins)
