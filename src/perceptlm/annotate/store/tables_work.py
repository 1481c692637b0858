"""Tables of work: steps and their slots, leases, drafts, submissions, decisions, and where people stand in the queue.

A step that has a slot to lease has a `lane`: the queue it stands in. A full or closed step has none, so that the index
over lanes holds only what can be leased. Within lane and priority, `position` is the order; a step that opens again
gets a new position at the end, so that nobody has to look behind where they have been.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from perceptlm.annotate.store.columns import Base, Json, Number, RowKey, Time


class Step(Base):
    """One piece of work on an item, done by `num_slots` different people.

    `subject` is the distractor's id, or the number of the pair in a ceiling step; `about` what an expert adjudicates.
    `work` names kind, subject and about in one word: nobody does the same work on an item twice.
    """

    __tablename__ = "steps"
    __table_args__ = (
        CheckConstraint("num_taken >= 0 AND num_taken <= num_slots", name="slots"),
        Index("ix_steps_lane", "project_id", "lane", "priority", "position"),
        Index("ix_steps_item", "item_id"),
        Index("ix_steps_decide", "project_id", "state", "kind", "id"),
    )
    id: Mapped[RowKey]
    project_id: Mapped[Number] = mapped_column(ForeignKey("projects.id"))
    item_id: Mapped[Number] = mapped_column(ForeignKey("items.id"))
    kind: Mapped[str] = mapped_column(String(20))
    subject: Mapped[Number | None]
    about: Mapped[str | None] = mapped_column(String(20))
    work: Mapped[str] = mapped_column(String(80))
    round: Mapped[Number]
    reason: Mapped[str | None] = mapped_column(String(40))
    for_user_id: Mapped[Number | None] = mapped_column(ForeignKey("users.id"))
    home_lane: Mapped[str] = mapped_column(String(240))
    lane: Mapped[str | None] = mapped_column(String(240))
    priority: Mapped[Number]
    position: Mapped[Number]
    num_slots: Mapped[Number]
    num_taken: Mapped[Number]
    num_submitted: Mapped[Number]
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[Time]


class QueueLevel(Base):
    """That a lane of a project has had steps of this priority."""

    __tablename__ = "queue_levels"
    project_id: Mapped[Number] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    lane: Mapped[str] = mapped_column(String(240), primary_key=True)
    priority: Mapped[Number] = mapped_column(primary_key=True)


class QueueCursor(Base):
    """How far a person has come in a lane: nothing at or before `position` is for them, but for rare exceptions."""

    __tablename__ = "queue_cursors"
    user_id: Mapped[Number] = mapped_column(ForeignKey("users.id"), primary_key=True)
    project_id: Mapped[Number] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    lane: Mapped[str] = mapped_column(String(240), primary_key=True)
    priority: Mapped[Number] = mapped_column(primary_key=True)
    position: Mapped[Number]
    scanned_at: Mapped[Time]


class Assignment(Base):
    """The lease of one slot of a step to one person. `slot` is empty once the lease has ended without submission."""

    __tablename__ = "assignments"
    __table_args__ = (
        UniqueConstraint("step_id", "slot"),
        UniqueConstraint("step_id", "user_id"),
        Index("ix_assignments_item_user", "item_id", "user_id"),
        Index("ix_assignments_person", "project_id", "user_id", "state"),
        Index("ix_assignments_overdue", "state", "lease_until"),
    )
    id: Mapped[RowKey]
    project_id: Mapped[Number] = mapped_column(ForeignKey("projects.id"))
    item_id: Mapped[Number] = mapped_column(ForeignKey("items.id"))
    step_id: Mapped[Number] = mapped_column(ForeignKey("steps.id"))
    slot: Mapped[Number | None]
    work: Mapped[str] = mapped_column(String(80))
    user_id: Mapped[Number] = mapped_column(ForeignKey("users.id"))
    role: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    fence: Mapped[Number]
    lease_until: Mapped[Time]
    guideline_version: Mapped[Number]
    policy_version: Mapped[Number]
    created_at: Mapped[Time]


class Draft(Base):
    """One saved state of a draft; never changed. `rev` is empty where it was refused as stale."""

    __tablename__ = "drafts"
    __table_args__ = (UniqueConstraint("assignment_id", "rev"),)
    id: Mapped[RowKey]
    assignment_id: Mapped[Number] = mapped_column(ForeignKey("assignments.id"))
    rev: Mapped[Number | None]
    base_rev: Mapped[Number]
    body: Mapped[Json]
    created_at: Mapped[Time]


class Submission(Base):
    """What a person submitted; never changed. `ordinal` 1 is a second answer, given after the reveal."""

    __tablename__ = "submissions"
    __table_args__ = (
        UniqueConstraint("assignment_id", "ordinal"),
        UniqueConstraint("user_id", "client_op_id"),
        Index("ix_submissions_item", "item_id", "id"),
        Index("ix_submissions_step", "step_id", "id"),
        Index("ix_submissions_kind", "project_id", "step_kind", "id"),
    )
    id: Mapped[RowKey]
    project_id: Mapped[Number] = mapped_column(ForeignKey("projects.id"))
    item_id: Mapped[Number] = mapped_column(ForeignKey("items.id"))
    step_id: Mapped[Number] = mapped_column(ForeignKey("steps.id"))
    assignment_id: Mapped[Number] = mapped_column(ForeignKey("assignments.id"))
    user_id: Mapped[Number] = mapped_column(ForeignKey("users.id"))
    step_kind: Mapped[str] = mapped_column(String(20))
    ordinal: Mapped[Number]
    client_op_id: Mapped[str] = mapped_column(String(36))
    payload: Mapped[Json]
    payload_sha256: Mapped[str] = mapped_column(String(64))
    frame_table_hash: Mapped[str] = mapped_column(String(64))
    guideline_version: Mapped[Number]
    policy_version: Mapped[Number]
    active_seconds: Mapped[float]
    created_at: Mapped[Time]


class Operation(Base):
    """What was answered to an operation, so that the same one sent again gets the same answer."""

    __tablename__ = "operations"
    user_id: Mapped[Number] = mapped_column(ForeignKey("users.id"), primary_key=True)
    client_op_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    request_sha256: Mapped[str] = mapped_column(String(64))
    response: Mapped[Json]
    created_at: Mapped[Time]


class ProposalView(Base):
    """That a person was shown a proposal, and when."""

    __tablename__ = "proposal_views"
    proposal_id: Mapped[Number] = mapped_column(ForeignKey("proposals.id"), primary_key=True)
    user_id: Mapped[Number] = mapped_column(ForeignKey("users.id"), primary_key=True)
    assignment_id: Mapped[Number] = mapped_column(ForeignKey("assignments.id"))
    shown_at: Mapped[Time]


class StepDecision(Base):
    """What was decided of a step, by which method, from which submissions; derived, added to, never changed.

    `value` is what would be accepted now, whatever the action; `num_labels` how many more are asked for.
    """

    __tablename__ = "step_decisions"
    id: Mapped[RowKey]
    step_id: Mapped[Number] = mapped_column(ForeignKey("steps.id"), index=True)
    item_id: Mapped[Number] = mapped_column(ForeignKey("items.id"), index=True)
    action: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(40))
    value: Mapped[str] = mapped_column(String(200))
    posterior: Mapped[float | None]
    num_labels: Mapped[Number] = mapped_column(default=0)
    method: Mapped[str] = mapped_column(String(80))
    submissions: Mapped[Json]
    created_at: Mapped[Time]
