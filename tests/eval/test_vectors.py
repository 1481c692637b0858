"""Worked examples of the PLM-VideoBench metrics (shared between implementations) against ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from perceptlm.eval.alignment import best_ordered_total
from perceptlm.eval.benchmarks.plm_videobench.metrics import (
    mean_recall,
    multi_binary_accuracy,
    multi_binary_chance,
    pairs_to_judge,
    recall_at,
    soda_c,
    suite_average,
    temporal_iou,
)
from perceptlm.eval.benchmarks.plm_videobench.parsing import (
    lmms_option_is_correct,
    parse_segments,
    parse_span,
)
from perceptlm.eval.outcomes import Score
from perceptlm.eval.summary import make_units, mean_score
from perceptlm.schema import TimeSpan
from perceptlm.schema.placeholders import rescale_frame, rescale_span

VECTORS = json.loads((Path(__file__).parent / "data" / "plm_videobench_vectors.json").read_text(encoding="utf-8"))


def value(score: float) -> Score:
    return Score(outcome="value", score=score)


def rtloc_item(data: dict[str, Any], profile: str) -> dict[str, Any]:
    span = TimeSpan(start_frame=data["start_frame"], end_frame=data["end_frame"])
    truth = rescale_span(span, data["total_frames"], 32)
    parsed = parse_span(data["response"], "lmms-eval-0.7.2")
    iou = 0.0 if parsed is None else temporal_iou(parsed, truth)
    return {
        "gt": list(truth),
        "parsed": None if parsed is None else list(parsed),
        "parse_error": int(parsed is None),
        "iou": iou,
        "recall_at": {str(threshold): hit for threshold, hit in recall_at(iou).items()},
        "mean_recall": mean_recall(iou),
    }


def soda_item(data: dict[str, Any], profile: str) -> dict[str, Any]:
    scores, predicted = data["score_matrix_gt_by_pred"], data["pred_segments"]
    order = list(range(len(predicted)))
    if "sorted by start" in profile:
        order.sort(key=lambda index: predicted[index][0])
    spans = [tuple(predicted[index]) for index in order]
    result = soda_c([tuple(pair) for pair in data["gt_segments"]], spans, lambda g, p: scores[g][order[p]])
    return {"max_score": result.best, "precision": result.precision, "recall": result.recall, "f1": result.f1}


def rdcap_parse(data: dict[str, Any], profile: str) -> dict[str, Any]:
    found = parse_segments(data["response"], "lmms-eval-0.7.2")
    return {"segments": [[item.start, item.end] for item in found], "captions": [item.caption for item in found]}


def multi_binary(data: dict[str, Any], profile: str) -> dict[str, Any]:
    rows = [(group, bool(right)) for group, right in data["rows"]]
    return {
        "mbacc": multi_binary_accuracy(rows),
        "binary_accuracy": fmean(right for _, right in rows),
        "num_groups": len({group for group, _ in rows}),
        "num_instances": len(rows),
        "chance_mbacc": multi_binary_chance(group for group, _ in rows),
    }


def judge_calls(data: dict[str, Any], profile: str) -> dict[str, Any]:
    reference, predicted = data["gt_segments"], data["pred_segments"]
    pairs = pairs_to_judge(reference, predicted)
    return {
        "naive_calls": len(reference) * len(predicted),
        "needed_calls_iou_gt_0": len(pairs),
        "needed_pairs_gt_pred": [list(pair) for pair in pairs],
    }


def judge_failures(data: dict[str, Any], profile: str) -> dict[str, Any]:
    scores = [
        Score(outcome="error", reason="no answer") if verdict == "FAILED" else value(verdict == "yes")
        for verdict in data["verdicts"]
    ]
    units = make_units((str(number), str(number), score) for number, score in enumerate(scores))
    bounds = [fmean(unit.low for unit in units), fmean(unit.high for unit in units)]
    return {
        "accuracy_judged_only": mean_score(units),
        "accuracy_failed_as_wrong": bounds[0],
        "bounds": bounds,
        "judge_failures": sum(score.outcome == "error" for score in scores),
    }


def missing_predictions(data: dict[str, Any], profile: str) -> dict[str, Any]:
    scored = [
        (group, group, Score(outcome="error", reason="missing") if part == "MISSING" else value(part == "right"))
        for group, parts in data["groups"].items()
        for part in parts
    ]
    units = make_units(scored)
    return {
        "mbacc_missing_as_wrong": fmean(unit.low for unit in units),
        "coverage_instances": fmean(score.outcome == "value" for _, _, score in scored),
        "groups_complete": sum(unit.value is not None for unit in units),
    }


COMPUTE: dict[str, Callable[[dict[str, Any], str], Any]] = {
    "rescale_frame_index": lambda d, _: rescale_frame(d["source_frame"], d["total_frames"], d["n"]),
    "rescale_segment": lambda d, _: _segment(d),
    "temporal_iou": lambda d, _: temporal_iou(d["a"], d["b"]),
    "rtloc_item": rtloc_item,
    "fgqa_is_correct": lambda d, _: lmms_option_is_correct(d["response"], d["target"]),
    "multi_binary_accuracy": multi_binary,
    "sgqa_aggregate": lambda d, _: {
        "accuracy": mean_score(make_units((str(i), "c", value(s)) for i, s in enumerate(d["success"]))),
        "num_instances": len(d["success"]),
    },
    "rdcap_parse": rdcap_parse,
    "soda_c_item": soda_item,
    "soda_aggregate": lambda d, _: {"SODA_c": round(fmean(d["f1"]), 4)},
    "chased_dp_max": lambda d, _: best_ordered_total(d["matrix"]),
    "rdcap_judge_calls": judge_calls,
    "plm_videobench_average": lambda d, _: {"average": suite_average(d)},
    "judge_failure_policy": judge_failures,
    "missing_prediction_policy": missing_predictions,
}


def _segment(data: dict[str, Any]) -> dict[str, Any]:
    start, end = data["source_segment"]
    shown = rescale_span(TimeSpan(start_frame=start, end_frame=end), data["total_frames"], data["n"])
    return {"segment": list(shown), "zero_length": shown[0] == shown[1]}


def equal_within(found: Any, expected: Any, tol: float) -> bool:
    if isinstance(expected, dict):
        return all(equal_within(found[key], item, tol) for key, item in expected.items())
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(lambda f, e: equal_within(f, e, tol), found, expected))
    if isinstance(expected, float) or isinstance(found, float):
        return found == pytest.approx(expected, abs=tol)
    return bool(found == expected)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_vector(vector: dict[str, Any]) -> None:
    found = COMPUTE[vector["metric"]](vector["input"], vector["profile"])
    assert equal_within(found, vector["expected"], vector["tol"]), found
