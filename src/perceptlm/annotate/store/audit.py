"""The audit log: every change as an event, written in the same transaction, each holding the digest of the one before.

Whoever alters, removes or inserts an event breaks the chain from there on; cutting off its end is seen by the head, and
by the heads that releases have published. `verify` also compares every submission with the digest in its event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import AuditEvent, AuditHead, Submission
from perceptlm.config import Config, digest_of

GENESIS = "0" * 64
HEAD_ID = 1
BATCH = 1000
SUBMITTED = "submission.create"


@dataclass(frozen=True)
class Actor:
    """Who makes a change: `user:3`, `key:1` or `server`."""

    name: str
    user_id: int | None = None

    @classmethod
    def user(cls, user_id: int) -> Actor:
        """Return the actor of a person."""
        return cls(f"user:{user_id}", user_id)


SERVER = Actor("server")


class AuditReport(Config):
    """What `verify` found. `first_broken` is the number of the first event that does not fit, if any."""

    is_intact: bool
    num_events: int
    head: str
    first_broken: int | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Entry:
    """One event to add."""

    action: str
    subject: str
    body: dict[str, Any]


def append(
    session: Session, actor: Actor, action: str, subject: str, body: dict[str, Any], project_id: int | None = None
) -> None:
    """Add an event to the chain; it holds the lock of the head until the transaction ends."""
    append_all(session, actor, [Entry(action, subject, body)], project_id)


def append_all(session: Session, actor: Actor, entries: Sequence[Entry], project_id: int | None = None) -> None:
    """Add events to the chain, in their order and in one statement; none locks nothing."""
    if not entries:
        return
    head, time = locked_head(session), now(session)
    for entry in entries:
        event = AuditEvent(
            seq=head.seq + 1,
            project_id=project_id,
            at=time,
            actor=actor.name,
            action=entry.action,
            subject=entry.subject,
            body=entry.body,
            previous=head.hash,
        )
        event.hash = event_digest(event)
        session.add(event)
        head.seq, head.hash = event.seq, event.hash
    session.flush()


def locked_head(session: Session) -> AuditHead:
    """Return the head of the chain, locked.

    One order for everybody, so that no two transactions wait for each other: memberships by person, credentials and
    releases, then assignments, items by id, their steps by id, then this head, then running numbers and rows of
    projects. Rows are locked without their keys (`key_share`), so
    that nobody who only refers to one waits.
    """
    statement = select(AuditHead).where(AuditHead.id == HEAD_ID).with_for_update(key_share=True)
    return session.execute(statement.execution_options(populate_existing=True)).scalar_one()


def event_digest(event: AuditEvent) -> str:
    """Return the digest of an event: of everything it says and of the digest before it."""
    return digest_of(
        {
            "seq": event.seq,
            "project_id": event.project_id,
            "at": event.at,
            "actor": event.actor,
            "action": event.action,
            "subject": event.subject,
            "body": event.body,
            "previous": event.previous,
        }
    )


def head_of(session: Session) -> tuple[int, str]:
    """Return number and digest of the last event."""
    head = session.execute(select(AuditHead).where(AuditHead.id == HEAD_ID)).scalar_one()
    return head.seq, head.hash


def verify(session: Session) -> AuditReport:
    """Read the whole chain, in batches, and say whether it is intact."""
    previous, seq = GENESIS, 0
    head_seq, head_hash = head_of(session)

    def broken(at: int, problem: str) -> AuditReport:
        return AuditReport(is_intact=False, num_events=seq, head=head_hash, first_broken=at, problem=problem)

    num_submitted = 0
    while True:
        events = list(
            session.scalars(select(AuditEvent).where(AuditEvent.seq > seq).order_by(AuditEvent.seq).limit(BATCH))
        )
        if not events:
            break
        for event in events:
            if event.seq != seq + 1:
                return broken(seq + 1, "an event is missing")
            if event.previous != previous or event.hash != event_digest(event):
                return broken(event.seq, "the event was altered")
            previous, seq = event.hash, event.seq
        num_submitted += sum(event.action == SUBMITTED for event in events)
        if wrong := _wrong_submission(session, events):
            return broken(*wrong)
        session.expunge_all()
    if (seq, previous) != (head_seq, head_hash):
        return broken(seq + 1, "the end of the log was cut off")
    num_rows = session.query(Submission.id).count()
    if num_rows != num_submitted:
        return broken(seq, f"{num_rows} submissions, but {num_submitted} events of them")
    return AuditReport(is_intact=True, num_events=seq, head=previous)


def _wrong_submission(session: Session, events: list[AuditEvent]) -> tuple[int, str] | None:
    """Compare the submissions these events speak of with the digests in them."""
    told = {event.body["submission"]: event for event in events if event.action == SUBMITTED}
    rows = session.scalars(select(Submission).where(Submission.id.in_(list(told))))
    found = {row.id: digest_of(row.payload) for row in rows}
    for submission_id, event in told.items():
        if submission_id not in found:
            return event.seq, f"submission {submission_id} is missing"
        if found[submission_id] != event.body["payload_sha256"]:
            return event.seq, f"submission {submission_id} was altered"
    return None
