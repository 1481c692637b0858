"""A blend of datasets on disk, as a YAML file: how many rows of each an epoch shows, counted and exact.

    sources:
      - {name: fgqa, data: fgqa, split: train, repeats: 2}
      - {name: captions, data: captions, media: /videos, repeats: 0.5}

Paths are relative to the file. Rows are counted, not checked; `validation` checks them. The published blends are in
`catalogue`, the order in which a blend is shown in `blend`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from perceptlm.config import load_yaml
from perceptlm.data.blend import Blend, BlendSource
from perceptlm.data.dataset_files import record_files
from perceptlm.errors import DataError
from perceptlm.exchange.jsonl import count_lines


@dataclass(frozen=True)
class CountedSource:
    """A source with its rows on disk, those an epoch shows (rows x repeats, rounded down), and their share."""

    source: BlendSource
    rows: int
    rows_per_epoch: int
    share: float


def count_blend(path: Path) -> tuple[CountedSource, ...]:
    """Read a blend file and count the rows of every source.

    Raises ConfigError for a file that is no blend; DataError naming the source whose directory, media or split is not
    there, or a blend of which an epoch would show nothing.
    """
    blend = load_yaml(Blend, path)
    rows = [_count(source, path.parent) for source in blend.sources]
    shown = [int(number * Fraction(str(source.repeats))) for source, number in zip(blend.sources, rows, strict=True)]
    if not sum(shown):
        raise DataError("an epoch of this blend shows no rows", path=path, hint="raise the repeats of a source")
    return tuple(
        CountedSource(source, number, per_epoch, per_epoch / sum(shown))
        for source, number, per_epoch in zip(blend.sources, rows, shown, strict=True)
    )


def describe_blend(sources: tuple[CountedSource, ...]) -> dict[str, Any]:
    """Return a counted blend as plain JSON values."""
    return {
        "rows_per_epoch": sum(item.rows_per_epoch for item in sources),
        "sources": [
            {
                **item.source.to_dict(),
                "rows": item.rows,
                "rows_per_epoch": item.rows_per_epoch,
                "share": item.share,
            }
            for item in sources
        ],
    }


def _count(source: BlendSource, folder: Path) -> int:
    try:
        files = record_files(folder / source.data)
    except DataError as error:
        raise DataError(f"source '{source.name}': {error.message}", hint=error.hint) from error
    if source.split not in files:
        raise DataError(f"source '{source.name}': {folder / source.data} has no split '{source.split}'")
    if source.media is not None and not (folder / source.media).is_dir():
        raise DataError(f"source '{source.name}': there is no directory {folder / source.media} for its media")
    return sum(map(count_lines, files[source.split]))
