"""Rows of the released schemas, written by hand, and small real videos and images that they name."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from perceptlm.data.converters.convert import convert
from perceptlm.data.converters.formats import settings_for
from perceptlm.data.converters.settings import Sources
from perceptlm.exchange.jsonl import read_lines, read_records
from perceptlm.media.image import write_png
from perceptlm.media.video import write_video
from perceptlm.schema import Sample

Convert = Callable[..., list[Sample]]
WriteRows = Callable[..., Path]


def write_clip(path: Path, num_frames: int, rate: int) -> None:
    """Grey frames of 48x32, each a little brighter than the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = (np.arange(num_frames) * (200 // num_frames) + 20).astype(np.uint8)
    write_video(path, np.broadcast_to(levels[:, None, None, None], (num_frames, 32, 48, 3)).copy(), rate)


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SA-V at 6 fps (12 frames) and the same length at 24 fps (46 frames), a long source video, and two images."""
    root = tmp_path_factory.mktemp("media")
    write_clip(root / "sav_000001.mp4", 12, 6)
    write_clip(root / "sav_000002.mp4", 46, 24)
    write_clip(root / "COIN/long.mp4", 48, 8)
    write_clip(root / "cut.mp4", 16, 8)
    write_png(root / "a.png", np.full((20, 40, 3), 90, np.uint8))
    (root / "pages").mkdir()
    write_png(root / "pages/b.png", np.full((20, 40, 3), 90, np.uint8))
    (root / "broken.mp4").write_bytes(b"no video at all")
    return root


@pytest.fixture
def write_rows(tmp_path: Path) -> WriteRows:
    """Write rows as Parquet, or as JSON Lines or one JSON list by the name's ending."""

    def write(rows: Sequence[dict[str, Any]], name: str = "rows.parquet", row_group_size: int = 3) -> Path:
        path = tmp_path / name
        if name.endswith(".parquet"):
            pq.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=row_group_size)
        elif name.endswith(".jsonl"):
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            path.write_text(json.dumps(rows, indent=1))
        return path

    return write


@pytest.fixture
def converted(tmp_path: Path, media: Path, write_rows: WriteRows) -> Convert:
    """Convert rows of one format and return the Samples; what was dropped lies in `converted/dropped.jsonl`."""

    def make(name: str, rows: Sequence[dict[str, Any]], file: str = "rows.parquet", **values: Any) -> list[Sample]:
        places = {key: values.pop(key) for key in ("boxes", "masklets") if key in values}
        max_dropped = values.pop("max_dropped", 0.99)
        sources = Sources((write_rows(rows, file),), media, **places)
        out = convert(tmp_path / "converted", sources, settings_for(name, sources, **values), max_dropped=max_dropped)
        (split,) = [path.name for path in out.iterdir() if path.is_dir() and path.name != "run"]
        return [sample for path in sorted((out / split).glob("*.jsonl")) for sample in read_records(path, Sample)]

    return make


@pytest.fixture
def dropped(tmp_path: Path) -> Callable[[], list[tuple[int, str]]]:
    """Return (row, reason) of every dropped row of the last conversion."""

    def read() -> list[tuple[int, str]]:
        lines = read_lines(tmp_path / "converted/dropped.jsonl")
        return [(entry["row"], entry["reason"]) for _, entry in lines]

    return read
