"""Worked examples of frames, boxes, prompts, parsers, judges' replies and scores: inputs to our own functions.

Nothing is computed here that is computed elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np

from perceptlm.eval.alignment import best_ordered_total
from perceptlm.eval.benchmarks import neighbours
from perceptlm.eval.benchmarks.plm_videobench import metrics, parsing, prompts
from perceptlm.eval.benchmarks.plm_videobench.aggregates import printed_score, rtloc_aggregate
from perceptlm.eval.benchmarks.plm_videobench.judging import JudgeReply, caption_judge_parse, sgqa_judge_parse
from perceptlm.eval.benchmarks.plm_videobench.profiles import LMMS
from perceptlm.eval.vector_rules import Compute, Inputs, Refused, Rules
from perceptlm.media.overlay import BOX_WIDTH, RED, draw_boxes
from perceptlm.media.sampling import uniform_indices
from perceptlm.schema.benchmark_prompts import LETTERS
from perceptlm.schema.placeholders import rescale_frame

_NUM_FRAMES = 32
_MISSING_ITEMS: dict[str, tuple[str, str, Inputs]] = {
    name: ("rtloc_item", LMMS, {"response": said, "start_frame": start, "end_frame": end, "total_frames": 96})
    for name, said, start, end in (
        ("rtloc-1", "[3, 10]", 9, 30),
        ("rtloc-2", "[3, 12]", 9, 30),
        ("rtloc-17", "[0, 10]", 0, 15),
    )
}
"""Examples that public aggregates name and public files leave out: rebuilt from what they must give."""


def _region_frames(d: Inputs, _: Rules) -> list[int]:
    if d["num_video_frames"] < d["n"]:
        raise AssertionError(f"{d['num_video_frames']} frames are fewer than the {d['n']} of a region task")
    return uniform_indices(d["num_video_frames"], d["n"])


def _segment(d: Inputs, _: Rules) -> dict[str, Any]:
    shown = [rescale_frame(frame, d["total_frames"], d["n"]) for frame in d["source_segment"]]
    return {"segment": shown, "zero_length": shown[0] == shown[1]}


def _rtloc_item(d: Inputs, rules: Rules) -> dict[str, Any]:
    n = d.get("n", _NUM_FRAMES)
    truth = [rescale_frame(d[end], d["total_frames"], n) for end in ("start_frame", "end_frame")]
    parsed = parsing.parse_span(d["response"], rules.profile)
    iou = 0.0 if parsed is None else metrics.temporal_iou(parsed, (truth[0], truth[1]))
    recall = metrics.mean_recall(iou)
    return {
        "gt": truth,
        "parsed": parsed,
        "parse_error": int(parsed is None),
        "iou": iou,
        "recall_at": {str(threshold): hit for threshold, hit in metrics.recall_at(iou).items()},
        "mean_recall": recall,
        "mean_precision": recall,
        "zero_length": truth[0] == truth[1],
    }


def _charades_item(d: Inputs, _: Rules) -> dict[str, Any]:
    iou = 0.0 if d["pred"] is None else neighbours.plain_iou(d["pred"], d["gt"])
    hits = neighbours.charades_hits(iou, d.get("thresholds", neighbours.CHARADES_THRESHOLDS))
    return {"iou": iou, **{f"R1@{threshold}": hit for threshold, hit in hits.items()}}


def _charades_sta(d: Inputs, _: Rules) -> dict[str, float]:
    hits, iou = neighbours.charades_sta(d["pairs"])
    return {"mIoU": iou, **{f"R1@{threshold}": share for threshold, share in hits.items()}}


def _rtloc_aggregate(d: Inputs, rules: Rules) -> dict[str, Any]:
    found = []
    for name in d["items"]:
        item = rules.known.get(name) or _MISSING_ITEMS.get(name)
        if item is None:
            raise LookupError(f"it refers to '{name}', which is not in the file")
        if name not in rules.known:
            rules.notes.append(f"'{name}' is not in the file: a built-in example of that name was used")
        if item[0] != "rtloc_item":
            raise LookupError(f"it refers to '{name}', which is an example of '{item[0]}'")
        found.append(_rtloc_item(item[2], rules))
    result = rtloc_aggregate([item["mean_recall"] for item in found], [item["iou"] for item in found], rules.profile)
    return {
        "mean_recall": result.mean_recall,
        "mean_precision": result.mean_recall,
        "mIOU": result.mean_iou,
        "num_instances": len(found),
    }


def _options(d: Inputs) -> list[str]:
    return [d["options"][f"option_{index}"] for index in range(len(d["options"]))]


def _fgqa_is_correct(d: Inputs, rules: Rules) -> bool:
    if rules.profile == LMMS:
        return parsing.lmms_option_is_correct(d["response"], d["target"])
    letter, _, text = d["target"].lstrip("(").partition(")")
    gold = LETTERS.index(letter.strip().upper())
    options = d.get("options") or [f"(not option {index})" for index in range(max(2, gold + 1))]
    listed = list(options.values()) if isinstance(options, Mapping) else list(options)
    listed[gold] = text.strip()
    return parsing.parse_option(d["response"], tuple(listed)) == gold


def _multi_binary(d: Inputs, _: Rules) -> dict[str, Any]:
    rows = [(str(group), bool(right)) for group, right in d["rows"]]
    return {
        "mbacc": metrics.multi_binary_accuracy(rows),
        "binary_accuracy": fmean(right for _, right in rows),
        "num_groups": len({group for group, _ in rows}),
        "num_instances": len(rows),
        "chance_mbacc": metrics.multi_binary_chance(group for group, _ in rows),
    }


def _multi_binary_by_video(d: Inputs, _: Rules) -> dict[str, float]:
    rows = [(str(video), bool(right)) for video, right in d["rows_video_correct"]]
    return {"mba": metrics.multi_binary_accuracy(rows), "ba": fmean(right for _, right in rows)}


def _answer_judge(d: Inputs, rules: Rules) -> Any:
    reply = sgqa_judge_parse(d["judge_output"], rules.profile)
    success = None if reply.value is None else reply.value == 1
    return _judged(reply, {"success": success, "used_fallback": reply.by_fallback})


def _caption_judge(d: Inputs, rules: Rules) -> Any:
    reply = caption_judge_parse(d["judge_output"], rules.profile)
    return _judged(reply, {"score": reply.value, "success": int(reply.reason is None)})


def _judged(reply: JudgeReply, values: dict[str, Any]) -> Any:
    values["judge_failure"] = reply.reason is not None
    return Refused("judge", str(reply.reason), values) if reply.reference_raises else values


def _sgqa_aggregate(d: Inputs, _: Rules) -> dict[str, Any]:
    return {"accuracy": fmean(d["success"]), "num_instances": len(d["success"])}


def _rcap_aggregate(d: Inputs, rules: Rules) -> dict[str, Any]:
    scores, success = d["scores"], d.get("success", [1] * len(d["scores"]))
    # lmms-eval counts what its judge failed at as it is given, 0; the others leave it out.
    counted = [s for s, judged in zip(scores, success, strict=True) if judged or rules.profile == LMMS]
    return {
        "llm_judge_score": printed_score("rcap", fmean(counted), rules.profile),
        "success_rate": fmean(success),
        "num_instances": len(scores),
    }


def _rcap_interval(d: Inputs, _: Rules) -> dict[str, Any]:
    total, n = d["total_frames"], d.get("n", _NUM_FRAMES)
    return {
        "interval": [rescale_frame(d[end], total, n) for end in ("start_frame", "end_frame")],
        "stated_total_paper": prompts.rcap_stated_total(total, n, "paper"),
        "stated_total_lmms_eval": prompts.rcap_stated_total(total, n, LMMS),
    }


def _rdcap_parse(d: Inputs, rules: Rules) -> dict[str, Any]:
    found = parsing.parse_segments(d["response"], rules.profile)
    return {"segments": [[item.start, item.end] for item in found], "captions": [item.caption for item in found]}


def _soda_item(d: Inputs, rules: Rules) -> dict[str, float]:
    def judge(g: int, p: int) -> float:
        return float(d["score_matrix_gt_by_pred"][g][p])

    # Ours puts segments in order when it reads them; lmms-eval takes them as they are written.
    match = metrics.soda_c if rules.profile == LMMS else neighbours.soda_original
    found = match(d["gt_segments"], d["pred_segments"], judge)
    return {"max_score": found.best, "precision": found.precision, "recall": found.recall, "f1": found.f1}


def _soda_original(d: Inputs, rules: Rules) -> dict[str, float]:
    return _soda_item(d, replace(rules, profile="strict"))


def _judge_calls(d: Inputs, _: Rules) -> dict[str, Any]:
    pairs = metrics.pairs_to_judge(d["gt_segments"], d["pred_segments"])
    return {
        "naive_calls": len(d["gt_segments"]) * len(d["pred_segments"]),
        "needed_calls_iou_gt_0": len(pairs),
        "needed_pairs_gt_pred": pairs,
    }


def _overlay_pixels(d: Inputs, _: Rules) -> dict[str, Any]:
    width, height = d["image"]
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    colour = tuple(d.get("colour", RED))
    if d["box_xyxy"] is not None:
        draw_boxes(picture, [(tuple(d["box_xyxy"]), colour)], width=d.get("width", BOX_WIDTH))
    rows, columns = np.nonzero((picture == np.array(colour)).all(axis=2))
    corners = [columns.min(), rows.min(), columns.max(), rows.max()] if len(rows) else None
    return {"red_pixels": len(rows), "bbox_of_red": corners and [int(corner) for corner in corners]}


def _overlay_frames(d: Inputs, _: Rules) -> dict[str, list[int]]:
    positions = uniform_indices(d["num_video_frames"], d["n"])
    keys = {int(key) for key in d["bbox_keys"]}
    slots = [slot for slot, position in enumerate(positions) if position in keys]
    return {"sampled_slots_with_box": slots, "sampled_positions_of_those": [positions[slot] for slot in slots]}


def _autodq(d: Inputs, _: Rules) -> dict[str, float]:
    found = neighbours.autodq({name: (task["recall"], task["precision"]) for name, task in d["subtasks"].items()})
    return {
        "overall_recall": found.recall,
        "overall_precision": found.precision,
        "overall_f1": found.overall_f1,
        **{f"f1_{name}": value for name, value in found.f1.items()},
    }


TASKS: dict[str, Compute] = {
    "uniform_frame_positions": lambda d, _: uniform_indices(d["num_video_frames"], d["n"]),
    "rescale_frame_index": lambda d, _: rescale_frame(d["source_frame"], d["total_frames"], d["n"]),
    "rescale_segment": _segment,
    "temporal_iou": lambda d, _: metrics.temporal_iou(d["a"], d["b"]),
    "rtloc_item": _rtloc_item,
    "rtloc_aggregate": _rtloc_aggregate,
    "fgqa_prompt": lambda d, rules: {
        "prompt": prompts.fgqa_prompt(d["question"], _options(d), rules.profile),
        "target": prompts.fgqa_target(d["answer"], _options(d)),
    },
    "fgqa_is_correct": _fgqa_is_correct,
    "multi_binary_accuracy": _multi_binary,
    "sgqa_judge_parse": _answer_judge,
    "sgqa_aggregate": _sgqa_aggregate,
    "caption_judge_parse": _caption_judge,
    "rcap_aggregate": _rcap_aggregate,
    "rcap_interval": _rcap_interval,
    "rdcap_parse": _rdcap_parse,
    "soda_c_item": _soda_item,
    "soda_aggregate": lambda d, rules: {"SODA_c": printed_score("rdcap", fmean(d["f1"]), rules.profile)},
    "chased_dp_max": lambda d, _: best_ordered_total(d["matrix"]),
    "rdcap_judge_calls": _judge_calls,
    "plm_videobench_average": lambda d, _: {"average": metrics.suite_average(d)},
    "suite_average_se": lambda d, _: {"se": metrics.suite_average_error(d)},
    "overlay_pixels": _overlay_pixels,
    "overlay_frame_choice": _overlay_frames,
    "charades_sta": _charades_sta,
}

OTHER_TOOLS: dict[tuple[str, str], Compute] = {
    ("uniform_frame_positions", "region"): _region_frames,
    ("uniform_frame_positions", "sgqa"): lambda d, _: uniform_indices(d["num_video_frames"], d["n"]),
    ("uniform_frame_positions", "vlmevalkit"): lambda d, _: neighbours.vlmevalkit_indices(
        d["num_video_frames"], d["n"]
    ),
    ("rtloc_item", "charades-sta"): _charades_item,
    ("charades_sta", "charades-sta"): _charades_sta,
    ("fgqa_is_correct", "temporalbench"): lambda d, _: neighbours.temporalbench_is_correct(d["response"], d["target"]),
    ("multi_binary_accuracy", "temporalbench"): _multi_binary_by_video,
    ("soda_c_item", "soda-original"): _soda_original,
    ("autodq_f1", "tarsier"): _autodq,
}
