"""When a run stops by itself: losses that jump, data that cannot be used. Knows no model and no files."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from statistics import median

from perceptlm.errors import TrainingError
from perceptlm.train.configuration import GuardConfig

_ALWAYS_ALLOWED = 10


class SpikeGuard:
    """Watches losses, one after the other; `losses` are those of the steps before a run was interrupted."""

    def __init__(self, config: GuardConfig, losses: Iterable[float] = ()) -> None:
        self._config = config
        self._usual: deque[float] = deque(maxlen=config.window)
        self._num_high = 0
        for loss in losses:
            self._take(loss)

    def watch(self, step: int, loss: float) -> None:
        """Take in the loss of a step; TrainingError if it is the last of too many high ones."""
        usual = self._take(loss)
        if self._num_high >= self._config.spike_steps:
            raise TrainingError(
                f"step {step}: the loss has been over {self._config.spike_factor:g} times its usual {usual:.4g} for "
                f"{self._num_high} steps (now {loss:.4g})",
                hint="the state is saved; train on from an earlier checkpoint at a lower learning rate",
            )

    def _take(self, loss: float) -> float:
        """Count the loss; return what is usual. A high one is not: the median is of the others."""
        factor = self._config.spike_factor
        usual = median(self._usual) if self._usual else loss
        # What is usual must be known first.
        known = len(self._usual) == self._usual.maxlen
        if factor is not None and known and loss > factor * usual:
            self._num_high += 1
        else:
            self._num_high = 0
            self._usual.append(loss)
        return usual


class DropGuard:
    """Counts units that could not be used."""

    def __init__(self, config: GuardConfig, num_dropped: int = 0, num_units: int = 0) -> None:
        self._most = config.max_dropped
        self.num_dropped = num_dropped
        self._num_units = num_units

    def watch(self, step: int, num_dropped: int, num_units: int, reason: str) -> None:
        """Take in the counts of a step; TrainingError, with one of the reasons, if they are too many by now."""
        self.num_dropped += num_dropped
        self._num_units += num_units
        if self.num_dropped > max(_ALWAYS_ALLOWED, self._most * self._num_units):
            raise TrainingError(
                f"step {step}: {self.num_dropped} of {self._num_units} groups of samples could not be used, the last "
                f"because: {reason}",
                hint="dropped.jsonl has them all; mend the data, or allow more with guard.max_dropped",
            )
