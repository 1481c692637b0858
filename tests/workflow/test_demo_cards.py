"""workflow.demo_cards: which questions are shown, with which pictures and words."""

import pytest

from perceptlm.artifact import read_manifest
from perceptlm.config import parse
from perceptlm.eval.failures import failures
from perceptlm.eval.outcomes import Row
from perceptlm.exchange.jsonl import read_records, write_records
from perceptlm.recipes.demo import DemoRecipe
from perceptlm.report.page import Page, render_page
from perceptlm.workflow.demo_cards import (
    NUM_FAILURES,
    choose_examples,
    failure_section,
)


@pytest.fixture(scope="module")
def recipe(demo):
    return parse(DemoRecipe, read_manifest(demo).recipe)


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


def test_failures_show_what_the_model_saw_was_asked_and_said(demo, recipe):
    found = failures(demo / "eval", NUM_FAILURES)
    (section,) = failure_section(demo, recipe)
    assert len(section.cards) == len(found) > 0
    assert section.heading == f"{len(found)} failures"
    for failure, card in zip(found, section.cards, strict=True):
        assert (card.question, card.answer, card.truth) == (failure.question, failure.answer, failure.truth)
        assert f"{failure.num_frames} pictures" in card.picture.alt
        assert card.picture.data.startswith(b"\x89PNG")
        assert f"family: {failure.template}" in card.facts
        assert ("limit of tokens" in card.verdict) is failure.cut_off


def test_hostile_answers_are_only_text(demo, recipe, copy_demo):
    folder = copy_demo()
    path = folder / "eval" / "rows.jsonl"
    rows = [row.model_copy(update={"prediction": "<script>alert(1)</script>\x1b"}) for row in read_records(path, Row)]
    path.unlink()
    write_records(path, rows)
    page = render_page(Page("t", failure_section(folder, recipe)))
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "\x1b" not in page


def test_nothing_failed_nothing_shown(demo, recipe, copy_demo):
    folder = copy_demo()
    path = folder / "eval" / "rows.jsonl"
    rows = [
        row.model_copy(update={"score": row.score.model_copy(update={"outcome": "value", "score": 1.0})})
        for row in read_records(path, Row)
    ]
    path.unlink()
    write_records(path, rows)
    assert failure_section(folder, recipe) == []
