"""The cases of inspection-demo: alike parts cross a belt, and one of them may have a fault. Used by
make_demo_packs.py."""

from __future__ import annotations

from typing import Any

from demo_pack_parts import NUMBERS, Asked, Case, settled

from perceptlm.annotate.packs.pack import Drawing
from perceptlm.seeding import generator

SEED = 11
ORDINALS = ("first", "second", "third", "fourth")
COUNT_OPTIONS = ("two", "three", "four", "five")
QUARTERS = ("first quarter", "second quarter", "third quarter", "last quarter")
FAULTS = ("colour", "state", "size", "loose", "pattern", "none")
"""One after the other, so that each is there as often."""
BACKGROUNDS = ("planks_03", "stripes_14", "planks_17", "tiles_08", "stripes_02", "planks_26")
COLOURS = ("red", "blue", "green", "purple", "orange", "white")
STATE_PARTS = {"box": ("open", "closed"), "cup": ("full", "empty"), "bottle": ("full", "empty"),
               "padlock": ("locked", "unlocked"), "umbrella": ("open", "closed")}  # fmt: skip
PARTS = ("ring", "bell", "drum", "ball", "clock")
DOMAIN = {
    "colour": "surface", "pattern": "surface", "size": "geometry", "state": "function", "loose": "function",
    "none": "function",
}  # fmt: skip
KIND_OPTIONS = ("surface (colour or pattern)", "shape (size)", "function (state or looseness)", "no fault")
KIND_OF = {"colour": 0, "pattern": 0, "size": 1, "state": 2, "loose": 2, "none": 3}
STRIDE, COMING, GOING = 17, 12, 12
STAYS = 20
WHY = {
    0: "The clip shows something else, so nobody can take it for right.",
    1: "It says less than the answer, but it is true: a model that picks it is not wrong.",
    2: "It is no answer to this question at all.",
}


def case(number: int, drawing: Drawing) -> Case:
    """Return case `number`: two to four parts come in from one side one after the other and leave to the other."""
    rng = generator(SEED, "inspection", number)
    fault = FAULTS[number % len(FAULTS)]
    num_parts = int(rng.integers(2, 5))
    bad = int(rng.integers(num_parts))
    kind = str(rng.choice(list(STATE_PARTS))) if fault == "state" else str(rng.choice(PARTS))
    colour, *others = (str(name) for name in rng.permutation(COLOURS))
    pattern = str(rng.choice(("striped", "dotted", "checked")))
    times = int(rng.integers(1, 5))
    states = STATE_PARTS.get(kind, ("", ""))
    state = str(rng.choice(states))
    grows = bool(rng.integers(2))
    came, side = ("left", "right") if rng.integers(2) else ("right", "left")
    change: dict[str, dict[str, Any]] = {
        "colour": {"action": "change_colour", "value": others[0]},
        "state": {"action": "change_state", "value": state},
        "size": {"action": "grow" if grows else "shrink"},
        "loose": {"action": "shake", "count": times},
    }
    things, events, spans = [], [], {}
    for part in range(num_parts):
        name, start = f"part-{part + 1}", 2 + part * STRIDE
        odd = part == bad
        things.append({"name": name, "kind": kind, "colour": colour, "size": "small" if fault == "size" else "medium",
                       "pattern": pattern if odd and fault == "pattern" else "plain"})  # fmt: skip
        arrived = start + COMING
        events.append({"thing": name, "action": "enter", "direction": came, "start": start, "end": arrived})
        if odd and fault in change:
            length = max(12, 5 * times) if fault == "loose" else 12
            events.append({"thing": name, **change[fault], "start": arrived + 3, "end": arrived + 3 + length})
            spans["fault"] = (arrived + 3, arrived + 3 + length)
        leaves = arrived + STAYS + 6
        events.append({"thing": name, "action": "leave", "direction": side, "start": leaves, "end": leaves + GOING})
        spans[name] = (start, leaves + GOING)
    num_frames = max(event["end"] for event in events) + 4
    spans.setdefault("fault", spans[f"part-{bad + 1}"] if fault == "pattern" else (2, num_frames - 4))
    values = {"id": f"batch-{number:02d}", "num_frames": num_frames, "camera": "still", "things": things,
              "background": BACKGROUNDS[number % len(BACKGROUNDS)], "events": events}  # fmt: skip
    recipe, record = settled(values, drawing, 1000 * number)
    does = {
        "colour": f"turns from {colour} to {others[0]}",
        "state": f"changes from {next((s for s in states if s != state), '')} to {state}",
        "size": "grows" if grows else "shrinks", "loose": f"shakes {NUMBERS[times - 1]}",
        "pattern": f"is {pattern}, the others are plain", "none": "no part shows a fault",
    }  # fmt: skip
    wrong = {
        "colour": f"turns from {colour} to {others[1]}",
        "state": f"changes from {state} to {next((s for s in states if s != state), '')}",
        "size": "shrinks" if grows else "grows", "loose": f"shakes {NUMBERS[times % 4]}",
        "pattern": f"is {next(p for p in ('striped', 'dotted', 'checked') if p != pattern)}, the others are plain",
        "none": "",
    }  # fmt: skip
    told = _Told(fault, num_parts, bad, kind, does[fault], wrong[fault], side, num_frames)
    return Case(recipe, record, _asked(told, spans), _invalid(told), spans)


class _Told:
    """The words of one case."""

    def __init__(
        self, fault: str, num_parts: int, bad: int, kind: str, does: str, wrong: str, side: str, num_frames: int
    ) -> None:
        self.fault, self.num_parts, self.bad, self.kind = fault, num_parts, bad, kind
        self.does, self.wrong, self.side, self.num_frames = does, wrong, side, num_frames

    @property
    def part(self) -> str:
        return f"the {ORDINALS[self.bad]} part"

    @property
    def other(self) -> str:
        return f"the {ORDINALS[(self.bad + 1) % self.num_parts]} part"


def _asked(told: _Told, spans: dict[str, tuple[int, int]]) -> tuple[Asked, ...]:
    everything = (2, told.num_frames - 4)
    domain = DOMAIN[told.fault]
    question = "Which part has a fault, and what is it?"
    if told.fault == "none":
        which = Asked(
            domain, "which-part", question, everything, ("no part shows a fault", "none of them"),
            ("the first part shakes once", "the second part turns black", "the last part is smaller than the others"),
            "nothing unusual happens to the first part", "the belt is the third fault",
        )  # fmt: skip
    else:
        which = Asked(
            domain, "which-part", question, spans["fault"],
            (f"{told.part} {told.does}", f"{ORDINALS[told.bad]}: it {told.does}"),
            (f"{told.other} {told.does}", f"{told.part} {told.wrong}", "no part shows a fault"),
            "one of the parts is not like the others", "the belt is the third fault",
            difficulty="hard" if told.fault in ("loose", "size") else None,
        )  # fmt: skip
    found = [
        which,
        Asked("belt", "how-many", "How many parts pass over the belt?", everything, right=told.num_parts - 2),
        Asked(domain, "what-fault", "What kind of fault does the batch show?", spans["fault"],
              right=KIND_OF[told.fault]),
        Asked("belt", "what-parts", "What kind of part is this batch made of?", spans["part-1"],
              (_plural(told.kind),), tuple(_plural(kind) for kind in ("anchor", "hammer", "key")),
              "things of one kind", "seven times to the left"),
    ]  # fmt: skip
    first, last = spans["part-1"][0], spans[f"part-{told.num_parts}"][0]
    other = "left" if told.side == "right" else "right"
    found.append(
        Asked("belt", "moves-where", "To which side does the belt carry the parts?", (first, last + COMING),
              (f"to the {told.side}", f"the {told.side}"), (f"to the {other}", "upwards", "downwards"), "to one side",
              "to the heavy side"))  # fmt: skip
    quarter = spans["fault"][0] * 4 / told.num_frames
    if told.fault not in ("none", "pattern") and abs(quarter - round(quarter)) > 0.15:
        found.append(Asked("belt", "when-fault", "In which quarter of the clip does the fault begin?", spans["fault"],
                           right=int(quarter), difficulty="hard"))  # fmt: skip
    return tuple(found)


def _plural(kind: str) -> str:
    return f"{kind}es" if kind.endswith("x") else f"{kind}s"


def _invalid(told: _Told) -> tuple[tuple[str, str, str], ...]:
    return (
        ("Which machine made the parts?", "not_visible", "The clip begins on the belt."),
        ("Is the part all right?", "ambiguous", f"There are {COUNT_OPTIONS[told.num_parts - 2]} parts."),
        (
            "Why is the dangerous last part not taken off?",
            "leading",
            "It says that there is a danger, and whose fault.",
        ),
        (f"What kind of thing is a {told.kind}-shaped {told.kind}?", "answerable_without_video", "The words say it."),
    )
