"""The names of the procedural world: kinds of things with their states, colours, patterns, sizes, labels, backgrounds.

Everything a clip can show is named here once; the drawing files draw exactly these kinds (tested), the director
draws from these lists and the language of the questions speaks of them. This module knows no pixels, no scripts
and no wording.
"""

from __future__ import annotations

from perceptlm.world.script import Action, SizeName

RGB = tuple[int, int, int]

_OPEN = ("open", "closed")
KINDS: dict[str, tuple[str, ...]] = {
    # animals
    "fish": (), "cat": (), "bird": (), "duck": (), "snail": (), "turtle": (), "mouse": (), "butterfly": (),
    "spider": (), "crab": (),
    # vehicles
    "car": (), "truck": (), "plane": (), "rocket": (), "boat": (), "train": (),
    # plants and food
    "tree": (), "cactus": (), "mushroom": (), "apple": (), "carrot": (), "cake": (), "flower": _OPEN,
    "egg": ("whole", "broken"),
    # buildings and furniture
    "house": (), "tent": (), "chair": (), "clock": (), "lamp": ("on", "off"), "candle": ("lit", "unlit"),
    "television": ("on", "off"), "door": _OPEN,
    # things to hold
    "ball": (), "kite": (), "key": (), "hammer": (), "bell": (), "drum": (), "hat": (), "anchor": (), "crown": (),
    "cup": ("full", "empty"), "bottle": ("full", "empty"), "umbrella": _OPEN, "book": _OPEN,
    "padlock": ("locked", "unlocked"),
    # signs and shapes
    "star": (), "heart": (), "moon": (), "arrow": (), "ring": (), "sign": (), "card": (), "flag": (),
    "box": _OPEN, "eye": _OPEN, "mask": ("happy", "sad"), "robot": ("happy", "sad"),
}  # fmt: skip
"""Every kind of thing, with the states it can change between (none for most)."""

FACING_KINDS: frozenset[str] = frozenset(
    {
        "fish", "cat", "bird", "duck", "snail", "turtle", "mouse", "car", "truck", "plane", "rocket", "boat", "train",
        "arrow", "carrot", "hammer",
    }
)  # fmt: skip
"""Kinds with a front, drawn to the right: only these can turn to face a direction."""

LABELLED_KINDS: tuple[str, ...] = ("sign", "card", "flag", "box")
"""Kinds that can have a word written on them; a thing with a label is always large."""

COVER_KINDS: tuple[str, ...] = (
    "tree", "house", "tent", "ball", "drum", "box", "card", "truck", "door", "television", "clock", "heart",
    "apple", "robot", "mask", "padlock",
)  # fmt: skip
"""Kinds solid enough to hide another thing behind them."""

COLOURS: dict[str, RGB] = {
    "red": (216, 34, 40),
    "orange": (250, 140, 20),
    "yellow": (252, 222, 40),
    "green": (44, 160, 60),
    "blue": (36, 84, 220),
    "purple": (136, 52, 190),
    "pink": (252, 130, 190),
    "brown": (128, 76, 34),
    "black": (34, 34, 40),
    "white": (248, 248, 248),
}

PATTERNS: tuple[str, ...] = ("plain", "striped", "dotted", "checked")

SIZES: dict[SizeName, int] = {"small": 20, "medium": 27, "large": 36}
"""Longest side of a thing in pixels, in a picture whose shorter side is 96."""

LABELS: tuple[str, ...] = (
    "GO", "UP", "NO", "YES", "ON", "OK", "HI", "HOT", "ICE", "TEA", "BUS", "TAXI", "ZOO", "SUN", "SKY", "SEA",
    "FUN", "NEW", "OLD", "BIG", "RUN", "WIN", "TOP", "MAP", "MILK", "PARK", "SALE", "FREE", "EXIT", "OPEN", "SHOP",
    "FOOD", "BOOK", "TOYS", "HELP", "LOVE", "BANK", "FARM", "HOME", "COOL",
)  # fmt: skip

BACKGROUND_FAMILIES: tuple[str, ...] = (
    "gradient", "clouds", "waves", "hills", "stripes", "tiles", "noise", "bricks", "grass", "circles", "planks", "rays",
)  # fmt: skip
NUM_BACKGROUNDS_PER_FAMILY = 40
BACKGROUNDS: tuple[str, ...] = tuple(
    f"{family}_{number:02d}" for family in BACKGROUND_FAMILIES for number in range(NUM_BACKGROUNDS_PER_FAMILY)
)
"""`family_NN`: the number chooses palette, layout and movement."""

ACTIONS: tuple[Action, ...] = (
    "enter", "leave", "move", "speed_up", "slow_down", "turn", "grow", "shrink", "change_colour", "change_state",
    "pick_up", "put_down", "hit", "follow", "stop", "hide", "jump", "shake", "spin", "blink",
)  # fmt: skip


def kind_can(kind: str, action: Action) -> bool:
    """Return whether a thing of `kind` can do `action` at all: turning needs a front, changing state needs states."""
    if action == "turn":
        return kind in FACING_KINDS
    if action == "change_state":
        return bool(KINDS[kind])
    return True
