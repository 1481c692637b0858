"""How animals and plants are drawn: one function per kind, facing right. Knows no colours, sizes or scripts."""

from __future__ import annotations

import math

from perceptlm.world.things_canvas import Canvas


def fish(c: Canvas, _: str) -> None:
    """A fish swimming to the right."""
    c.polygon("shade", (0.0, 0.18), (0.36, 0.5), (0.0, 0.82))
    c.polygon("shade", (0.45, 0.3), (0.6, 0.08), (0.78, 0.3))
    c.ellipse("body", 0.2, 0.22, 1.0, 0.78)
    c.arc("dark", 0.03, 0.62, 0.5, 0.2, -50, 50)
    c.eye(0.88, 0.43, 0.06)


def cat(c: Canvas, _: str) -> None:
    """A cat standing, its head to the right, its tail raised."""
    c.line("body", 0.09, (0.16, 0.6), (0.04, 0.4), (0.06, 0.12))
    for x in (0.14, 0.3, 0.52, 0.66):
        c.box("shade", x, 0.7, x + 0.1, 1.0)
    c.box("body", 0.1, 0.48, 0.78, 0.82, 0.14)
    c.polygon("body", (0.6, 0.34), (0.62, 0.02), (0.78, 0.2))
    c.polygon("body", (0.8, 0.2), (0.98, 0.02), (0.98, 0.36))
    c.disc("body", 0.79, 0.38, 0.21)
    c.eye(0.74, 0.34, 0.05)
    c.eye(0.9, 0.34, 0.05)
    c.polygon("dark", (0.79, 0.44), (0.88, 0.44), (0.835, 0.5))


def bird(c: Canvas, _: str) -> None:
    """A bird in flight to the right, one wing up."""
    c.polygon("shade", (0.0, 0.42), (0.3, 0.56), (0.02, 0.76))
    c.polygon("glow", (0.86, 0.46), (1.06, 0.56), (0.86, 0.64))
    c.ellipse("body", 0.14, 0.4, 0.78, 0.82)
    c.disc("body", 0.76, 0.5, 0.17)
    c.polygon("shade", (0.3, 0.58), (0.24, -0.04), (0.62, 0.52))
    c.eye(0.8, 0.46, 0.055)


def duck(c: Canvas, _: str) -> None:
    """A duck sitting on water, its flat beak to the right."""
    c.polygon("glow", (0.84, 0.2), (1.08, 0.28), (1.06, 0.38), (0.84, 0.38))
    c.polygon("body", (0.0, 0.42), (0.2, 0.56), (0.16, 0.8))
    c.pie("body", 0.46, 0.52, 0.42, 0, 180)
    c.box("body", 0.58, 0.3, 0.8, 0.6)
    c.disc("body", 0.72, 0.26, 0.2)
    c.pie("shade", 0.4, 0.56, 0.24, 0, 180)
    c.eye(0.78, 0.22, 0.055)


def snail(c: Canvas, _: str) -> None:
    """A snail with a spiral shell, creeping to the right."""
    c.line("grey", 0.05, (0.84, 0.6), (0.8, 0.3))
    c.line("grey", 0.05, (0.9, 0.6), (1.0, 0.32))
    c.box("grey", 0.0, 0.78, 0.96, 0.94, 0.08)
    c.box("grey", 0.78, 0.54, 0.98, 0.94, 0.08)
    c.disc("body", 0.4, 0.48, 0.36)
    c.arc("dark", 0.05, 0.4, 0.48, 0.24, 0, 290)
    c.arc("dark", 0.05, 0.42, 0.48, 0.12, 120, 400)


def turtle(c: Canvas, _: str) -> None:
    """A turtle with a domed shell, its head to the right."""
    for x in (0.12, 0.56):
        c.box("grey", x, 0.66, x + 0.17, 0.88, 0.05)
    c.disc("grey", 0.9, 0.52, 0.13)
    c.polygon("grey", (0.0, 0.72), (0.14, 0.58), (0.14, 0.72))
    c.box("grey", 0.7, 0.52, 0.9, 0.64)
    c.pie("body", 0.44, 0.68, 0.42, 180, 360)
    c.box("shade", 0.02, 0.62, 0.86, 0.74, 0.05)
    c.disc("dark", 0.94, 0.49, 0.035)


def mouse(c: Canvas, _: str) -> None:
    """A mouse with one great round ear and a long tail, its nose to the right."""
    c.line("grey", 0.05, (0.2, 0.78), (0.06, 0.7), (0.02, 0.5), (0.12, 0.4), (0.06, 0.24))
    c.pie("body", 0.46, 0.84, 0.34, 180, 360)
    c.polygon("body", (0.5, 0.52), (0.76, 0.52), (1.04, 0.78), (0.96, 0.84), (0.5, 0.84))
    c.disc("body", 0.56, 0.38, 0.21)
    c.disc("light", 0.56, 0.38, 0.12)
    c.eye(0.82, 0.64, 0.05)
    c.disc("dark", 1.01, 0.78, 0.05)


def butterfly(c: Canvas, _: str) -> None:
    """A butterfly seen from above."""
    for side in (-1, 1):
        c.polygon("body", (0.5, 0.5), (0.5 + side * 0.14, 0.06), (0.5 + side * 0.48, 0.04), (0.5 + side * 0.46, 0.46))
        c.ellipse("shade", *sorted_pair(0.5 + side * 0.02, 0.5 + side * 0.38, 0.48, 0.92))
        c.disc("light", 0.5 + side * 0.32, 0.24, 0.07)
        c.line("dark", 0.03, (0.5, 0.3), (0.5 + side * 0.12, 0.0))
    c.box("dark", 0.45, 0.2, 0.55, 0.84, 0.05)


def sorted_pair(x1: float, x2: float, y1: float, y2: float) -> tuple[float, float, float, float]:
    """Return a box's corners with x in order, for shapes mirrored left and right."""
    return (min(x1, x2), y1, max(x1, x2), y2)


def spider(c: Canvas, _: str) -> None:
    """A spider with eight bent legs."""
    for side in (-1, 1):
        for start, knee, foot in ((0.42, 0.12, 0.3), (0.48, 0.34, 0.54), (0.54, 0.6, 0.8), (0.6, 0.8, 1.0)):
            c.line("dark", 0.045, (0.5, start), (0.5 + side * 0.32, knee), (0.5 + side * 0.5, foot))
    c.disc("body", 0.5, 0.6, 0.26)
    c.disc("shade", 0.5, 0.3, 0.16)
    c.eye(0.43, 0.26, 0.05)
    c.eye(0.57, 0.26, 0.05)


def crab(c: Canvas, _: str) -> None:
    """A crab with raised claws."""
    for side in (-1, 1):
        for y in (0.66, 0.78, 0.9):
            c.line("shade", 0.05, (0.5 + side * 0.2, 0.62), (0.5 + side * 0.46, y))
        c.line("shade", 0.08, (0.5 + side * 0.26, 0.56), (0.5 + side * 0.42, 0.36))
        c.disc("body", 0.5 + side * 0.38, 0.2, 0.17)
        c.polygon("none", (0.5 + side * 0.38, 0.22), (0.5 + side * 0.26, -0.02), (0.5 + side * 0.46, -0.02))
        c.line("dark", 0.03, (0.5 + side * 0.1, 0.5), (0.5 + side * 0.1, 0.32))
        c.eye(0.5 + side * 0.1, 0.32, 0.06)
    c.ellipse("body", 0.16, 0.42, 0.84, 0.88)


def tree(c: Canvas, _: str) -> None:
    """A tree with a round crown."""
    c.box("grey", 0.42, 0.6, 0.58, 1.0)
    for x, y, radius in ((0.3, 0.46, 0.22), (0.7, 0.46, 0.22), (0.5, 0.24, 0.24), (0.5, 0.5, 0.22)):
        c.disc("body", x, y, radius)


def cactus(c: Canvas, _: str) -> None:
    """A cactus with two arms, in a pot."""
    c.line("body", 0.15, (0.5, 0.58), (0.16, 0.58), (0.16, 0.34))
    c.line("body", 0.15, (0.5, 0.46), (0.84, 0.46), (0.84, 0.2))
    c.box("body", 0.38, 0.0, 0.62, 0.8, 0.12)
    c.polygon("grey", (0.26, 0.76), (0.74, 0.76), (0.66, 1.0), (0.34, 1.0))


def mushroom(c: Canvas, _: str) -> None:
    """A mushroom with a wide cap."""
    c.polygon("light", (0.38, 0.5), (0.62, 0.5), (0.68, 0.98), (0.32, 0.98))
    c.pie("body", 0.5, 0.54, 0.5, 180, 360)
    c.box("shade", 0.0, 0.48, 1.0, 0.58, 0.05)


def apple(c: Canvas, _: str) -> None:
    """An apple with stalk and one leaf."""
    c.disc("body", 0.33, 0.56, 0.31)
    c.disc("body", 0.67, 0.56, 0.31)
    c.ellipse("body", 0.16, 0.4, 0.84, 1.0)
    c.line("dark", 0.06, (0.5, 0.34), (0.54, 0.06))
    c.polygon("grey", (0.55, 0.2), (0.68, 0.02), (0.92, 0.04), (0.78, 0.22))


def carrot(c: Canvas, _: str) -> None:
    """A carrot, its tip to the right."""
    for y in (0.2, 0.5, 0.8):
        c.line("grey", 0.09, (0.3, 0.5), (0.03, y))
    c.polygon("body", (0.22, 0.26), (0.34, 0.22), (1.04, 0.5), (0.34, 0.78), (0.22, 0.74))
    c.line("dark", 0.03, (0.44, 0.3), (0.44, 0.46))
    c.line("dark", 0.03, (0.64, 0.66), (0.64, 0.54))


def cake(c: Canvas, _: str) -> None:
    """A cake of two layers with a cherry."""
    c.box("body", 0.02, 0.58, 0.98, 0.96, 0.05)
    c.box("body", 0.2, 0.26, 0.8, 0.6, 0.05)
    c.box("light", 0.02, 0.54, 0.98, 0.66, 0.05)
    c.box("light", 0.2, 0.22, 0.8, 0.34, 0.05)
    c.disc("shade", 0.5, 0.12, 0.11)


def flower(c: Canvas, state: str) -> None:
    """A flower on its stalk: petals spread (open) or folded to a bud (closed)."""
    c.line("grey", 0.07, (0.5, 0.5), (0.5, 1.0))
    c.ellipse("grey", 0.5, 0.72, 0.8, 0.86)
    if state == "open":
        for step in range(6):
            angle = math.radians(60 * step)
            c.disc("body", 0.5 + 0.24 * math.cos(angle), 0.34 + 0.24 * math.sin(angle), 0.16)
        c.disc("glow", 0.5, 0.34, 0.13)
    else:
        c.ellipse("body", 0.3, 0.04, 0.7, 0.62)
        c.polygon("grey", (0.3, 0.42), (0.5, 0.54), (0.7, 0.42), (0.58, 0.66), (0.42, 0.66))


def egg(c: Canvas, state: str) -> None:
    """An egg: whole, or broken in two halves with the yolk between."""
    if state == "whole":
        c.ellipse("body", 0.16, 0.0, 0.84, 0.98)
        c.ellipse("tint", 0.3, 0.16, 0.44, 0.4)
        return
    c.disc("glow", 0.5, 0.54, 0.16)
    c.pie("body", 0.5, 0.64, 0.36, 0, 180)
    c.polygon("body", (0.14, 0.66), (0.14, 0.54), (0.28, 0.66), (0.42, 0.56), (0.58, 0.66), (0.72, 0.56), (0.86, 0.66))
    c.polygon("body", (0.86, 0.54), (0.86, 0.68), (0.7, 0.66))
    c.pie("body", 0.5, 0.36, 0.36, 180, 360)
    c.polygon("body", (0.14, 0.34), (0.28, 0.44), (0.42, 0.34), (0.58, 0.44), (0.72, 0.34), (0.86, 0.44), (0.86, 0.32))


DRAWINGS = {
    "fish": fish, "cat": cat, "bird": bird, "duck": duck, "snail": snail, "turtle": turtle, "mouse": mouse,
    "butterfly": butterfly, "spider": spider, "crab": crab, "tree": tree, "cactus": cactus, "mushroom": mushroom,
    "apple": apple, "carrot": carrot, "cake": cake, "flower": flower, "egg": egg,
}  # fmt: skip
"""Kind -> function drawing it on a canvas in a state ('' for kinds without states)."""
