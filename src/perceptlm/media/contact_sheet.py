"""Contact sheets: the frames of a clip side by side with their captions, as one picture.

Drawn with Pillow and its built-in font, so that the same frames and captions give the same pixels wherever the same
Pillow runs. Knows no file and no sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_PAPER = (255, 255, 255)
_INK = (24, 24, 27)
_GAP = 6
_ELLIPSIS = "..."

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def contact_sheet(
    frames: NDArray[np.uint8],
    *,
    captions: Sequence[str] | None = None,
    title: str | None = None,
    columns: int = 8,
    cell_width: int | None = None,
    font_size: int = 12,
) -> NDArray[np.uint8]:
    """Return the sheet (H, W, 3) of `frames` (n, h, w, 3), row by row, at most `columns` per row.

    Each frame has its caption below (its number in `frames` by default) and is scaled to `cell_width` when given.
    Captions are cut to the width of their frame, the title to that of the sheet; characters that the font lacks
    appear as boxes.
    """
    if frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
        raise ValueError(f"frames must be (n, H, W, 3) with at least one frame, got {frames.shape}")
    texts = [str(number) for number in range(len(frames))] if captions is None else list(captions)
    if len(texts) != len(frames):
        raise ValueError(f"{len(frames)} frames but {len(texts)} captions")
    if columns < 1 or font_size < 4 or (cell_width is not None and cell_width < 1):
        raise ValueError("columns and cell_width must be positive, font_size at least 4")
    pictures = [_scaled(frame, cell_width) for frame in frames]
    font = ImageFont.load_default(size=font_size)
    line_height = font_size + 4
    width, height = pictures[0].size
    num_columns = min(columns, len(pictures))
    num_rows = -(-len(pictures) // num_columns)
    top = _GAP + (line_height + _GAP if title else 0)
    cell_height = height + line_height + _GAP
    sheet = Image.new("RGB", (_GAP + num_columns * (width + _GAP), top + num_rows * cell_height), _PAPER)
    if title:
        sheet.paste(_line(title, sheet.width - 2 * _GAP, line_height, font), (_GAP, _GAP))
    for number, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
        row, column = divmod(number, num_columns)
        left, upper = _GAP + column * (width + _GAP), top + row * cell_height
        sheet.paste(picture, (left, upper))
        sheet.paste(_line(text, width, line_height, font), (left, upper + height))
    return np.array(sheet)


def frame_captions(source_indices: Sequence[int], times: Sequence[Fraction]) -> list[str]:
    """Return captions such as "#12 0.48s": the source frame's number and its presentation time."""
    return [f"#{index} {float(round(time, 2)):.2f}s" for index, time in zip(source_indices, times, strict=True)]


def _scaled(frame: NDArray[np.uint8], width: int | None) -> Image.Image:
    picture = Image.fromarray(np.ascontiguousarray(frame))
    if width is None or width == picture.width:
        return picture
    height = max(1, round(picture.height * width / picture.width))
    # Small synthetic clips are enlarged by whole pixels' edges, real ones made smaller smoothly.
    method = Image.Resampling.NEAREST if width > picture.width else Image.Resampling.LANCZOS
    return picture.resize((width, height), method)


def _line(text: str, width: int, height: int, font: Font) -> Image.Image:
    """Return one line of text as a picture of exactly this size."""
    strip = Image.new("RGB", (width, height), _PAPER)
    ImageDraw.Draw(strip).text((0, 1), _cut(text, width, font), fill=_INK, font=font)
    return strip


def _cut(text: str, width: int, font: Font) -> str:
    # Hostile text may be long or hold line breaks and controls.
    line = "".join(character if character.isprintable() else " " for character in text[:1000])
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(line + _ELLIPSIS) > width:
        line = line[:-1]
    return line + _ELLIPSIS if line else ""
