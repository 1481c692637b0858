"""Rows of the released schemas, written by hand, converted into datasets: what doctor, runner and report are shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from perceptlm.data.converters.convert import convert
from perceptlm.data.converters.formats import settings_for
from perceptlm.data.converters.settings import Sources
from perceptlm.media.write_video import write_video

NUM_FRAMES = 48
BOX = [4.0, 4.0, 28.0, 20.0]


def write_clips(folder: Path, names: dict[str, int]) -> Path:
    """Write a grey clip of so many frames at 6 a second for every name; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, number in names.items():
        levels = (20 + np.arange(number) * 200 // number).astype(np.uint8)
        frames = np.broadcast_to(levels[:, None, None, None], (number, 32, 48, 3)).copy()
        write_video(folder / name, frames, 6)
    return folder


def choice_row(uid: str, group: str, video: str, **changes: Any) -> dict[str, Any]:
    """A row of `fgqa`."""
    metadata = {
        "source_video_id": video, "source_dataset": "COIN", "source_start_time": 0.0, "source_end_time": 8.0,
        "question_type": "direction", "source_domain": "sports",
    }  # fmt: skip
    values = {
        "uid": uid, "qa_uid": group, "video": video, "question": f"Which way, {uid}?", "answer": "Up.",
        "options": {"option_0": "Down.", "option_1": "Up."}, "answer_index": 1, "metadata": metadata,
    }  # fmt: skip
    return values | changes


def region_row(uid: int, video: str, **changes: Any) -> dict[str, Any]:
    """A row of `rcap` or `rtloc`."""
    values = {
        "uid": uid, "video": video, "masklet_id": 2, "total_frames": NUM_FRAMES, "caption": f"The dog turns {uid}.",
        "start_frame": 6, "end_frame": 30,
    }  # fmt: skip
    return values | changes


def dense_row(uid: int, video: str, *spans: tuple[int, int]) -> dict[str, Any]:
    """A row of `rdcap`."""
    entries = [{"start_frame": a, "end_frame": b, "caption": f"Part {n}."} for n, (a, b) in enumerate(spans)]
    values = region_row(uid, video) | {"dense_captions": entries}
    return {name: value for name, value in values.items() if name not in ("caption", "start_frame", "end_frame")}


def write_boxes(path: Path, videos: dict[str, list[int]]) -> Path:
    """Write `metadata_test.jsonl`: the frames of every video on which its masklet 2 has a box."""
    lines = [
        {"video": video, "masklet_id": 2, "bbox": {str(f): BOX if f in seen else None for f in range(NUM_FRAMES)}}
        for video, seen in videos.items()
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write a Parquet file."""
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def converted(out: Path, name: str, rows: list[dict[str, Any]], media: Path, boxes: Path | None = None) -> Path:
    """Return the dataset that `plm data convert` makes of the rows, however many it drops."""
    sources = Sources((write_rows(out.with_suffix(".parquet"), rows),), media, boxes=boxes)
    return convert(out, sources, settings_for(name, sources), max_dropped=0.99, index=False)
