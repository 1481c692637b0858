"""The first tables."""

from __future__ import annotations

from alembic import op

from perceptlm.annotate.store.tables import Base

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    Base.metadata.create_all(op.get_bind())
    op.execute("INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '" + "0" * 64 + "')")
    op.execute("INSERT INTO counters (name, value) VALUES ('position', 0), ('fence', 0)")


def downgrade() -> None:
    """Remove the tables."""
    Base.metadata.drop_all(op.get_bind())
