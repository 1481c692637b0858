import pytest

from perceptlm.eval.benchmarks.plm_videobench.aggregates import printed_score, rtloc_aggregate
from perceptlm.eval.benchmarks.plm_videobench.metrics import SUITE_WEIGHTS, suite_average, suite_average_error
from perceptlm.eval.benchmarks.plm_videobench.published import PUBLISHED


def test_the_average_is_that_of_every_published_row_that_agrees_with_itself() -> None:
    assert len(PUBLISHED) == 18
    assert [row.model for row in PUBLISHED if not row.agrees] == ["InternVL2-4B", "InternVL2.5-4B", "PLM-3B"]
    for row in PUBLISHED:
        if row.agrees:
            assert suite_average(row.scores) == pytest.approx(row.average, abs=0.05)


def test_no_simpler_average_explains_the_table() -> None:
    plain = sum(round(sum(row.scores.values()) / 5, 1) == row.average for row in PUBLISHED)
    assert plain == 0


def test_weights_are_those_of_the_average() -> None:
    assert sum(SUITE_WEIGHTS.values()) == pytest.approx(1)
    for row in PUBLISHED:
        weighted = sum(weight * row.scores[name] for name, weight in SUITE_WEIGHTS.items())
        assert weighted == pytest.approx(suite_average(row.scores))


def test_sgqa_makes_up_nearly_all_of_the_averages_error() -> None:
    errors = {"fgqa": 0.707, "sgqa": 1.933, "rdcap": 0.49, "rcap": 0.3, "rtloc": 0.39}
    assert suite_average_error(errors) == pytest.approx(0.690404, abs=1e-6)
    assert suite_average_error(errors | {"sgqa": 0.0}) < 0.25


def test_rounding_is_lmms_evals_for_its_region_tasks_only() -> None:
    assert printed_score("rcap", 1 / 3, "lmms-eval-0.7.2") == 0.3333
    assert printed_score("sgqa", 1 / 3, "lmms-eval-0.7.2") == 1 / 3
    assert printed_score("rcap", 1 / 3, "strict") == 1 / 3
    assert rtloc_aggregate([1, 0, 0], [1, 1, 0], "lmms-eval-0.7.2") == (0.3333, 0.6667)
