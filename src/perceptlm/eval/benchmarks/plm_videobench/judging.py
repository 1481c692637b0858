"""How a judge's reply becomes a verdict, in the three profiles (facts/evaluation.md sections 2.1 and 2.2).

`lmms-eval-0.7.2` reads replies as that tool does: JSON of the whole text or nothing, a case-sensitive "yes", no check
of the range. Where that tool would end its run (valid JSON of another shape) there is no number to repeat: such a reply
is a failure here. `strict` finds the JSON wherever it stands and takes no score out of range. `paper` reads the number
that a caption's reply begins with. Replies come from a model and are hostile: nothing here is executed, and the
time taken is bounded. This module asks no judge and knows no metric.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NamedTuple

from perceptlm.eval.benchmarks.plm_videobench.profiles import LMMS, Profile

_MAX_CHARACTERS = 20_000
_MAX_OBJECTS = 64
_MAX_SCORE = 10
_DECODER = json.JSONDecoder()
_LEADING_NUMBER = re.compile(r"[\s*\"'`]{0,9}(\d{1,4}(?:\.\d{1,9})?)(?!\d|\.\d|,\d|\s{0,3}[-–—]\s{0,3}\d|\s{1,3}to\s)")
_QUOTED_PRED = re.compile(r"['\"]pred['\"]\s{0,9}:\s{0,9}['\"]\s{0,9}(yes|no)\b", re.IGNORECASE)
_ONE_WORD = re.compile(r"[\s*\"'`(]{0,9}(yes|no)[\s*\"'`).!]{0,9}", re.IGNORECASE)

NOT_JSON = "not JSON"
OTHER_SHAPE = "JSON of another shape than asked for"


class JudgeReply(NamedTuple):
    """What was read: `value` is None, and `reason` set, where the judge failed.

    Under `lmms-eval-0.7.2` a reply that is no JSON has both a reason and the value 0 that the tool gives it.
    `by_fallback`: read although not in the form asked for. `reference_raises`: lmms-eval ends its run on this reply.
    """

    value: float | None
    reason: str | None = None
    by_fallback: bool = False
    reference_raises: bool = False


def caption_judge_parse(reply: str, profile: Profile) -> JudgeReply:
    """Return the score of a caption pair divided by 10, in [0, 1] unless the profile is lmms-eval's."""
    if profile == LMMS:
        return _lmms_caption(reply)
    if profile == "paper":
        match = _LEADING_NUMBER.match(reply)
        return JudgeReply(None, "does not begin with a number") if match is None else _in_range(float(match[1]))
    found = _objects_with(reply, "score")
    if isinstance(found, str):
        return JudgeReply(None, found)
    score = found["score"]
    if isinstance(score, bool) or not isinstance(score, int | float) or not isinstance(found.get("explanation"), str):
        return JudgeReply(None, OTHER_SHAPE)
    return _in_range(score)


def sgqa_judge_parse(reply: str, profile: Profile) -> JudgeReply:
    """Return 1 for an answer that the judge calls right, 0 for a wrong one."""
    if profile == LMMS:
        return _lmms_answer(reply)
    found = _objects_with(reply, "pred")
    if isinstance(found, str):
        words = {word.lower() for word in _QUOTED_PRED.findall(reply[:_MAX_CHARACTERS])}
        whole = _ONE_WORD.fullmatch(_after_thoughts(reply).strip()[:_MAX_CHARACTERS])
        words |= {whole[1].lower()} if whole else set()
        return JudgeReply(float(words == {"yes"}), by_fallback=True) if len(words) == 1 else JudgeReply(None, found)
    said = found["pred"].strip().rstrip(".!").lower() if isinstance(found["pred"], str) else ""
    return JudgeReply(float(said == "yes")) if said in ("yes", "no") else JudgeReply(None, "neither yes nor no")


def _lmms_caption(reply: str) -> JudgeReply:
    try:
        found = json.loads(reply)
    except (ValueError, RecursionError):
        return JudgeReply(0.0, NOT_JSON)
    score = found.get("score") if isinstance(found, dict) else None
    if not isinstance(score, int | float):
        return JudgeReply(None, OTHER_SHAPE, reference_raises=True)
    try:
        value = score / 10
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        return JudgeReply(None, "a score that is no finite number")
    # RCap reads the explanation too, and ends the run without one; RDCap reads the score only.
    complete = "explanation" in found
    return JudgeReply(value, by_fallback=not complete, reference_raises=not complete)


def _lmms_answer(reply: str) -> JudgeReply:
    try:
        found = json.loads(reply)
    except (ValueError, RecursionError):
        return JudgeReply(float("yes" in reply or "Yes" in reply), by_fallback=True)
    if not isinstance(found, dict) or "pred" not in found:
        return JudgeReply(None, OTHER_SHAPE, reference_raises=True)
    return JudgeReply(float(found["pred"] == "yes"))


def _in_range(score: float) -> JudgeReply:
    if not 0 <= score <= _MAX_SCORE:
        return JudgeReply(None, f"a score outside 0 to {_MAX_SCORE}")
    return JudgeReply(score / _MAX_SCORE)


def _objects_with(reply: str, key: str) -> dict[str, Any] | str:
    """Return the one JSON object with `key` in a text, or what is wrong; equal ones count once."""
    text = _after_thoughts(reply)[:_MAX_CHARACTERS]
    found: list[dict[str, Any]] = []
    num_objects, place = 0, text.find("{")
    for _ in range(_MAX_OBJECTS):
        if place < 0:
            break
        end = place + 1
        try:
            value, end = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            num_objects += 1
            if key in value and value[key] not in [other[key] for other in found]:
                found.append(value)
        place = text.find("{", end)
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        return f"several different values of '{key}'"
    return f"no '{key}' in the JSON" if num_objects else NOT_JSON


def _after_thoughts(reply: str) -> str:
    """Return what follows the last `</think>` of a model that reasons aloud."""
    return reply.rpartition("</think>")[2]
