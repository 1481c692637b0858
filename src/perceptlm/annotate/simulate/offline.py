"""One project from the first label to the last, in memory: the course of `rounds`, a desk of `memory_desk`.

This module looks at the truth only through the people's answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from perceptlm.annotate.quality.dawid_skene import Fit, FitConfig
from perceptlm.annotate.quality.drift import find_drift
from perceptlm.annotate.quality.records import EXPERT, Ints
from perceptlm.annotate.quality.routing import RoutingPolicy
from perceptlm.annotate.simulate.memory_desk import MemoryDesk
from perceptlm.annotate.simulate.outcome import Outcome
from perceptlm.annotate.simulate.people import Crowd
from perceptlm.annotate.simulate.rounds import work_off


@dataclass(frozen=True)
class Method:
    """How labels become answers: classes of difficulty (1: none), whether the true ones are told, and the policy."""

    policy: RoutingPolicy
    fit: FitConfig = field(default_factory=FitConfig)
    true_difficulty: bool = False
    answer: Literal["posterior", "majority", "expert"] = "posterior"
    """What the answer is; "expert": the posterior's, but an expert's word where there is one, as in the service."""
    uses_gold: bool = True


@dataclass(frozen=True)
class Project(Outcome):
    """The end of one project run in memory, with its last fit."""

    fit: Fit


def run_project(crowd: Crowd, method: Method) -> Project:
    """Let the people of `crowd` work until the policy wants nothing more, and return what came of it."""
    desk = MemoryDesk(
        crowd,
        method.policy,
        config=method.fit,
        true_difficulty=method.true_difficulty,
        uses_gold=method.uses_gold,
    )
    num_rounds = work_off(desk, crowd, uses_gold=method.uses_gold)
    last = desk.last
    assert last is not None
    answer = _answers(desk, last.fit, method)
    return Project(
        crowd=crowd,
        labels=desk.labels,
        answer=answer,
        confidence=last.fit.posterior[np.arange(len(answer)), answer],
        reason=desk.reason,
        crowd_answer=desk.crowd_answer,
        flagged=last.flagged,
        paused=last.paused,
        drifting=find_drift(last.fit, desk.fitted, crowd.items(), crowd.people).flagged,
        skill=last.skill.overall,
        skill_low=last.skill.overall_low,
        skill_high=last.skill.overall_high,
        num_rounds=num_rounds,
        num_unfinished=desk.num_unfinished(),
        fit=last.fit,
    )


def _answers(desk: MemoryDesk, found: Fit, method: Method) -> Ints:
    answer, labels = found.answer.copy(), desk.labels
    if method.answer == "majority":
        votes = np.zeros(found.posterior.shape)
        np.add.at(votes, (labels.item, labels.value), 1)
        return np.asarray(votes.argmax(axis=1))
    if method.answer == "expert":
        said = desk.crowd.people.role[labels.worker] == EXPERT
        answer[labels.item[said]] = labels.value[said]
    return answer
