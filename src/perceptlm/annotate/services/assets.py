"""Media of a project: what an upload is, decided by its content; where it lies; its frame table.

Pictures are decoded and written anew as PNG, so that nothing else that was in the file stays. Videos are kept as they
are, after their pictures were counted. Anything else, SVG and HTML among it, is refused.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.frames.identity import FrameIdentity, identify
from perceptlm.annotate.refusals import NotFound, NotMedia, TooLarge
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.store.audit import Entry, append_all
from perceptlm.annotate.store.database import insert_all, now
from perceptlm.annotate.store.tables import Asset, FrameTableRow, Project
from perceptlm.config import file_digest
from perceptlm.errors import MediaError
from perceptlm.media.image import read_image, write_png
from perceptlm.media.open import open_media

CHUNK = 1 << 20
VIDEO_SUFFIX = "vid"
"""Videos have no telling suffix: what they are is read from their content, and they are never served as they are."""


class Upload:
    """A file that was taken in: its digest, kind and frame table. `keep` puts it where it belongs."""

    def __init__(self, path: Path, kind: str, identity: FrameIdentity) -> None:
        self.path = path
        self.kind = kind
        self.identity = identity
        self.sha256 = file_digest(path)
        self.suffix = "png" if kind == "image" else VIDEO_SUFFIX

    def keep(self, directory: DataDirectory) -> None:
        """Move the file to its place; the same content is kept once."""
        self.path.replace(directory.media_file(self.sha256, self.suffix))


def take_in(source: BinaryIO, directory: DataDirectory, max_bytes: int) -> Upload:
    """Copy an upload into the directory and look at it; NotMedia or TooLarge, and then nothing stays."""
    path = directory.incoming_file()
    try:
        _copy(source, path, max_bytes)
        try:
            kind = open_media(path)
            if kind == "image":
                picture = read_image(path)
                path.unlink()
                write_png(path, picture)
            return Upload(path, kind, identify(path))
        except MediaError as error:
            raise NotMedia(
                "not_media", "the file is neither an image nor a video that can be read", hint=_plain(error, path)
            ) from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _copy(source: BinaryIO, path: Path, max_bytes: int) -> None:
    size = 0
    with path.open("xb") as file:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > max_bytes:
                raise TooLarge("file_too_large", f"the file is larger than {max_bytes} bytes")
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def _plain(error: MediaError, path: Path) -> str:
    """Return what went wrong without the path, which is no business of the sender."""
    return error.message.removeprefix(f"{path}: ").replace(str(path), "the file")


def add_asset(session: Session, caller: Caller, project: Project, upload: Upload, licence: str) -> tuple[Asset, bool]:
    """Record an upload; the same content in the same project again gives the asset there is. True if it is new."""
    return add_assets(session, caller, project, [upload], licence)[0]


def add_assets(
    session: Session, caller: Caller, project: Project, uploads: Sequence[Upload], licence: str
) -> list[tuple[Asset, bool]]:
    """Record uploads as `add_asset` does, in a few statements, whatever their number."""
    known = _assets_of(session, project, uploads)
    new = {upload.sha256: upload for upload in uploads if upload.sha256 not in known}
    tables = {upload.identity.frame_table_hash: upload.identity.to_dict() for upload in new.values()}
    there = set(session.scalars(select(FrameTableRow.hash).where(FrameTableRow.hash.in_(tables))))
    insert_all(session, FrameTableRow, [{"hash": h, "body": body} for h, body in tables.items() if h not in there])
    time = now(session)
    insert_all(session, Asset, [_asset_row(caller, project, upload, licence, time) for upload in new.values()])
    found = _assets_of(session, project, uploads)
    logged = []
    for sha256 in new:
        body = {"sha256": sha256, "frame_table_hash": found[sha256].frame_table_hash, "licence": licence}
        logged.append(Entry("asset.create", f"asset:{found[sha256].id}", body))
    append_all(session, caller.actor, logged, project.id)
    return [(found[upload.sha256], new.pop(upload.sha256, None) is not None) for upload in uploads]


def _assets_of(session: Session, project: Project, uploads: Sequence[Upload]) -> dict[str, Asset]:
    mine = select(Asset).where(Asset.project_id == project.id, Asset.sha256.in_({upload.sha256 for upload in uploads}))
    return {row.sha256: row for row in session.scalars(mine)}


def _asset_row(caller: Caller, project: Project, upload: Upload, licence: str, time: int) -> dict[str, Any]:
    identity = upload.identity
    seconds = identity.duration * identity.time_base[0] / identity.time_base[1] if upload.kind == "video" else 0.0
    return {
        "project_id": project.id,
        "sha256": upload.sha256,
        "suffix": upload.suffix,
        "kind": upload.kind,
        "width": identity.width,
        "height": identity.height,
        "num_frames": identity.num_frames,
        "duration_seconds": seconds,
        "frame_table_hash": identity.frame_table_hash,
        "licence": licence,
        "created_by": caller.user_id,
        "created_at": time,
    }


def asset_answer(asset: Asset) -> dict[str, Any]:
    """Return what the interface says of an asset."""
    names = ("id", "sha256", "kind", "width", "height", "num_frames", "duration_seconds", "frame_table_hash", "licence")
    return {name: getattr(asset, name) for name in names}


def frame_table_answer(session: Session, asset: Asset) -> dict[str, Any]:
    """Return the frame table of an asset."""
    row = session.get_one(FrameTableRow, asset.frame_table_hash)
    identity = FrameIdentity.model_validate(row.body)
    return {"hash": row.hash, "num_frames": identity.num_frames, **identity.to_dict()}


def asset_in(session: Session, project_id: int, asset_id: int) -> Asset:
    """Return an asset of a project; NotFound."""
    asset = session.scalar(select(Asset).where(Asset.id == asset_id, Asset.project_id == project_id))
    if asset is None:
        raise NotFound("no_such_asset", f"there is no asset {asset_id}")
    return asset
