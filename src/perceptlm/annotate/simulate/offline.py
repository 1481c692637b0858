"""One project from the first label to the last, in memory: people answer in rounds, the policy decides between them.

Each round asks for all labels that the policy wants now, fits, and decides again with `quality.routing.decide`, as the
server does every `refit_every` submissions. This module looks at the truth only through the people's answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from perceptlm.annotate.quality.copying import CopyEvidence, copy_evidence
from perceptlm.annotate.quality.dawid_skene import Fit, FitConfig, fit
from perceptlm.annotate.quality.records import ANNOTATOR, EXPERT, Bools, Floats, Ints, Items, Labels, count
from perceptlm.annotate.quality.routing import (
    ANOTHER_LABEL,
    ESCALATE,
    REASONS,
    Decisions,
    Policy,
    Requirements,
    better_half,
    choose_expert,
    decide,
    draw_audit,
)
from perceptlm.annotate.quality.skill import Skill, failing, measure_skill
from perceptlm.annotate.simulate.people import Crowd
from perceptlm.seeding import generator

_MOST_ROUNDS = 60


@dataclass(frozen=True)
class Method:
    """How labels become answers: classes of difficulty (1: none), whether the true ones are told, and the policy."""

    policy: Policy
    fit: FitConfig = field(default_factory=FitConfig)
    true_difficulty: bool = False
    answer: Literal["posterior", "majority", "expert"] = "posterior"
    """What the answer is; "expert": the posterior's, but an expert's word where there is one, as a simple rule does."""
    uses_gold: bool = True


@dataclass
class _Work:
    """What happened so far in one project."""

    crowd: Crowd
    items: Items
    labels: Labels
    involved: Bools
    num_given: Ints
    reason: Ints
    crowd_answer: Ints
    """(I): what would have been accepted without the expert; -1 where no expert was asked."""
    gold_left: list[Ints] = field(default_factory=list)
    num_gold: int = 0


@dataclass(frozen=True)
class Project:
    """The end of one project."""

    crowd: Crowd
    labels: Labels
    fit: Fit
    skill: Skill
    copying: CopyEvidence
    flagged: Bools
    """(W): found copying at any time."""
    paused: Bools
    answer: Ints
    confidence: Floats
    reason: Ints
    """(I): why an expert was asked, a place in REASONS; 0 where none was."""
    crowd_answer: Ints
    num_gold: int
    num_rounds: int
    num_unfinished: int
    """Items for which the policy wanted somebody who was not there."""


def run_project(crowd: Crowd, method: Method) -> Project:
    """Let the people of `crowd` work until the policy wants nothing more, and return what came of it."""
    work = _begin(crowd, method)
    audited = np.zeros(len(work.items), dtype=np.bool_)
    audited[: crowd.num_items] = draw_audit(range(crowd.num_items), crowd.seed, method.policy.audit_share)
    known_class = crowd.hard.astype(np.int64) if method.true_difficulty else None
    state: Fit | None = None
    flagged, rounds, unfinished = np.zeros(len(crowd.people), dtype=np.bool_), 0, 0
    while True:
        state = fit(work.labels, work.items, crowd.people, method.fit, known_class=known_class, start=state)
        skill = measure_skill(state, work.labels, work.items, crowd.people)
        copying = copy_evidence(state, work.labels, work.items, crowd.people)
        # Whoever was found copying stays paused: a person decides about that, not the next fit.
        flagged = flagged | copying.flagged
        paused = flagged | failing(skill, work.items, crowd.people, method.policy.pause_below)
        rounds += 1
        if rounds > _MOST_ROUNDS or not _next_round(work, state, skill, paused, audited, method, rounds):
            break
    wanted = _decide(work, state, skill, paused, audited, method).action[: crowd.num_items]
    unfinished = int((wanted != 0).sum())
    return Project(
        crowd=crowd,
        labels=work.labels,
        fit=state,
        skill=skill,
        copying=copying,
        flagged=flagged,
        paused=paused,
        answer=_answers(work, state, method),
        confidence=state.confidence,
        reason=work.reason,
        crowd_answer=work.crowd_answer,
        num_gold=work.num_gold,
        num_rounds=rounds,
        num_unfinished=unfinished,
    )


def _answers(work: _Work, state: Fit, method: Method) -> Ints:
    answer = state.answer.copy()
    if method.answer == "majority":
        votes = np.zeros((len(work.items), state.joint.shape[2]))
        np.add.at(votes, (work.labels.item, work.labels.value), 1)
        return np.asarray(votes.argmax(axis=1))
    if method.answer == "expert":
        said = work.crowd.people.role[work.labels.worker] == EXPERT
        answer[work.labels.item[said]] = work.labels.value[said]
    return answer


def _begin(crowd: Crowd, method: Method) -> _Work:
    """Let everybody answer the first part of their gold, and the model propose, if that counts."""
    scenario, number = crowd.scenario, len(crowd.truth)
    num_workers = len(crowd.people)
    work = _Work(
        crowd=crowd,
        items=crowd.items(),
        labels=Labels.none(),
        involved=np.zeros((number, num_workers), dtype=np.bool_),
        num_given=np.zeros(num_workers, dtype=np.int64),
        reason=np.zeros(number, dtype=np.int64),
        crowd_answer=np.full(number, -1, dtype=np.int64),
    )
    first, now = round(scenario.gold.first * scenario.gold.per_worker), []
    pool = np.arange(crowd.num_items, number)
    for worker in np.flatnonzero(crowd.people.role == ANNOTATOR).tolist():
        chosen = generator(crowd.seed, "simulated-gold", worker).permutation(pool)[: scenario.gold.per_worker]
        chosen = chosen if method.uses_gold else chosen[:0]
        now.append((np.full(len(chosen[:first]), worker), chosen[:first]))
        work.gold_left.append(chosen[first:])
    if first and method.uses_gold:
        _answer(work, np.concatenate([w for w, _ in now]), np.concatenate([i for _, i in now]))
    if crowd.model is not None and scenario.proposals_count():
        proposed = np.flatnonzero(~crowd.planted)
        same = np.full(len(proposed), crowd.model)
        blind = np.full(len(proposed), -1)
        unsure = np.zeros(len(proposed), dtype=np.bool_)
        work.labels = work.labels.joined(Labels(proposed, same, crowd.proposal[proposed], blind, unsure))
    return work


def _answer(work: _Work, worker: Ints, item: Ints) -> None:
    """Let `worker` answer `item` (n each), each person in the order of the rows."""
    crowd, scenario = work.crowd, work.crowd.scenario
    order = np.argsort(worker, kind="stable")
    starts = np.searchsorted(worker[order], worker[order])
    place = np.empty(len(worker), dtype=np.int64)
    place[order] = np.arange(len(worker)) - starts
    expert = crowd.people.role[worker] == EXPERT
    in_sight = np.where(expert, -1, crowd.proposal[item])
    if scenario.mode == "verify":
        seen, told = in_sight, in_sight
    else:
        leaks = generator(crowd.seed, "simulated-leaks", len(work.labels)).random(len(item)) < scenario.anchoring.leak
        seen, told = np.where(leaks, in_sight, -1), np.full(len(item), -1)
    given = crowd.answer(worker, item, shown=seen, num_before=work.num_given[worker] + place)
    work.labels = work.labels.joined(Labels(item, worker, given.value, told, given.unsure))
    work.involved[item, worker] = True
    work.num_given += count(worker, len(work.num_given)).astype(np.int64)
    work.num_gold += int(((work.items.known[item] >= 0) & ~expert).sum())


def _decide(work: _Work, state: Fit, skill: Skill, paused: Bools, audited: Bools, method: Method) -> Decisions:
    crowd, scenario = work.crowd, work.crowd.scenario
    asked = crowd.people.role == ANNOTATOR
    if method.policy.extra_labels_from == "better_half":
        asked = better_half(skill, crowd.people, paused)
    confidence = np.full(len(work.items), scenario.model.confidence if scenario.model is not None else 0.0)
    needs = Requirements(
        needs_credential=np.zeros(len(work.items), dtype=np.bool_),
        audited=audited,
        model_value=crowd.proposal,
        model_confidence=confidence,
        paused=paused,
        asked=asked,
    )
    return decide(state, work.labels, work.items, crowd.people, method.policy, needs)


def _next_round(
    work: _Work, state: Fit, skill: Skill, paused: Bools, audited: Bools, method: Method, number: int
) -> bool:
    """Ask whoever the policy wants; return whether anybody was asked."""
    decisions = _decide(work, state, skill, paused, audited, method)
    num_before = len(work.labels)
    wanted = np.flatnonzero(decisions.action[: work.crowd.num_items] == ANOTHER_LABEL)
    _ask_people(work, np.repeat(wanted, decisions.num_labels[wanted]), skill, paused, method, number)
    escalated = np.flatnonzero(decisions.action[: work.crowd.num_items] == ESCALATE)
    order = escalated[np.argsort(-decisions.priority[escalated], kind="stable")]
    _ask_experts(work, order, decisions.reason, state, skill, paused)
    return len(work.labels) > num_before


def _ask_people(work: _Work, item: Ints, skill: Skill, paused: Bools, method: Method, number: int) -> None:
    """Lease `item` (one row per label wanted) to people who have not seen it, at random among the willing."""
    crowd = work.crowd
    workers = np.flatnonzero((crowd.people.role == ANNOTATOR) & ~paused)
    if not len(workers) or not len(item):
        return
    random = generator(crowd.seed, "simulated-leases", number)
    unique, _, wanted = np.unique(item, return_index=True, return_counts=True)
    rank = random.random((len(unique), len(workers)))
    if method.policy.extra_labels_from == "better_half":
        has = count(work.labels.item, len(work.items))[unique] >= method.policy.first_labels
        rank += has[:, None] * ~better_half(skill, crowd.people, paused)[workers]
    rank[work.involved[unique][:, workers]] = np.inf
    order = np.argsort(rank, axis=1, kind="stable")
    pairs = []
    for k in range(int(wanted.max())):
        if k >= len(workers):
            break
        rows = np.flatnonzero((wanted > k) & np.isfinite(np.take_along_axis(rank, order[:, k : k + 1], 1)[:, 0]))
        pairs.append((workers[order[rows, k]], unique[rows]))
    chosen = [(w, i) for w, i in pairs if len(w)]
    for place, worker in enumerate(np.flatnonzero(crowd.people.role == ANNOTATOR).tolist()):
        # The rest of the gold hides among the first labels.
        if len(work.gold_left[place]) and not paused[worker]:
            chosen.append((np.full(len(work.gold_left[place]), worker), work.gold_left[place]))
            work.gold_left[place] = work.gold_left[place][:0]
    if chosen:
        people, items = (np.concatenate(column) for column in zip(*chosen, strict=True))
        mixed = random.permutation(len(people))
        _answer(work, people[mixed], items[mixed])


def _ask_experts(work: _Work, item: Ints, reason: Ints, state: Fit, skill: Skill, paused: Bools) -> None:
    crowd = work.crowd
    experts = crowd.people.role == EXPERT
    if not (experts & ~paused).any():
        return
    busy = work.num_given.copy()
    people = []
    for one in item.tolist():
        excluded = paused | work.involved[one]
        chosen = choose_expert(skill, crowd.people, int(work.items.domain[one]), busy=busy, excluded=excluded)
        if chosen is None:
            people.append(-1)
            continue
        busy[chosen] += 1
        people.append(chosen)
    who = np.array(people, dtype=np.int64)
    asked = item[who >= 0]
    if len(asked):
        work.reason[asked] = reason[asked]
        work.crowd_answer[asked] = state.answer[asked]
        _answer(work, who[who >= 0], asked)


def reasons_of(project: Project) -> dict[str, int]:
    """Return how many items each reason sent to an expert."""
    number = np.bincount(project.reason[: project.crowd.num_items], minlength=len(REASONS))
    return {name: int(number[place]) for place, name in enumerate(REASONS) if place and number[place]}
