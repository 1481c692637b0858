"""BlendPlan: exact counts in every epoch, pure in (seed, step), the same for every number of ranks."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptlm.config import load_yaml, parse
from perceptlm.data.blend import (
    Blend,
    BlendPlan,
    BlendSource,
    PlannedUnit,
    largest_remainder,
    split_by_cost,
    split_in_turns,
)
from perceptlm.data.row_index import build_index
from perceptlm.errors import ConfigError, UsageError
from perceptlm.exchange.jsonl import write_records
from perceptlm.schema import Sample

sources = st.lists(
    st.tuples(st.integers(1, 40), st.fractions(Fraction(1, 8), 3, max_denominator=12)).filter(
        lambda s: s[0] * s[1] >= 1
    ),
    min_size=1,
    max_size=4,
)


def make_plan(parts: list[tuple[int, Fraction]], seed: int = 0) -> BlendPlan:
    names = [f"source {number}" for number in range(len(parts))]
    return BlendPlan(names, [units for units, _ in parts], [repeats for _, repeats in parts], seed)


def slots(plan: BlendPlan, first: int, end: int) -> list[PlannedUnit]:
    return list(chain.from_iterable(plan.units_of_step(slot, 1) for slot in range(first, end)))


def epoch_units(plan: BlendPlan, epoch: int) -> list[PlannedUnit]:
    first, end = plan.epoch_start(epoch), plan.epoch_start(epoch + 1)
    # One step from 0 would be the cheapest, but steps begin at multiples of their size.
    return plan.units_of_step(0, end)[first:]


@given(parts=sources, seed=st.integers(0, 100))
@settings(max_examples=60, deadline=None)
def test_every_unit_comes_exactly_as_often_as_said(parts: list[tuple[int, Fraction]], seed: int) -> None:
    plan = make_plan(parts, seed)
    num_epochs = 5
    seen: Counter[PlannedUnit] = Counter()
    for epoch in range(num_epochs):
        units = epoch_units(plan, epoch)
        seen.update(units)
        counts = Counter(unit.source for unit in units)
        assert [counts[number] for number in range(len(parts))] == list(plan.shares(epoch).values())
        for source, (num_units, repeats) in enumerate(parts):
            times = [seen[PlannedUnit(source, unit)] for unit in range(num_units)]
            exact = (epoch + 1) * repeats * num_units
            assert max(times) - min(times) <= 1
            assert abs(sum(times) - exact) < 1
            if exact.denominator == 1:
                assert sum(times) == exact
            if ((epoch + 1) * repeats).denominator == 1:
                assert set(times) == {(epoch + 1) * repeats}
    assert sum(seen.values()) == plan.epoch_start(num_epochs)
    assert all(0 <= unit.unit < parts[unit.source][0] for unit in seen)


@given(parts=sources, seed=st.integers(0, 9), step=st.integers(0, 30), size=st.integers(1, 17))
@settings(max_examples=60, deadline=None)
def test_resuming_at_any_step_is_as_if_nothing_had_been(
    parts: list[tuple[int, Fraction]], seed: int, step: int, size: int
) -> None:
    running = make_plan(parts, seed)
    uninterrupted = [running.units_of_step(number, size) for number in range(step + 3)]
    assert make_plan(parts, seed).units_of_step(step, size) == uninterrupted[step]
    # and the size of a step does not change the order
    assert slots(make_plan(parts, seed), 0, (step + 1) * size) == list(chain(*uninterrupted[: step + 1]))


@given(parts=sources, epoch=st.integers(0, 10**9))
@settings(max_examples=60, deadline=None)
def test_epochs_are_found_from_slots(parts: list[tuple[int, Fraction]], epoch: int) -> None:
    plan = make_plan(parts)
    first, after = plan.epoch_start(epoch), plan.epoch_start(epoch + 1)
    assert after - first == sum(plan.shares(epoch).values())
    assert all(count >= 0 for count in plan.shares(epoch).values())
    assert [plan.epoch_of(slot) for slot in (first, after - 1, after)] == [epoch, epoch, epoch + 1]


def test_ranks_see_the_same_units_whatever_their_number() -> None:
    plan = make_plan([(500, Fraction(1)), (80, Fraction(5, 2))], seed=4)
    for step in range(20):
        units = plan.units_of_step(step, 64)
        costs = [float(1 + (37 * unit.unit + unit.source) % 50) for unit in units]
        for num_ranks in (1, 2, 3, 8, 64, 100):
            taken = split_by_cost(costs, num_ranks)
            assert sorted(chain.from_iterable(taken)) == list(range(64))
            assert Counter(units[place] for places in taken for place in places) == Counter(units)


def test_orders_differ_by_epoch_and_seed() -> None:
    plan = make_plan([(300, Fraction(1)), (100, Fraction(1))])
    orders = [epoch_units(plan, epoch) for epoch in range(3)] + [
        epoch_units(make_plan([(300, Fraction(1)), (100, Fraction(1))], 1), 0)
    ]
    for number, order in enumerate(orders):
        assert len(set(order)) == 400
        assert all(order != other for other in orders[:number])
        # sources are mixed all along
        assert 50 <= sum(unit.source for unit in order[:200]) * 2 <= 150


def test_a_further_source_leaves_the_order_within_the_others_alone() -> None:
    alone = BlendPlan(["a"], [50], [Fraction(1)], 3)
    before = BlendPlan(["new", "a"], [20, 50], [Fraction(1), Fraction(1)], 3)

    def turns(plan: BlendPlan, name: str) -> list[int]:
        return plan._pass(plan.names.index(name), 0)(np.arange(50)).tolist()

    assert turns(alone, "a") == turns(before, "a")


def test_far_steps_cost_no_more_than_near_ones() -> None:
    plan = make_plan([(10**9, Fraction(1)), (10**8, Fraction("2.5")), (10**6, Fraction("0.1"))])
    began = time.perf_counter()
    for step in (0, 10**6, 10**12):
        assert len(set(plan.units_of_step(step, 1024))) == 1024
    assert time.perf_counter() - began < 2


def test_shares_give_exact_counts() -> None:
    shares = {"a": 0.7, "b": 0.2, "c": 0.1}
    plan = BlendPlan.of_shares(shares, {"a": 13, "b": 900, "c": 7}, 1001, seed=0)
    assert plan.shares(0) == {"a": 701, "b": 200, "c": 100} == plan.shares(57)
    assert Counter(plan.names[unit.source] for unit in epoch_units(plan, 1)) == plan.shares(1)
    assert plan.repeats[1] == Fraction(200, 900)
    doubled = BlendPlan.of_shares({"a": 7, "b": 2, "c": 1}, {"a": 13, "b": 900, "c": 7}, 1001, seed=0)
    assert doubled.identity() == plan.identity()


def test_shares_that_cannot_be_are_refused() -> None:
    for share in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="share of source 'a'"):
            BlendPlan.of_shares({"a": share, "b": 1}, {"a": 1, "b": 1}, 10, 0)
    with pytest.raises(ConfigError, match="source 'b' has a share but no units"):
        BlendPlan.of_shares({"a": 1, "b": 1}, {"a": 1}, 10, 0)
    with pytest.raises(ConfigError, match="source 'b' would have 0 slots an epoch"):
        BlendPlan.of_shares({"a": 1, "b": 0.01}, {"a": 1, "b": 1}, 10, 0)
    with pytest.raises(ConfigError, match=r"source 'source 0' would have 0.5 slots an epoch"):
        make_plan([(1, Fraction(1, 2))])
    for step, size in ((-1, 4), (0, 0)):
        with pytest.raises(UsageError, match=f"no step {step} of {size} units"):
            make_plan([(5, Fraction(1))]).units_of_step(step, size)


def test_largest_remainder() -> None:
    thirds = [Fraction(1, 3)] * 3
    assert largest_remainder(thirds, 1) == [1, 0, 0]
    assert largest_remainder([Fraction("1.2"), Fraction("2.7"), Fraction("0.1")], 4) == [1, 3, 0]
    assert largest_remainder([Fraction(2), Fraction(1)], 3) == [2, 1]


def test_identity_tells_what_decides_the_order() -> None:
    plan = make_plan([(5, Fraction(1)), (6, Fraction(2))])
    assert plan.identity() == make_plan([(5, Fraction(1)), (6, Fraction(2))]).identity()
    others = [make_plan([(5, Fraction(1)), (7, Fraction(2))]), make_plan([(5, Fraction(1)), (6, Fraction(3))])]
    others += [make_plan([(5, Fraction(1)), (6, Fraction(2))], seed=1), make_plan([(5, Fraction(1))])]
    assert plan.identity() not in [other.identity() for other in others]


def test_a_blend_over_indexes(tmp_path: Path, make_sample: Callable[..., Sample]) -> None:
    for name, num_clips in (("a", 3), ("b", 10)):
        (tmp_path / name / "train").mkdir(parents=True)
        rows = [make_sample(f"{name}-{clip}-{n}", clip=clip) for clip in range(num_clips) for n in range(2)]
        write_records(tmp_path / name / "train/samples.jsonl", rows)
        build_index(tmp_path / name, "train")
    (tmp_path / "blend.yaml").write_text(
        f"sources:\n- {{name: a, data: {tmp_path}/a, repeats: 2}}\n- {{name: b, data: {tmp_path}/b, repeats: 0.1}}\n"
    )
    blend = load_yaml(Blend, tmp_path / "blend.yaml")
    assert blend.sources[0].media_root == tmp_path / "a"
    indexes = blend.open()
    plan = BlendPlan.of_blend(blend, indexes, seed=0)
    assert plan.shares(0) == {"a": 6, "b": 1}  # 0.1 is a tenth, not the nearest binary fraction
    seen = Counter(unit for epoch in range(10) for unit in epoch_units(plan, epoch))
    assert seen == {PlannedUnit(0, unit): 20 for unit in range(3)} | {PlannedUnit(1, unit): 1 for unit in range(10)}
    for unit in plan.units_of_step(0, 7):
        assert {sample.id[0] for sample in indexes[unit.source].unit_samples(unit.unit)} == {"ab"[unit.source]}


def test_wrong_blends_are_named() -> None:
    source = {"name": "a", "data": "a"}
    for values, message in [
        ({"sources": []}, "sources"),
        ({"sources": [source, source]}, "two sources are called 'a'"),
        ({"sources": [source | {"repeats": 0}]}, r"sources.0.repeats"),
        ({"sources": [source | {"weight": 1}]}, "weight"),
    ]:
        with pytest.raises(ConfigError, match=message):
            parse(Blend, values)
    assert BlendSource(name="a", data=Path("a"), media=Path("m")).media_root == Path("m")


# --- sharing a step out ---


@given(costs=st.lists(st.floats(0, 1e6), max_size=60), num_ranks=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_every_unit_goes_to_one_rank(costs: list[float], num_ranks: int) -> None:
    taken = split_by_cost(costs, num_ranks)
    assert len(taken) == num_ranks
    assert sorted(chain.from_iterable(taken)) == list(range(len(costs)))
    assert taken == split_by_cost(list(costs), num_ranks)
    if costs:
        loads = [sum(costs[place] for place in places) for places in taken]
        assert max(loads) <= sum(costs) / num_ranks + max(costs) + 1e-6 * sum(costs)
        if len(costs) >= num_ranks:
            assert all(taken)


def test_costs_are_balanced_on_a_realistic_mix() -> None:
    """Tokens of a step like PLM's: texts, images of 1 to 37 tiles and videos of 32 frames, 256 tokens each."""
    draw = np.random.default_rng(0)
    worst = 0.0
    for num_ranks in (2, 8, 64, 512):
        for _ in range(10):
            num = 16 * num_ranks
            tiles = np.where(draw.random(num) < 0.6, draw.integers(2, 38, num), 32)
            tiles[draw.random(num) < 0.1] = 0
            costs = (256 * tiles + draw.lognormal(5, 1, num)).tolist()
            loads = [sum(costs[place] for place in places) for places in split_by_cost(costs, num_ranks)]
            worst = max(worst, max(loads) / (sum(loads) / num_ranks))
            by_number = [sum(costs[rank::num_ranks]) for rank in range(num_ranks)]
            assert max(loads) < max(by_number)
    assert worst < 1.05


def test_equal_costs_are_dealt_in_order() -> None:
    assert split_by_cost([1.0] * 5, 2) == [[0, 2, 4], [1, 3]]
    assert split_by_cost([0.0] * 4, 2) == [[0, 2], [1, 3]]
    assert split_by_cost([3, 1, 1, 1], 2) == [[0], [1, 2, 3]]
    for costs, message in (([1.0, -1.0], "cost of unit 1 is -1"), ([float("inf")], "unit 0 is inf")):
        with pytest.raises(UsageError, match=message):
            split_by_cost(costs, 2)
    with pytest.raises(UsageError, match="0 ranks"):
        split_by_cost([1.0], 0)


def test_few_units_a_rank_are_shared_out_more_evenly_than_dearest_first() -> None:
    # Dearest first, each to the rank with the least: 3 + 2 + 2 against 3 + 2.
    assert split_by_cost([3.0, 3.0, 2.0, 2.0, 2.0], 2) == [[0, 1], [2, 3, 4]]


@given(costs=st.lists(st.floats(0, 1e6), max_size=60), num_ranks=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_turns_are_of_units_that_cost_alike(costs: list[float], num_ranks: int) -> None:
    taken = split_in_turns(costs, num_ranks)
    assert sorted(chain.from_iterable(taken)) == list(range(len(costs)))
    assert max(map(len, taken)) - min(map(len, taken)) <= 1
    dearest_first = sorted(costs, reverse=True)
    for turn in range(max(map(len, taken))):
        found = sorted((costs[places[turn]] for places in taken if turn < len(places)), reverse=True)
        assert found == dearest_first[turn * num_ranks : (turn + 1) * num_ranks]


def test_in_each_turn_the_dearest_goes_where_least_is() -> None:
    assert split_in_turns([1.0, 5.0, 2.0, 4.0], 2) == [[1, 0], [3, 2]]
    with pytest.raises(UsageError, match="0 ranks"):
        split_in_turns([1.0], 0)
