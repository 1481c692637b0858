"""How vehicles, buildings and furniture are drawn, vehicles heading right. Knows no colours, sizes or scripts."""

from __future__ import annotations

from perceptlm.world.things_canvas import Canvas


def _wheel(c: Canvas, x: float, y: float, radius: float) -> None:
    c.disc("dark", x, y, radius)
    c.disc("light", x, y, radius * 0.45)


def car(c: Canvas, _: str) -> None:
    """A car, its low bonnet and headlight to the right."""
    c.polygon("body", (0.12, 0.5), (0.22, 0.2), (0.58, 0.2), (0.74, 0.5))
    c.box("body", 0.0, 0.46, 1.0, 0.76, 0.08)
    c.polygon("light", (0.2, 0.47), (0.27, 0.27), (0.38, 0.27), (0.38, 0.47))
    c.polygon("light", (0.44, 0.47), (0.44, 0.27), (0.55, 0.27), (0.66, 0.47))
    c.box("glow", 0.9, 0.5, 1.0, 0.62)
    _wheel(c, 0.22, 0.76, 0.14)
    _wheel(c, 0.76, 0.76, 0.14)


def truck(c: Canvas, _: str) -> None:
    """A truck: a tall load behind, the cab to the right."""
    c.box("body", 0.0, 0.12, 0.64, 0.74)
    c.box("shade", 0.66, 0.34, 1.0, 0.74, 0.06)
    c.box("light", 0.78, 0.4, 0.96, 0.54)
    c.box("dark", 0.0, 0.72, 1.0, 0.8)
    for x in (0.16, 0.42, 0.82):
        _wheel(c, x, 0.82, 0.12)


def plane(c: Canvas, _: str) -> None:
    """An aeroplane seen from above, its nose to the right."""
    c.polygon("shade", (0.62, 0.5), (0.34, 0.0), (0.22, 0.0), (0.38, 0.5), (0.22, 1.0), (0.34, 1.0))
    c.polygon("shade", (0.2, 0.5), (0.08, 0.26), (0.0, 0.26), (0.06, 0.5), (0.0, 0.74), (0.08, 0.74))
    c.ellipse("body", 0.02, 0.38, 1.0, 0.62)
    c.ellipse("light", 0.82, 0.44, 0.93, 0.56)


def rocket(c: Canvas, _: str) -> None:
    """A rocket flying to the right with a flame behind."""
    c.polygon("glow", (0.2, 0.38), (-0.04, 0.5), (0.2, 0.62))
    c.polygon("shade", (0.16, 0.3), (0.1, 0.06), (0.5, 0.34))
    c.polygon("shade", (0.16, 0.7), (0.1, 0.94), (0.5, 0.66))
    c.box("body", 0.16, 0.3, 0.72, 0.7)
    c.polygon("shade", (0.71, 0.29), (1.02, 0.5), (0.71, 0.71))
    c.disc("light", 0.56, 0.5, 0.1)


def boat(c: Canvas, _: str) -> None:
    """A sailing boat, its pointed bow and its sail to the right."""
    c.box("dark", 0.4, 0.0, 0.46, 0.7)
    c.polygon("body", (0.48, 0.02), (0.48, 0.6), (0.96, 0.6))
    c.polygon("tint", (0.37, 0.18), (0.37, 0.6), (0.1, 0.6))
    c.polygon("shade", (0.04, 0.68), (1.04, 0.68), (0.8, 0.96), (0.14, 0.96))


def train(c: Canvas, _: str) -> None:
    """A steam engine with its chimney to the right."""
    c.box("shade", 0.0, 0.12, 0.36, 0.74)
    c.box("light", 0.08, 0.22, 0.28, 0.42)
    c.box("body", 0.34, 0.38, 0.94, 0.74, 0.06)
    c.polygon("dark", (0.72, 0.4), (0.68, 0.08), (0.9, 0.08), (0.86, 0.4))
    c.polygon("grey", (0.9, 0.74), (1.04, 0.9), (0.84, 0.9))
    for x, radius in ((0.18, 0.16), (0.5, 0.12), (0.76, 0.12)):
        _wheel(c, x, 0.96 - radius, radius)


def house(c: Canvas, _: str) -> None:
    """A house with a roof, a door and a window."""
    c.box("shade", 0.7, 0.06, 0.82, 0.4)
    c.box("body", 0.1, 0.42, 0.9, 1.0)
    c.polygon("shade", (0.5, 0.0), (1.02, 0.48), (-0.02, 0.48))
    c.box("dark", 0.2, 0.64, 0.42, 1.0)
    c.box("light", 0.56, 0.62, 0.8, 0.84)


def tent(c: Canvas, _: str) -> None:
    """A tent with its entrance."""
    c.polygon("body", (0.5, 0.06), (1.02, 0.94), (-0.02, 0.94))
    c.polygon("dark", (0.5, 0.4), (0.68, 0.94), (0.32, 0.94))
    c.line("dark", 0.04, (0.5, 0.1), (0.42, 0.0))
    c.line("dark", 0.04, (0.5, 0.1), (0.58, 0.0))


def chair(c: Canvas, _: str) -> None:
    """A chair seen from the side, its back to the left."""
    c.box("body", 0.1, 0.0, 0.26, 1.0, 0.03)
    c.box("body", 0.1, 0.5, 0.9, 0.66, 0.03)
    c.box("body", 0.76, 0.5, 0.9, 1.0, 0.03)


def clock(c: Canvas, _: str) -> None:
    """A round clock showing four o'clock."""
    c.disc("body", 0.5, 0.5, 0.5)
    c.disc("light", 0.5, 0.5, 0.31)
    c.line("dark", 0.06, (0.5, 0.5), (0.5, 0.26))
    c.line("dark", 0.06, (0.5, 0.5), (0.66, 0.58))


def lamp(c: Canvas, state: str) -> None:
    """A table lamp: off, or on with light under and around its shade."""
    if state == "on":
        c.polygon("glow", (0.2, 0.46), (0.8, 0.46), (1.02, 0.94), (-0.02, 0.94))
    c.box("dark", 0.46, 0.44, 0.54, 0.94)
    c.box("dark", 0.26, 0.9, 0.74, 1.0, 0.03)
    c.polygon("body", (0.32, 0.02), (0.68, 0.02), (0.9, 0.48), (0.1, 0.48))


def candle(c: Canvas, state: str) -> None:
    """A candle in its holder: unlit, or lit with a large flame."""
    if state == "lit":
        c.polygon("glow", (0.5, -0.06), (0.68, 0.22), (0.5, 0.36), (0.32, 0.22))
        c.disc("glow", 0.5, 0.22, 0.16)
    c.line("dark", 0.04, (0.5, 0.26), (0.5, 0.38))
    c.box("body", 0.36, 0.36, 0.64, 0.9)
    c.box("dark", 0.14, 0.86, 0.86, 0.98, 0.04)
    c.arc("dark", 0.05, 0.84, 0.8, 0.14, -120, 120)


def television(c: Canvas, state: str) -> None:
    """A television: off with a dark screen, or on with a bright picture."""
    c.line("dark", 0.04, (0.5, 0.26), (0.24, 0.02))
    c.line("dark", 0.04, (0.5, 0.26), (0.76, 0.02))
    c.box("body", 0.0, 0.22, 1.0, 0.92, 0.08)
    c.box("light" if state == "on" else "dark", 0.1, 0.32, 0.74, 0.82, 0.05)
    if state == "on":
        c.polygon("glow", (0.14, 0.8), (0.34, 0.46), (0.52, 0.8))
        c.disc("shade", 0.6, 0.46, 0.08)
    c.disc("dark", 0.87, 0.42, 0.06)
    c.disc("dark", 0.87, 0.62, 0.06)
    c.box("dark", 0.14, 0.92, 0.24, 1.0)
    c.box("dark", 0.76, 0.92, 0.86, 1.0)


def door(c: Canvas, state: str) -> None:
    """A door in its frame: closed, or swung open on a dark room."""
    c.box("grey", 0.12, 0.0, 0.88, 1.0)
    c.box("dark", 0.22, 0.1, 0.78, 1.0)
    if state == "closed":
        c.box("body", 0.22, 0.1, 0.78, 1.0)
        c.disc("glow", 0.68, 0.56, 0.06)
    else:
        c.polygon("body", (0.22, 0.1), (0.44, 0.2), (0.44, 1.06), (0.22, 1.0))
        c.disc("glow", 0.39, 0.6, 0.04)


DRAWINGS = {
    "car": car, "truck": truck, "plane": plane, "rocket": rocket, "boat": boat, "train": train, "house": house,
    "tent": tent, "chair": chair, "clock": clock, "lamp": lamp, "candle": candle, "television": television,
    "door": door,
}  # fmt: skip
"""Kind -> function drawing it on a canvas in a state ('' for kinds without states)."""
