"""What both demonstration packs are made of: cases (a drawn clip and questions with known answers) and how they become
the lines of a pack. Used by make_demo_packs.py; knows no domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from perceptlm.annotate.packs.pack import Drawing
from perceptlm.annotate.packs.scenes import SceneRecipe, truth_of
from perceptlm.world.clip_record import ClipRecord

MODEL = {"name": "perceptlm world", "revision": "1.0.0", "licence": "CC0-1.0"}
NUMBERS = ("once", "twice", "three times", "four times")
MIN_SHOWN = 0.95
"""Share of a thing's silhouette that must show in every frame of what it does (coming and going apart)."""
MIN_SHOWN_HOLDING = 0.5
"""The same where it holds or touches another, which may hide some of it."""


@dataclass(frozen=True)
class Asked:
    """A question about a clip, and everything that is known of its answers."""

    domain: str
    type: str
    question: str
    evidence: tuple[int, int]
    answers: tuple[str, ...] = ()
    """Right answers in free text, the plain one first; empty for a choice."""
    wrong: tuple[str, ...] = ()
    too_general: str = ""
    """True as well, but it says less: no distractor."""
    nonsense: str = ""
    options: tuple[str, ...] | None = None
    right: int | None = None
    difficulty: str | None = None


@dataclass(frozen=True)
class Case:
    """One clip with its questions, the checks of questions that cannot be asked, and what its frames show."""

    recipe: SceneRecipe
    record: ClipRecord
    asked: tuple[Asked, ...]
    invalid: tuple[tuple[str, str, str], ...] = ()
    """(question, reason, why)."""
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)


def settled(values: dict[str, Any], drawing: Drawing, first_seed: int) -> tuple[SceneRecipe, ClipRecord]:
    """Return the recipe with the first seed from `first_seed` on whose layout shows everything clearly."""
    for seed in range(first_seed, first_seed + 4000):
        recipe = SceneRecipe.model_validate({**values, "seed": seed})
        record = truth_of(recipe, drawing)
        if _is_clear(record):
            return recipe, record
    raise SystemExit(f"{values['id']}: no layout shows everything clearly; change the case")


def _is_clear(record: ClipRecord) -> bool:
    """Whether every event shows and no thing lies over another, apart from two that act on each other."""
    scene = record.scene
    pairs = {frozenset((event.subject, event.object)) for event in scene.events if event.object is not None}
    for event in scene.events:
        if event.action in ("enter", "leave", "hide"):
            continue
        shown = record.visible_fraction[event.subject][event.start_frame : event.end_frame + 1]
        if min(shown) < (MIN_SHOWN if event.object is None else MIN_SHOWN_HOLDING):
            return False
    for frame in range(scene.num_frames):
        boxes = {thing: track[frame] for thing, track in enumerate(record.boxes) if frame in track}
        for one in boxes:
            for other in boxes:
                if one < other and _touch(boxes[one], boxes[other]):
                    acting = any(
                        event.object is not None
                        and {event.subject, event.object} == {one, other}
                        and event.start_frame <= frame
                        for event in scene.events
                    )
                    if frozenset((one, other)) not in pairs or not acting:
                        return False
    return True


def _touch(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] < b[2] + 2 and b[0] < a[2] + 2 and a[1] < b[3] + 2 and b[1] < a[3] + 2


def work_of(case: Case, asked: Sequence[Asked], number: int) -> list[dict[str, Any]]:
    """Return lines of items.jsonl."""
    return [item_line(_key(case, place + 1), case, one, number + place) for place, one in enumerate(asked)]


def _key(case: Case, number: int) -> str:
    return f"{case.recipe.id}-{number}"


def item_line(key: str, case: Case, asked: Asked, number: int) -> dict[str, Any]:
    """Return a line of items.jsonl. Every fourth answer proposal is wrong on purpose, some distractors are true."""
    line: dict[str, Any] = {
        "key": key,
        "asset": case.recipe.media_path,
        "domain": asked.domain,
        "question_type": asked.type,
        "question": asked.question,
    }
    if asked.options is not None:
        line["options"] = list(asked.options)
    if asked.difficulty is not None:
        line["difficulty"] = asked.difficulty
    line["proposals"] = _proposals(asked, number)
    return line


def _proposals(asked: Asked, number: int) -> list[dict[str, Any]]:
    plant = number % 4 == 1
    if asked.right is not None:
        num_options = 4 if asked.options is None else len(asked.options)
        place = (asked.right + 1 + number % (num_options - 1)) % num_options if plant else asked.right
        return [_proposal("choice", str(place), planted=plant)]
    found = [_proposal("answer", asked.wrong[number % len(asked.wrong)] if plant else asked.answers[0], planted=plant)]
    found += [_proposal("distractor", text) for text in asked.wrong]
    if number % 3 == 0 and asked.too_general:
        found.append(_proposal("distractor", asked.too_general, planted=True))
    if number % 5 == 2 and asked.nonsense:
        found.append(_proposal("distractor", asked.nonsense))
    return found


def _proposal(kind: str, text: str, *, planted: bool = False) -> dict[str, Any]:
    return {"kind": kind, "text": text, **({"planted_wrong": True} if planted else {}), "model": MODEL}


def checks_of(
    case: Case, asked: Sequence[Asked], number: int, first: int, names: dict[int, str], invalid: Sequence[int]
) -> list[dict[str, Any]]:
    """Return gold or calibration lines: the questions `asked`, and those of the case's questions that cannot be asked.

    Keys go on from `first`, so that none tells gold from work; `names` say why a verdict on a distractor holds.
    """
    kind = next(one.type for one in case.asked if one.right is None)
    found: list[dict[str, Any]] = []
    for place, one in enumerate(asked):
        line = item_line(_key(case, first + len(found)), case, one, number + place)
        evidence = {"start": one.evidence[0], "end": one.evidence[1]}
        said = f"It shows in frames {one.evidence[0]} to {one.evidence[1] - 1}."
        if one.right is not None:
            expected: dict[str, Any] = {"choice": one.right, "evidence": evidence}
            found.append({"item": line, "step": "choice", "expected": expected, "explanation": said})
        elif place % 2 == 0:
            expected = {"answers": list(one.answers), "wrong": list(one.wrong), "evidence": evidence}
            said = f"{one.answers[0][0].upper()}{one.answers[0][1:]}. {said}"
            found.append({"item": line, "step": "blind_answer", "expected": expected, "explanation": said})
        else:
            found.append(_judged(line, one, number + place, names))
    for question, reason, why in (case.invalid[place] for place in invalid):
        line = {
            "key": _key(case, first + len(found)), "asset": case.recipe.media_path, "domain": case.asked[0].domain,
            "question_type": kind, "question": question,
        }  # fmt: skip
        expected = {"verdict": "invalid", "reason": reason}
        found.append({"item": line, "step": "question_check", "expected": expected, "explanation": why})
    return found


def _judged(line: dict[str, Any], asked: Asked, number: int, names: dict[int, str]) -> dict[str, Any]:
    verdict = ("certainly_false", "could_be_true", "nonsense")[number % 3]
    text = {0: asked.wrong[0], 1: asked.too_general, 2: asked.nonsense}[number % 3]
    line["proposals"] = [_proposal("answer", asked.answers[0]), _proposal("distractor", text)]
    return {
        "item": line, "step": "distractor", "distractor": 0, "expected": {"verdict": verdict},
        "explanation": names[number % 3],
    }  # fmt: skip
