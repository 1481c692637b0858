"""The cases of surgery-demo: two drawn instruments work on two targets while a light changes. Used by
make_demo_packs.py."""

from __future__ import annotations

from demo_pack_parts import NUMBERS, Asked, Case, settled

from perceptlm.annotate.packs.pack import Drawing
from perceptlm.seeding import generator

SEED = 7
INSTRUMENTS = ("key", "hammer", "anchor", "arrow", "bell")
TARGETS = ("ball", "drum", "ring", "heart", "hat")
COLOURS = ("red", "blue", "green", "purple", "orange", "white")
BACKGROUNDS = ("gradient_05", "tiles_11", "gradient_12", "clouds_07", "tiles_21", "gradient_30")
SIDES = ("left", "right", "up", "down")
OUT = {"left": "to the left", "right": "to the right", "up": "upwards", "down": "downwards"}
COUNTED = {"shake": "shakes", "spin": "turns round", "jump": "jumps"}
WHY = {
    0: "The clip shows something else, so nobody can take it for right.",
    1: "It says less than the answer, but it is true: a model that picks it is not wrong.",
    2: "It is no answer to this question at all.",
}


def case(number: int, drawing: Drawing) -> Case:
    """Return case `number`: the first instrument comes in, works, moves a counted number of times and leaves; the
    second one works later."""
    rng = generator(SEED, "surgery", number)
    kinds = [str(kind) for kind in rng.permutation(INSTRUMENTS)[:2]]
    goals = [str(kind) for kind in rng.permutation(TARGETS)[:2]]
    tints = [str(colour) for colour in rng.permutation(COLOURS)]
    lifts = number % 2 == 1
    verb, times = str(rng.choice(list(COUNTED))), int(rng.integers(1, 5))
    side, light = str(rng.choice(SIDES)), str(rng.choice(("on", "off")))
    light_first = bool(rng.integers(2))
    counted_end = 40 + max(5 * times, 8)
    gone = counted_end + 14
    second = 50 if light_first else 34
    switch = 32 if light_first else 58
    first = {"thing": "first", "object": "goal"}
    events = [
        {"thing": "first", "action": "enter", "direction": str(rng.choice(("left", "right"))), "start": 2, "end": 14},
        {**first, "action": "pick_up" if lifts else "hit", "start": 17, "end": 31},
        {"thing": "first", "action": verb, "count": times, "start": 40, "end": counted_end},
        {"thing": "first", "action": "leave", "direction": side, "start": counted_end + 2, "end": gone},
        {"thing": "second", "action": "hit", "object": "other-goal", "start": second, "end": second + 14},
        {"thing": "light", "action": "change_state", "value": light, "start": switch, "end": switch + 10},
    ]
    values = {
        "id": f"case-{number:02d}", "num_frames": gone + 6, "background": BACKGROUNDS[number % len(BACKGROUNDS)],
        "camera": "still",
        "things": [
            {"name": "first", "kind": kinds[0], "colour": tints[0]},
            {"name": "goal", "kind": goals[0], "colour": tints[1]},
            {"name": "second", "kind": kinds[1], "colour": tints[2]},
            {"name": "other-goal", "kind": goals[1], "colour": tints[3], "pattern": "striped"},
            {"name": "light", "kind": "lamp", "colour": "yellow"},
        ],
        "events": events,
    }  # fmt: skip
    recipe, record = settled(values, drawing, 1000 * number)
    a, x, b, y = (f"the {tints[n]} {kind}" for n, kind in enumerate((kinds[0], goals[0], kinds[1], goals[1])))
    spans = {
        "work": (17, 31), "counted": (40, counted_end), "leave": (counted_end + 2, gone),
        "second": (second, second + 14), "switch": (switch, switch + 10),
    }  # fmt: skip
    told = _Told(a, x, b, y, "lifts" if lifts else "touches", "lift" if lifts else "touch", verb, times, side, light)
    return Case(recipe, record, _asked(told, spans, kinds, goals, tints), _invalid(told), spans)


class _Told:
    """The words of one case."""

    def __init__(
        self, a: str, x: str, b: str, y: str, works: str, work: str, verb: str, times: int, side: str, light: str
    ) -> None:
        self.a, self.x, self.b, self.y, self.works, self.work = a, x, b, y, works, work
        self.verb, self.times, self.side, self.light = verb, times, side, light

    def counted(self, times: int, verb: str | None = None) -> str:
        return f"it {COUNTED[verb or self.verb]} {NUMBERS[times - 1]}"


def _asked(
    told: _Told, spans: dict[str, tuple[int, int]], kinds: list[str], goals: list[str], tints: list[str]
) -> tuple[Asked, ...]:
    other_times = told.times % 4 + 1
    other_verb = next(verb for verb in COUNTED if verb != told.verb)
    after = "after" if spans["switch"][0] > spans["second"][1] else "before"
    light = f"it goes {told.light} {after} {told.b} touches {told.y}"
    dark = "off" if told.light == "on" else "on"
    not_after = "before" if after == "after" else "after"
    first_two = sorted((told.a, told.b))
    both = (min(spans["work"][0], spans["second"][0]), max(spans["work"][1], spans["second"][1]))
    order = told.a if spans["work"][0] < spans["second"][0] else told.b
    return (
        Asked("sequence", "what-next", f"What does {told.a} do right after it {told.works} {told.x}?", spans["counted"],
              (told.counted(told.times), f"{told.a} {COUNTED[told.verb]} {NUMBERS[told.times - 1]}"),
              (told.counted(other_times), told.counted(told.times, other_verb), f"it leaves {OUT[told.side]}"),
              f"it {COUNTED[told.verb]}", f"it is {NUMBERS[told.times - 1]} yellow",
              difficulty="hard" if told.times > 2 else None),
        Asked("instruments", "which-instrument", f"Which instrument {told.works} {told.x}?", spans["work"],
              (told.a,), (told.b, f"the {tints[4]} {kinds[0]}", f"the {tints[0]} {kinds[1]}"),
              f"a {kinds[0]}" if kinds[0][0] not in "aeiou" else f"an {kinds[0]}", f"{NUMBERS[1]} the lamp"),
        Asked("handling", "leaves-where", f"To which side does {told.a} leave?", spans["leave"],
              right=SIDES.index(told.side)),
        Asked("handling", "what-target", f"What does {told.b} touch?", spans["second"], (told.y,),
              (told.x, told.a, f"the {tints[5]} {goals[1]}"), f"a {goals[1]}", "upwards, but only on the left"),
        Asked("sequence", "how-often", f"How many times does {told.a} {_base(told.verb)}?", spans["counted"],
              right=told.times - 1, difficulty="hard" if told.times > 2 else None),
        Asked("room", "what-light", "What does the lamp do, and when?", spans["switch"], (light,),
              (f"it goes {dark} {after} {told.b} touches {told.y}",
               f"it goes {told.light} {not_after} {told.b} touches {told.y}",
               f"it changes its colour {after} {told.b} touches {told.y}"), f"it goes {told.light}",
              f"it goes {told.light} inside {told.a}"),
        Asked("sequence", "which-first", "Which instrument is the first to touch or lift something?", both,
              options=(*first_two, "both at the same time", "neither of them"), right=first_two.index(order)),
    )  # fmt: skip


def _base(verb: str) -> str:
    return {"shake": "shake", "spin": "turn round", "jump": "jump"}[verb]


def _invalid(told: _Told) -> tuple[tuple[str, str, str], ...]:
    return (
        (f"How heavy is {told.a}?", "not_visible", "A drawn clip shows no weight."),
        ("What does the thing do?", "ambiguous", "There are five things, and it could mean any of them."),
        (f"Does {told.a} {told.work} {told.x} as carefully as it must?", "leading", "It says what should be found."),
        (f"What colour is {told.a}?", "answerable_without_video", "The question holds its answer."),
    )
