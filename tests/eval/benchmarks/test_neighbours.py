import pytest

from perceptlm.eval.benchmarks.neighbours import (
    autodq,
    charades_hits,
    charades_sta,
    plain_iou,
    soda_original,
    temporalbench_is_correct,
    vlmevalkit_indices,
)
from perceptlm.eval.benchmarks.plm_videobench.metrics import recall_at, soda_c, temporal_iou


def test_vlmevalkit_leaves_both_ends_out() -> None:
    assert vlmevalkit_indices(90, 8) == [10, 20, 30, 40, 50, 60, 70, 80]
    assert vlmevalkit_indices(1, 3) == [0, 0, 0]
    # As floats, 49 times a 49th of a number may fall short of it.
    assert all(0 <= index < num for num in range(1, 200) for index in vlmevalkit_indices(num, 32))
    with pytest.raises(ValueError, match="at least one frame"):
        vlmevalkit_indices(0, 8)


def test_half_is_a_hit_there_and_a_miss_here() -> None:
    assert plain_iou((0, 10), (0, 5)) == 0.5
    assert charades_hits(0.5) == {0.3: 1, 0.5: 1, 0.7: 0}
    assert recall_at(temporal_iou((0, 10), (0, 5)))[0.5] == 0.0
    assert plain_iou((3, 3), (3, 3)) == 0.0


def test_charades_is_in_percent_and_counts_what_cannot_be_read() -> None:
    hits, iou = charades_sta([((0, 4), (0, 4)), (None, (0, 1))])
    assert hits == {0.3: 50.0, 0.5: 50.0, 0.7: 50.0}
    assert iou == 50.0


def test_temporalbench_reads_one_character() -> None:
    assert temporalbench_is_correct("a", "(A) x")
    assert temporalbench_is_correct("A man", "A")
    assert not temporalbench_is_correct("(A)", "(A) x")
    assert not temporalbench_is_correct("", "(A) x")


def test_sorting_first_helps_an_answer_out_of_order() -> None:
    scores = [[0.1, 0.8], [0.5, 0.2]]
    reference, predicted = [(0, 10), (10, 31)], [(10, 31), (0, 10)]
    assert soda_original(reference, predicted, lambda g, p: scores[g][p]).f1 == pytest.approx(0.65)
    assert soda_c(reference, predicted, lambda g, p: scores[g][p]).f1 == pytest.approx(0.4)


def test_autodq_averages_subtasks_and_leaves_failures_out() -> None:
    found = autodq({"a": ([0.5, None], [1.0, None]), "b": ([None], [None])})
    assert found.f1 == {"a": pytest.approx(2 / 3), "b": 0.0}
    assert (found.recall, found.precision) == (0.25, 0.5)
    assert found.overall_f1 == pytest.approx(1 / 3)
