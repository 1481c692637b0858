"""workflow.demo_report: what is chosen for the page, and what the table leaves out."""

import json

import pytest

from perceptlm.eval.outcomes import Row
from perceptlm.exchange.jsonl import read_records
from perceptlm.workflow.demo_report import choose_examples, print_table, score_rows


@pytest.fixture(scope="module")
def row(demo):
    return next(read_records(demo / "eval" / "rows.jsonl", Row))


@pytest.fixture
def rows(row):
    """Return a function making rows with the given scores, ids a, b, ..."""

    def make(*scores):
        return [
            row.model_copy(update={"id": chr(97 + place), "score": row.score.model_copy(update={"score": score})})
            for place, score in enumerate(scores)
        ]

    return make


@pytest.mark.parametrize(
    ("scores", "chosen"),
    [
        ((), ""),
        ((0.5,), "a"),
        ((0.1, 0.9), "ba"),
        ((0.0, 0.2, 0.4, 0.6, 1.0), "eca"),
        ((0.0, 0.0, 0.0, 0.0, 0.0), "ace"),
    ],
)
def test_best_middle_and_worst_are_chosen(rows, scores, chosen):
    assert "".join(row.id for row in choose_examples(rows(*scores))) == chosen


def test_the_order_of_the_rows_does_not_matter(rows):
    made = rows(0.3, 0.1, 0.7, 0.7, 0.2)
    assert choose_examples(made) == choose_examples(made[::-1])


def test_a_row_that_nobody_could_score_is_left_out_of_the_table(demo):
    scores = json.loads((demo / "eval" / "scores.json").read_text(encoding="utf-8"))
    assert [row.task for row in score_rows(scores)] == ["fgqa", "sgqa", "rcap", "rtloc", "rdcap", "image"]
    scores["tasks"]["rcap"]["score"] = None
    del scores["tasks"]["image"]
    assert [row.task for row in score_rows(scores)] == ["fgqa", "sgqa", "rtloc", "rdcap"]


def test_the_terminal_shows_scores_times_and_where_to_look(demo, capsys):
    print_table(demo)
    shown = capsys.readouterr().err
    for words in ("rtloc", "judge of free text", "evaluation", "peak memory", str(demo / "report.html")):
        assert words in shown
