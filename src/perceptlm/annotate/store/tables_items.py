"""Tables of what is asked: assets with their frame tables, items, proposals, and the moves an item has made."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from perceptlm.annotate.store.columns import Base, Json, LongText, Number, RowKey, Time


class FrameTableRow(Base):
    """When each decoded picture of a video is shown, under the digest that every annotation names."""

    __tablename__ = "frame_tables"
    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    body: Mapped[Json]


class Asset(Base):
    """A video or an image of a project; its file is named by its digest."""

    __tablename__ = "assets"
    __table_args__ = (UniqueConstraint("project_id", "sha256"),)
    id: Mapped[RowKey]
    project_id: Mapped[Number] = mapped_column(ForeignKey("projects.id"))
    sha256: Mapped[str] = mapped_column(String(64))
    suffix: Mapped[str] = mapped_column(String(4))
    kind: Mapped[str] = mapped_column(String(8))
    width: Mapped[Number]
    height: Mapped[Number]
    num_frames: Mapped[Number]
    duration_seconds: Mapped[float]
    frame_table_hash: Mapped[str] = mapped_column(ForeignKey("frame_tables.hash"))
    licence: Mapped[str] = mapped_column(String(200))
    created_by: Mapped[Number | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time]


class Item(Base):
    """One question about one asset. `row_version` counts its changes, but for those of releases; `round` how often it
    was done anew; `needs` is what it waits for from a model, one at most.
    """

    __tablename__ = "items"
    __table_args__ = (
        UniqueConstraint("project_id", "key"),
        Index("ix_items_project_state", "project_id", "state", "id"),
        Index("ix_items_project_needs", "project_id", "needs", "id"),
    )
    id: Mapped[RowKey]
    project_id: Mapped[Number] = mapped_column(ForeignKey("projects.id"))
    asset_id: Mapped[Number] = mapped_column(ForeignKey("assets.id"))
    key: Mapped[str] = mapped_column(String(200))
    domain: Mapped[str] = mapped_column(String(200))
    question: Mapped[LongText]
    options: Mapped[Json | None]
    first_step: Mapped[str] = mapped_column(String(20))
    priority: Mapped[Number]
    needs_credential: Mapped[bool]
    difficulty: Mapped[str | None] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(16))
    expert_reason: Mapped[str | None] = mapped_column(String(40))
    is_repeated: Mapped[bool]
    needs: Mapped[Json]
    derived: Mapped[Json]
    round: Mapped[Number]
    row_version: Mapped[Number]
    request_sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[Time]
    updated_at: Mapped[Time]


class Proposal(Base):
    """What a model proposed for an item; who has seen it and when stands in `proposal_views`."""

    __tablename__ = "proposals"
    id: Mapped[RowKey]
    item_id: Mapped[Number] = mapped_column(ForeignKey("items.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    text: Mapped[LongText]
    confidence: Mapped[float | None]
    model: Mapped[Json]
    prompt_sha256: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[Time]


class ModelRefusal(Base):
    """That a model was asked for what an item needs, and why its reply was of no use; never changed."""

    __tablename__ = "model_refusals"
    id: Mapped[RowKey]
    item_id: Mapped[Number] = mapped_column(ForeignKey("items.id"), index=True)
    need: Mapped[str] = mapped_column(String(24))
    reason: Mapped[LongText]
    model: Mapped[Json]
    prompt_sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[Time]


class TextOnlyRow(Base):
    """What a model without the video made of an item's distractors; never changed.

    `about` is the digest of the question and the answer; `counts` says of each distractor (`distractor_id`) how often
    it was asked about and told; `told` are those that are left out for it.
    """

    __tablename__ = "text_only_checks"
    id: Mapped[RowKey]
    item_id: Mapped[Number] = mapped_column(ForeignKey("items.id"), index=True)
    about: Mapped[str] = mapped_column(String(64))
    counts: Mapped[Json]
    num_unreadable: Mapped[Number]
    alpha: Mapped[float]
    p_value: Mapped[float]
    told: Mapped[Json]
    model: Mapped[Json]
    prompt_sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[Time]


class ItemMove(Base):
    """One move of an item through its life; never changed."""

    __tablename__ = "item_moves"
    id: Mapped[RowKey]
    item_id: Mapped[Number] = mapped_column(ForeignKey("items.id"), index=True)
    event: Mapped[str] = mapped_column(String(16))
    from_state: Mapped[str] = mapped_column(String(16))
    to_state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[LongText | None]
    user_id: Mapped[Number | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[Time]
