"""The three protocols PLM-VideoBench can be run by, as one table: task x profile -> what is done.

`paper` follows what the paper says; `lmms-eval-0.7.2` repeats that tool, bugs included; `strict` is ours. Where the
paper says nothing, `paper` does as `strict` does (facts/evaluation.md sections 1 to 3). docs/evaluation.md shows this
table. It holds data only: `prompts`, `parsing` and `judging` act on it.
"""

from __future__ import annotations

from typing import Literal, get_args

from perceptlm.config import Config
from perceptlm.media.sampling import FrameChoice
from perceptlm.schema import BENCHMARK_TASKS, Task

Profile = Literal["paper", "lmms-eval-0.7.2", "strict"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
LMMS: Profile = "lmms-eval-0.7.2"

PromptChange = Literal["none", "literal {answer} at the end", "source frame count", "round brackets"]
Parser = Literal["none", "strict", "lmms-eval"]
JudgeWording = Literal["none", "paper", "lmms-eval", "strict"]
JudgeFailure = Literal["none", "unscored", "zero"]


class TaskRules(Config):
    """What one profile does with one task.

    `frames` chooses the pictures, both ends included; `prompt` is the change to the published wording; `parser` reads
    the model's answer (unreadable is 0); `judge` names wording and reply parser; `judge_failure` is what becomes of a
    reply that cannot be read after `judge_tries` requests; `max_new_tokens` limits the answer.
    """

    frames: FrameChoice = "uniform"
    prompt: PromptChange = "none"
    parser: Parser = "none"
    judge: JudgeWording = "none"
    judge_failure: JudgeFailure = "none"
    judge_tries: int = 0
    max_new_tokens: int


def _judged(profile: Profile) -> dict[str, object]:
    if profile == LMMS:
        return {"judge": "lmms-eval", "judge_failure": "zero", "judge_tries": 1}
    return {"judge": profile, "judge_failure": "unscored", "judge_tries": 3}


def _rules(task: Task, profile: Profile) -> TaskRules:
    lmms = profile == LMMS
    parser: Parser = "lmms-eval" if lmms else "strict"
    values: dict[str, object]
    match task:
        case "fgqa":
            values = {"parser": parser, "max_new_tokens": 16}
            if lmms:
                values |= {"frames": "one_per_second", "prompt": "literal {answer} at the end"}
        case "sgqa":
            values = {**_judged(profile), "max_new_tokens": 16 if lmms else 128}
            if lmms:
                values |= {"prompt": "literal {answer} at the end"}
        case "rcap":
            values = {**_judged(profile), "max_new_tokens": 512, "prompt": "source frame count" if lmms else "none"}
        case "rtloc":
            values = {"parser": parser, "max_new_tokens": 16, "prompt": "none"}
            if profile == "paper":
                values |= {"prompt": "round brackets"}
        case _:
            values = {**_judged(profile), "parser": parser, "max_new_tokens": 512}
    return TaskRules.model_validate(values)


TABLE: dict[tuple[Task, Profile], TaskRules] = {
    (task, profile): _rules(task, profile) for task in BENCHMARK_TASKS for profile in PROFILES
}


def rules_of(task: Task, profile: Profile) -> TaskRules | None:
    """Return what `profile` does with `task`; None for tasks outside the benchmark."""
    return TABLE.get((task, profile))


def table_lines() -> list[str]:
    """Return the table in Markdown, as docs/evaluation.md has it."""
    frames = {"uniform": "32 uniform", "one_per_second": "1 a second, 32 at most; 32 uniform if there are fewer"}
    failure = {"none": "-", "unscored": "unscored, bounds", "zero": "0, counted"}
    lines = [
        "| task | profile | frames | change to the prompt | answer read by | judge | judge unreadable | tokens |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (task, profile), rules in TABLE.items():
        tries = "one try" if rules.judge_tries == 1 else f"{rules.judge_tries} tries"
        judge = f"{rules.judge} wording, {tries}" if rules.judge_tries else "-"
        parser = "as it stands" if rules.parser == "none" else f"{rules.parser} rules"
        cells = (task, profile, frames[rules.frames], rules.prompt, parser, judge, failure[rules.judge_failure])
        lines.append("| " + " | ".join((*cells, str(rules.max_new_tokens))) + " |")
    return lines
