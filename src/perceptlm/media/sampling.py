"""Which frames of a video a model sees: the published PLM rules, as pure functions of counts and rates.

Source: facts/reference-implementation.md section 2.4 and facts/evaluation.md section 1.1. Knows no file.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

FrameChoice = Literal["uniform", "one_per_second"]
"""Which of the rules below."""


def uniform_indices(num_total: int, num_wanted: int) -> list[int]:
    """Return `num_wanted` of `num_total` frames, both ends included; all frames when there are fewer.

    Frame i is round(i * (m - 1) / (n - 1)) with halves to even; one wanted frame is frame 0.
    """
    if num_total < 1 or num_wanted < 1:
        raise ValueError(f"need at least one frame to choose and one to choose from: {num_wanted} of {num_total}")
    if num_total <= num_wanted:
        return list(range(num_total))
    if num_wanted == 1:
        return [0]
    return [round(Fraction(i * (num_total - 1), num_wanted - 1)) for i in range(num_wanted)]


def one_per_second_indices(num_total: int, rate: Fraction | float, num_wanted: int) -> list[int]:
    """Return the frames that PLM's video loader takes: one per second, thinned to `num_wanted`.

    Positions go from start to end with a stride of round(rate), the average frames per second. More than `num_wanted`
    are thinned uniformly; fewer are replaced by a uniform choice of min(num_wanted, num_total) over the whole video.
    """
    if num_total < 1 or num_wanted < 1:
        raise ValueError(f"need at least one frame to choose and one to choose from: {num_wanted} of {num_total}")
    if rate <= 0:
        raise ValueError(f"the frame rate must be positive, got {rate}")
    positions = range(0, num_total, max(round(rate), 1))
    if len(positions) < num_wanted:
        positions = range(num_total)
    return [positions[i] for i in uniform_indices(len(positions), num_wanted)]


def choose_frames(frames: range, num_wanted: int, choice: FrameChoice, rate: Fraction | None = None) -> tuple[int, ...]:
    """Return at most `num_wanted` of the source frames `frames` (those of a clip, or of a whole file), in order.

    `rate` is the file's average frames per second, which `one_per_second` needs. What the reference does with a clip
    is the same: it keeps the frames from int(start * rate) to int(end * rate) and then samples.
    """
    if choice == "uniform":
        places = uniform_indices(len(frames), num_wanted)
    elif rate is None:
        raise ValueError("one frame a second needs a rate")
    else:
        places = one_per_second_indices(len(frames), rate / frames.step, num_wanted)
    return tuple(frames[place] for place in places)
