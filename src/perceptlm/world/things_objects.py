"""How things to hold, signs and shapes are drawn. Knows no colours, sizes or scripts."""

from __future__ import annotations

import math

from perceptlm.world.things_canvas import Canvas


def ball(c: Canvas, _: str) -> None:
    """A ball with a bright spot and a seam, so that its spinning shows."""
    c.disc("body", 0.5, 0.5, 0.5)
    c.arc("dark", 0.05, 0.98, 0.5, 0.5, 110, 250)
    c.disc("light", 0.28, 0.3, 0.11)


def kite(c: Canvas, _: str) -> None:
    """A kite with a tail of ribbons."""
    c.line("dark", 0.03, (0.44, 0.66), (0.54, 0.78), (0.42, 0.88), (0.52, 1.02))
    c.polygon("shade", (0.5, 0.84), (0.66, 0.76), (0.64, 0.9))
    c.polygon("shade", (0.44, 0.92), (0.3, 0.86), (0.3, 0.98))
    c.polygon("body", (0.5, 0.0), (0.86, 0.3), (0.5, 0.74), (0.14, 0.3))
    c.line("dark", 0.025, (0.5, 0.02), (0.5, 0.72))
    c.line("dark", 0.025, (0.16, 0.3), (0.84, 0.3))


def key(c: Canvas, _: str) -> None:
    """A key: a ring, a shaft and two teeth."""
    c.disc("body", 0.24, 0.5, 0.25)
    c.disc("none", 0.2, 0.5, 0.1)
    c.box("body", 0.4, 0.43, 1.0, 0.57)
    c.box("body", 0.7, 0.5, 0.79, 0.76)
    c.box("body", 0.9, 0.5, 1.0, 0.8)


def hammer(c: Canvas, _: str) -> None:
    """A hammer lying down, its head to the right."""
    c.box("grey", 0.0, 0.42, 0.76, 0.58, 0.05)
    c.box("body", 0.66, 0.12, 0.96, 0.88, 0.06)


def bell(c: Canvas, _: str) -> None:
    """A bell with its clapper."""
    c.disc("dark", 0.5, 0.9, 0.1)
    c.disc("dark", 0.5, 0.06, 0.07)
    c.pie("body", 0.5, 0.42, 0.32, 180, 360)
    c.polygon("body", (0.18, 0.4), (0.82, 0.4), (0.96, 0.84), (0.04, 0.84))
    c.box("shade", 0.0, 0.76, 1.0, 0.88, 0.05)


def drum(c: Canvas, _: str) -> None:
    """A drum with two sticks."""
    c.box("body", 0.04, 0.36, 0.96, 0.84)
    c.ellipse("body", 0.04, 0.7, 0.96, 1.0)
    c.ellipse("light", 0.04, 0.22, 0.96, 0.52)
    c.line("dark", 0.05, (0.4, 0.38), (0.06, 0.04))
    c.line("dark", 0.05, (0.6, 0.38), (0.94, 0.04))


def hat(c: Canvas, _: str) -> None:
    """A top hat with a ribbon."""
    c.box("body", 0.24, 0.14, 0.76, 0.8)
    c.box("light", 0.24, 0.56, 0.76, 0.7)
    c.box("body", 0.0, 0.7, 1.0, 0.86, 0.07)


def anchor(c: Canvas, _: str) -> None:
    """An anchor."""
    c.arc("body", 0.09, 0.5, 0.13, 0.14, 0, 360)
    c.box("body", 0.44, 0.22, 0.56, 0.94)
    c.box("body", 0.26, 0.32, 0.74, 0.42, 0.04)
    c.arc("body", 0.11, 0.5, 0.54, 0.44, 15, 165)
    c.polygon("body", (0.0, 0.7), (0.02, 0.44), (0.24, 0.6))
    c.polygon("body", (1.0, 0.7), (0.98, 0.44), (0.76, 0.6))


def crown(c: Canvas, _: str) -> None:
    """A crown of three points with jewels."""
    c.polygon("body", (0.06, 0.86), (0.0, 0.24), (0.28, 0.52), (0.5, 0.14), (0.72, 0.52), (1.0, 0.24), (0.94, 0.86))
    for x, y in ((0.02, 0.22), (0.5, 0.14), (0.98, 0.22)):
        c.disc("shade", x, y, 0.08)
    for x in (0.28, 0.5, 0.72):
        c.disc("light", x, 0.72, 0.07)


def cup(c: Canvas, state: str) -> None:
    """A cup cut open to show whether it is full or empty, with a handle."""
    c.arc("body", 0.1, 0.78, 0.56, 0.22, -90, 90)
    c.polygon("body", (0.04, 0.26), (0.78, 0.26), (0.7, 0.98), (0.12, 0.98))
    c.polygon("light", (0.18, 0.26), (0.64, 0.26), (0.59, 0.74), (0.23, 0.74))
    if state == "full":
        c.polygon("dark", (0.19, 0.36), (0.63, 0.36), (0.59, 0.74), (0.23, 0.74))
        c.line("grey", 0.06, (0.3, 0.18), (0.36, 0.02))
        c.line("grey", 0.06, (0.52, 0.18), (0.58, 0.02))


def bottle(c: Canvas, state: str) -> None:
    """A bottle: full (coloured to the neck) or empty (clear glass with a coloured cap and foot)."""
    c.box("body", 0.34, 0.0, 0.66, 0.16)
    c.box("light", 0.41, 0.1, 0.59, 0.34)
    c.box("light", 0.24, 0.28, 0.76, 1.0, 0.12)
    if state == "full":
        c.box("body", 0.24, 0.34, 0.76, 1.0, 0.12)
    else:
        c.box("body", 0.24, 0.76, 0.76, 1.0, 0.08)


def umbrella(c: Canvas, state: str) -> None:
    """An umbrella: open like a dome, or closed and slim."""
    c.box("dark", 0.47, 0.0, 0.53, 0.9)
    c.arc("dark", 0.06, 0.6, 0.88, 0.13, 0, 180)
    if state == "open":
        c.pie("body", 0.5, 0.54, 0.5, 180, 360)
        for x in (0.17, 0.5, 0.83):
            c.disc("none", x, 0.58, 0.15)
        c.box("dark", 0.47, 0.42, 0.53, 0.9)
    else:
        c.polygon("body", (0.5, 0.04), (0.7, 0.64), (0.5, 0.78), (0.3, 0.64))


def book(c: Canvas, state: str) -> None:
    """A book: open with two light pages, or closed."""
    if state == "open":
        c.polygon("body", (0.0, 0.2), (0.5, 0.3), (1.0, 0.2), (1.0, 0.84), (0.5, 0.94), (0.0, 0.84))
        c.polygon("light", (0.11, 0.14), (0.45, 0.24), (0.45, 0.82), (0.11, 0.7))
        c.polygon("light", (0.89, 0.14), (0.55, 0.24), (0.55, 0.82), (0.89, 0.7))
        for y in (0.34, 0.46, 0.58):
            c.line("grey", 0.03, (0.17, y), (0.38, y + 0.06))
            c.line("grey", 0.03, (0.83, y), (0.62, y + 0.06))
    else:
        c.box("light", 0.2, 0.12, 0.84, 0.96, 0.02)
        c.box("body", 0.16, 0.04, 0.8, 0.9, 0.03)
        c.box("shade", 0.16, 0.04, 0.28, 0.9, 0.03)
        c.box("light", 0.4, 0.2, 0.7, 0.34)


def padlock(c: Canvas, state: str) -> None:
    """A padlock: its bow closed (locked) or swung up to the side (unlocked)."""
    if state == "locked":
        c.arc("grey", 0.12, 0.5, 0.32, 0.3, 180, 360)
        c.box("grey", 0.2, 0.32, 0.32, 0.5)
        c.box("grey", 0.68, 0.32, 0.8, 0.5)
    else:
        c.arc("grey", 0.12, 0.86, 0.26, 0.28, 180, 360)
        c.box("grey", 0.58, 0.26, 0.7, 0.5)
    c.box("body", 0.08, 0.46, 0.82, 1.0, 0.06)
    c.disc("dark", 0.45, 0.68, 0.09)
    c.box("dark", 0.42, 0.68, 0.48, 0.88)


def star(c: Canvas, _: str) -> None:
    """A star of five points."""
    angles = [math.radians(-90 + 36 * step) for step in range(10)]
    radii = [0.55, 0.24] * 5
    points = [(0.5 + r * math.cos(a), 0.54 + r * math.sin(a)) for r, a in zip(radii, angles, strict=True)]
    c.polygon("body", *points)


def heart(c: Canvas, _: str) -> None:
    """A heart."""
    c.disc("body", 0.26, 0.32, 0.26)
    c.disc("body", 0.74, 0.32, 0.26)
    c.polygon("body", (0.045, 0.46), (0.26, 0.3), (0.5, 0.26), (0.74, 0.3), (0.955, 0.46), (0.5, 0.98))


def moon(c: Canvas, _: str) -> None:
    """A crescent moon."""
    c.disc("body", 0.46, 0.5, 0.48)
    c.disc("none", 0.68, 0.42, 0.38)


def arrow(c: Canvas, _: str) -> None:
    """An arrow pointing right."""
    c.polygon(
        "body", (0.0, 0.36), (0.52, 0.36), (0.52, 0.12), (1.0, 0.5), (0.52, 0.88), (0.52, 0.64), (0.0, 0.64)
    )  # fmt: skip


def ring(c: Canvas, _: str) -> None:
    """A ring with a jewel on top."""
    c.disc("body", 0.5, 0.62, 0.38)
    c.disc("none", 0.5, 0.62, 0.23)
    c.polygon("light", (0.3, 0.08), (0.7, 0.08), (0.8, 0.2), (0.5, 0.42), (0.2, 0.2))
    c.line("dark", 0.025, (0.2, 0.2), (0.8, 0.2))


def sign(c: Canvas, _: str, label: str | None = None) -> None:
    """A sign on a post."""
    c.box("dark", 0.44, 0.6, 0.56, 1.0)
    c.box("body", 0.0, 0.04, 1.0, 0.66, 0.06)
    if label is not None:
        c.text(label, 0.05, 0.1, 0.95, 0.6)


def card(c: Canvas, _: str, label: str | None = None) -> None:
    """A letter or card with a folded corner."""
    c.polygon("body", (0.0, 0.12), (0.8, 0.12), (1.0, 0.32), (1.0, 0.88), (0.0, 0.88))
    c.polygon("shade", (0.8, 0.12), (1.0, 0.32), (0.8, 0.32))
    if label is None:
        c.line("dark", 0.04, (0.14, 0.5), (0.86, 0.5))
        c.line("dark", 0.04, (0.14, 0.68), (0.66, 0.68))
    else:
        c.text(label, 0.05, 0.36, 0.95, 0.82)


def flag(c: Canvas, _: str, label: str | None = None) -> None:
    """A flag on a pole."""
    c.box("dark", 0.0, 0.0, 0.08, 1.0, 0.03)
    c.polygon("body", (0.08, 0.04), (1.04, 0.04), (0.94, 0.34), (1.04, 0.64), (0.08, 0.64))
    if label is not None:
        c.text(label, 0.1, 0.1, 0.92, 0.58)


def box(c: Canvas, state: str, label: str | None = None) -> None:
    """A cardboard box: closed with tape, or open with its flaps up."""
    c.box("body", 0.08, 0.36, 0.92, 1.0)
    if state == "open":
        c.polygon("dark", (0.08, 0.36), (0.24, 0.22), (0.76, 0.22), (0.92, 0.36))
        c.polygon("shade", (0.08, 0.36), (0.26, 0.2), (0.08, 0.0), (-0.1, 0.16))
        c.polygon("shade", (0.92, 0.36), (0.74, 0.2), (0.92, 0.0), (1.1, 0.16))
    else:
        c.box("shade", 0.04, 0.28, 0.96, 0.42)
        c.box("light", 0.44, 0.28, 0.56, 0.54)
    if label is not None:
        c.text(label, 0.11, 0.48, 0.89, 0.94)


def eye(c: Canvas, state: str) -> None:
    """A large eye: open with its iris, or closed with its lid and lashes."""
    lid = [(0.5 + 0.5 * math.cos(math.radians(a)), 0.5 - 0.36 * math.sin(math.radians(a))) for a in range(0, 360, 12)]
    if state == "open":
        c.polygon("light", *lid)
        c.disc("body", 0.5, 0.5, 0.28)
        c.disc("dark", 0.5, 0.5, 0.13)
    else:
        c.polygon("body", *lid)
        c.line("dark", 0.05, (0.02, 0.52), (0.26, 0.66), (0.5, 0.72), (0.74, 0.66), (0.98, 0.52))
    for x, y, tip_x, tip_y in ((0.2, 0.26, 0.1, 0.06), (0.5, 0.16, 0.5, -0.04), (0.8, 0.26, 0.9, 0.06)):
        c.line("dark", 0.045, (x, y), (tip_x, tip_y))


def mask(c: Canvas, state: str) -> None:
    """A round face, happy or sad."""
    c.disc("body", 0.5, 0.5, 0.5)
    _face(c, state, 0.5, 0.22)


def robot(c: Canvas, state: str) -> None:
    """A robot with antenna and arms: happy with its arms up, or sad with its arms down."""
    c.line("dark", 0.04, (0.5, 0.14), (0.5, 0.02))
    c.disc("shade", 0.5, 0.02, 0.06)
    c.box("body", 0.16, 0.12, 0.84, 0.64, 0.05)
    c.box("shade", 0.24, 0.66, 0.76, 0.94)
    hand = 0.1 if state == "happy" else 0.9
    for side in (-1, 1):
        c.line("grey", 0.11, (0.5 + side * 0.26, 0.74), (0.5 + side * 0.44, 0.68), (0.5 + side * 0.46, hand))
    c.box("dark", 0.28, 0.92, 0.44, 1.0)
    c.box("dark", 0.56, 0.92, 0.72, 1.0)
    _face(c, state, 0.36, 0.19)


def _face(c: Canvas, state: str, y: float, size: float) -> None:
    for side in (-1, 1):
        c.disc("light", 0.5 + side * size, y - size * 0.6, size * 0.42)
        c.disc("dark", 0.5 + side * size, y - size * 0.6, size * 0.22)
    if state == "happy":
        c.pie("light", 0.5, y + size * 0.35, size * 1.15, 0, 180)
        c.pie("dark", 0.5, y + size * 0.45, size * 0.9, 0, 180)
    else:
        c.arc("dark", size * 0.35, 0.5, y + size * 1.55, size, 200, 340)


DRAWINGS = {
    "ball": ball, "kite": kite, "key": key, "hammer": hammer, "bell": bell, "drum": drum, "hat": hat,
    "anchor": anchor, "crown": crown, "cup": cup, "bottle": bottle, "umbrella": umbrella, "book": book,
    "padlock": padlock, "star": star, "heart": heart, "moon": moon, "arrow": arrow, "ring": ring, "eye": eye,
    "mask": mask, "robot": robot,
}  # fmt: skip
"""Kind -> function drawing it on a canvas in a state ('' for kinds without states)."""
LABELLED_DRAWINGS = {"sign": sign, "card": card, "flag": flag, "box": box}
"""Kinds that can carry a word: the function also takes the word."""
