"""A published release in a server's database -> rows for the export, a page at a time, and the export of it.

Media are read from the data directory, where their digests name them. The rows are checked against the digest that two
people published. Writes nothing into the database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from perceptlm.annotate.export.export import ExportCounts, export_release
from perceptlm.annotate.export.released import (
    CeilingChoice,
    Distractor,
    ExportSettings,
    FrameInterval,
    Lineage,
    ReleasedAsset,
    ReleasedItem,
)
from perceptlm.annotate.release_row import FORMAT, ReleaseRowBody, RowDistractor
from perceptlm.annotate.services.projects import project_named
from perceptlm.annotate.services.release_drawing import row_pages
from perceptlm.annotate.services.releases import published_release, show_release
from perceptlm.annotate.services.server import Server
from perceptlm.annotate.store.database import Database
from perceptlm.config import canonical_json
from perceptlm.errors import DataError
from perceptlm.schema import Origin

PROGRAMS = frozenset({"perceptlm world"})
"""Makers of proposals that are no models: what draws the shipped packs."""


@dataclass(frozen=True)
class FoundRelease:
    """A release: what was published of it, and the keys of items that were reported since."""

    id: int
    project: str
    state: str
    rows_sha256: str
    manifest: dict[str, Any]
    errata: tuple[str, ...]


def find_release(database: Database, project: str, number: int | None = None) -> FoundRelease:
    """Return a release by the number that the server gave it, or the newest published one that holds.

    NotFound for no such project or release, Conflict for a draft, DataError for one of another version.
    """

    def look(session: Session) -> FoundRelease:
        row = published_release(session, project_named(session, project), number)
        errata = tuple(show_release(session, row.id)["errata"])
        return FoundRelease(row.id, project, row.state, row.rows_sha256, row.manifest, errata)

    found = database.read(look)
    if found.manifest.get("format") != FORMAT:
        raise DataError(
            f"release {found.id} is of the format '{found.manifest.get('format')}', not '{FORMAT}'",
            hint="draw it up anew",
        )
    return found


def released_items(database: Database, release: FoundRelease) -> Iterator[ReleasedItem]:
    """Yield the rows of a release; DataError at the end if they are not those that were published."""
    digest = hashlib.sha256()
    for page in row_pages(database, release.id):
        for body in page:
            digest.update(canonical_json(body).encode() + b"\n")
            yield item_of(ReleaseRowBody.model_validate(body), release.project)
    if digest.hexdigest() != release.rows_sha256:
        raise DataError(
            f"the rows of release {release.id} are not those that were published",
            hint="plm annotate verify-log says whether the database was tampered with",
        )


def export_from_release(
    server: Server, release: FoundRelease, out: Path, settings: ExportSettings, *, overwrite: bool = False
) -> ExportCounts:
    """Publish the export of a release as `export_release` does; the release's manifest and its card are part of it."""
    rows = released_items(server.database, release)
    media = server.directory.path / "media"
    return export_release(rows, media, out, settings, manifest=release.manifest, overwrite=overwrite)


def item_of(row: ReleaseRowBody, project: str) -> ReleasedItem:
    """Return a row as the export reads it. Its id stays the same in later releases of the project."""
    asset = ReleasedAsset(
        path=f"{row.asset.sha256}.{row.asset.suffix}",
        sha256=row.asset.sha256,
        frame_table_hash=row.asset.frame_table_hash,
    )
    lineage = Lineage(
        row=row.row_id,
        submissions=tuple(str(given.id) for given in row.submissions),
        guideline=", ".join(map(str, row.guideline_versions)),
        policy=", ".join(map(str, row.policy_versions)),
        num_annotators=row.num_annotators,
        agreement=row.agreement,
        posterior=row.posterior,
        adjudicated=row.adjudicated,
        audited=row.audited,
    )
    boxes = {box.frame: box.box for box in row.boxes}
    return ReleasedItem(
        id=f"{project.replace('_', '-')}.{row.item}",
        key=row.key,
        asset=asset,
        domain=row.domain,
        question=row.question,
        answer=row.answer,
        options=row.options if row.kind == "choice" and row.options is not None else (),
        distractors=_distractors(row),
        evidence=None if row.evidence is None else FrameInterval(start=row.evidence.start, end=row.evidence.end),
        boxes=boxes,
        boxes_are="evidence" if boxes else None,
        lineage=lineage,
        licence=row.asset.licence,
        author=row.author,
        ceiling=tuple(CeilingChoice(distractor=one.pair, right=one.right, person=one.person) for one in row.ceiling),
    )


def _distractors(row: ReleaseRowBody) -> tuple[Distractor, ...]:
    """Return the confirmed distractors; of a choice, the options that people did not choose."""
    if row.kind == "choice":
        return tuple(Distractor(text=option) for option in row.options or () if option != row.answer)
    return tuple(Distractor(text=wrong.text, written_by=_written_by(wrong)) for wrong in row.distractors)


def _written_by(wrong: RowDistractor) -> Origin:
    name = str(wrong.model.get("name") or "?")
    return Origin(
        kind="program" if name in PROGRAMS else "model",
        name=name,
        revision=str(wrong.model.get("revision") or "?"),
        licence=str(wrong.model.get("licence") or "NOASSERTION"),
    )
