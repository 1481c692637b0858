"""Starting: secrets that are refused, migrations with data, a directory that is copied while it is served."""

from __future__ import annotations

import json

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from annotation_service import FAST, PASSWORD
from sqlalchemy import select, text

from perceptlm.annotate.backups import copy_directory
from perceptlm.annotate.clock import ManualClock
from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.services.server import open_server
from perceptlm.annotate.store.database import Database
from perceptlm.annotate.store.gold_guard import GOLD_ALLOWED
from perceptlm.annotate.store.migrate import alembic_config, migrate
from perceptlm.annotate.store.tables import Base, User
from perceptlm.cli.main import run
from perceptlm.errors import StorageError, UsageError


@pytest.mark.parametrize("secret", ["", "change-me", "short", "a" * 40, "abab" * 20])
def test_a_secret_that_can_be_guessed_stops_the_start(tmp_path, secret):
    directory = DataDirectory.create(tmp_path / "data")
    (directory.path / "secret").write_text(secret)
    with pytest.raises(UsageError, match="secret"):
        open_server(directory)


def test_a_new_secret_is_long_private_and_another_each_time(tmp_path):
    first, second = (DataDirectory.create(tmp_path / name) for name in "ab")
    assert first.secret() != second.secret()
    assert (first.path / "secret").stat().st_mode & 0o077 == 0
    assert DataDirectory.create(tmp_path / "a").secret() == first.secret()


def test_tables_and_migrations_say_the_same(database_url):
    database = Database(database_url)
    with database.engine.connect().execution_options(**{GOLD_ALLOWED: True}) as connection:
        found = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    database.close()
    assert found == []


def test_there_is_one_newest_revision_and_all_lead_down_and_up_again(database_url):
    assert len(ScriptDirectory.from_config(alembic_config()).get_heads()) == 1
    database = Database(database_url)
    config = alembic_config()
    with database.engine.connect().execution_options(**{GOLD_ALLOWED: True}) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        connection.commit()
    migrate(database)
    migrate(database)
    assert database.read(lambda s: s.execute(text("SELECT seq FROM audit_head")).scalar()) == 0
    database.close()


def test_a_database_of_a_newer_version_stops_the_start(database_url):
    database = Database(database_url)
    with database.session(writes=True) as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="9999"):
        migrate(database)
    database.close()


def test_a_copy_made_while_it_is_served_has_everything(tmp_path):
    directory = DataDirectory.create(tmp_path / "data")
    server = open_server(directory, settings=FAST, clock=ManualClock())
    (directory.path / "media" / f"{'a' * 64}.png").write_bytes(b"x")
    with server.database.session(writes=False) as reading:
        reading.execute(select(User)).all()
        assert copy_directory(directory.path, tmp_path / "copy") == 1
    server.close()
    copy = open_server(DataDirectory.open(tmp_path / "copy"), settings=FAST)
    assert copy.secret == directory.secret()
    copy.close()
    with pytest.raises(UsageError, match="exists"):
        copy_directory(directory.path, tmp_path / "copy")


def test_the_command_line_makes_people_and_keys(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PLM_ANNOTATE_PASSWORD", PASSWORD)
    data = str(tmp_path / "data")
    assert run(["annotate", "init", data, "--owner", "own", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["user_id"] == 1
    assert run(["annotate", "init", data, "--owner", "again"]) == 1
    assert "already" in capsys.readouterr().err
    assert run(["annotate", "user-add", data, "ann", "--json"]) == 0
    assert run(["annotate", "user-add", data, "ann"]) == 1
    assert run(["annotate", "user-password", data, "ann"]) == 0
    assert run(["annotate", "user-disable", data, "ann"]) == 0
    assert run(["annotate", "member", data, "ann", "annotator", "--project", "none"]) == 1
    capsys.readouterr()
    assert run(["annotate", "verify-log", data, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num_events"] == 4
    monkeypatch.setenv("PLM_ANNOTATE_PASSWORD", "short")
    assert run(["annotate", "user-add", data, "bob"]) == 1
    assert "10" in capsys.readouterr().err
