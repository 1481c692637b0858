"""What one release row becomes in every format, and what is left out of which, with the reason. Writes nothing.

The writer and the check that reads everything back both ask here, one for what to write, one for what must be there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from perceptlm.annotate.export.benchmark import bench_row, is_held_out
from perceptlm.annotate.export.exported_media import ExportedMedia, Use
from perceptlm.annotate.export.fgqa_parquet import fgqa_row
from perceptlm.annotate.export.plm_jsonl import reference_row
from perceptlm.annotate.export.released import ExportFormat, ExportSettings, ReleasedAsset, ReleasedItem
from perceptlm.annotate.export.samples import choice_sample, open_sample, pair_samples
from perceptlm.annotate.export.segments import Shown, shown_of
from perceptlm.annotate.export.texts import usable_distractors, why_unusable
from perceptlm.config import Config
from perceptlm.schema import Sample, Split

NO_BOXES = "the format shows no boxes, and the question speaks of one"
NO_OPTIONS = "the format has no options to choose from"
NO_PAIR = "no distractor to choose between"


class LeftOut(Config):
    """A line of `left_out.jsonl`: a row, or one pair of it, that a format does not have; `format` None: no format."""

    row_id: str
    format: ExportFormat | None
    pair: int | None
    reason: str


@dataclass
class Planned:
    """One row in every format. `pairs` are the distractors used; `shown` is None of rows that are not for training."""

    split: Split
    media: ExportedMedia
    shown: Shown | None = None
    samples: list[Sample] = field(default_factory=list)
    reference: dict[str, Any] | None = None
    fgqa: dict[str, Any] | None = None
    bench: list[dict[str, Any]] = field(default_factory=list)
    pairs: list[int] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


class Media(Protocol):
    """Where exported files of assets come from."""

    def export(self, asset: ReleasedAsset, use: Use = "native") -> ExportedMedia: ...


def plan_item(item: ReleasedItem, media: Media, settings: ExportSettings, revision: str) -> Planned:
    """Return what an item becomes. Raises DataError for frames or boxes that its asset does not have."""
    held_out = is_held_out(item, settings.share_held_out, settings.seed)
    native = media.export(item.asset)
    planned = Planned("benchmark" if held_out else "train", native)
    shown = shown_of(item, native, settings)  # also of the test: a wrong interval is an error wherever it stands
    reason = why_unusable(item, is_image=native.kind == "image")
    if reason is not None:
        planned.left_out.append(LeftOut(row_id=item.id, format=None, pair=None, reason=reason))
        return planned
    planned.pairs, others = usable_distractors(item)
    planned.left_out += [LeftOut(row_id=item.id, format=None, pair=place, reason=why) for place, why in others]
    if held_out:
        _plan_test(planned, item, media, settings, revision)
    else:
        planned.shown = shown
        _plan_training(planned, item, shown, media, settings, revision)
    return planned


def _plan_test(planned: Planned, item: ReleasedItem, media: Media, settings: ExportSettings, revision: str) -> None:
    reason = NO_BOXES if item.question_boxes else None if planned.pairs else NO_PAIR
    if reason is not None:
        planned.left_out.append(LeftOut(row_id=item.id, format="benchmark", pair=None, reason=reason))
        planned.pairs = []
        return
    video = media.export(item.asset, "video")
    whole = Shown(range(video.num_frames), video, {})
    planned.samples = list(
        pair_samples(item, whole, planned.pairs, split="benchmark", revision=revision, seed=settings.seed)
    )
    planned.bench = [bench_row(item, place, video, settings.seed) for place in planned.pairs]


def _plan_training(
    planned: Planned, item: ReleasedItem, shown: Shown, media: Media, settings: ExportSettings, revision: str
) -> None:
    if item.options:
        planned.samples = [choice_sample(item, shown, revision)]
    else:
        pairs = pair_samples(item, shown, planned.pairs, split="train", revision=revision, seed=settings.seed)
        planned.samples = [open_sample(item, shown, revision), *pairs]
    if "reference" in settings.formats:
        planned.reference = reference_row(item, shown)
    if "fgqa" in settings.formats:
        reason = NO_BOXES if item.question_boxes else NO_OPTIONS if item.options else None
        if reason is not None:
            planned.left_out.append(LeftOut(row_id=item.id, format="fgqa", pair=None, reason=reason))
        else:
            planned.fgqa = fgqa_row(item, Shown(shown.frames, media.export(item.asset, "video"), {}))
