"""Releases: accepted items, frozen; drawn up by one person, published by another, never changed, only superseded.

A row holds what an item came to and from which submissions; people are pseudonyms. Rows are written and read in
batches, so that a release of any size takes constant memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.life_cycle import Actor as Mover
from perceptlm.annotate.life_cycle import Event
from perceptlm.annotate.refusals import Conflict, NotFound
from perceptlm.annotate.release_row import FORMAT
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.item_states import locked_item, move
from perceptlm.annotate.services.release_card import Tally
from perceptlm.annotate.services.release_rows import num_audited_discards, row_bodies
from perceptlm.annotate.store.audit import append, head_of
from perceptlm.annotate.store.database import Database, now
from perceptlm.annotate.store.outbox import emit
from perceptlm.annotate.store.tables import Item, Project, Proposal, Release, ReleaseRow, Submission
from perceptlm.config import canonical_json

BATCH = 500
DRAFT, PUBLISHED, SUPERSEDED = "draft", "published", "superseded"
FINISHED = ("accepted", "released")


def draw_up(session: Session, caller: Caller, project: Project, purpose: str, secret: bytes) -> dict[str, Any]:
    """Freeze all items that are accepted, or were released before, as the rows of a new release."""
    digest, position, tally = hashlib.sha256(), 0, Tally()
    release = Release(
        project_id=project.id,
        purpose=purpose,
        state=DRAFT,
        num_rows=0,
        rows_sha256="",
        manifest={},
        created_by=caller.person(),
        created_at=now(session),
    )
    session.add(release)
    session.flush()
    for items in _finished_items(session, project):
        for body, item in row_bodies(session, project, items, secret):
            digest.update(canonical_json(body).encode() + b"\n")
            tally.add(body)
            row = ReleaseRow(
                release_id=release.id, position=position, item_id=item.id, row_version=item.row_version, body=body
            )
            session.add(row)
            position += 1
        for table in (ReleaseRow, Submission, Proposal):
            _forget(session, table)
    if position == 0:
        raise Conflict("nothing_to_release", "no item is accepted yet")
    seq, head = head_of(session)
    release.num_rows, release.rows_sha256 = position, digest.hexdigest()
    release.manifest = {
        "format": FORMAT,
        "project": project.slug,
        "release": release.id,
        "purpose": purpose,
        "guideline_version": project.guideline_version,
        "policy_version": project.policy_version,
        "licences": sorted(tally.licences),
        "num_rows": position,
        "rows_sha256": release.rows_sha256,
        "audit": {"seq": seq, "head": head},
        "card": tally.card(num_audited_discards(session, project)),
    }
    body = {"num_rows": position, "rows_sha256": release.rows_sha256, "purpose": purpose}
    append(session, caller.actor, "release.create", f"release:{release.id}", body, project.id)
    return release_answer(release)


def _finished_items(session: Session, project: Project) -> Iterator[list[Item]]:
    after = 0
    while True:
        statement = select(Item).where(Item.project_id == project.id, Item.state.in_(FINISHED), Item.id > after)
        items = list(session.scalars(statement.order_by(Item.id).limit(BATCH)))
        if not items:
            return
        after = items[-1].id
        yield items
        _forget(session, Item)


def _forget(session: Session, table: type[Any]) -> None:
    """Let go of rows that were written or read, so that memory does not grow with the release."""
    session.flush()
    for row in [row for row in session.identity_map.values() if isinstance(row, table)]:
        session.expunge(row)


def approve(session: Session, caller: Caller, release_id: int) -> dict[str, Any]:
    """Publish a release that somebody else drew up; Conflict if an item has changed since."""
    release = locked_release(session, release_id)
    if release.state != DRAFT:
        raise Conflict("not_a_draft", f"the release is {release.state}")
    if release.created_by == caller.person():
        raise Conflict("second_person_needed", "a release is published by another person than drew it up")
    _lock_items(session, release)
    after = -1
    while True:
        statement = select(ReleaseRow.position, ReleaseRow.item_id, ReleaseRow.row_version).where(
            ReleaseRow.release_id == release.id, ReleaseRow.position > after
        )
        rows = session.execute(statement.order_by(ReleaseRow.position).limit(BATCH)).all()
        if not rows:
            break
        for position, item_id, version in rows:
            after = position
            item = locked_item(session, item_id)
            if item.state not in FINISHED or item.row_version != version:
                raise Conflict("release_stale", f"the item '{item.key}' has changed since", hint="draw it up anew")
            if item.state == "accepted":
                move(session, item, Event.RELEASE, Mover.MANAGER, caller.actor, reason=f"release {release.id}")
        session.flush()
        _forget(session, Item)
    release.state, release.approved_by, release.published_at = PUBLISHED, caller.person(), now(session)
    body = {"release": release.id, "num_rows": release.num_rows, "rows_sha256": release.rows_sha256}
    append(session, caller.actor, "release.publish", f"release:{release.id}", body, release.project_id)
    emit(session, release.project_id, "release.published", body)
    return release_answer(release)


def _lock_items(session: Session, release: Release) -> None:
    """Lock the items of a release, all before the audit log's head: see `store.audit.locked_head`."""
    mine = select(ReleaseRow.item_id).where(ReleaseRow.release_id == release.id)
    statement = select(Item.id).where(Item.id.in_(mine)).order_by(Item.id).with_for_update(key_share=True)
    for _ in session.scalars(statement.execution_options(yield_per=BATCH)):
        pass


def supersede(session: Session, caller: Caller, release_id: int, reason: str) -> dict[str, Any]:
    """Mark a published release as superseded; its rows stay, and so do the items, for a later one."""
    release = locked_release(session, release_id)
    if release.state != PUBLISHED:
        raise Conflict("not_published", f"the release is {release.state}")
    release.state, release.superseded_at, release.superseded_reason = SUPERSEDED, now(session), reason
    body = {"release": release.id, "reason": reason}
    append(session, caller.actor, "release.supersede", f"release:{release.id}", body, release.project_id)
    emit(session, release.project_id, "release.superseded", body)
    return release_answer(release)


def locked_release(session: Session, release_id: int) -> Release:
    """Return a release, locked; NotFound."""
    statement = select(Release).where(Release.id == release_id).with_for_update(key_share=True)
    release = session.scalar(statement.execution_options(populate_existing=True))
    if release is None:
        raise NotFound("no_such_release", f"there is no release {release_id}")
    return release


def release_answer(release: Release) -> dict[str, Any]:
    """Return what the interface says of a release."""
    names = ("id", "purpose", "state", "num_rows", "rows_sha256", "manifest", "created_by", "created_at",
             "approved_by", "published_at", "superseded_at", "superseded_reason")  # fmt: skip
    return {name: getattr(release, name) for name in names}


def show_release(session: Session, release_id: int) -> dict[str, Any]:
    """Return a release with its errata: items that were reported since it was published."""
    release = session.get_one(Release, release_id)
    statement = (
        select(Item.key)
        .join(ReleaseRow, ReleaseRow.item_id == Item.id)
        .where(ReleaseRow.release_id == release_id, Item.row_version > ReleaseRow.row_version + 1)
    )
    errata = sorted(session.scalars(statement)) if release.state != DRAFT else []
    return {**release_answer(release), "errata": errata}


def list_releases(session: Session, project: Project) -> list[dict[str, Any]]:
    """Return the releases of a project."""
    rows = session.scalars(select(Release).where(Release.project_id == project.id).order_by(Release.id))
    return [release_answer(row) for row in rows]


def published_release(session: Session, project: Project, release_id: int | None) -> Release:
    """Return a release of a project that was published, without a number the newest that holds.

    NotFound for none; Conflict for a draft. One that was superseded is given only by its number.
    """
    mine = select(Release).where(Release.project_id == project.id)
    if release_id is None:
        release = session.scalar(mine.where(Release.state == PUBLISHED).order_by(Release.id.desc()).limit(1))
        if release is None:
            raise NotFound("no_release", f"the project '{project.slug}' has no published release")
        return release
    release = session.scalar(mine.where(Release.id == release_id))
    if release is None:
        raise NotFound("no_such_release", f"the project '{project.slug}' has no release {release_id}")
    if release.state == DRAFT:
        raise Conflict("not_published", f"the release {release_id} is a draft", hint="another person publishes it")
    return release


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


def stream_rows(database: Database, release_id: int) -> Iterator[bytes]:
    """Yield the rows of a release as JSON lines, a page at a time: their digest is `rows_sha256`."""
    for page in row_pages(database, release_id):
        yield b"".join(canonical_json(body).encode() + b"\n" for body in page)
