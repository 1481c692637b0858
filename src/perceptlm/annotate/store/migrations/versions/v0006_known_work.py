"""What is known of pieces of work: gold of more steps, calibration items and who passed them; and fits are counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns and the table. Gold up to now is of the step its item begins with."""
    op.add_column("gold_items", sa.Column("step_kind", sa.String(length=20), nullable=False, server_default="choice"))
    op.add_column("gold_items", sa.Column("subject", NUMBER, nullable=True))
    op.execute("UPDATE gold_items SET step_kind = (SELECT first_step FROM items WHERE items.id = gold_items.item_id)")
    op.add_column("memberships", sa.Column("last_step_id", NUMBER, nullable=True))
    op.add_column("memberships", sa.Column("calibrated_at", NUMBER, nullable=True))
    op.add_column("projects", sa.Column("num_fits", NUMBER, nullable=False, server_default="0"))
    op.create_table(
        "calibration_items",
        sa.Column("item_id", NUMBER, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("step_kind", sa.String(length=20), nullable=False),
        sa.Column("subject", NUMBER, nullable=True),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_calibration_items_item_id")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_calibration_items_project_id")),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_calibration_items")),
    )
    op.create_index(op.f("ix_calibration_items_project_id"), "calibration_items", ["project_id"])


def downgrade() -> None:
    """Remove them."""
    op.drop_table("calibration_items")
    op.drop_column("projects", "num_fits")
    op.drop_column("memberships", "calibrated_at")
    op.drop_column("memberships", "last_step_id")
    op.drop_column("gold_items", "subject")
    op.drop_column("gold_items", "step_kind")
