"""Which Samples may share one Example: those shown the same pictures after the same system text.

The one rule that `sample_set` (small sets, in memory) and `shard_scan` (large ones, row by row) group by. Opens no
file.
"""

from __future__ import annotations

from collections.abc import Hashable

from pydantic import ConfigDict

from perceptlm.config import Config
from perceptlm.media.pictures import pictures_key
from perceptlm.schema import MediaRef, Region, Sample, Turn
from perceptlm.schema.placeholders import marks_images


class SharedFields(Config):
    """The fields of a Sample that decide which others it can share an Example with; all others are passed over."""

    model_config = ConfigDict(extra="ignore")

    id: str
    media: tuple[MediaRef, ...]
    turns: tuple[Turn, ...]
    regions: tuple[Region, ...] = ()


def group_key(sample: Sample | SharedFields) -> Hashable:
    """Return what Samples of one group have in common: media, regions, system text.

    One whose images stand within its text has a group of its own.
    """
    system = tuple(turn.text for turn in sample.turns if turn.role == "system")
    alone = sample.id if marks_images(sample.turns, [item.kind for item in sample.media]) else None
    return (pictures_key(sample), system, alone)
