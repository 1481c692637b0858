"""Items, and the work people do on them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = (
    "frame_tables",
    "operations",
    "assets",
    "queue_cursors",
    "queue_levels",
    "items",
    "item_moves",
    "proposals",
    "steps",
    "assignments",
    "step_decisions",
    "drafts",
    "proposal_views",
    "submissions",
)


def upgrade() -> None:
    """Make the tables."""
    _frame_tables()
    _operations()
    _assets()
    _queue_cursors()
    _queue_levels()
    _items()
    _item_moves()
    _proposals()
    _steps()
    _assignments()
    _step_decisions()
    _drafts()
    _proposal_views()
    _submissions()


def downgrade() -> None:
    """Remove the tables."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _frame_tables() -> None:
    op.create_table(
        "frame_tables",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_frame_tables")),
    )


def _operations() -> None:
    op.create_table(
        "operations",
        sa.Column("user_id", NUMBER, nullable=False),
        sa.Column("client_op_id", sa.String(length=36), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("response", sa.Text(), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_operations_user_id")),
        sa.PrimaryKeyConstraint("user_id", "client_op_id", name=op.f("pk_operations")),
    )


def _assets() -> None:
    op.create_table(
        "assets",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("suffix", sa.String(length=4), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("width", NUMBER, nullable=False),
        sa.Column("height", NUMBER, nullable=False),
        sa.Column("num_frames", NUMBER, nullable=False),
        sa.Column("duration_seconds", sa.Double(), nullable=False),
        sa.Column("frame_table_hash", sa.String(length=64), nullable=False),
        sa.Column("licence", sa.String(length=200), nullable=False),
        sa.Column("created_by", NUMBER, nullable=True),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_assets_created_by")),
        sa.ForeignKeyConstraint(["frame_table_hash"], ["frame_tables.hash"], name=op.f("fk_assets_frame_table_hash")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_assets_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assets")),
        sa.UniqueConstraint("project_id", "sha256", name=op.f("uq_assets_project_id_sha256")),
    )


def _queue_cursors() -> None:
    op.create_table(
        "queue_cursors",
        sa.Column("user_id", NUMBER, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("lane", sa.String(length=240), nullable=False),
        sa.Column("priority", NUMBER, nullable=False),
        sa.Column("position", NUMBER, nullable=False),
        sa.Column("scanned_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_queue_cursors_project_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_queue_cursors_user_id")),
        sa.PrimaryKeyConstraint("user_id", "project_id", "lane", "priority", name=op.f("pk_queue_cursors")),
    )


def _queue_levels() -> None:
    op.create_table(
        "queue_levels",
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("lane", sa.String(length=240), nullable=False),
        sa.Column("priority", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_queue_levels_project_id")),
        sa.PrimaryKeyConstraint("project_id", "lane", "priority", name=op.f("pk_queue_levels")),
    )


def _items() -> None:
    op.create_table(
        "items",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("asset_id", NUMBER, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("domain", sa.String(length=200), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("options", sa.Text(), nullable=True),
        sa.Column("first_step", sa.String(length=20), nullable=False),
        sa.Column("priority", NUMBER, nullable=False),
        sa.Column("needs_credential", sa.Boolean(), nullable=False),
        sa.Column("difficulty", sa.String(length=8), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("expert_reason", sa.String(length=40), nullable=True),
        sa.Column("is_repeated", sa.Boolean(), nullable=False),
        sa.Column("needs", sa.Text(), nullable=False),
        sa.Column("derived", sa.Text(), nullable=False),
        sa.Column("round", NUMBER, nullable=False),
        sa.Column("row_version", NUMBER, nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.Column("updated_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_items_asset_id")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_items_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
        sa.UniqueConstraint("project_id", "key", name=op.f("uq_items_project_id_key")),
    )
    op.create_index("ix_items_project_state", "items", ["project_id", "state", "id"], unique=False)


def _item_moves() -> None:
    op.create_table(
        "item_moves",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("item_id", NUMBER, nullable=False),
        sa.Column("event", sa.String(length=16), nullable=False),
        sa.Column("from_state", sa.String(length=16), nullable=False),
        sa.Column("to_state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("user_id", NUMBER, nullable=True),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_item_moves_item_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_item_moves_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item_moves")),
    )
    op.create_index(op.f("ix_item_moves_item_id"), "item_moves", ["item_id"], unique=False)


def _proposals() -> None:
    op.create_table(
        "proposals",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("item_id", NUMBER, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("prompt_sha256", sa.String(length=64), nullable=True),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_proposals_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposals")),
    )
    op.create_index(op.f("ix_proposals_item_id"), "proposals", ["item_id"], unique=False)


def _steps() -> None:
    op.create_table(
        "steps",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("item_id", NUMBER, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("subject", NUMBER, nullable=True),
        sa.Column("about", sa.String(length=20), nullable=True),
        sa.Column("work", sa.String(length=80), nullable=False),
        sa.Column("round", NUMBER, nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("for_user_id", NUMBER, nullable=True),
        sa.Column("home_lane", sa.String(length=240), nullable=False),
        sa.Column("lane", sa.String(length=240), nullable=True),
        sa.Column("priority", NUMBER, nullable=False),
        sa.Column("position", NUMBER, nullable=False),
        sa.Column("num_slots", NUMBER, nullable=False),
        sa.Column("num_taken", NUMBER, nullable=False),
        sa.Column("num_submitted", NUMBER, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.CheckConstraint("num_taken >= 0 AND num_taken <= num_slots", name=op.f("ck_steps_slots")),
        sa.ForeignKeyConstraint(["for_user_id"], ["users.id"], name=op.f("fk_steps_for_user_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_steps_item_id")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_steps_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_steps")),
    )
    op.create_index("ix_steps_decide", "steps", ["project_id", "state", "kind", "id"], unique=False)
    op.create_index("ix_steps_item", "steps", ["item_id"], unique=False)
    op.create_index("ix_steps_lane", "steps", ["project_id", "lane", "priority", "position"], unique=False)


def _assignments() -> None:
    op.create_table(
        "assignments",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("item_id", NUMBER, nullable=False),
        sa.Column("step_id", NUMBER, nullable=False),
        sa.Column("slot", NUMBER, nullable=True),
        sa.Column("work", sa.String(length=80), nullable=False),
        sa.Column("user_id", NUMBER, nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("fence", NUMBER, nullable=False),
        sa.Column("lease_until", NUMBER, nullable=False),
        sa.Column("guideline_version", NUMBER, nullable=False),
        sa.Column("policy_version", NUMBER, nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_assignments_item_id")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_assignments_project_id")),
        sa.ForeignKeyConstraint(["step_id"], ["steps.id"], name=op.f("fk_assignments_step_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_assignments_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignments")),
        sa.UniqueConstraint("step_id", "slot", name=op.f("uq_assignments_step_id_slot")),
        sa.UniqueConstraint("step_id", "user_id", name=op.f("uq_assignments_step_id_user_id")),
    )
    op.create_index("ix_assignments_item_user", "assignments", ["item_id", "user_id"], unique=False)
    op.create_index("ix_assignments_overdue", "assignments", ["state", "lease_until"], unique=False)
    op.create_index("ix_assignments_person", "assignments", ["project_id", "user_id", "state"], unique=False)


def _step_decisions() -> None:
    op.create_table(
        "step_decisions",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("step_id", NUMBER, nullable=False),
        sa.Column("item_id", NUMBER, nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("value", sa.String(length=200), nullable=False),
        sa.Column("posterior", sa.Double(), nullable=True),
        sa.Column("method", sa.String(length=80), nullable=False),
        sa.Column("submissions", sa.Text(), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_step_decisions_item_id")),
        sa.ForeignKeyConstraint(["step_id"], ["steps.id"], name=op.f("fk_step_decisions_step_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_step_decisions")),
    )
    op.create_index(op.f("ix_step_decisions_item_id"), "step_decisions", ["item_id"], unique=False)
    op.create_index(op.f("ix_step_decisions_step_id"), "step_decisions", ["step_id"], unique=False)


def _drafts() -> None:
    op.create_table(
        "drafts",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("assignment_id", NUMBER, nullable=False),
        sa.Column("rev", NUMBER, nullable=True),
        sa.Column("base_rev", NUMBER, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignments.id"], name=op.f("fk_drafts_assignment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drafts")),
        sa.UniqueConstraint("assignment_id", "rev", name=op.f("uq_drafts_assignment_id_rev")),
    )


def _proposal_views() -> None:
    op.create_table(
        "proposal_views",
        sa.Column("proposal_id", NUMBER, nullable=False),
        sa.Column("user_id", NUMBER, nullable=False),
        sa.Column("assignment_id", NUMBER, nullable=False),
        sa.Column("shown_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignments.id"], name=op.f("fk_proposal_views_assignment_id")),
        sa.ForeignKeyConstraint(["proposal_id"], ["proposals.id"], name=op.f("fk_proposal_views_proposal_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_proposal_views_user_id")),
        sa.PrimaryKeyConstraint("proposal_id", "user_id", name=op.f("pk_proposal_views")),
    )


def _submissions() -> None:
    op.create_table(
        "submissions",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("item_id", NUMBER, nullable=False),
        sa.Column("step_id", NUMBER, nullable=False),
        sa.Column("assignment_id", NUMBER, nullable=False),
        sa.Column("user_id", NUMBER, nullable=False),
        sa.Column("step_kind", sa.String(length=20), nullable=False),
        sa.Column("ordinal", NUMBER, nullable=False),
        sa.Column("client_op_id", sa.String(length=36), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("payload_sha256", sa.String(length=64), nullable=False),
        sa.Column("frame_table_hash", sa.String(length=64), nullable=False),
        sa.Column("guideline_version", NUMBER, nullable=False),
        sa.Column("policy_version", NUMBER, nullable=False),
        sa.Column("active_seconds", sa.Double(), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignments.id"], name=op.f("fk_submissions_assignment_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_submissions_item_id")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_submissions_project_id")),
        sa.ForeignKeyConstraint(["step_id"], ["steps.id"], name=op.f("fk_submissions_step_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_submissions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submissions")),
        sa.UniqueConstraint("assignment_id", "ordinal", name=op.f("uq_submissions_assignment_id_ordinal")),
        sa.UniqueConstraint("user_id", "client_op_id", name=op.f("uq_submissions_user_id_client_op_id")),
    )
    op.create_index("ix_submissions_item", "submissions", ["item_id", "id"], unique=False)
    op.create_index("ix_submissions_kind", "submissions", ["project_id", "step_kind", "id"], unique=False)
    op.create_index("ix_submissions_step", "submissions", ["step_id", "id"], unique=False)
