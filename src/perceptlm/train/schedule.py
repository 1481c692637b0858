"""Learning-rate schedule: a pure function of the step, with no jump at the end."""

from __future__ import annotations

import math

from perceptlm.train.configuration import ScheduleConfig


def learning_rate_factor(step: float, num_steps: int, schedule: ScheduleConfig) -> float:
    """Return the multiple of the peak rate for `step` (0-based; a fraction between two steps).

    Warm-up starts above zero (step 0 learns), and from `num_steps` on the factor stays at `min_ratio`: the public
    trainer's cosine jumps back to 1 there (facts, section 4).
    """
    if step < schedule.warmup_steps:
        return (step + 1) / (schedule.warmup_steps + 1)
    length = max(1, num_steps - schedule.warmup_steps)
    progress = min(1.0, (step - schedule.warmup_steps) / length)
    return schedule.min_ratio + 0.5 * (1 - schedule.min_ratio) * (1 + math.cos(math.pi * progress))
