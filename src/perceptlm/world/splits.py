"""What the splits of the world may not share: backgrounds, and held-out (kind, action) pairs.

Train and validation never show a held-out pair (a thing of that kind doing that action); the benchmark shows held-out
and other pairs about half and half. Every kind and every action keeps most of its pairs. This module draws nothing
and chooses no clip.
"""

from __future__ import annotations

import numpy as np

from perceptlm.schema import Split
from perceptlm.seeding import generator
from perceptlm.world.script import Action
from perceptlm.world.vocabulary import ACTIONS, BACKGROUND_FAMILIES, KINDS, NUM_BACKGROUNDS_PER_FAMILY, kind_can

_FIXED_SEED = 20250417  # never changes: splits are part of what the world is
_HELD_OUT_EVERY = 7  # one pair in seven, 14 %
_NUM_VALIDATION = 4
_NUM_BENCHMARK = 10


def _held_out_pairs() -> frozenset[tuple[str, Action]]:
    """Return every seventh kind of a fixed shuffle for each action, starting one further with each action."""
    rng = generator(_FIXED_SEED, "held_out_pairs")
    kinds = list(rng.permutation(list(KINDS)))
    pairs: set[tuple[str, Action]] = set()
    for start, number in enumerate(rng.permutation(len(ACTIONS))):
        action = ACTIONS[number]
        able = [str(kind) for kind in kinds if kind_can(str(kind), action)]
        pairs.update((kind, action) for kind in able[start % _HELD_OUT_EVERY :: _HELD_OUT_EVERY])
    return frozenset(pairs)


HELD_OUT_PAIRS: frozenset[tuple[str, Action]] = _held_out_pairs()
"""(kind, action) pairs that only the benchmark shows."""


def pair_allowed(kind: str, action: Action, split: Split) -> bool:
    """Return whether a thing of `kind` may do `action` in `split` (and can do it at all)."""
    return kind_can(kind, action) and (split == "benchmark" or (kind, action) not in HELD_OUT_PAIRS)


def background_names(split: Split) -> tuple[str, ...]:
    """Return the backgrounds of `split`; no two splits share one, and each has every family."""
    names: list[str] = []
    for family in BACKGROUND_FAMILIES:
        order = generator(_FIXED_SEED, "backgrounds", family).permutation(NUM_BACKGROUNDS_PER_FAMILY)
        parts = np.split(order, [_NUM_VALIDATION, _NUM_VALIDATION + _NUM_BENCHMARK])
        chosen = {"validation": parts[0], "benchmark": parts[1], "train": parts[2]}[split]
        names.extend(f"{family}_{number:02d}" for number in sorted(chosen))
    return tuple(names)
