"""What models were asked and said beside proposals; which items wait for one; the text-only filter as a policy."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

from perceptlm.annotate.store.migrations.versions.v0003_first_records import keep_rows
from perceptlm.config import canonical_json

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = ("model_refusals", "text_only_checks")
SWITCH = "use_text_only"
"""It stood in what a project keeps of its pack, where nobody could change it, and was off in all of them."""


def upgrade() -> None:
    """Make the tables and the index, and leave the switch to the policy."""
    _model_refusals()
    _text_only_checks()
    for table in TABLES:
        op.create_index(op.f(f"ix_{table}_item_id"), table, ["item_id"], unique=False)
        keep_rows(table)
    op.create_index("ix_items_project_needs", "items", ["project_id", "needs", "id"], unique=False)
    _rewrite_packs(lambda content: content.pop(SWITCH, None))


def downgrade() -> None:
    """Take all of it back."""
    _rewrite_packs(lambda content: content.setdefault(SWITCH, False))
    op.drop_index("ix_items_project_needs", "items")
    for table in reversed(TABLES):
        op.drop_table(table)


def _model_refusals() -> None:
    op.create_table(
        "model_refusals",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("item_id", NUMBER, nullable=False),
        sa.Column("need", sa.String(length=24), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("prompt_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_model_refusals_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_refusals")),
    )


def _text_only_checks() -> None:
    op.create_table(
        "text_only_checks",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("item_id", NUMBER, nullable=False),
        sa.Column("about", sa.String(length=64), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("num_unreadable", NUMBER, nullable=False),
        sa.Column("alpha", sa.Double(), nullable=False),
        sa.Column("p_value", sa.Double(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("prompt_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_text_only_checks_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_text_only_checks")),
    )


def _rewrite_packs(change: Callable[[dict[str, Any]], object]) -> None:
    connection = op.get_bind()
    projects = sa.table("projects", sa.column("id", NUMBER), sa.column("pack_content", sa.Text()))
    for number, text in connection.execute(sa.select(projects.c.id, projects.c.pack_content)).all():
        content = json.loads(text)
        change(content)
        changed = projects.update().where(projects.c.id == number).values(pack_content=canonical_json(content))
        connection.execute(changed)
