"""How people stand in a project, as the quality engine sees them; and how many labels a decision asks for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the columns. What was leased before is counted."""
    op.add_column("memberships", sa.Column("paused_reason", sa.String(length=16), nullable=True))
    for name in ("is_trusted", "is_better"):
        op.add_column("memberships", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
    for name in ("num_given", "num_gold"):
        op.add_column("memberships", sa.Column(name, NUMBER, nullable=False, server_default="0"))
    op.add_column("step_decisions", sa.Column("num_labels", NUMBER, nullable=False, server_default="0"))
    mine = "a.project_id = memberships.project_id AND a.user_id = memberships.user_id"
    given = f"SELECT count(*) FROM assignments a WHERE {mine}"
    gold = f"SELECT count(*) FROM assignments a JOIN items i ON i.id = a.item_id WHERE {mine} AND i.is_repeated"
    op.execute(f"UPDATE memberships SET num_given = ({given}), num_gold = ({gold})")


def downgrade() -> None:
    """Remove the columns."""
    op.drop_column("step_decisions", "num_labels")
    for name in ("num_gold", "num_given", "is_better", "is_trusted", "paused_reason"):
        op.drop_column("memberships", name)
