"""Drawing up a release of any size while people work: rows are read without a lock and written a few at a time.

Until it is complete, it is `drawing` and nobody sees it. Its rows are in the order of items, so that whoever goes on
with one that was left (the server was killed, the disk was full) sees where it stands. A row may be of an item that has
changed since: publishing refuses such a release (`services.releases`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, delete, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from perceptlm.annotate.life_cycle import FINISHED
from perceptlm.annotate.refusals import Conflict
from perceptlm.annotate.release_row import FORMAT
from perceptlm.annotate.services.projects import project_of
from perceptlm.annotate.services.release_card import Tally
from perceptlm.annotate.services.release_rows import num_audited_discards, row_bodies
from perceptlm.annotate.store.audit import Actor, append, head_of
from perceptlm.annotate.store.database import Database, insert_all, now
from perceptlm.annotate.store.tables import Item, Project, Release, ReleaseRow
from perceptlm.config import canonical_json
from perceptlm.errors import DataError, PerceptLMError

BATCH = 500
CHUNK = 50
"""Rows that one transaction writes: others wait as long as that takes."""
DRAWING, FAILED, DRAFT = "drawing", "failed", "draft"
UNSEEN = (DRAWING, FAILED)
"""States in which a release is nothing to anybody; of one that failed only rows are left, which nothing removes."""


def begin(session: Session, project: Project, created_by: int, purpose: str) -> int:
    """Begin a release of all finished items and return its id; Conflict where there is none."""
    if session.scalar(_finished(project.id, 0).limit(1)) is None:
        raise _nothing()
    release = Release(
        project_id=project.id,
        purpose=purpose,
        state=DRAWING,
        num_rows=0,
        num_settled=0,
        rows_sha256="",
        manifest={},
        created_by=created_by,
        created_at=now(session),
    )
    session.add(release)
    session.flush()
    return release.id


def finish(database: Database, release_id: int, secret: bytes, *, until: float | None = None) -> bool:
    """Go on with drawing up a release, to its end or to the time `until` (monotonic); return whether it is at its end.

    Conflict if no item is left that is finished: the release is removed. Where the database is away or full, whoever
    calls again goes on; DataError where an item cannot be written as a row, which is the end of it.
    """
    try:
        return _go_on(database, release_id, secret, until)
    except (PerceptLMError, SQLAlchemyError):
        raise
    except Exception as error:
        database.write(lambda session: _fail(session, release_id))
        raise DataError(f"release {release_id} cannot be drawn up: {error!r}") from error


def _fail(session: Session, release_id: int) -> None:
    release = session.scalar(select(Release).where(Release.id == release_id).with_for_update(key_share=True))
    if release is not None and release.state == DRAWING:
        release.state = FAILED


def _go_on(database: Database, release_id: int, secret: bytes, until: float | None) -> bool:
    while until is None or time.monotonic() < until:
        rows, position = database.read(lambda session: _next_rows(session, release_id, secret))
        if not rows:
            if _seal(database, release_id):
                return True
            continue
        database.write(lambda session, rows=rows, position=position: _keep(session, release_id, rows, position))  # type: ignore[misc]
    return False


def _next_rows(session: Session, release_id: int, secret: bytes) -> tuple[list[dict[str, Any]], int]:
    """Return the next rows as the table takes them and the position of the first; none at the end."""
    release = session.get(Release, release_id)
    if release is None or release.state != DRAWING:
        return [], 0
    project = project_of(session, release.project_id)
    position, after = _last(session, release_id)
    items = list(session.scalars(_finished(project.id, after).limit(CHUNK)))
    rows = [
        {
            "release_id": release_id,
            "position": number,
            "item_id": item.id,
            "row_version": item.row_version,
            "body": body,
        }
        for number, (body, item) in enumerate(row_bodies(session, project, items, secret), start=position + 1)
    ]
    return rows, position + 1


def _keep(session: Session, release_id: int, rows: list[dict[str, Any]], position: int) -> None:
    release = session.scalar(select(Release).where(Release.id == release_id).with_for_update(key_share=True))
    # Whoever else went on with it has written these rows, or ended it.
    if release is not None and release.state == DRAWING and _last(session, release_id)[0] + 1 == position:
        insert_all(session, ReleaseRow, rows)


def _last(session: Session, release_id: int) -> tuple[int, int]:
    """Return position and item of the last row, -1 and 0 where there is none."""
    statement = select(ReleaseRow.position, ReleaseRow.item_id).where(ReleaseRow.release_id == release_id)
    last = session.execute(statement.order_by(ReleaseRow.position.desc()).limit(1)).one_or_none()
    return (-1, 0) if last is None else (last.position, last.item_id)


def _finished(project_id: int, after: int) -> Select[Item]:
    statement = select(Item).where(Item.project_id == project_id, Item.state.in_(FINISHED), Item.id > after)
    return statement.order_by(Item.id)


def _seal(database: Database, release_id: int) -> bool:
    """Read the rows once more, count them, and make a draft of them; False where there are more by then, which somebody
    else who went on with it has written."""
    digest, tally, num_rows = hashlib.sha256(), Tally(), 0
    for page in row_pages(database, release_id):
        for body in page:
            digest.update(canonical_json(body).encode() + b"\n")
            tally.add(body)
        num_rows += len(page)

    def look(session: Session) -> dict[str, Any]:
        release = session.get(Release, release_id)
        return (
            {}
            if release is None
            else tally.card(num_audited_discards(session, project_of(session, release.project_id)))
        )

    card = database.read(look)

    def seal(session: Session) -> bool:
        release = session.scalar(select(Release).where(Release.id == release_id).with_for_update(key_share=True))
        if release is None or release.state != DRAWING:
            return True
        if _last(session, release_id)[0] + 1 != num_rows:
            return False
        if num_rows == 0:
            session.execute(delete(Release).where(Release.id == release_id))
            return True
        project = project_of(session, release.project_id)
        release.state, release.num_rows, release.rows_sha256 = DRAFT, num_rows, digest.hexdigest()
        body = {"num_rows": num_rows, "rows_sha256": release.rows_sha256, "purpose": release.purpose}
        seq, head = head_of(session)
        release.manifest = {
            "format": FORMAT,
            "project": project.slug,
            "release": release.id,
            "guideline_version": project.guideline_version,
            "policy_version": project.policy_version,
            "licences": sorted(tally.licences),
            **body,
            "audit": {"seq": seq, "head": head},
            "card": card,
        }
        append(session, Actor.user(release.created_by), "release.create", f"release:{release.id}", body, project.id)
        return True

    is_sealed = database.write(seal)
    if is_sealed and num_rows == 0:
        raise _nothing()
    return is_sealed


def _nothing() -> Conflict:
    return Conflict("nothing_to_release", "no item is accepted yet")


def row_pages(database: Database, release_id: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of a release in order, a page at a time, each in a transaction of its own: they never change."""
    after = -1
    while True:

        def look(session: Session, after: int = after) -> list[tuple[int, Any]]:
            statement = select(ReleaseRow.position, ReleaseRow.body).where(
                ReleaseRow.release_id == release_id, ReleaseRow.position > after
            )
            found = session.execute(statement.order_by(ReleaseRow.position).limit(BATCH))
            return [(position, body) for position, body in found]

        rows = database.read(look)
        if not rows:
            return
        after = rows[-1][0]
        yield [body for _, body in rows]
