"""How far the items of a release have been moved; and versions of items that count only what they came to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_RELEASED = "SELECT count(*) FROM item_moves m WHERE m.item_id = items.id AND m.event = 'release'"


def upgrade() -> None:
    """Add the column. Published releases are settled; of superseded ones the server now moves the items."""
    op.add_column("releases", sa.Column("num_settled", NUMBER, nullable=False, server_default="0"))
    op.execute("UPDATE releases SET num_settled = num_rows WHERE state = 'published'")
    op.execute(f"UPDATE items SET row_version = row_version - ({_RELEASED})")


def downgrade() -> None:
    """Remove the column."""
    op.execute(f"UPDATE items SET row_version = row_version + ({_RELEASED})")
    op.drop_column("releases", "num_settled")
