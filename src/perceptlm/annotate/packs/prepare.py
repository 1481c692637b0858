"""Making a pack ready for a project: its files copied, its scenes drawn, every asset measured; whole or not at all.

The result is a directory that is itself a pack, with nothing left to draw. Who registers it in a database gets the
assets, items and checks as records. Knows no database.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from perceptlm.annotate.packs.guideline import render_guideline
from perceptlm.annotate.packs.load import Pack
from perceptlm.annotate.packs.pack import CheckItem, PackItem
from perceptlm.annotate.packs.scenes import draw_scene
from perceptlm.artifact import translate_os_errors
from perceptlm.config import digest_of, file_digest
from perceptlm.errors import StorageError
from perceptlm.exchange.jsonl import write_records
from perceptlm.media.image import image_size
from perceptlm.media.open import open_media
from perceptlm.media.video import Video
from perceptlm.world.clip_record import ClipRecord

TRUTH = "truth.jsonl"
"""What the world knows of its own clips, beside `media/`; for tests and simulations, never for annotators."""


@dataclass(frozen=True)
class PreparedAsset:
    """One file of media. `record` is what the world knows of a clip it drew; None for a shipped file."""

    name: str
    path: Path
    sha256: str
    kind: Literal["image", "video"]
    width: int
    height: int
    num_frames: int
    licence: str
    source: str
    record: ClipRecord | None


@dataclass(frozen=True)
class PreparedPack:
    """A pack on disk, with everything a project is made from. `digest` names its content, not its place."""

    pack: Pack
    directory: Path
    assets: tuple[PreparedAsset, ...]
    items: tuple[PackItem, ...]
    gold: tuple[CheckItem, ...]
    calibration: tuple[CheckItem, ...]
    guideline: str
    guideline_html: str
    pictures: dict[str, Path]
    digest: str

    def asset(self, name: str) -> PreparedAsset:
        """Return the asset `media/NAME`."""
        return next(asset for asset in self.assets if asset.name == name)


def prepare_pack(pack: Pack, directory: Path) -> PreparedPack:
    """Write the pack with all its media to `directory`, which must not be there yet, and return its parts.

    The same pack gives the same bytes. StorageError where the directory is in the way or the disk refuses; a run that
    was killed leaves `directory`.partial, which the next one replaces.
    """
    if directory.exists():
        raise StorageError(f"{directory}: is there already", hint="name a directory that is not there yet")
    partial = directory.with_name(f"{directory.name}.partial")
    with translate_os_errors(directory):
        if partial.exists():
            shutil.rmtree(partial)
        (partial / "media").mkdir(parents=True)
        for name in _files_of(pack):
            (partial / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(pack.root / name, partial / name)
        records = {recipe.media_path: draw_scene(recipe, pack.file.drawing, partial) for recipe in pack.scenes}
        write_records(partial / TRUTH, records.values())
        partial.rename(directory)
    assets = tuple(_measure(pack, directory, name, records.get(name)) for name in sorted({*pack.media, *records}))
    return PreparedPack(
        pack=pack,
        directory=directory,
        assets=assets,
        items=pack.items,
        gold=pack.gold,
        calibration=pack.calibration,
        guideline=pack.guideline,
        guideline_html=render_guideline(pack.guideline, pack.pictures),
        pictures={name: directory / "pictures" / name for name in pack.pictures},
        digest=_digest(pack, assets),
    )


def _files_of(pack: Pack) -> list[str]:
    # The recipes stay behind: what they stood for is drawn.
    texts = ("pack.yaml", "guideline.md", "items.jsonl", "gold.jsonl", "calibration.jsonl")
    there = [name for name in texts if (pack.root / name).exists()]
    return [*there, *pack.media, *(f"pictures/{name}" for name in pack.pictures)]


def _measure(pack: Pack, directory: Path, name: str, record: ClipRecord | None) -> PreparedAsset:
    path = directory / name
    kind = open_media(path)
    if kind == "image":
        (width, height), num_frames = image_size(path), 1
    else:
        with Video(path) as video:
            width, height, num_frames = video.table.width, video.table.height, video.table.num_frames
    return PreparedAsset(
        name=name, path=path, sha256=file_digest(path), kind=kind, width=width, height=height, num_frames=num_frames,
        licence=pack.file.media.licence, source=pack.file.media.source, record=record,
    )  # fmt: skip


def _digest(pack: Pack, assets: tuple[PreparedAsset, ...]) -> str:
    return digest_of(
        {
            "pack": pack.file.to_dict(),
            "guideline": pack.guideline,
            "pictures": {name: file_digest(pack.root / "pictures" / name) for name in pack.pictures},
            "items": [item.to_dict() for item in pack.items],
            "gold": [item.to_dict() for item in pack.gold],
            "calibration": [item.to_dict() for item in pack.calibration],
            "assets": {asset.name: asset.sha256 for asset in assets},
        }
    )
