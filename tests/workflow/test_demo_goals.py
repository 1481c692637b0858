"""workflow.demo_goals: the goals are those of the demo's promise, and nothing but the lower end meets one."""

import json

import pytest

from perceptlm.workflow.demo_goals import GOALS, MIN_ITEMS, check_goals


@pytest.fixture
def scores():
    """Return a function making the `scores.json` values of one row that just meets every condition."""

    def make(row, ci_low, *, blind=0.2, constant=0.3, n=MIN_ITEMS, difference=0.1, excludes_zero=True):
        paired = {"difference": difference, "ci_low": 0.01, "ci_high": 0.2, "excludes_zero": excludes_zero, "n": n}
        baselines = {"blind": {"score": blind, "paired": paired}, "constant": {"score": constant}}
        return {"tasks": {row: {"score": 0.9, "ci_low": ci_low, "ci_high": 0.95, "n": n, "baselines": baselines}}}

    return make


def test_every_row_has_one_goal():
    assert [goal.row for goal in GOALS] == ["fgqa", "sgqa", "rcap", "rtloc", "rdcap", "image"]


@pytest.mark.parametrize(
    ("row", "needed", "at_it"),
    [
        ("fgqa", 0.375, False),
        ("sgqa", 0.3, False),
        ("rcap", 0.3, False),
        ("rtloc", 0.45, True),
        ("rdcap", 0.3, False),
        ("image", 0.3, False),
    ],
)
def test_the_lower_end_decides(scores, row, needed, at_it):
    for low, is_met in ((needed - 0.001, False), (needed, at_it), (needed + 0.001, True)):
        result = check_goals(scores(row, low))[row]
        assert result.is_met is is_met
        assert result.needed == pytest.approx(needed)
        assert result.distance == pytest.approx(low - needed)


def test_the_better_of_blind_and_constant_counts(scores):
    assert check_goals(scores("rcap", 0.5, blind=0.6, constant=0.3))["rcap"].needed == 0.6
    assert check_goals(scores("rtloc", 0.5, blind=0.6, constant=0.3))["rtloc"].needed == pytest.approx(0.45)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"excludes_zero": False}, "not surely over blind"),
        ({"difference": -0.1}, "not surely over blind"),  # surely below is not what was meant
        ({"n": MIN_ITEMS - 1}, f"{MIN_ITEMS - 1} asked, {MIN_ITEMS} wanted"),
        ({"constant": None}, "not measured"),
    ],
)
def test_a_high_score_alone_meets_nothing(scores, changes, words):
    result = check_goals(scores("rcap", 0.9, **changes))["rcap"]
    assert not result.is_met
    assert words in result.describe()


def test_how_it_came_out_is_said_in_points(scores):
    assert check_goals(scores("fgqa", 0.35))["fgqa"].describe() == "35.0, 2.5 short of 37.5"
    assert check_goals(scores("fgqa", 0.4))["fgqa"].describe() == "40.0, 2.5 over 37.5"
    wanted = [goal.describe() for goal in GOALS]
    assert wanted[0] == "lower end over 37.5"
    assert wanted[1] == "lower end over blind and constant"
    assert wanted[3] == "lower end 15 points over constant"


def test_without_blind_variants_nothing_is_met(scores):
    values = scores("fgqa", 0.9)
    del values["tasks"]["fgqa"]["baselines"]["blind"]
    assert not check_goals(values)["fgqa"].is_met


def test_rows_without_a_score_have_no_result(scores):
    values = scores("rcap", 0.9)
    values["tasks"]["rcap"]["score"] = None
    assert check_goals(values) == {}


def test_results_are_json(scores):
    record = check_goals(scores("rtloc", 0.5))["rtloc"].to_dict()
    assert json.loads(json.dumps(record)) == record
    assert record["is_met"] is True
