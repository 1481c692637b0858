"""Release rows as the training JSONL of the public PLM code (facts/reference-implementation.md 2.4, 2.5 and 3).

`start_time` and `end_time` are the middles of the first and last picture shown, of a file of constant rate: the loader
truncates `seconds * rate` and includes both ends. `bbox_map` is looked up by the exact number of a sampled frame, as
text: it names every frame shown on which the subject is seen.
"""

from __future__ import annotations

from typing import Any

from perceptlm.annotate.export.released import ReleasedItem
from perceptlm.annotate.export.samples import choice_turns
from perceptlm.annotate.export.segments import Shown
from perceptlm.annotate.frames.rate import loaders_frame

FILE = "reference/train.jsonl"


def reference_row(item: ReleasedItem, shown: Shown) -> dict[str, Any]:
    """Return one row; paths begin at the export's directory."""
    media = shown.media
    row: dict[str, Any] = {media.kind: media.path}
    if media.kind == "video" and not shown.is_whole:
        row["start_time"], row["end_time"] = shown.seconds
    if shown.boxes and media.kind == "video":
        row["bbox_map"] = {str(frame): list(box) for frame, box in sorted(shown.boxes.items())}
    elif shown.boxes:
        x1, y1, x2, y2 = shown.boxes[0]
        row |= {"bbox": [[x1, y1, x2 - x1, y2 - y1]], "width": media.width, "height": media.height}
    asked, said = choice_turns(item) if item.options else (item.question.strip(), item.answer.strip())
    turns = (("human", asked), ("assistant", said))
    return row | {"conversations": [{"from": who, "value": text} for who, text in turns], "id": item.id}


def loaders_range(row: dict[str, Any], num_frames: int, fps: float) -> range:
    """Return the frames that the reference's loader takes a row to mean, at the average rate it reads of the file."""
    first, last = 0, num_frames - 1
    if "start_time" in row:
        first, last = loaders_frame(row["start_time"], fps), min(loaders_frame(row["end_time"], fps), last)
    if first == last and num_frames > 1:
        last = first + 1
    return range(min(first, last), max(first, last) + 1)
