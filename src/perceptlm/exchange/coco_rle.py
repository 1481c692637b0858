"""COCO run-length encoding of masks, in its compressed text form (pycocotools' `counts`).

Pixels are read column by column; run lengths alternate between 0 and 1 starting with 0; from the third on each run is
stored as its difference from the one two before, in groups of 5 bits with a continuation bit, as characters from '0'.
This module knows nothing of what is masked.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perceptlm.errors import DataError

_MAX_BITS = 60


def encode_rle(mask: NDArray[np.bool_]) -> str:
    """Return the compressed counts of `mask` (height, width)."""
    flat = np.concatenate([[False], mask.T.reshape(-1).astype(bool)])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    runs = np.diff(np.concatenate([[0], changes, [mask.size]])).tolist()
    text = []
    for place, run in enumerate(runs):
        value = run - runs[place - 2] if place > 2 else run
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != (-1 if bits & 0x10 else 0)
            text.append(chr((bits | 0x20 if more else bits) + 48))
    return "".join(text)


def decode_rle(counts: str, height: int, width: int) -> NDArray[np.bool_]:
    """Return the mask (height, width) of compressed `counts`; DataError if they do not fill it."""
    runs = _runs(counts, height, width)
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(width, height).T


def box_of_rle(counts: str, height: int, width: int) -> tuple[int, int, int, int] | None:
    """Return the smallest box (x1, y1, x2, y2; x2 and y2 exclusive) around a mask; None for one without a pixel.

    Looks at the runs alone, which takes a small part of the time of decoding. Errors are those of `decode_rle`.
    """
    ends = np.cumsum(_runs(counts, height, width))
    firsts, lasts = ends[:-1:2], ends[1::2] - 1  # first and last pixel of each run of ones
    firsts, lasts = firsts[firsts <= lasts], lasts[firsts <= lasts]
    if not len(firsts):
        return None
    x1, x2 = int(firsts[0] // height), int(lasts[-1] // height) + 1
    if (firsts // height != lasts // height).any():
        # A run that goes on in the next column touches the lowest and the highest row.
        return (x1, 0, x2, height)
    return (x1, int((firsts % height).min()), x2, int((lasts % height).max()) + 1)


def _runs(counts: str, height: int, width: int) -> list[int]:
    """Return the run lengths, of zeros first; DataError if they do not fill a mask of this size."""
    runs: list[int] = []
    value, shift = 0, 0
    for character in counts:
        code = ord(character) - 48
        if not 0 <= code < 64:
            raise DataError(f"run-length text holds the character {character!r}")
        value |= (code & 0x1F) << shift
        shift += 5
        if shift > _MAX_BITS:
            raise DataError(f"run-length text holds a number of more than {_MAX_BITS} bits")
        if not code & 0x20:
            if code & 0x10:
                value -= 1 << shift
            runs.append(value + runs[-2] if len(runs) > 2 else value)
            value, shift = 0, 0
    if shift or sum(runs) != height * width or any(run < 0 for run in runs):
        raise DataError(f"run lengths sum to {sum(runs)}, not to {height}x{width}")
    return runs
