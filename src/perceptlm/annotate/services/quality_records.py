"""The labels of a project as the quality engine wants them: numbers, with the names kept beside.

One piece of work (a nominal step in its round) is one item of the engine; each kind of step is read by itself, since
people may be good at one and not at another. Gold is among them with its known value, so this is read in a transaction
opened for gold, by refits and dashboards only. Of long projects the pieces that are not
decided yet are read, and of the decided ones the newest, which are enough to know people by. Rows are read as columns,
not as objects: a fit of thousands of labels waits for this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
from sqlalchemy import Row, false, select
from sqlalchemy.orm import Session

from perceptlm.annotate.fgqa.payloads import DistractorVerdict, QuestionVerdict
from perceptlm.annotate.policy import Policy
from perceptlm.annotate.quality.assess import Assessment, Weighed, Wishes, route, weigh
from perceptlm.annotate.quality.dawid_skene import FitConfig
from perceptlm.annotate.quality.records import ANNOTATOR, EXPERT, MODEL, Items, Labels, People
from perceptlm.annotate.quality.routing import RoutingPolicy
from perceptlm.annotate.roles import Role
from perceptlm.annotate.services.projects import content_of
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import (
    CalibrationItem,
    Credential,
    GoldItem,
    Item,
    Membership,
    Project,
    Proposal,
    ProposalView,
    Step,
    Submission,
)

KIND = "choice"
VERDICTS: dict[str, list[str]] = {
    "question_check": list(get_args(QuestionVerdict)), "distractor": list(get_args(DistractorVerdict)),
}  # fmt: skip
"""Kinds of work with the same options on every item, and these."""
NOMINAL = (KIND, *VERDICTS)
_LIMITS = {
    KIND: ("first_labels", "most_labels"),
    "question_check": ("question_checks", "most_question_checks"),
    "distractor": ("distractor_judges", "most_distractor_judges"),
}
"""Where a policy says how many people are asked at first, and at most."""
COPIES, FAILING = "copies", "failing"
"""Why people are paused, until a manager gives them their role anew; who fails also when a refit finds them better."""
MAX_DECIDED = 20_000
BLOCK = 2000
_Label = tuple[int, int, int, int, bool]


@dataclass(frozen=True)
class Piece:
    """A nominal step in its round, with what matters of its item."""

    step_id: int
    item_id: int
    key: str
    round: int
    subject: int | None
    step_state: str
    item_state: str
    home_lane: str
    num_submitted: int
    domain: str
    options: list[str]
    expert_reason: str | None
    needs_credential: bool
    is_repeated: bool


@dataclass(frozen=True)
class Records:
    """What the engine gets of one kind of work, and which step and person each of its numbers stands for."""

    kind: str
    labels: Labels
    items: Items
    people: People
    wishes: Wishes
    pieces: list[Piece]
    user_ids: list[int]
    """Of the first people; models come after them."""
    domains: list[str]
    submission_ids: list[list[int]]
    """Per piece, the submissions that it has; not experts'."""
    copied_before: list[bool]
    """Per person: found copying by an earlier refit."""
    trusted: list[bool]
    """Per person: let work on by a manager."""

    def weigh(self, policy: Policy) -> Weighed:
        """Return what the labels say of items and people."""
        flagged, trusted = (np.array(column, dtype=np.bool_) for column in (self.copied_before, self.trusted))
        config = FitConfig(shared_values=self.kind in VERDICTS)
        rules = rules_of(policy, self.kind)
        return weigh(self.labels, self.items, self.people, rules, flagged=flagged, trusted=trusted, config=config)

    def route(self, weighed: Weighed, policy: Policy, paused_ids: set[int]) -> Assessment:
        """Return what follows from it; `paused_ids` are people who pause because of whatever kind of work."""
        paused = np.zeros(len(self.people), dtype=np.bool_)
        paused[: len(self.user_ids)] = [user_id in paused_ids for user_id in self.user_ids]
        rules = rules_of(policy, self.kind)
        return route(weighed, self.labels, self.items, self.people, rules, self.wishes, paused=paused)

    def paused_ids(self, weighed: Weighed) -> set[int]:
        """Return who pauses because of this kind of work."""
        return {user_id for worker, user_id in enumerate(self.user_ids) if weighed.paused[worker]}

    def value(self, number: int, place: int) -> str:
        """Return an option of a piece as decisions keep it: its place, or the verdict."""
        return self.pieces[number].options[place] if self.kind in VERDICTS else str(place)


def rules_of(policy: Policy, kind: str) -> RoutingPolicy:
    """Return the part of a project's policy that routes one kind of work."""
    values = {name: getattr(policy, name) for name in RoutingPolicy.model_fields}
    first, most = _LIMITS[kind]
    values |= {"first_labels": getattr(policy, first), "most_labels": getattr(policy, most)}
    if kind in VERDICTS:
        # Only choices have a queue for the better half.
        values["extra_labels_from"] = "anyone"
    return RoutingPolicy(**values)


def read_records(session: Session, project: Project, policy: Policy, kind: str = KIND) -> Records:
    """Return the labels of a project's work of one kind, in the order in which they were given, before them proposals
    that count."""
    pieces = _pieces(session, project, kind)
    members = {row.user_id: row for row in session.scalars(select(Membership).filter_by(project_id=project.id))}
    rows = _submissions(session, pieces, kind)
    submission_ids: list[list[int]] = [[] for _ in pieces]
    for row, number in rows:
        if row.step_kind == kind:
            submission_ids[number].append(row.id)
    # Whoever has labels counts, in whatever role they are now; of the others only who could be asked.
    asked = {row.user_id for row in members.values() if row.role in (Role.ANNOTATOR, Role.EXPERT)}
    user_ids = sorted(asked | {row.user_id for row, _ in rows})
    known, planted = _known(session, project, kind)
    # Of verdicts no model is asked.
    proposals = _proposals(session, pieces) if kind == KIND else {}
    counts = project.mode == "verify" if policy.count_proposals is None else policy.count_proposals
    proposed, num_models = _proposed(pieces, proposals, planted, len(user_ids)) if counts else ([], 0)
    shown = _shown(session, pieces) if project.mode == "verify" and kind == KIND else {}
    domains = [entry.id for entry in content_of(project).domains]
    people = [members.get(user_id) for user_id in user_ids]
    # Who is no member any more is what they were when they worked; nothing is given to them.
    decided = {row.user_id for row, _ in rows if row.step_kind != kind}
    roles = [
        EXPERT if (user_id in decided if row is None else row.role == Role.EXPERT) else ANNOTATOR
        for user_id, row in zip(user_ids, people, strict=True)
    ]
    no_models = [False] * num_models
    own = np.zeros((len(user_ids) + num_models, len(domains)), dtype=np.bool_)
    own[: len(user_ids)] = _own_domains(session, project, user_ids)
    return Records(
        kind=kind,
        labels=_labels([*proposed, *_given(rows, pieces, kind, user_ids, shown)]),
        items=Items(
            num_options=np.array([len(piece.options) for piece in pieces], dtype=np.int64),
            domain=np.array([domains.index(piece.domain) for piece in pieces], dtype=np.int64),
            known=np.array([known.get((piece.item_id, piece.subject), -1) for piece in pieces], dtype=np.int64),
            num_domains=len(domains),
        ),
        people=People(np.array([*roles, *[MODEL] * num_models], dtype=np.int64), own),
        wishes=_wishes(pieces, proposals) if kind == KIND else Wishes.none(len(pieces)),
        pieces=pieces,
        user_ids=user_ids,
        domains=domains,
        submission_ids=submission_ids,
        copied_before=[row is not None and row.paused_reason == COPIES for row in people] + no_models,
        trusted=[row is not None and row.is_trusted for row in people] + no_models,
    )


def _given(
    rows: list[tuple[Row[Any], int]],
    pieces: list[Piece],
    kind: str,
    user_ids: list[int],
    shown: dict[tuple[int, int], int],
) -> list[_Label]:
    """Return what people said, as labels; an expert may have said something that is no option."""
    worker = {user_id: number for number, user_id in enumerate(user_ids)}
    found: list[_Label] = []
    for row, number in rows:
        value = row.payload.get("choice" if kind == KIND else "verdict")
        if kind in VERDICTS:
            options = pieces[number].options
            value = options.index(value) if value in options else None
        if value is not None:
            seen = shown.get((row.item_id, row.user_id), -1) if row.step_kind == KIND else -1
            found.append((number, worker[row.user_id], value, seen, bool(row.payload.get("unsure"))))
    return found


def _labels(rows: Sequence[_Label]) -> Labels:
    if not rows:
        return Labels.none()
    item, worker, value, shown, unsure = (list(column) for column in zip(*rows, strict=True))
    return Labels(
        np.array(item, dtype=np.int64),
        np.array(worker, dtype=np.int64),
        np.array(value, dtype=np.int64),
        np.array(shown, dtype=np.int64),
        np.array(unsure, dtype=np.bool_),
    )


def _pieces(session: Session, project: Project, kind: str) -> list[Piece]:
    mine = _select_pieces(project, kind)
    waiting = session.execute(mine.where(Step.state == "open", Step.num_submitted > 0)).all()
    done = session.execute(mine.where(Step.state != "open").order_by(Step.id.desc()).limit(MAX_DECIDED)).all()
    return [_piece(row, kind) for row in sorted([*waiting, *done], key=lambda row: row[0])]


def _select_pieces(project: Project, kind: str) -> Any:
    columns = (
        Step.id, Step.item_id, Item.key, Step.round, Step.subject, Step.state, Item.state, Step.home_lane,
        Step.num_submitted, Item.domain, Item.options, Item.expert_reason, Item.needs_credential, Item.is_repeated,
    )  # fmt: skip
    return select(*columns).join(Item, Item.id == Step.item_id).where(Step.project_id == project.id, Step.kind == kind)


def _piece(row: Any, kind: str) -> Piece:
    piece = Piece(*row)
    return replace(piece, options=VERDICTS[kind]) if kind in VERDICTS else piece


def _blocks(ids: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), BLOCK):
        yield list(ids[start : start + BLOCK])


def _submissions(session: Session, pieces: list[Piece], kind: str) -> list[tuple[Row[Any], int]]:
    """Return first answers with the place of their piece, and what experts decided, by the order of submission."""
    found: list[tuple[Row[Any], int]] = []
    place = {piece.step_id: number for number, piece in enumerate(pieces)}
    of_item = {(piece.item_id, piece.round, piece.subject): number for number, piece in enumerate(pieces)}
    columns = (
        Submission.id, Submission.user_id, Submission.item_id, Submission.step_id, Submission.step_kind,
        Submission.payload,
    )  # fmt: skip
    for block in _blocks([piece.step_id for piece in pieces]):
        statement = select(*columns).where(Submission.step_id.in_(block), Submission.ordinal == 0)
        found += [(row, place[row.step_id]) for row in session.execute(statement)]
    for block in _blocks(list(dict.fromkeys(piece.item_id for piece in pieces))):
        expert = (
            select(*columns, Step.round, Step.subject)
            .join(Step, Step.id == Submission.step_id)
            .where(Submission.item_id.in_(block), Submission.step_kind == "expert", Step.about == kind)
        )
        for row in session.execute(expert):
            number = of_item.get((row.item_id, row.round, row.subject))
            if number is not None:
                found.append((row, number))
    return sorted(found, key=lambda entry: int(entry[0].id))


def _shown(session: Session, pieces: list[Piece]) -> dict[tuple[int, int], int]:
    """Return which option each person saw proposed, by item and person."""
    found = {}
    options = {piece.item_id: piece.options for piece in pieces}
    for block in _blocks(list(options)):
        statement = (
            select(Proposal.item_id, ProposalView.user_id, Proposal.text)
            .join(ProposalView, ProposalView.proposal_id == Proposal.id)
            .where(Proposal.item_id.in_(block), Proposal.kind == "choice")
        )
        for item_id, user_id, text in session.execute(statement):
            if text in options[item_id]:
                found[item_id, user_id] = options[item_id].index(text)
    return found


def _proposals(session: Session, pieces: list[Piece]) -> dict[int, list[Row[Any]]]:
    """Return the options that models proposed, by item, in the order in which they came."""
    found: dict[int, list[Row[Any]]] = {}
    for block in _blocks([piece.item_id for piece in pieces]):
        statement = (
            select(Proposal.item_id, Proposal.text, Proposal.confidence, Proposal.model)
            .where(Proposal.item_id.in_(block), Proposal.kind == "choice")
            .order_by(Proposal.id)
        )
        for row in session.execute(statement):
            found.setdefault(row.item_id, []).append(row)
    return found


def _proposed(
    pieces: list[Piece], proposals: dict[int, list[Row[Any]]], planted: set[int], first_worker: int
) -> tuple[list[_Label], int]:
    """Return what models proposed as labels of theirs, but for what was planted, and how many models there are."""
    found: list[_Label] = []
    workers: dict[tuple[str, str], int] = {}
    for number, piece in enumerate(pieces):
        said: set[int] = set()
        for row in () if piece.item_id in planted else proposals.get(piece.item_id, ()):
            model = (str(row.model.get("name")), str(row.model.get("revision")))
            worker = workers.setdefault(model, first_worker + len(workers))
            if row.text in piece.options and worker not in said:
                said.add(worker)
                found.append((number, worker, piece.options.index(row.text), -1, False))
    return found, len(workers)


def _wishes(pieces: list[Piece], proposals: dict[int, list[Row[Any]]]) -> Wishes:
    value, confidence = np.full(len(pieces), -1), np.zeros(len(pieces))
    for number, piece in enumerate(pieces):
        for row in proposals.get(piece.item_id, ()):
            if row.text in piece.options and (row.confidence or 0) > confidence[number]:
                value[number], confidence[number] = piece.options.index(row.text), row.confidence
    return Wishes(
        needs_credential=np.array([piece.needs_credential for piece in pieces], dtype=np.bool_),
        audited=np.array([piece.expert_reason == "audit" for piece in pieces], dtype=np.bool_),
        model_value=value,
        model_confidence=confidence,
    )


def _known(session: Session, project: Project, kind: str) -> tuple[dict[tuple[int, int | None], int], set[int]]:
    """Return the known values of gold and calibration by item and subject, and on which gold a wrong proposal was
    planted."""
    gold = select(GoldItem.item_id, GoldItem.subject, GoldItem.expected, GoldItem.planted_wrong).where(
        GoldItem.project_id == project.id, GoldItem.step_kind == kind
    )
    calibration = select(CalibrationItem.item_id, CalibrationItem.subject, CalibrationItem.expected, false()).where(
        CalibrationItem.project_id == project.id, CalibrationItem.step_kind == kind
    )
    known: dict[tuple[int, int | None], int] = {}
    planted = set()
    for item_id, subject, expected, is_planted in [*session.execute(gold), *session.execute(calibration)]:
        # Gold of earlier versions may expect what the engine cannot count with.
        if kind in VERDICTS and expected.get("verdict") in VERDICTS[kind]:
            known[item_id, subject] = VERDICTS[kind].index(expected["verdict"])
        elif kind == KIND and isinstance(expected.get("choice"), int):
            known[item_id, subject] = int(expected["choice"])
        if is_planted:
            planted.add(item_id)
    return known, planted


def _own_domains(session: Session, project: Project, user_ids: list[int]) -> Any:
    """Return who is a member with a valid credential for which domain; one for a domain holds for those below it."""
    domains = content_of(project).domains
    own = np.zeros((len(user_ids), len(domains)), dtype=np.bool_)
    statement = (
        select(Credential.user_id, Credential.domain)
        .join(Membership, Membership.user_id == Credential.user_id)
        .where(
            Membership.project_id == project.id,
            Credential.user_id.in_(user_ids),
            Credential.expires_at > now(session),
            Credential.revoked_at.is_(None),
        )
    )
    place = {user_id: number for number, user_id in enumerate(user_ids)}
    for user_id, domain in session.execute(statement):
        for number, entry in enumerate(domains):
            if domain == entry.id or domain in entry.parents:
                own[place[user_id], number] = True
    return own
