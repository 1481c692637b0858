"""Properties of the metrics beyond the worked examples."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptlm.eval.alignment import best_ordered_total
from perceptlm.eval.benchmarks.plm_videobench.metrics import mean_recall, pairs_to_judge, soda_c, temporal_iou

SPANS = st.tuples(st.integers(0, 31), st.integers(0, 31))
WEIGHTS = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(st.integers(0, 9), min_size=width, max_size=width), min_size=1, max_size=4)
)


@settings(deadline=None)
@given(SPANS, SPANS)
def test_iou_is_symmetric_and_blind_to_reversal(a: tuple[int, int], b: tuple[int, int]) -> None:
    assert temporal_iou(a, b) == pytest.approx(temporal_iou(b[::-1], a))
    assert 0.0 <= temporal_iou(a, b) <= 1.0


def test_recall_needs_strictly_more_than_the_threshold() -> None:
    assert mean_recall(0.5) == 0.25
    assert mean_recall(0.50001) == 0.5
    assert mean_recall(0.0) == 0.0
    assert mean_recall(temporal_iou((3, 10), (3, 10))) == 1.0


@settings(deadline=None)
@given(WEIGHTS)
def test_the_matching_is_the_best_of_all(weights: list[list[int]]) -> None:
    num_rows, num_columns = len(weights), len(weights[0])
    best = max(
        sum(weights[row][column] for row, column in zip(rows, columns, strict=True))
        for size in range(min(num_rows, num_columns) + 1)
        for rows in combinations(range(num_rows), size)
        for columns in combinations(range(num_columns), size)
    )
    assert best_ordered_total(weights) == best


@settings(deadline=None)
@given(st.lists(SPANS, min_size=1, max_size=4), st.lists(SPANS, max_size=4))
def test_soda_lies_between_zero_and_one(reference: list[tuple[int, int]], predicted: list[tuple[int, int]]) -> None:
    result = soda_c(reference, predicted, lambda g, p: 1.0)
    assert 0.0 <= result.f1 <= 1.0
    assert min(result.precision, result.recall) <= result.f1 <= max(result.precision, result.recall)


def test_repeating_a_right_segment_lowers_the_score() -> None:
    once = soda_c([(0, 10)], [(0, 10)], lambda g, p: 1.0).f1
    often = soda_c([(0, 10)], [(0, 10)] * 5, lambda g, p: 1.0).f1
    assert often == pytest.approx(once / 3)


@settings(deadline=None)
@given(st.lists(SPANS, max_size=4), st.lists(SPANS, max_size=4))
def test_pairs_to_judge_are_those_with_an_overlap(reference, predicted):
    pairs = [(g, p) for g in range(len(reference)) for p in range(len(predicted))]
    assert pairs_to_judge(reference, predicted) == [
        (g, p) for g, p in pairs if temporal_iou(reference[g], predicted[p]) > 0
    ]
