"""Worked examples against ours: the shared file, and more, computed by hand, for every metric and edge."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from perceptlm.cli.main import run
from perceptlm.errors import DataError
from perceptlm.eval.vector_rules import NotUnderstood
from perceptlm.eval.vector_table import METRICS, OF_OTHERS, compute
from perceptlm.eval.vectors import Example, difference, read_examples, report_lines, run_examples

DATA = Path(__file__).parent / "data"
PUBLIC, OWN = DATA / "eval_public.json", DATA / "eval_own.json"
LMMS = "lmms-eval-0.7.2"


def example(metric: str, profile: str, inputs: dict[str, Any], expected: Any, **more: Any) -> Example:
    return Example(id=more.pop("id", "x"), metric=metric, profile=profile, input=inputs, expected=expected, **more)


@pytest.mark.parametrize("path", [PUBLIC, OWN], ids=["public", "own"])
def test_every_worked_example_holds(path: Path) -> None:
    report = run_examples(read_examples(path))
    assert not report.mismatches, "\n".join(report_lines(report))
    assert report.num_passed == report.num_examples


def test_every_metric_and_convention_has_an_example_of_our_own() -> None:
    examples = read_examples(OWN) + read_examples(PUBLIC)
    assert {item.metric for item in examples} == METRICS.keys() | {metric for metric, _ in OF_OTHERS}
    named = {(item.metric, item.profile.partition("(")[0].strip().lower()) for item in examples}
    assert OF_OTHERS.keys() <= named
    by_profile = {profile for _, profile in named}
    assert {"all", "paper", LMMS, "strict"} <= by_profile


def test_a_wrong_expectation_is_found_wherever_it_is() -> None:
    for item in read_examples(PUBLIC):
        spoilt = _spoilt(item.expected)
        copies = [item.model_copy(update={"id": str(n), "expected": wrong}) for n, wrong in enumerate(spoilt)]
        assert len(run_examples(copies).mismatches) == len(spoilt) > 0, item.id


def _spoilt(value: Any) -> list[Any]:
    """Return `value` with one leaf changed, for each leaf."""
    if isinstance(value, dict):
        return [{**value, key: wrong} for key, part in value.items() for wrong in _spoilt(part)]
    if isinstance(value, list):
        return [[*value[:i], wrong, *value[i + 1 :]] for i, part in enumerate(value) for wrong in _spoilt(part)]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, str):
        return [value + "!"]
    return [0.5] if value is None else [value + 1]


def test_what_is_not_understood_is_a_mismatch_with_its_reason() -> None:
    report = run_examples(
        [
            example("levenshtein", "all", {}, 1, id="metric"),
            example("temporal_iou", "paper-2", {}, 1, id="profile"),
            example("standard_error", "all", {"scores": [0, 1]}, {}, id="other tool"),
        ]
    )
    assert [wrong.reason for wrong in report.mismatches] == [
        "not understood: metric 'levenshtein'",
        "not understood: profile 'paper-2' of metric 'temporal_iou'",
        "not understood: profile 'all' of metric 'standard_error'",
    ]
    with pytest.raises(NotUnderstood):
        compute("levenshtein", "all", {}, {}, [])


def test_aggregates_take_their_items_from_the_file_and_say_which_they_lack() -> None:
    def item(name: str, response: str) -> Example:
        inputs = {"response": response, "start_frame": 9, "end_frame": 30, "total_frames": 96}
        return example("rtloc_item", LMMS, inputs, {}, id=name)

    expected = {"mean_recall": 0.5, "mIOU": 0.5, "num_instances": 2}
    total = example("rtloc_aggregate", LMMS, {"items": ["rtloc-1", "mine"]}, expected, id="total")
    report = run_examples([total, item("mine", "no")])
    assert not report.mismatches
    assert report.notes == ("'rtloc-1' is not in the file: a built-in example of that name was used",)
    report = run_examples([item("rtloc-1", "no"), item("mine", "[3, 10]"), total])
    assert (report.mismatches, report.notes) == ((), ())
    (wrong,) = run_examples([total]).mismatches
    assert wrong.reason == "refused: LookupError: it refers to 'mine', which is not in the file"
    (wrong,) = run_examples(
        [total, example("temporal_iou", "all", {"a": [0, 1], "b": [0, 1]}, 1.0, id="mine")]
    ).mismatches
    assert wrong.reason.endswith("'mine', which is an example of 'temporal_iou'")


def test_profiles_that_disagree_cannot_share_an_example() -> None:
    inputs = {"response": "(3, 10)", "start_frame": 9, "end_frame": 30, "total_frames": 96}
    (wrong,) = run_examples([example("rtloc_item", "all", inputs, {"parsed": [3, 10]})]).mismatches
    assert "(profile lmms-eval-0.7.2)" in wrong.reason
    assert wrong.reason.startswith("no list at parsed")


def test_inputs_that_make_no_sense_are_refused_and_may_be_expected_to_be() -> None:
    inputs = {"image": [9, 9], "box_xyxy": [5, 1, 2, 3]}
    (wrong,) = run_examples([example("overlay_pixels", "all", inputs, {"red_pixels": 0})]).mismatches
    assert wrong.reason.startswith("refused: DataError: box (5, 1, 2, 3) is reversed")
    for said in ({"raises": "ValueError"}, "ValueError", None, {"error": True}):
        assert not run_examples([example("overlay_pixels", "all", inputs, said)]).mismatches
    (wrong,) = run_examples([example("temporal_iou", "all", {"a": [0, 1]}, 0.0)]).mismatches
    assert wrong.reason == "refused: KeyError: 'b'"


@pytest.mark.parametrize(
    ("expected", "got", "wrong"),
    [
        (1.0, 1, None),
        (1, 1.0000001, None),
        (1, 1.1, "differs: 1.1, expected 1"),
        (1, True, "differs: True, expected 1"),
        (True, 1, "differs: 1, expected True"),
        (None, 0, "differs: 0, expected None"),
        ("a", "A", "differs: 'A', expected 'a'"),
        ([1, 2], [1], "1 items, expected 2"),
        ([1, 2], None, "no list"),
        ([1, 2], (1, 2.0), None),
        ({"a": {"b": [0]}}, {"a": {"b": [1]}, "c": 1}, "differs at a.b[0]: 1, expected 0"),
        ({"a": 1}, {}, "nothing is computed for 'a'"),
        ({"a": 1}, [1], "not an object"),
    ],
)
def test_comparing(expected: Any, got: Any, wrong: str | None) -> None:
    assert difference(expected, got, 1e-6) == wrong


def test_tolerance_is_the_examples_own() -> None:
    assert difference(0.5, 0.54, 0.05) is None
    assert difference(0.5, 0.56, 0.05) is not None
    assert difference(0.3, 0.1 + 0.2, 0.0) is None
    assert difference(0.3, math.nextafter(0.3, 1) + 1e-9, 0.0) is not None


def test_the_command_lists_mismatches_and_says_so_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["eval", "vectors", str(PUBLIC)]) == 0
    assert capsys.readouterr().out.startswith("64 of 64 worked examples hold")
    path = tmp_path / "wrong.json"
    item = {"id": "iou-x", "metric": "temporal_iou", "profile": "all", "input": {"a": [0, 2], "b": [1, 2]}}
    path.write_text(json.dumps([{**item, "expected": 0.6, "tol": 1e-6}]))
    assert run(["eval", "vectors", str(path)]) == 1
    shown = capsys.readouterr().out
    assert "0 of 1 worked examples hold" in shown
    assert "iou-x: temporal_iou, all: differs: 0.49" in shown
    assert "expected 0.6" in shown
    assert run(["eval", "vectors", str(path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["mismatches"][0]["got"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("{}", "no worked examples"),
        ('{"vectors": []}', "no worked examples"),
        ('{"vectors": [{"id": "a"}]}', "example 0: metric: Field required"),
        (
            json.dumps([{"id": "a", "metric": "m", "profile": "p", "input": {}, "expected": 1}] * 2),
            "'a' is there twice",
        ),
    ],
)
def test_files_that_hold_no_examples_are_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "vectors.json"
    path.write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        read_examples(path)
    assert str(path) in caught.value.message
