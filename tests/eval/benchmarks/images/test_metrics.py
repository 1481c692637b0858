"""Scores of image benchmarks against values worked out by hand from the published rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptlm.eval.benchmarks.images.answer_words import evalai_words, one_line, vqa_words
from perceptlm.eval.benchmarks.images.metrics import (
    Rule,
    anls,
    box_iou,
    is_found,
    read_box,
    relaxed_accuracy,
    vqa_accuracy,
    yes_or_no,
)

RULES: tuple[Rule, ...] = ("authors", "lmms")


@pytest.mark.parametrize(
    ("prediction", "references", "authors", "lmms"),
    [
        ("The Coca Cola Company", ["the coca cola company"], 1.0, 1.0),
        ("coca cola", ["pepsi", "Coca  Cola"], 1.0, 1.0),
        ("kitten", ["sitting"], 1 - 3 / 7, 1 - 3 / 7),
        ("1990", ["1991"], 0.75, 0.75),
        ("abcd", ["abxy"], 0.0, 0.5),  # exactly half of the letters differ
        ("abcd", ["wxyz"], 0.0, 0.0),
        ("", ["abc"], 0.0, 0.0),
        ("", [""], 1.0, 1.0),
        ("  ab  ", ["ac"], 0.0, 1 - 1 / 6),  # half of two letters differ; lmms-eval divides by six
        ("a" * 100_000, ["a"], 0.0, 0.0),
    ],
)
def test_anls(prediction: str, references: list[str], authors: float, lmms: float) -> None:
    assert anls(prediction, references) == pytest.approx(authors)
    assert anls(prediction, references, "lmms") == pytest.approx(lmms)


@pytest.mark.parametrize(
    ("prediction", "reference", "authors", "lmms"),
    [
        ("100", "105", 1.0, 1.0),  # 5 / 105 = 4.76 %
        ("105", "100", 1.0, 1.0),  # exactly 5 %
        ("105.1", "100", 0.0, 0.0),
        ("-95", "-100", 1.0, 1.0),
        ("95", "-100", 0.0, 0.0),
        ("5%", "0.05", 1.0, 1.0),
        ("5%", "5", 0.0, 0.0),
        ("12,000", "12000", 0.0, 0.0),  # a comma is no part of a number in the published rule
        ("0.0", "0", 1.0, 0.0),
        ("0.01", "0", 0.0, 0.0),
        ("0", "0", 1.0, 1.0),
        (" Blue\n", "blue", 1.0, 0.0),
        ("blue", "Blue", 1.0, 1.0),
        ("light blue", "blue", 0.0, 0.0),
        ("nan", "nan", 1.0, 1.0),
        ("inf", "1", 0.0, 0.0),
    ],
)
def test_relaxed_accuracy(prediction: str, reference: str, authors: float, lmms: float) -> None:
    assert relaxed_accuracy(prediction, reference) == authors
    assert relaxed_accuracy(prediction, reference, "lmms") == lmms


@pytest.mark.parametrize(
    ("num_same", "expected"),
    # Left out once: n of nine others, or n - 1 for those who said it. 2 of ten: 2 x min(1/3, 1) + 8 x 2/3, over 10.
    [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (10, 1.0)],
)
def test_vqa_accuracy_leaves_one_person_out(num_same: int, expected: float) -> None:
    answers = ["yes"] * num_same + [f"other {number}" for number in range(10 - num_same)]
    assert vqa_accuracy("yes", answers) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A Dog", "dog"),
        ("two", "2"),
        ("None", "0"),
        ("The the", ""),
        ("dont", "don't"),
        ("couldntve", "couldntve"),  # two apostrophes are missing
        ("couldnt've", "couldn't've"),
        ("yall'd've", "y'all'd've"),
        ("twas", "'twas"),
        ("somebody'd", "somebodyd"),  # as the public list has it
        ("1,000", "1000"),
        ("a-b, 1,000", "ab 1000"),  # a number with a comma: every mark leaves nothing
        ("black/white", "black white"),
        ("black /white", "black white"),
        ("red, white", "red white"),
        ("3.5", "3.5"),
        ("U.S.", "us"),
        ("end. ", "end"),
        ("p.m", "pm"),
        (".5", ".5"),
        ("what?!", "what"),
        ("10:30", "10:30"),
        ("dog's", "dog's"),
        ("'''", "'''"),
    ],
)
def test_answers_as_vqa_compares_them(text: str, expected: str) -> None:
    assert vqa_words(one_line(text)) == expected


def test_more_than_32_full_stops_stay_as_the_public_tools_have_it() -> None:
    assert vqa_words("." * 40) == "." * 8


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dakota Digital", "dakota digital"),
        ("dog's", "dog 's"),
        ("1,000", "1000"),
        ("what\n?", "what"),
        ("It\tis", "it is"),
        ("the Nine", "9"),
    ],
)
def test_answers_as_textvqa_compares_them(text: str, expected: str) -> None:
    assert evalai_words(text) == expected


@pytest.mark.parametrize(
    ("text", "authors", "lmms"),
    [
        ("Yes", "yes", "yes"),
        (" yes\n", "yes", "yes"),
        ("Yes.", "yes", None),
        ("No, there is not.", "no", None),
        ("There is a dog in the image. No cat.", "yes", None),
        ("There isn't any.", "no", None),
        ("NO", "no", "no"),
        ("I cannot see one", "no", None),
        ("nothing", "yes", None),  # only words that deny count, as in the authors' script
        ("Knot", "yes", None),
        ("", None, None),
        ("...", None, None),
    ],
)
def test_yes_or_no(text: str, authors: str | None, lmms: str | None) -> None:
    assert yes_or_no(text) == authors
    assert yes_or_no(text, "lmms") == lmms


def test_iou_of_boxes() -> None:
    assert box_iou((0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert box_iou((0, 0, 2, 2), (0, 0, 2, 2)) == 1.0
    assert box_iou((0, 0, 2, 2), (2, 0, 4, 2)) == 0.0
    assert box_iou((2, 2, 0, 0), (0, 0, 2, 2)) == 0.0
    assert box_iou((1, 1, 1, 1), (1, 1, 1, 1)) == 0.0


def test_half_is_not_enough_for_the_authors() -> None:
    iou = box_iou((0, 0, 1, 1), (0, 0, 2, 1))
    assert iou == 0.5
    assert not is_found(iou)
    assert is_found(iou, "lmms")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[040,482,112,576]", (40, 241, 112, 288)),
        ("The box is (40, 482, 112, 576).", (40, 241, 112, 288)),
        ("[0.04, 0.482, 0.112, 0.576]", (40, 241, 112, 288)),
        ("[0, 0, 1, 1]", (0, 0, 1000, 500)),
        ("[000,000,001,001]", (0, 0, 1, 0.5)),
        ("[0, 0, 1000, 1000] [1, 2, 3, 4]", (0, 0, 1000, 500)),
        ("[40, 482, 1120, 576]", None),
        ("[40, 482, 112]", None),
        ("no box", None),
    ],
)
def test_boxes_are_thousandths_or_fractions(text: str, expected: tuple[float, ...] | None) -> None:
    found = read_box(text, 1000, 500)
    assert found == (expected if expected is None else pytest.approx(expected))


def test_lmms_eval_takes_every_number_for_a_fraction() -> None:
    assert read_box("[0.5, 0.5, -1, 2]", 10, 10, "lmms") == (5, 5, -10, 20)
    assert read_box("[040,482,112,576]", 1, 1, "lmms") == (40, 482, 112, 576)
    assert read_box("(0.5, 0.5, 1, 1)", 10, 10, "lmms") is None


@given(st.text(max_size=60), st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_scores_of_any_texts_lie_in_0_to_1(text: str, references: list[str]) -> None:
    for rule in RULES:
        assert 0 <= anls(text, references, rule) <= 1
        assert relaxed_accuracy(text, references[0], rule) in (0.0, 1.0)
        assert yes_or_no(text, rule) in ("yes", "no", None)
        read_box(text, 10, 10, rule)
    assert 0 <= vqa_accuracy(evalai_words(text), [evalai_words(reference) for reference in references]) <= 1


@given(st.text(max_size=40))
def test_an_answer_agrees_with_itself(text: str) -> None:
    assert anls(text, [text]) == anls(text, [text], "lmms") == 1.0
    assert relaxed_accuracy(text, text) == 1.0
    assert vqa_accuracy(vqa_words(text), [vqa_words(text)] * 10) == 1.0
