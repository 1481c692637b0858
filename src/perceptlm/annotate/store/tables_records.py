"""Tables of record: gold, the audit log, the outbox with its deliveries, releases, and running numbers.

Tables whose names begin with `gold_` are reached only by transactions opened for gold (`store.gold_guard`).
"""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from perceptlm.annotate.store.columns import Base, Json, LongText, Number, RowKey, Time


class GoldChange(Base):
    """A proposed change of gold; another person approves it."""

    __tablename__ = "gold_changes"
    id: Mapped[RowKey]
    project_id: Mapped[Number] = mapped_column(ForeignKey("projects.id"), index=True)
    body: Mapped[Json]
    created_by: Mapped[Number] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time]
    approved_by: Mapped[Number | None] = mapped_column(ForeignKey("users.id"))
    approved_at: Mapped[Time | None]


class GoldItem(Base):
    """What is known to be right of one piece of work on an item: a step and, of a distractor, which."""

    __tablename__ = "gold_items"
    item_id: Mapped[Number] = mapped_column(ForeignKey("items.id"), primary_key=True)
    project_id: Mapped[Number] = mapped_column(ForeignKey("projects.id"), index=True)
    expected: Mapped[Json]
    planted_wrong: Mapped[bool]
    change_id: Mapped[Number] = mapped_column(ForeignKey("gold_changes.id"))
    step_kind: Mapped[str] = mapped_column(String(20))
    subject: Mapped[Number | None]


class CalibrationItem(Base):
    """What is known to be right of a piece of work that people do before real work, and why. Told after it is done."""

    __tablename__ = "calibration_items"
    item_id: Mapped[Number] = mapped_column(ForeignKey("items.id"), primary_key=True)
    project_id: Mapped[Number] = mapped_column(ForeignKey("projects.id"), index=True)
    step_kind: Mapped[str] = mapped_column(String(20))
    subject: Mapped[Number | None]
    expected: Mapped[Json]
    explanation: Mapped[LongText]


class AuditEvent(Base):
    """One change, chained to the one before it by its digest; never changed."""

    __tablename__ = "audit_events"
    __table_args__ = (Index("ix_audit_events_project", "project_id", "seq"),)
    seq: Mapped[Number] = mapped_column(primary_key=True, autoincrement=False)
    project_id: Mapped[Number | None] = mapped_column(ForeignKey("projects.id"))
    at: Mapped[Time]
    actor: Mapped[str] = mapped_column(String(80))
    action: Mapped[str] = mapped_column(String(80))
    subject: Mapped[str] = mapped_column(String(80))
    body: Mapped[Json]
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class AuditHead(Base):
    """The last event of the chain: one row, locked by whoever adds to it."""

    __tablename__ = "audit_head"
    id: Mapped[Number] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[Number]
    hash: Mapped[str] = mapped_column(String(64))


class Counter(Base):
    """A running number: positions in queues, fences of leases."""

    __tablename__ = "counters"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[Number]


class Webhook(Base):
    """Where a project wants to be told of events. Its signing key is derived from the server's secret."""

    __tablename__ = "webhooks"
    id: Mapped[RowKey]
    project_id: Mapped[Number] = mapped_column(ForeignKey("projects.id"), index=True)
    url: Mapped[str] = mapped_column(String(2000))
    events: Mapped[Json]
    created_by: Mapped[Number] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time]
    disabled_at: Mapped[Time | None]


class OutboxEvent(Base):
    """Something to tell, written in the transaction that made it so."""

    __tablename__ = "outbox_events"
    id: Mapped[RowKey]
    project_id: Mapped[Number] = mapped_column(ForeignKey("projects.id"), index=True)
    event: Mapped[str] = mapped_column(String(80))
    body: Mapped[Json]
    created_at: Mapped[Time]


class Delivery(Base):
    """One event for one webhook, and how far telling it has come."""

    __tablename__ = "deliveries"
    __table_args__ = (Index("ix_deliveries_due", "state", "next_at"),)
    id: Mapped[RowKey]
    outbox_event_id: Mapped[Number] = mapped_column(ForeignKey("outbox_events.id"))
    webhook_id: Mapped[Number] = mapped_column(ForeignKey("webhooks.id"), index=True)
    state: Mapped[str] = mapped_column(String(16))
    num_attempts: Mapped[Number]
    next_at: Mapped[Time]
    last_error: Mapped[LongText | None]
    delivered_at: Mapped[Time | None]


class Release(Base):
    """A set of accepted items, frozen; published by another person than it was drawn up by.

    `num_settled`: rows whose items stand as the release's state says, from the first one on.
    """

    __tablename__ = "releases"
    id: Mapped[RowKey]
    project_id: Mapped[Number] = mapped_column(ForeignKey("projects.id"), index=True)
    purpose: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(16))
    num_rows: Mapped[Number]
    num_settled: Mapped[Number] = mapped_column(default=0)
    rows_sha256: Mapped[str] = mapped_column(String(64))
    manifest: Mapped[Json]
    created_by: Mapped[Number] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time]
    approved_by: Mapped[Number | None] = mapped_column(ForeignKey("users.id"))
    published_at: Mapped[Time | None]
    superseded_at: Mapped[Time | None]
    superseded_reason: Mapped[LongText | None]


class ReleaseRow(Base):
    """One row of a release; never changed."""

    __tablename__ = "release_rows"
    release_id: Mapped[Number] = mapped_column(ForeignKey("releases.id"), primary_key=True)
    position: Mapped[Number] = mapped_column(primary_key=True)
    item_id: Mapped[Number] = mapped_column(ForeignKey("items.id"), index=True)
    row_version: Mapped[Number]
    body: Mapped[Json]


APPEND_ONLY = (
    "audit_events",
    "drafts",
    "guidelines",
    "item_moves",
    "model_refusals",
    "operations",
    "outbox_events",
    "policies",
    "proposal_views",
    "release_rows",
    "step_decisions",
    "submissions",
    "text_only_checks",
)
"""Tables whose rows the database itself refuses to change or remove."""
