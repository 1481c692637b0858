"""What a profile changes in the published prompts (facts/evaluation.md sections 1.2 to 1.6 and 3).

Samples carry the published wording; `strict` leaves it alone. `lmms-eval-0.7.2` ends FGQA and SGQA in the literal
`{answer}` that its template forgot to fill, and counts the frames of the source in RCap. `paper` prints RTLoc's format
in round brackets, as its Table 10 does. Removing one "." from the end of every answer is the doing of PLM's own model
wrapper, not of a profile: it is not done here. This module reads no answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from perceptlm.eval.benchmarks.plm_videobench.profiles import Profile, rules_of
from perceptlm.schema import Task
from perceptlm.schema.benchmark_prompts import FGQA, LETTERS, RCAP, RTLOC, SGQA, option_lines
from perceptlm.schema.placeholders import LAST_FRAME, NUM_FRAMES

STRAY_SUFFIX = "{answer}"
_SGQA_LEAD = SGQA.partition("{question}")[0]
_SQUARE, _ROUND = "[start, end]", "(start, end)"


def profiled(text: str, task: Task, profile: Profile, *, total_frames: int) -> str:
    """Return the last user text of a Sample as `profile` asks it, placeholders still in it.

    `total_frames` counts the frames that the Sample's frame numbers refer to, before sampling.
    """
    rules = rules_of(task, profile)
    match "none" if rules is None else rules.prompt:
        case "literal {answer} at the end":
            return text + STRAY_SUFFIX
        case "source frame count":
            return text.replace(NUM_FRAMES, str(total_frames))
        case "round brackets":
            return text.replace(_SQUARE, _ROUND)
        case _:
            return text


def plain_question(text: str, task: Task) -> str:
    """Return the question itself, which a judge is told, without SGQA's lead."""
    return text.removeprefix(_SGQA_LEAD) if task == "sgqa" else text


def fgqa_prompt(question: str, options: Sequence[str], profile: Profile) -> str:
    """Return FGQA's prompt for a question and its options."""
    text = FGQA.format(question=question, options=option_lines(options).rstrip())
    return profiled(text, "fgqa", profile, total_frames=0)


def fgqa_target(answer: str, options: Sequence[str]) -> str:
    """Return the text hoped for, such as "(B) With the left hand."."""
    return f"({LETTERS[list(options).index(answer)]}) {answer}"


def sgqa_prompt(question: str, profile: Profile) -> str:
    """Return SGQA's prompt for a question."""
    return profiled(SGQA.format(question=question), "sgqa", profile, total_frames=0)


def rcap_stated_total(total_frames: int, num_frames: int, profile: Profile) -> int:
    """Return how many frames RCap's prompt says the video has."""
    return int(profiled(NUM_FRAMES, "rcap", profile, total_frames=total_frames).replace(NUM_FRAMES, str(num_frames)))


def rcap_prompt(interval: tuple[int, int], total_frames: int, num_frames: int, profile: Profile) -> str:
    """Return RCap's prompt for an interval of shown frames."""
    text = profiled(RCAP, "rcap", profile, total_frames=total_frames).replace(NUM_FRAMES, str(num_frames))
    return text.format(start=interval[0], end=interval[1])


def rtloc_prompt(caption: str, num_frames: int, profile: Profile) -> str:
    """Return RTLoc's prompt for a caption."""
    text = profiled(RTLOC, "rtloc", profile, total_frames=0).replace(LAST_FRAME, str(num_frames - 1))
    return text.replace(NUM_FRAMES, str(num_frames)).format(caption=caption)
