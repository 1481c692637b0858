"""Brings a database to the newest revision when the server starts; the revisions are part of the package.

Fails closed: a database of a newer or unknown revision, or a migration that does not finish, stops the start.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.util.exc import CommandError

from perceptlm.annotate.store.database import Database
from perceptlm.annotate.store.gold_guard import GOLD_ALLOWED
from perceptlm.errors import StorageError

MIGRATIONS = Path(__file__).parent / "migrations"


def alembic_config() -> AlembicConfig:
    """Return the settings of Alembic: where the revisions are."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def migrate(database: Database, revision: str = "head") -> None:
    """Bring `database` up to `revision` in one transaction; StorageError if its own is not known here."""
    config = alembic_config()
    with database.engine.connect().execution_options(**{GOLD_ALLOWED: True}) as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, revision)
        except CommandError as error:
            raise StorageError(
                f"the database cannot be brought to revision '{revision}': {error}",
                hint="it was made by a newer version of perceptlm, or is not one of its databases",
            ) from error
        connection.commit()
