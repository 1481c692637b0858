"""Media of a project: what an upload is, decided by its content; where it lies; its frame table.

Pictures are decoded and written anew as PNG, so that nothing else that was in the file stays. Videos are kept as they
are, after their pictures were counted. Anything else, SVG and HTML among it, is refused.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.directory import DataDirectory
from perceptlm.annotate.frames.identity import FrameIdentity, identify
from perceptlm.annotate.refusals import NotFound, NotMedia, TooLarge
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.store.audit import append
from perceptlm.annotate.store.database import now
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
    known = session.scalar(select(Asset).where(Asset.project_id == project.id, Asset.sha256 == upload.sha256))
    if known is not None:
        return known, False
    identity = upload.identity
    if session.get(FrameTableRow, identity.frame_table_hash) is None:
        session.add(FrameTableRow(hash=identity.frame_table_hash, body=identity.to_dict()))
        session.flush()
    seconds = identity.duration * identity.time_base[0] / identity.time_base[1] if upload.kind == "video" else 0.0
    asset = Asset(
        project_id=project.id,
        sha256=upload.sha256,
        suffix=upload.suffix,
        kind=upload.kind,
        width=identity.width,
        height=identity.height,
        num_frames=identity.num_frames,
        duration_seconds=seconds,
        frame_table_hash=identity.frame_table_hash,
        licence=licence,
        created_by=caller.user_id,
        created_at=now(session),
    )
    session.add(asset)
    session.flush()
    body = {"sha256": asset.sha256, "frame_table_hash": asset.frame_table_hash, "licence": licence}
    append(session, caller.actor, "asset.create", f"asset:{asset.id}", body, project.id)
    return asset, True


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
