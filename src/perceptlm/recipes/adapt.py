"""Bringing a domain home: a trained model, taught from your own labels on one small GPU or a CPU.

By default low-rank matrices and the projector learn, beside other data that is shown again so that the model does not
forget, and it ends when held-out recordings are answered no better. With preference the matrices alone learn, also from
which of two answers was judged better. Only values are here; `workflow.adapt` counts the
data.
"""

from __future__ import annotations

from perceptlm.train.configuration import (
    LowRankConfig,
    Part,
    PreferenceConfig,
    ScheduleConfig,
    StageConfig,
    StageSource,
    ValidationConfig,
)

OWN, REPLAY = "own", "replay"
"""Names of the sources: what is to be learnt, and what is not to be forgotten."""
_LOW_RANK_RATES: dict[Part, float] = {"projector": 2e-4, "decoder": 1e-3}
_PREFERENCE_RATES: dict[Part, float] = {"decoder": 2e-4}
_FULL_RATES: dict[Part, float] = {"projector": 1e-4, "decoder": 2e-5}
_NUM_GROUPS = 8
_MOST_LOOKS = 10


def adapt(
    *,
    num_own: int,
    num_replay: int = 0,
    replay_share: float = 0.3,
    epochs: float = 3.0,
    full: bool = False,
    held_out: float = 0.1,
    preference: bool = False,
) -> StageConfig:
    """Return the recipe for `num_own` units of your own and `num_replay` of other data, of which `replay_share` of
    every step is made.

    `full` trains the decoder's own weights instead of low-rank matrices beside them. `held_out` is the share of your
    recordings that is looked at and never learnt from; 0 where your data has a validation split. `preference` learns
    from rejected answers too, and not with `full`.
    """
    rates = _FULL_RATES if full else _PREFERENCE_RATES if preference else _LOW_RANK_RATES
    sources = {OWN: StageSource(held_out=held_out)}
    learnt = max(1.0, num_own * (1 - held_out))
    per_epoch = learnt
    if num_replay:
        wanted = learnt * replay_share / (1 - replay_share)
        sources[REPLAY] = StageSource(repeats=wanted / num_replay)
        per_epoch += wanted
    num_steps = max(1, round(epochs * per_epoch / _NUM_GROUPS))
    return StageConfig(
        name="adapt",
        num_steps=num_steps,
        learning_rates=rates,
        low_rank=None if full else LowRankConfig(),
        preference=PreferenceConfig() if preference else None,
        sources=sources,
        num_groups=_NUM_GROUPS,
        num_branches=8,
        rows_per_batch=4,
        schedule=ScheduleConfig(warmup_steps=min(20, num_steps // 10), min_ratio=0.05),
        validation=ValidationConfig(every=max(1, num_steps // _MOST_LOOKS), num_groups=64, sources=(OWN,), patience=3),
        checkpoint_every=max(1, min(100, num_steps // 5)),
    )
