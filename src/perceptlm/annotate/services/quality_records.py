"""The labels of a project as the quality engine wants them: numbers, with the names kept beside.

One piece of work (a `choice` step in its round) is one item of the engine. Gold is among them with its known value, so
this is read in a transaction opened for gold, by refits and dashboards only. Of long projects the pieces that are not
decided yet are read, and of the decided ones the newest, which are enough to know people by. Rows are read as columns,
not as objects: a fit of thousands of labels waits for this.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from perceptlm.annotate.policy import Policy
from perceptlm.annotate.quality.assess import Assessment, Wishes, assess
from perceptlm.annotate.quality.records import ANNOTATOR, EXPERT, MODEL, Items, Labels, People
from perceptlm.annotate.quality.routing import RoutingPolicy
from perceptlm.annotate.roles import Role
from perceptlm.annotate.services.projects import content_of
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import (
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
COPIES, FAILING = "copies", "failing"
"""Why people are paused, until a manager gives them their role anew; who fails also when a refit finds them better."""
MAX_DECIDED = 20_000
BLOCK = 2000
_Label = tuple[int, int, int, int, bool]


@dataclass(frozen=True)
class Piece:
    """A choice step in its round, with what matters of its item."""

    step_id: int
    item_id: int
    key: str
    round: int
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
    """What the engine gets, and which step and person each of its numbers stands for."""

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

    def assess(self, policy: Policy) -> Assessment:
        """Return what follows from the labels."""
        flagged, trusted = (np.array(column, dtype=np.bool_) for column in (self.copied_before, self.trusted))
        return assess(
            self.labels, self.items, self.people, rules_of(policy), self.wishes, flagged=flagged, trusted=trusted
        )


def rules_of(policy: Policy) -> RoutingPolicy:
    """Return the part of a project's policy that routes choices."""
    return RoutingPolicy(**{name: getattr(policy, name) for name in RoutingPolicy.model_fields})


def read_records(session: Session, project: Project, policy: Policy) -> Records:
    """Return the labels of a project's choices, in the order in which they were given, proposals that count first."""
    pieces = _pieces(session, project)
    members = {row.user_id: row for row in session.scalars(select(Membership).filter_by(project_id=project.id))}
    rows = _submissions(session, pieces)
    submission_ids: list[list[int]] = [[] for _ in pieces]
    for row, number in rows:
        if row.step_kind == KIND:
            submission_ids[number].append(row.id)
    # Whoever has labels counts, in whatever role they are now; of the others only who could be asked.
    asked = {row.user_id for row in members.values() if row.role in (Role.ANNOTATOR, Role.EXPERT)}
    user_ids = sorted(asked | {row.user_id for row, _ in rows})
    worker = {user_id: number for number, user_id in enumerate(user_ids)}
    shown = _shown(session, pieces) if project.mode == "verify" else {}
    given: list[_Label] = []
    for row, number in rows:
        choice = row.payload.get("choice")
        if choice is not None:
            seen = shown.get((row.item_id, row.user_id), -1) if row.step_kind == KIND else -1
            given.append((number, worker[row.user_id], choice, seen, bool(row.payload.get("unsure"))))
    known, planted = _known(session, project)
    proposals = _proposals(session, pieces)
    counts = project.mode == "verify" if policy.count_proposals is None else policy.count_proposals
    proposed, num_models = _proposed(pieces, proposals, planted, len(user_ids)) if counts else ([], 0)
    domains = [entry.id for entry in content_of(project).domains]
    people = [members.get(user_id) for user_id in user_ids]
    # Who is no member any more is what they were when they worked; nothing is given to them.
    decided = {row.user_id for row, _ in rows if row.step_kind != KIND}
    roles = [
        EXPERT if (user_id in decided if row is None else row.role == Role.EXPERT) else ANNOTATOR
        for user_id, row in zip(user_ids, people, strict=True)
    ]
    no_models = [False] * num_models
    own = np.zeros((len(user_ids) + num_models, len(domains)), dtype=np.bool_)
    own[: len(user_ids)] = _own_domains(session, project, user_ids, members)
    return Records(
        labels=_labels([*proposed, *given]),
        items=Items(
            num_options=np.array([len(piece.options) for piece in pieces], dtype=np.int64),
            domain=np.array([domains.index(piece.domain) for piece in pieces], dtype=np.int64),
            known=np.array([known.get(piece.item_id, -1) for piece in pieces], dtype=np.int64),
            num_domains=len(domains),
        ),
        people=People(np.array([*roles, *[MODEL] * num_models], dtype=np.int64), own),
        wishes=_wishes(pieces, proposals),
        pieces=pieces,
        user_ids=user_ids,
        domains=domains,
        submission_ids=submission_ids,
        copied_before=[row is not None and row.paused_reason == COPIES for row in people] + no_models,
        trusted=[row is not None and row.is_trusted for row in people] + no_models,
    )


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


def _pieces(session: Session, project: Project) -> list[Piece]:
    mine = _select_pieces(project)
    waiting = session.execute(mine.where(Step.state == "open", Step.num_submitted > 0)).all()
    done = session.execute(mine.where(Step.state != "open").order_by(Step.id.desc()).limit(MAX_DECIDED)).all()
    return [_piece(row) for row in sorted([*waiting, *done], key=lambda row: row[0])]


def pieces_nobody_answered(session: Session, project: Project) -> list[Piece]:
    """Return the first pieces without any submission, as many as are read of the others."""
    mine = _select_pieces(project).where(Step.num_submitted == 0, Step.state == "open", Item.is_repeated.is_(False))
    return [_piece(row) for row in session.execute(mine.order_by(Step.id).limit(MAX_DECIDED))]


def _select_pieces(project: Project) -> Any:
    columns = (
        Step.id, Step.item_id, Item.key, Step.round, Step.state, Item.state, Step.home_lane, Step.num_submitted,
        Item.domain, Item.options, Item.expert_reason, Item.needs_credential, Item.is_repeated,
    )  # fmt: skip
    return select(*columns).join(Item, Item.id == Step.item_id).where(Step.project_id == project.id, Step.kind == KIND)


def _piece(row: Any) -> Piece:
    return Piece(*row)


def _blocks(ids: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), BLOCK):
        yield list(ids[start : start + BLOCK])


def _submissions(session: Session, pieces: list[Piece]) -> list[tuple[Row[Any], int]]:
    """Return first answers with the place of their piece, and what experts decided, by the order of submission."""
    found: list[tuple[Row[Any], int]] = []
    place = {piece.step_id: number for number, piece in enumerate(pieces)}
    of_item = {(piece.item_id, piece.round): number for number, piece in enumerate(pieces)}
    columns = (
        Submission.id, Submission.user_id, Submission.item_id, Submission.step_id, Submission.step_kind,
        Submission.payload,
    )  # fmt: skip
    for block in _blocks([piece.step_id for piece in pieces]):
        statement = select(*columns).where(Submission.step_id.in_(block), Submission.ordinal == 0)
        found += [(row, place[row.step_id]) for row in session.execute(statement)]
    for block in _blocks([piece.item_id for piece in pieces]):
        expert = (
            select(*columns, Step.round)
            .join(Step, Step.id == Submission.step_id)
            .where(Submission.item_id.in_(block), Submission.step_kind == "expert", Step.about == KIND)
        )
        found += [
            (row, of_item[row.item_id, row.round])
            for row in session.execute(expert)
            if (row.item_id, row.round) in of_item
        ]
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


def _known(session: Session, project: Project) -> tuple[dict[int, int], set[int]]:
    """Return the known values of gold, and on which of it a wrong proposal was planted."""
    statement = select(GoldItem.item_id, GoldItem.expected, GoldItem.planted_wrong).where(
        GoldItem.project_id == project.id
    )
    known, planted = {}, set()
    for item_id, expected, is_planted in session.execute(statement):
        if isinstance(expected.get("choice"), int):
            known[item_id] = int(expected["choice"])
        if is_planted:
            planted.add(item_id)
    return known, planted


def _own_domains(session: Session, project: Project, user_ids: list[int], members: Collection[int]) -> Any:
    """Return which member holds a valid credential for which domain; one for a domain holds for those below it."""
    domains = content_of(project).domains
    own = np.zeros((len(user_ids), len(domains)), dtype=np.bool_)
    statement = select(Credential.user_id, Credential.domain).where(
        Credential.user_id.in_(members), Credential.expires_at > now(session), Credential.revoked_at.is_(None)
    )
    place = {user_id: number for number, user_id in enumerate(user_ids)}
    for user_id, domain in session.execute(statement):
        for number, entry in enumerate(domains):
            if domain == entry.id or domain in entry.parents:
                own[place[user_id], number] = True
    return own
