"""SA-V's own masklets: one JSON file per video, masks as COCO run lengths at 6 frames a second.

`masklet[frame][object]` is `{size: [height, width], counts}`, and `masklet_id[object]` the object's number; SA-V has a
file of hand-made masklets (`NAME_manual.json`) and one of automatic ones (`NAME_auto.json`) for a video. Source:
facts/paper.md section 8. Knows no caption.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from perceptlm.data.converters.rows import RowError
from perceptlm.errors import DataError
from perceptlm.exchange.coco_rle import box_of_rle

_KINDS = ("manual", "auto")
_DAMAGED = "masklet file is damaged"


class MaskletFolder:
    """A folder of SA-V's files, or of SA-V's folders (`sav_000` and so on) of them."""

    def __init__(self, directory: Path) -> None:
        if not directory.is_dir():
            raise DataError("there is no such directory", path=directory, hint="--masklets names SA-V's JSON files")
        self._directory = directory
        self._read = lru_cache(maxsize=8)(self._read_file)

    def boxes(self, video: str, masklet_id: int) -> tuple[dict[int, tuple[int, int, int, int]], tuple[int, int], int]:
        """Return the boxes around one masklet by frame at 6 a second (none where it does not show), the size (width,
        height) of its masks, and the number of frames. RowError if there is no such masklet, or a damaged one."""
        if Path(video).name != video:
            raise RowError("no masklet of this video", video)
        stem = Path(video).stem
        for kind in _KINDS:
            for folder in (self._directory, self._directory / stem[:7]):
                values = self._read(folder / f"{stem}_{kind}.json")
                if values is not None and masklet_id in values["masklet_id"]:
                    return _boxes(values, values["masklet_id"].index(masklet_id), f"{stem}_{kind}.json")
        raise RowError("no masklet of this video", f"{video}, masklet {masklet_id}")

    @staticmethod
    def _read_file(path: Path) -> dict[str, Any] | None:
        if not path.is_file():
            return None
        try:
            values = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise RowError(_DAMAGED, f"{path.name}: {error}") from error
        if not isinstance(values, dict) or not all(
            isinstance(values.get(key), list) for key in ("masklet", "masklet_id")
        ):
            raise RowError(_DAMAGED, f"{path.name}: no lists 'masklet' and 'masklet_id'")
        return values


def _boxes(
    values: dict[str, Any], place: int, name: str
) -> tuple[dict[int, tuple[int, int, int, int]], tuple[int, int], int]:
    found, sizes = {}, set()
    try:
        for frame, masks in enumerate(values["masklet"]):
            mask = masks[place]
            if mask is not None:
                height, width = (int(side) for side in mask["size"])
                sizes.add((width, height))
                box = box_of_rle(mask["counts"], height, width)
                if box is not None:
                    found[frame] = box
    except (DataError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise RowError(_DAMAGED, f"{name}: {error}") from error
    if len(sizes) != 1:
        raise RowError(_DAMAGED, f"{name}: masks of {len(sizes)} sizes")
    return found, sizes.pop(), len(values["masklet"])
