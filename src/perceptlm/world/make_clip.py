"""One clip or picture of the world, from index to checked file: direct, render, write, decode again, compare.

The record that comes back holds all that Samples are written from; a clip that fails a check comes back as a reason.
Knows no Samples, no other clip and no artifact.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perceptlm.exchange.coco_rle import encode_rle
from perceptlm.media.image import read_image, write_png
from perceptlm.media.video import read_frames
from perceptlm.media.write_video import write_video
from perceptlm.schema import MediaRef, Split
from perceptlm.world.clip_record import ClipRecord
from perceptlm.world.direct import direct_clip, direct_image
from perceptlm.world.ground_truth import GroundTruth
from perceptlm.world.render import render
from perceptlm.world.script import Scene
from perceptlm.world.settings import WorldSettings

MAX_MEAN_ERROR = 10.0
"""Largest mean absolute difference (of 255) between a drawn frame and the same frame decoded from its file."""


@dataclass(frozen=True)
class MadeClip:
    """What one index gave: a record (and masks, if asked for), or the reason why there is none."""

    clip_id: str
    record: ClipRecord | None
    masks: tuple[dict[int, str], ...] = ()
    """Per thing: frame -> COCO run-length text of its visible pixels."""
    reason: str | None = None
    drawn_sha256: str = ""
    """Of the frames before they were encoded: the same with every build of an encoder."""


def media_path(split: Split, kind: str, index: int) -> str:
    """Return the file of a clip or picture, relative to the world's directory."""
    return f"{split}/videos/{index:06d}.mp4" if kind == "video" else f"{split}/images/{index:06d}.png"


def make_clip(root: Path, settings: WorldSettings, split: Split, kind: str, index: int, seed: int) -> MadeClip:
    """Make clip (or, for kind "image", picture) `index` of `split` under `root`."""
    direct = direct_clip if kind == "video" else direct_image
    return film(root, settings, direct(settings, split, index, seed), kind, media_path(split, kind, index))


def film(root: Path, settings: WorldSettings, scene: Scene, kind: str, relative: str) -> MadeClip:
    """Draw a scene into the file `relative` under `root`, decode it again and compare."""
    rendered = render(scene)
    frames, truth = rendered.frames, rendered.ground_truth
    path = root / relative
    if kind == "video":
        write_video(path, frames, scene.frames_per_second, settings.codec, quality=settings.quality)
    else:
        write_png(path, frames[0])
    reason = _check(path, kind, frames)
    if reason is None and not any(truth.boxes):
        reason = "nothing shows in it"
    if reason is not None:
        path.unlink()
        return MadeClip(scene.id, None, reason=reason)
    masks = _masks(scene, truth) if settings.write_masks else ()
    drawn = hashlib.sha256(frames.tobytes()).hexdigest()
    return MadeClip(scene.id, record_of(scene, truth, relative, kind), masks, drawn_sha256=drawn)


def _check(path: Path, kind: str, drawn: NDArray[np.uint8]) -> str | None:
    """Decode the file again; return what is wrong with it, or None."""
    if kind == "image":
        return None if np.array_equal(read_image(path)[None], drawn) else "its PNG file differs from what was drawn"
    decoded = read_frames(path, range(len(drawn)))
    if decoded.shape != drawn.shape:
        return f"its file holds {decoded.shape}, drawn were {drawn.shape}"
    errors = np.abs(decoded.astype(np.int16) - drawn).mean(axis=(1, 2, 3))
    worst = int(errors.argmax())
    if errors[worst] > MAX_MEAN_ERROR:
        return f"frame {worst} of its file differs from what was drawn by {errors[worst]:.1f} on average"
    return None


def record_of(scene: Scene, truth: GroundTruth, relative: str, kind: str) -> ClipRecord:
    """Return the record of a drawn clip or picture (`kind` video or image) whose file is at `relative`."""
    is_video = kind == "video"
    media = MediaRef(
        kind="video" if is_video else "image", path=relative, width=scene.width, height=scene.height,
        num_frames=scene.num_frames, frames_per_second=str(Fraction(scene.frames_per_second)) if is_video else None,
    )  # fmt: skip
    return ClipRecord(
        scene=scene,
        media=media,
        boxes=truth.boxes,
        visible_fraction=tuple(tuple(round(float(share), 3) for share in row) for row in truth.visible_fraction),
        camera_offset=tuple((round(float(x), 2), round(float(y), 2)) for x, y in truth.camera_offset),
    )


def _masks(scene: Scene, truth: GroundTruth) -> tuple[dict[int, str], ...]:
    found = []
    for thing in scene.things:
        masks = truth.masks(thing.id)
        found.append({frame: encode_rle(masks[frame]) for frame in sorted(truth.boxes[thing.id])})
    return tuple(found)
