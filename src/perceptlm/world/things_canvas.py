"""A canvas of paint roles: the drawings say what is body, shade or ink, and never which colour it is.

A drawing works in a unit square (x right, y down, 0..1) and names a role for every shape; later shapes cover earlier
ones. The result is one coverage picture per role, from which `things` makes a sprite in any colour and pattern
without drawing again. This module knows no kind of thing and no colour.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Role = Literal["none", "body", "shade", "tint", "dark", "light", "grey", "glow"]
"""none erases; body takes colour and pattern; shade and tint are the colour darker and lighter; the rest are fixed."""
ROLES: tuple[Role, ...] = ("none", "body", "shade", "tint", "dark", "light", "grey", "glow")
Point = tuple[float, float]

_SIDE = 256  # pixels of the unit square
_BORDER = 64  # shapes may stick out of the unit square by this much


class Canvas:
    """One drawing in progress. All lengths are fractions of the unit square's side."""

    def __init__(self) -> None:
        side = _SIDE + 2 * _BORDER
        self._image = Image.new("L", (side, side), 0)
        self._draw = ImageDraw.Draw(self._image)

    def polygon(self, role: Role, *points: Point) -> None:
        """Fill a polygon."""
        self._draw.polygon([self._at(point) for point in points], fill=ROLES.index(role))

    def ellipse(self, role: Role, x1: float, y1: float, x2: float, y2: float) -> None:
        """Fill the ellipse inside a box."""
        self._draw.ellipse([self._at((x1, y1)), self._at((x2, y2))], fill=ROLES.index(role))

    def disc(self, role: Role, x: float, y: float, radius: float) -> None:
        """Fill a circle."""
        self.ellipse(role, x - radius, y - radius, x + radius, y + radius)

    def pie(self, role: Role, x: float, y: float, radius: float, start: float, end: float) -> None:
        """Fill a slice of a circle; degrees clockwise from the right."""
        corners = [self._at((x - radius, y - radius)), self._at((x + radius, y + radius))]
        self._draw.pieslice(corners, start, end, fill=ROLES.index(role))

    def box(self, role: Role, x1: float, y1: float, x2: float, y2: float, corner: float = 0.0) -> None:
        """Fill a box, with rounded corners of radius `corner`."""
        corners = [self._at((x1, y1)), self._at((x2, y2))]
        self._draw.rounded_rectangle(corners, radius=corner * _SIDE, fill=ROLES.index(role))

    def line(self, role: Role, width: float, *points: Point) -> None:
        """Draw a line with round joints and ends."""
        fill = ROLES.index(role)
        self._draw.line([self._at(point) for point in points], fill=fill, width=round(width * _SIDE), joint="curve")
        for x, y in points:
            self.disc(role, x, y, width / 2)

    def arc(self, role: Role, width: float, x: float, y: float, radius: float, start: float, end: float) -> None:
        """Draw part of a circle's line; degrees clockwise from the right."""
        corners = [self._at((x - radius, y - radius)), self._at((x + radius, y + radius))]
        self._draw.arc(corners, start, end, fill=ROLES.index(role), width=round(width * _SIDE))

    def eye(self, x: float, y: float, radius: float = 0.06) -> None:
        """Draw a small round eye."""
        self.disc("light", x, y, radius)
        self.disc("dark", x + radius * 0.2, y, radius * 0.6)

    def text(self, text: str, x1: float, y1: float, x2: float, y2: float) -> None:
        """Write `text` dark on a light panel, as large as it fits, stretched to at most 1.6 times its height."""
        self.box("light", x1, y1, x2, y2, 0.03)
        font = ImageFont.load_default(100)
        left, top, right, bottom = (round(edge) for edge in font.getbbox(text))
        word = Image.new("L", (right - left, bottom - top), 0)
        ImageDraw.Draw(word).text((-left, -top), text, fill=255, font=font, stroke_width=2)
        width, height = (x2 - x1 - 0.06) * _SIDE, (y2 - y1 - 0.08) * _SIDE
        scale = width / word.width
        word = word.resize((round(width), round(min(height, word.height * scale * 1.6))), Image.Resampling.BILINEAR)
        x, y = self._at(((x1 + x2) / 2, (y1 + y2) / 2))
        place = (round(x - word.width / 2), round(y - word.height / 2))
        self._image.paste(ROLES.index("dark"), place, word.point([0] * 110 + [255] * 146))

    def roles(self) -> NDArray[np.uint8]:
        """Return the role number of every pixel, (side, side)."""
        return np.asarray(self._image)

    @staticmethod
    def _at(point: Point) -> Point:
        return (_BORDER + point[0] * _SIDE, _BORDER + point[1] * _SIDE)
