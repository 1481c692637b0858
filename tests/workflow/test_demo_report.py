"""workflow.demo_report: what the table holds and leaves out, and what is said at the end."""

import json

import pytest

from perceptlm.artifact import read_manifest
from perceptlm.config import parse
from perceptlm.recipes.demo import DemoRecipe
from perceptlm.workflow.demo_report import print_table, score_rows


@pytest.fixture(scope="module")
def recipe(demo):
    return parse(DemoRecipe, read_manifest(demo).recipe)


def test_a_row_that_nobody_could_score_is_left_out_of_the_table(demo):
    scores = json.loads((demo / "eval" / "scores.json").read_text(encoding="utf-8"))
    assert [row.task for row in score_rows(scores)] == ["fgqa", "sgqa", "rcap", "rtloc", "rdcap", "image"]
    scores["tasks"]["rcap"]["score"] = None
    del scores["tasks"]["image"]
    assert [row.task for row in score_rows(scores)] == ["fgqa", "sgqa", "rtloc", "rdcap"]


def test_every_row_says_how_many_how_far_over_blind_and_whether_it_met_its_goal(demo):
    scores = json.loads((demo / "eval" / "scores.json").read_text(encoding="utf-8"))
    for row in score_rows(scores):
        assert row.unit == ("groups" if row.task == "fgqa" else "questions")
        paired = scores["tasks"][row.task]["baselines"]["blind"]["paired"]
        assert row.over_blind.value == paired["difference"]
        assert row.over_blind.excludes_zero == paired["excludes_zero"]
        assert not row.target.is_met  # two of each were asked
        assert "400 wanted" in row.target.outcome


def test_the_terminal_shows_scores_goals_times_and_where_to_look(demo, recipe, capsys):
    print_table(demo, recipe, program=".venv/bin/plm")
    shown = capsys.readouterr().err
    for words in ("rtloc", "judge of free text", "0 of 6 goals met", "✗ fgqa", "evaluation", "peak memory"):
        assert words in shown
    assert str(demo / "report.html") in shown
    lines = [line for line in shown.partition("Try it\n")[2].splitlines() if line and not line.startswith("#")]
    assert lines
    assert all(line.startswith(".venv/bin/plm ") for line in lines)


def test_the_summary_for_machines_has_the_goals(demo):
    summary = json.loads((demo / "summary.json").read_text(encoding="utf-8"))
    assert (summary["num_goals"], summary["num_goals_met"]) == (6, 0)
    for task in summary["tasks"].values():
        assert task["goal"]["is_met"] is False
        assert task["goal"]["has_enough_items"] is False


def test_the_page_has_every_part(demo):
    page = (demo / "report.html").read_text(encoding="utf-8")
    for words in ("Where it succeeds and fails", "By what the clip shows", "Question families", "failures", "Try it"):
        assert words in page
    assert "✗ missed" in page
