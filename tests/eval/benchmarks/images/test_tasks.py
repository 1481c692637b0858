"""From Samples of image benchmarks to rows, results and printed lines: which rule which profile follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from perceptlm.eval.benchmarks.images import corpus
from perceptlm.eval.benchmarks.images.corpus import published_numbers, with_captions_scored
from perceptlm.eval.benchmarks.images.table import IMAGE_METRICS, IMAGE_ROWS, IMAGE_TOKENS
from perceptlm.eval.benchmarks.images.tasks import LATER
from perceptlm.eval.benchmarks.plm_videobench.profiles import Profile
from perceptlm.eval.outcomes import Row, Score
from perceptlm.eval.questions import Question, make_question
from perceptlm.eval.scoring import metric_of, score_answer
from perceptlm.eval.settings import ROW_NAMES, EvalSettings, TokenLimits
from perceptlm.eval.summary import summarise_row, table_lines
from perceptlm.schema import BoxTrack, MediaRef, Origin, Sample, SpanAnswer, TextAnswer, TimeSpan, Turn

SETTINGS = EvalSettings(num_frames=8, variants=("own", "zero"), num_resamples=200)
LMMS: Profile = "lmms-eval-0.7.2"
PAPER = cast(Profile, "paper")
BOX = BoxTrack(subject="x", boxes={0: (0, 0, 50, 50)}, shown_as="text")


def question(benchmark: str, *references: str, key: str = "q", image: str = "a.png", **values: Any) -> Question:
    subset = values.pop("subset", None)
    sample = Sample.model_validate(
        {
            "id": key,
            "task": "image_qa",
            "split": "benchmark",
            "media": (MediaRef(kind="image", path=image, width=100, height=100),),
            "turns": (Turn(role="user", text="?"), Turn(role="assistant", text=references[0])),
            "answer": TextAnswer(text=references[0], others=references[1:]),
            "origin": Origin(kind="program", name="test", revision="1", licence="CC0-1.0"),
            "cluster": image,
            "template": benchmark,
            "attributes": {"benchmark": benchmark} | ({} if subset is None else {"subset": subset}),
        }
        | values
    )
    found = make_question(sample, 8)
    assert found is not None
    return found


def row(asked: Question, text: str, variant: str = "own", profile: Profile = "strict", **changes: Any) -> Row:
    values = {
        "id": asked.sample.id, "row": asked.row, "task": asked.sample.task, "variant": variant,
        "prompt": asked.prompt, "prediction": text, "finish_reason": "stop", "reference": asked.reference,
        "score": score_answer(asked, text, profile), "num_frames": 1, "template": asked.sample.template,
        "dimension": None, "cluster": asked.sample.cluster, "group": None, "attributes": asked.sample.attributes,
    }  # fmt: skip
    return Row.model_validate(values | changes)


def test_every_benchmark_has_a_row_a_metric_and_a_limit() -> None:
    assert set(IMAGE_ROWS) == set(IMAGE_METRICS) == set(IMAGE_TOKENS)
    assert ROW_NAMES[-len(IMAGE_ROWS) :] == IMAGE_ROWS
    assert metric_of("docvqa").startswith("ANLS")
    assert (TokenLimits().of("chartqa"), TokenLimits(image=7).of("image")) == (16, 7)
    assert question("unheard of", "x").row == "image"


@pytest.mark.parametrize(
    ("benchmark", "references", "text", "strict", "lmms", "paper"),
    [
        ("docvqa", ("1991", "91"), "1990", 0.75, 0.75, 0.75),
        ("docvqa", ("abcd",), "abxy", 0.0, 0.5, 0.5),
        ("docvqa", ("abcd",), "abcd.", 0.8, 0.8, 1.0),
        ("chartqa", ("0",), "0.0", 1.0, 0.0, 0.0),
        ("chartqa", ("10",), "10.4.", 0.0, 0.0, 1.0),
        ("textvqa", ("3",) * 3 + ("4",) * 7, "Three", 0.9, 0.9, 0.9),
        ("textvqa", ("dog 's",) * 10, "The dog's", 1.0, 1.0, 1.0),
        ("vqav2", ("yes",) * 10, "Yes.", 1.0, 1.0, 1.0),
        ("vqav2", ("t-shirt",) * 10, "t-shirt", 1.0, 0.0, 0.0),  # lmms-eval: only the answer loses its hyphen
        ("vqav2", ("t-shirt",) * 9 + ("shirt",), "t-shirt", 1.0, 1.0, 1.0),
        ("pope", ("yes",), "Yes, there is.", 1.0, 0.0, 0.0),
        ("pope", ("no",), "No.", 1.0, 0.0, 1.0),
        ("pope", ("yes",), "", 0.0, 0.0, 0.0),
    ],
)
def test_profiles_differ_where_their_rules_do(
    benchmark: str, references: Sequence[str], text: str, strict: float, lmms: float, paper: float
) -> None:
    asked = question(benchmark, *references)
    assert asked.row == benchmark
    for profile, expected in (("strict", strict), (LMMS, lmms), (PAPER, paper)):
        assert score_answer(asked, text, profile).score == pytest.approx(expected), profile


def test_boxes_are_compared_in_pixels() -> None:
    asked = question("refcoco", "<|bbox0|>", regions=(BOX,))
    assert asked.reference == "[000,000,500,500]"
    assert score_answer(asked, asked.reference).score == 1.0
    half = score_answer(asked, "[000,000,500,250]")
    assert (half.score, half.parsed) == (0.0, {"box": [0.0, 0.0, 50.0, 25.0], "iou": 0.5})
    assert score_answer(asked, "[0.0, 0.0, 0.5, 0.25]", LMMS).score == 1.0
    assert score_answer(asked, asked.reference, PAPER).score == 1.0
    unread = score_answer(asked, "top left")
    assert (unread.score, unread.parse_failed) == (0.0, True)


def test_references_of_the_wrong_kind_are_not_scored() -> None:
    assert score_answer(question("refcoco", "x"), "x").outcome == "unscored"
    span = SpanAnswer(span=TimeSpan(start_frame=0, end_frame=0))
    assert score_answer(question("docvqa", "x", answer=span), "x").outcome == "unscored"


def pope_rows(profile: Profile) -> list[Row]:
    """Labels yes yes yes no no no; said yes yes (nothing) yes no no; one image each."""
    said = [("yes", "Yes"), ("yes", "yes"), ("yes", ""), ("no", "yes"), ("no", "no"), ("no", "no")]
    subsets = ("random", "random", "popular", "popular", "popular", "popular")
    return [
        row(question("pope", label, key=f"{n}", image=f"{n}.png", subset=subset), text, profile=profile)
        for n, ((label, text), subset) in enumerate(zip(said, subsets, strict=True))
    ]


def values_of(numbers: dict[str, Any]) -> dict[str, float | None]:
    return {name: number["value"] for name, number in numbers.items() if name != "n"}


def test_numbers_of_pope_by_hand() -> None:
    found = published_numbers("pope", pope_rows("strict"), SETTINGS)
    assert list(found) == ["all", "popular", "random"]
    assert found["all"]["n"] == 6
    # TP 2, FP 1, TN 2, and a yes missed because nothing was said.
    assert values_of(found["all"]) == pytest.approx(
        {"precision": 2 / 3, "recall": 2 / 3, "f1": 4 / 6, "yes_ratio": 3 / 6}
    )
    assert values_of(found["random"])["f1"] == 1.0
    assert values_of(found["popular"]) == pytest.approx(
        {"score": 0.5, "precision": 0.0, "recall": 0.0, "f1": 0.0, "yes_ratio": 0.25}
    )
    for numbers in found.values():
        for name, number in numbers.items():
            assert name == "n" or 0 <= number["ci_low"] <= number["value"] <= number["ci_high"] <= 1


def test_lmms_eval_leaves_unread_answers_out_of_recall_and_counts_labels_as_yes_ratio() -> None:
    found = published_numbers("pope", pope_rows(LMMS), SETTINGS.model_copy(update={"profile": LMMS}))
    assert values_of(found["all"]) == pytest.approx({"precision": 2 / 3, "recall": 1.0, "f1": 0.8, "yes_ratio": 0.5})


def test_a_model_that_never_says_yes_has_no_precision() -> None:
    rows = [row(question("pope", "no", key=f"{n}", image=f"{n}.png"), "no") for n in range(3)]
    found = values_of(published_numbers("pope", rows, SETTINGS)["all"])
    assert found == {"precision": None, "recall": None, "f1": None, "yes_ratio": 0.0}


def captions() -> tuple[list[Question], list[Row]]:
    told = {"1": ("a red bus", "the red bus"), "2": ("two dogs run",), "3": ("a cat",)}
    asked = [question("coco_captions", *texts, key=key, image=f"{key}.png") for key, texts in told.items()]
    rows = [row(item, item.sample.reference) for item in asked]
    rows += [row(item, "a cat", variant="zero") for item in asked]
    rows[2] = row(asked[2], "x", score=Score(outcome="error", reason="the server is down"))
    return asked, rows


def test_captions_are_scored_together() -> None:
    asked, rows = captions()
    assert all(item.score.reason in (LATER, "the server is down") for item in rows)
    scored = with_captions_scored(rows, asked)
    assert scored[2] == rows[2]
    values = [item.score.score for item in scored]
    # The answered captions of one variant are one set: with two images, and with three.
    expected = corpus.cider(["a red bus", "two dogs run"], [["a red bus", "the red bus"], ["two dogs run"]])
    assert values[:2] == pytest.approx([value / 10 for value in expected])
    assert values[1] == pytest.approx(0.75)  # three words: no four in a row
    assert values[5] == pytest.approx(0.5)
    numbers = published_numbers("coco_captions", scored, SETTINGS)["all"]
    assert numbers["cider"]["value"] == pytest.approx(sum(expected) / 2)
    assert numbers["n"] == 2


def test_rows_of_other_benchmarks_stay_as_they_are() -> None:
    asked = [question("pope", "yes")]
    rows = [row(asked[0], "yes")]
    assert with_captions_scored(rows, asked) == rows
    assert published_numbers("fgqa", rows, SETTINGS) == {}
    charts = [row(question("chartqa", "3", key="a"), "3"), row(question("chartqa", "3", key="b"), "4")]
    assert published_numbers("chartqa", charts, SETTINGS) == {}  # the row shows its mean, and there is no subset


def test_results_and_lines() -> None:
    asked, rows = captions()
    boxed = [question("refcoco", "<|bbox0|>", key=f"r{n}", regions=(BOX,), subset="testA") for n in range(2)]
    rows = with_captions_scored(rows, asked)
    rows += [row(boxed[0], "[000,000,500,500]"), row(boxed[1], "[000,000,500,250]")]
    rows += [row(item, "-", variant="zero") for item in boxed]
    tasks = {
        name: summarise_row(name, [item for item in rows if item.row == name], SETTINGS)
        for name in ROW_NAMES
        if name in ("refcoco", "coco_captions")
    }
    assert tasks["refcoco"]["score"] == 0.5
    assert tasks["refcoco"]["published"]["testA"]["mean_iou"]["value"] == pytest.approx(0.75)
    assert tasks["coco_captions"]["outcomes"] == {"value": 2, "unscored": 0, "error": 1}
    lines = table_lines({"confidence": 0.95, "tasks": tasks, "judge": "none"})
    assert lines[1].startswith("refcoco ")
    assert "refcoco, testA (2): score 50.0 [0.0, 100.0], mean_iou 75.0 [0.0, 100.0]" in lines
    assert any(line.startswith("coco_captions, all (2): cider ") for line in lines)
