"""Releases: finished items, frozen; drawn up by one person, published by another, never changed, only superseded.

A row holds what an item came to and from which submissions; people are pseudonyms. An item is `released` while a
published release carries it, and `superseded` when none does any more: publishing and superseding are one short
transaction, after which the items are moved a few at a time (`settle`). Whatever of this a killed server left undone is
done by the next one (`resume`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from perceptlm.annotate.life_cycle import FINISHED, Event, State
from perceptlm.annotate.life_cycle import Actor as Mover
from perceptlm.annotate.refusals import Conflict, NotFound
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.item_states import change, locked_items, write_moves
from perceptlm.annotate.services.projects import project_of
from perceptlm.annotate.services.release_drawing import BATCH, DRAFT, DRAWING, UNSEEN, begin, finish, row_pages
from perceptlm.annotate.services.server import Server
from perceptlm.annotate.store.audit import SERVER, Actor, append
from perceptlm.annotate.store.database import LONGEST_TURN, PAUSE_SECONDS, Database, now
from perceptlm.annotate.store.outbox import emit
from perceptlm.annotate.store.tables import Item, Project, Release, ReleaseRow
from perceptlm.config import canonical_json

PUBLISHED, SUPERSEDED = "published", "superseded"
LONGEST_ROUND_SECONDS = 1.0
"""So long the worker goes on with one release; then it sees to its other duties."""


def draw_up(server: Server, caller: Caller, project_id: int, purpose: str) -> dict[str, Any]:
    """Freeze all items that are accepted, or were released before, as the rows of a new release."""
    database, person = server.database, caller.person()

    release_id = database.write(lambda session: begin(session, project_of(session, project_id), person, purpose))
    server.at_work.add(release_id)
    try:
        finish(database, release_id, server.secret)
    finally:
        server.at_work.discard(release_id)
    return database.read(lambda session: release_answer(found_release(session, release_id)))


def approve(server: Server, caller: Caller, release_id: int) -> dict[str, Any]:
    """Publish a release that somebody else drew up; Conflict if an item has changed since.

    An item that changes while this is looked at is an erratum, as one that changes a moment later.
    """

    def check(session: Session) -> None:
        _check_approvable(found_release(session, release_id), caller)
        changed = or_(Item.state.not_in(FINISHED), Item.row_version != ReleaseRow.row_version)
        statement = select(Item.key).join(ReleaseRow, ReleaseRow.item_id == Item.id)
        key = session.scalar(statement.where(ReleaseRow.release_id == release_id, changed).limit(1))
        if key is not None:
            raise Conflict("release_stale", f"the item '{key}' has changed since", hint="draw it up anew")

    def publish(session: Session) -> None:
        release = found_release(session, release_id, lock=True)
        _check_approvable(release, caller)
        release.state, release.approved_by, release.published_at = PUBLISHED, caller.person(), now(session)
        body = {"release": release.id, "num_rows": release.num_rows, "rows_sha256": release.rows_sha256}
        append(session, caller.actor, "release.publish", f"release:{release.id}", body, release.project_id)
        emit(session, release.project_id, "release.published", body)

    server.database.read(check)
    server.database.write(publish)
    return _settled(server, release_id)


def _check_approvable(release: Release, caller: Caller) -> None:
    if release.state != DRAFT:
        raise Conflict("not_a_draft", f"the release is {release.state}")
    if release.created_by == caller.person():
        raise Conflict("second_person_needed", "a release is published by another person than drew it up")


def supersede(server: Server, caller: Caller, release_id: int, reason: str) -> dict[str, Any]:
    """Mark a published release as superseded; its rows stay. Items that no other published one carries are superseded
    with it, until a later one carries them again."""

    def work(session: Session) -> None:
        release = found_release(session, release_id, lock=True)
        if release.state != PUBLISHED:
            raise Conflict("not_published", f"the release is {release.state}")
        release.state, release.superseded_at, release.superseded_reason = SUPERSEDED, now(session), reason
        release.num_settled = 0
        body = {"release": release.id, "reason": reason}
        append(session, caller.actor, "release.supersede", f"release:{release.id}", body, release.project_id)
        emit(session, release.project_id, "release.superseded", body)

    server.database.write(work)
    return _settled(server, release_id)


def _settled(server: Server, release_id: int) -> dict[str, Any]:
    server.at_work.add(release_id)
    try:
        settle(server.database, release_id)
    finally:
        server.at_work.discard(release_id)
    return server.database.read(lambda session: release_answer(found_release(session, release_id)))


def settle(database: Database, release_id: int, *, until: float | None = None) -> None:
    """Move the items of a release as its state says, a few at a time, to the end or to the time `until`."""
    while database.write(lambda session: _settle_some(session, release_id)):
        if until is not None and time.monotonic() > until:
            return
        # A lock of the process is not fair: whoever waits for it gets it now.
        time.sleep(PAUSE_SECONDS)


def _settle_some(session: Session, release_id: int) -> bool:
    """Move the next few items; return whether there are more."""
    _lock_releases(session, release_id)
    release = found_release(session, release_id)
    if release.state not in (PUBLISHED, SUPERSEDED) or release.num_settled == release.num_rows:
        return False
    is_published = release.state == PUBLISHED
    # Released, as the release does if it is published; else those that no other one releases are superseded.
    start = (State.ACCEPTED.value, State.SUPERSEDED.value) if is_published else (State.RELEASED.value,)
    rows = session.execute(
        select(ReleaseRow.position, ReleaseRow.item_id, ReleaseRow.row_version, Item.state)
        .join(Item, Item.id == ReleaseRow.item_id)
        .where(ReleaseRow.release_id == release_id, ReleaseRow.position >= release.num_settled)
        .order_by(ReleaseRow.position)
        .limit(BATCH)
    ).all()
    waiting = [row for row in rows if row.state in start][:LONGEST_TURN]
    end = waiting[-1] if len(waiting) == LONGEST_TURN else rows[-1]
    versions = {row.item_id: row.row_version for row in waiting}
    # All items before the audit log's head: see `store.audit.locked_head`.
    items = [item for item in locked_items(session, versions) if item.state in start]
    reason = f"release {release_id}"
    if is_published:
        actor = Actor.user(release.approved_by or 0)
        moves = [
            change(session, item, Event.RELEASE, Mover.MANAGER, actor, reason=reason)
            for item in items
            if item.row_version == versions[item.id]
        ]
    else:
        actor, carried = SERVER, _carried(session, list(versions))
        moves = [
            change(session, item, Event.SUPERSEDE, Mover.RULES, actor, reason=reason)
            for item in items
            if item.id not in carried
        ]
    write_moves(session, release.project_id, actor, moves, [moved.entry for moved in moves])
    release.num_settled = end.position + 1
    return release.num_settled < release.num_rows


def _lock_releases(session: Session, release_id: int) -> None:
    """Lock all releases of a project by their ids: which of them carry an item must not change while it is moved."""
    project = select(Release.project_id).where(Release.id == release_id).scalar_subquery()
    mine = select(Release).where(Release.project_id == project).order_by(Release.id)
    session.scalars(mine.with_for_update(key_share=True).execution_options(populate_existing=True)).all()


def _carried(session: Session, item_ids: list[int]) -> set[int]:
    """Return those of the items that a published release carries."""
    statement = select(ReleaseRow.item_id).join(Release, Release.id == ReleaseRow.release_id)
    return set(session.scalars(statement.where(ReleaseRow.item_id.in_(item_ids), Release.state == PUBLISHED)))


def resume(server: Server) -> None:
    """Go on for a while with releases that were left while they were drawn up, published or superseded."""

    def look(session: Session) -> list[tuple[int, str]]:
        left = or_(
            Release.state == DRAWING,
            Release.state.in_((PUBLISHED, SUPERSEDED)) & (Release.num_settled < Release.num_rows),
        )
        found = session.execute(select(Release.id, Release.state).where(left).order_by(Release.id))
        return [(release_id, state) for release_id, state in found]

    for release_id, state in server.database.read(look):
        if release_id in server.at_work:
            continue
        until = time.monotonic() + LONGEST_ROUND_SECONDS
        if state == DRAWING:
            finish(server.database, release_id, server.secret, until=until)
        else:
            settle(server.database, release_id, until=until)


def found_release(session: Session, release_id: int, *, lock: bool = False) -> Release:
    """Return a release, locked if it is to be changed; NotFound for none, or one that is not drawn up yet."""
    statement = select(Release).where(Release.id == release_id, Release.state.not_in(UNSEEN))
    if lock:
        statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    release = session.scalar(statement)
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
    release = found_release(session, release_id)
    statement = (
        select(Item.key)
        .join(ReleaseRow, ReleaseRow.item_id == Item.id)
        .where(ReleaseRow.release_id == release_id, Item.row_version > ReleaseRow.row_version)
    )
    errata = sorted(session.scalars(statement)) if release.state != DRAFT else []
    return {**release_answer(release), "errata": errata}


def list_releases(session: Session, project: Project) -> list[dict[str, Any]]:
    """Return the releases of a project."""
    mine = select(Release).where(Release.project_id == project.id, Release.state.not_in(UNSEEN))
    return [release_answer(row) for row in session.scalars(mine.order_by(Release.id))]


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
    if release is None or release.state in UNSEEN:
        raise NotFound("no_such_release", f"the project '{project.slug}' has no release {release_id}")
    if release.state == DRAFT:
        raise Conflict("not_published", f"the release {release_id} is a draft", hint="another person publishes it")
    return release


def stream_rows(database: Database, release_id: int) -> Iterator[bytes]:
    """Return the rows of a release as JSON lines, a page at a time: their digest is `rows_sha256`. NotFound."""
    database.read(lambda session: found_release(session, release_id))
    return (
        b"".join(canonical_json(body).encode() + b"\n" for body in page) for page in row_pages(database, release_id)
    )
