from __future__ import annotations

from perceptlm.world.splits import HELD_OUT_PAIRS, background_names, pair_allowed
from perceptlm.world.vocabulary import (
    ACTIONS,
    BACKGROUND_FAMILIES,
    BACKGROUNDS,
    COLOURS,
    COVER_KINDS,
    FACING_KINDS,
    KINDS,
    LABELLED_KINDS,
    PATTERNS,
    kind_can,
)

SPLITS = ("train", "validation", "benchmark")


def test_there_is_enough_of_everything() -> None:
    assert len(KINDS) >= 40
    assert 8 <= len(COLOURS) <= 10
    assert len(PATTERNS) >= 4
    assert sum(len(states) == 2 for states in KINDS.values()) >= 10
    assert all(len(states) in (0, 2) for states in KINDS.values())
    assert set(FACING_KINDS) | set(COVER_KINDS) | set(LABELLED_KINDS) <= set(KINDS)


def test_splits_share_no_background_and_each_has_every_family() -> None:
    names = {split: set(background_names(split)) for split in SPLITS}
    assert sum(len(part) for part in names.values()) == len(set.union(*names.values())) == len(BACKGROUNDS)
    for part in names.values():
        assert {name.rpartition("_")[0] for name in part} == set(BACKGROUND_FAMILIES)


def test_held_out_pairs_are_a_seventh_and_leave_every_kind_and_action_most_pairs() -> None:
    possible = {(kind, action) for kind in KINDS for action in ACTIONS if kind_can(kind, action)}
    assert possible >= HELD_OUT_PAIRS
    assert 0.12 < len(HELD_OUT_PAIRS) / len(possible) < 0.18
    for kind in KINDS:
        held = sum((kind, action) in HELD_OUT_PAIRS for action in ACTIONS)
        assert 1 <= held <= 5, kind
    for action in ACTIONS:
        able = [kind for kind in KINDS if kind_can(kind, action)]
        held = sum((kind, action) in HELD_OUT_PAIRS for kind in able)
        assert 0.1 < held / len(able) < 0.25, action


def test_only_the_benchmark_may_show_held_out_pairs() -> None:
    kind, action = sorted(HELD_OUT_PAIRS)[0]
    assert not pair_allowed(kind, action, "train")
    assert not pair_allowed(kind, action, "validation")
    assert pair_allowed(kind, action, "benchmark")
    assert not pair_allowed("ball", "turn", "benchmark")
    assert not pair_allowed("ball", "change_state", "benchmark")
