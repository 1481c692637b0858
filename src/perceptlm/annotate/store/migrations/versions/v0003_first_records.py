"""Gold, the audit log, the outbox, releases, and triggers that keep records as they were written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
APPEND_ONLY = (
    "audit_events",
    "drafts",
    "guidelines",
    "item_moves",
    "operations",
    "outbox_events",
    "policies",
    "proposal_views",
    "release_rows",
    "step_decisions",
    "submissions",
)
TABLES = (
    "audit_head",
    "counters",
    "audit_events",
    "gold_changes",
    "outbox_events",
    "releases",
    "webhooks",
    "deliveries",
    "gold_items",
    "release_rows",
)


def upgrade() -> None:
    """Make the tables."""
    _audit_head()
    _counters()
    _audit_events()
    _gold_changes()
    _outbox_events()
    _releases()
    _webhooks()
    _deliveries()
    _gold_items()
    _release_rows()
    op.execute(f"INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '{'0' * 64}')")
    op.execute("INSERT INTO counters (name, value) VALUES ('position', 0), ('fence', 0)")
    for table in APPEND_ONLY:
        keep_rows(table)


def downgrade() -> None:
    """Remove the tables."""
    _let_rows_go()
    for table in reversed(TABLES):
        op.drop_table(table)


def _let_rows_go() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in APPEND_ONLY:
            op.execute(f"DROP TRIGGER IF EXISTS keep_{table} ON {table}")
        op.execute("DROP FUNCTION refuse_change()")
        return
    for table in APPEND_ONLY:
        for change in ("update", "delete"):
            op.execute(f"DROP TRIGGER IF EXISTS keep_{table}_{change}")


def keep_rows(table: str) -> None:
    """Let the database refuse to change or remove rows of a table."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger AS "
            "$$ BEGIN RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME; END $$ LANGUAGE plpgsql"
        )
        op.execute(
            f"CREATE TRIGGER keep_{table} BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER keep_{table}_{change.lower()} BEFORE {change} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, 'rows of {table} are never changed'); END"
        )


def _audit_head() -> None:
    op.create_table(
        "audit_head",
        sa.Column("id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("seq", NUMBER, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )


def _counters() -> None:
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counters")),
    )


def _audit_events() -> None:
    op.create_table(
        "audit_events",
        sa.Column("seq", NUMBER, autoincrement=False, nullable=False),
        sa.Column("project_id", NUMBER, nullable=True),
        sa.Column("at", NUMBER, nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("action", sa.String(length=80), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_audit_events_project_id")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_events")),
    )
    op.create_index("ix_audit_events_project", "audit_events", ["project_id", "seq"], unique=False)


def _gold_changes() -> None:
    op.create_table(
        "gold_changes",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_by", NUMBER, nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.Column("approved_by", NUMBER, nullable=True),
        sa.Column("approved_at", NUMBER, nullable=True),
        sa.ForeignKeyConstraint(["approved_by"], ["users.id"], name=op.f("fk_gold_changes_approved_by")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_gold_changes_created_by")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_gold_changes_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gold_changes")),
    )
    op.create_index(op.f("ix_gold_changes_project_id"), "gold_changes", ["project_id"], unique=False)


def _outbox_events() -> None:
    op.create_table(
        "outbox_events",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("event", sa.String(length=80), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_outbox_events_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_events")),
    )
    op.create_index(op.f("ix_outbox_events_project_id"), "outbox_events", ["project_id"], unique=False)


def _releases() -> None:
    op.create_table(
        "releases",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("purpose", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("num_rows", NUMBER, nullable=False),
        sa.Column("rows_sha256", sa.String(length=64), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("created_by", NUMBER, nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.Column("approved_by", NUMBER, nullable=True),
        sa.Column("published_at", NUMBER, nullable=True),
        sa.Column("superseded_at", NUMBER, nullable=True),
        sa.Column("superseded_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["approved_by"], ["users.id"], name=op.f("fk_releases_approved_by")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_releases_created_by")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_releases_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_releases")),
    )
    op.create_index(op.f("ix_releases_project_id"), "releases", ["project_id"], unique=False)


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("created_by", NUMBER, nullable=False),
        sa.Column("created_at", NUMBER, nullable=False),
        sa.Column("disabled_at", NUMBER, nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_webhooks_created_by")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_webhooks_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index(op.f("ix_webhooks_project_id"), "webhooks", ["project_id"], unique=False)


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("outbox_event_id", NUMBER, nullable=False),
        sa.Column("webhook_id", NUMBER, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("num_attempts", NUMBER, nullable=False),
        sa.Column("next_at", NUMBER, nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("delivered_at", NUMBER, nullable=True),
        sa.ForeignKeyConstraint(["outbox_event_id"], ["outbox_events.id"], name=op.f("fk_deliveries_outbox_event_id")),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name=op.f("fk_deliveries_webhook_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index("ix_deliveries_due", "deliveries", ["state", "next_at"], unique=False)
    op.create_index(op.f("ix_deliveries_webhook_id"), "deliveries", ["webhook_id"], unique=False)


def _gold_items() -> None:
    op.create_table(
        "gold_items",
        sa.Column("item_id", NUMBER, nullable=False),
        sa.Column("project_id", NUMBER, nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("planted_wrong", sa.Boolean(), nullable=False),
        sa.Column("change_id", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["change_id"], ["gold_changes.id"], name=op.f("fk_gold_items_change_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_gold_items_item_id")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_gold_items_project_id")),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_gold_items")),
    )
    op.create_index(op.f("ix_gold_items_project_id"), "gold_items", ["project_id"], unique=False)


def _release_rows() -> None:
    op.create_table(
        "release_rows",
        sa.Column("release_id", NUMBER, nullable=False),
        sa.Column("position", NUMBER, nullable=False),
        sa.Column("item_id", NUMBER, nullable=False),
        sa.Column("row_version", NUMBER, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_release_rows_item_id")),
        sa.ForeignKeyConstraint(["release_id"], ["releases.id"], name=op.f("fk_release_rows_release_id")),
        sa.PrimaryKeyConstraint("release_id", "position", name=op.f("pk_release_rows")),
    )
    op.create_index(op.f("ix_release_rows_item_id"), "release_rows", ["item_id"], unique=False)
