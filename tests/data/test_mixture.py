"""plan_step: a pure function that covers every group and keeps near the weights."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from itertools import chain

import pytest

from perceptlm.data import mixture
from perceptlm.data.mixture import plan_step
from perceptlm.data.sample_set import SampleSet
from perceptlm.errors import ConfigError
from perceptlm.schema import Sample

WEIGHTS = {"video_caption": 1.0, "video_qa": 2.0, "fgqa": 3.0, "rcap": 1.0, "rtloc": 1.0}


@pytest.fixture(scope="module")
def samples_of_clips() -> Callable[[Callable[..., Sample], int], SampleSet]:
    def make(make_sample: Callable[..., Sample], num_clips: int) -> SampleSet:
        samples = []
        for clip in range(num_clips):
            for task, count, boxed in [
                ("video_caption", 2, False), ("video_qa", 4, False), ("fgqa", 6, False),
                ("rcap", 3, True), ("rtloc", 3, True), ("rdcap", 1, True),
            ]:  # fmt: skip
                samples += [make_sample(f"{clip}-{task}-{n}", task, clip=clip, boxed=boxed) for n in range(count)]
        return SampleSet(tuple(samples))

    return make


@pytest.fixture
def sample_set(samples_of_clips: Callable[..., SampleSet], make_sample: Callable[..., Sample]) -> SampleSet:
    return samples_of_clips(make_sample, 30)


def ids(plan: list[tuple[Sample, ...]]) -> list[list[str]]:
    return [[sample.id for sample in group] for group in plan]


def plan(sample_set: SampleSet, step: int, *, seed: int = 1, **settings: object) -> list[tuple[Sample, ...]]:
    values = {"weights": WEIGHTS, "num_groups": 4, "num_branches": 3} | settings
    return plan_step(sample_set, seed=seed, step=step, **values)  # type: ignore[arg-type]


def test_a_step_depends_on_seed_and_step_only(sample_set: SampleSet) -> None:
    forwards = [ids(plan(sample_set, step)) for step in range(300)]
    mixture._cycle_order.cache_clear()
    mixture._permutation.cache_clear()
    backwards = [ids(plan(sample_set, step)) for step in reversed(range(300))]
    assert forwards == backwards[::-1]
    assert forwards[0] != ids(plan(sample_set, 0, seed=2))
    assert forwards[0] != forwards[1]


def test_the_order_of_weights_does_not_matter(sample_set: SampleSet) -> None:
    reordered = dict(reversed(WEIGHTS.items()))
    assert ids(plan(sample_set, 5)) == ids(plan(sample_set, 5, weights=reordered))
    doubled = {task: 2 * weight for task, weight in WEIGHTS.items()}
    assert ids(plan(sample_set, 5)) == ids(plan(sample_set, 5, weights=doubled))


def test_an_entry_is_distinct_samples_of_one_group(sample_set: SampleSet) -> None:
    groups = [{sample.id for sample in group} for group in sample_set.groups]
    for step in range(50):
        entries = plan(sample_set, step)
        assert len(entries) == 4
        for entry in entries:
            names = [sample.id for sample in entry]
            assert len(names) == len(set(names)) == 3
            assert any(set(names) <= group for group in groups)
            assert {sample.task for sample in entry} <= set(WEIGHTS)


@pytest.mark.parametrize("num_branches", [1, 3])
def test_tasks_come_out_near_the_weights(sample_set: SampleSet, num_branches: int) -> None:
    entries = chain.from_iterable(plan(sample_set, step, num_branches=num_branches) for step in range(600))
    counts = Counter(sample.task for entry in entries for sample in entry)
    total = sum(counts.values())
    for task, weight in WEIGHTS.items():
        assert counts[task] / total == pytest.approx(weight / 8, abs=0.03)


def test_every_group_comes_before_one_comes_again(sample_set: SampleSet) -> None:
    firsts = [entry[0] for step in range(30) for entry in plan(sample_set, step, weights={"fgqa": 1}, num_branches=1)]
    for epoch in range(4):
        assert len({sample.cluster for sample in firsts[30 * epoch : 30 * epoch + 30]}) == 30
    # and, over as many epochs as a group has samples of the task, each of these
    firsts = [entry[0] for step in range(45) for entry in plan(sample_set, step, weights={"fgqa": 1}, num_branches=1)]
    assert len({sample.id for sample in firsts}) == 30 * 6


def test_small_groups_give_fewer_branches(make_sample: Callable[..., Sample]) -> None:
    alone = SampleSet((make_sample("a"), make_sample("b", "mcq")))
    assert len(plan(alone, 0, weights={"video_qa": 1}, num_groups=1)[0]) == 1
    assert len(plan(alone, 0, weights={"video_qa": 1, "mcq": 1}, num_groups=1)[0]) == 2


def test_a_rare_task_is_still_seen(sample_set: SampleSet) -> None:
    weights = {"fgqa": 1.0, "rdcap": 1e-6}
    tasks = {entry[0].task for step in range(260) for entry in plan(sample_set, step, weights=weights)}
    assert tasks == {"fgqa", "rdcap"}


def test_the_cost_does_not_grow_with_the_step(sample_set: SampleSet) -> None:
    start = time.perf_counter()
    plan(sample_set, 10**9)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"mcq": 1.0}, "task 'mcq' has weight 1.0 but no samples"),
        ({"fgqa": -1.0}, "weight of task 'fgqa' is -1.0"),
        ({"fgqa": float("nan")}, "weight of task 'fgqa' is nan"),
        ({"fgqa": 0.0, "mcq": 0.0}, "no task has a weight above 0"),
        ({}, "no task has a weight above 0"),
    ],
)
def test_bad_weights_are_refused(sample_set: SampleSet, weights: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(sample_set, 0, weights=weights)
