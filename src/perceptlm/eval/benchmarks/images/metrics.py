"""The published scores of image benchmarks, as pure functions of texts and boxes; all lie in [0, 1].

Each has two rules where they differ: `authors`, what the benchmark's paper says, and `lmms`, what lmms-eval 0.7.2 does.

| metric | authors | lmms |
|---|---|---|
| ANLS | 1 - NL if NL < 0.5, else 0 (arXiv 1905.13648, 2007.00398) | half wrong scores 0.5; lengths with all blanks |
| relaxed accuracy | within 5 % (arXiv 2203.10244, section 5.1) | a reference of 0 is no number; outer blanks count |
| VQA accuracy | leave one out, both sides plain (visualqa.org) | VQAv2: references kept where all ten agree |
| POPE | its evaluate.py: no if the first sentence denies | exactly "yes" or "no" |
| RefCOCO | IoU > 0.5 (arXiv 1511.02283) | IoU >= 0.5, boxes as fractions |

This module knows no Sample and no profile.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal

from perceptlm.schema import Box

Rule = Literal["authors", "lmms"]

ANLS_THRESHOLD = 0.5
RELAXED_TOLERANCE = 0.05
IOU_THRESHOLD = 0.5
_MATCHES_FOR_ALL = 3

_DENIALS = frozenset(("no", "not", "cannot"))
_NUMBER = r"\s{0,9}(\d{1,9}(?:\.\d{1,17})?)\s{0,9}"
_BOX = re.compile(rf"[\[(]{_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}[\])]")
_LMMS_NUMBER = r"\s{0,99}(-?\d{1,99}(?:\.\d{1,99})?)"
_LMMS_BOX = re.compile(rf"\[{_LMMS_NUMBER},{_LMMS_NUMBER},{_LMMS_NUMBER},{_LMMS_NUMBER}\s{{0,99}}\]")


def anls(prediction: str, references: Sequence[str], rule: Rule = "authors") -> float:
    """Return the similarity of `prediction` to the reference most like it; 0 where half of the letters differ."""
    return max(_similarity(prediction, reference, rule) for reference in references)


def relaxed_accuracy(prediction: str, reference: str, rule: Rule = "authors") -> float:
    """Return 1 for a number within 5 % of the reference's, or the same text but for capitals; else 0."""
    if rule == "authors":
        prediction, reference = prediction.strip(), reference.strip()
    found, wanted = _number(prediction), _number(reference)
    if found is not None and wanted is not None and (wanted != 0 or rule == "authors"):
        change = abs(found - wanted)
        return float(change == 0 if wanted == 0 else change / abs(wanted) <= RELAXED_TOLERANCE)
    return float(prediction.lower() == reference.lower())


def vqa_accuracy(prediction: str, answers: Sequence[str]) -> float:
    """Return the mean over `answers`, one left out each time, of min(n / 3, 1), n of the others being `prediction`.

    Both sides are compared as they are: make them plain first (`answer_words`).
    """
    same = sum(answer == prediction for answer in answers)
    left_out = [same - (answer == prediction) for answer in answers]
    return math.fsum(min(number / _MATCHES_FOR_ALL, 1.0) for number in left_out) / len(answers)


def yes_or_no(text: str, rule: Rule = "authors") -> Literal["yes", "no"] | None:
    """Return what an answer to a question of POPE says; None if it says neither.

    `authors`: "no" if a word of the first sentence denies, else "yes". Their script sees only "No", "no" and "not";
    here capitals do not matter, "cannot" and "isn't" deny too, and an answer without a word says nothing.
    """
    if rule == "lmms":
        plain = text.lower().strip()
        return "yes" if plain == "yes" else "no" if plain == "no" else None
    words = re.findall(r"[\w'’]+", text.partition(".")[0].lower().replace("’", "'"))
    if not words:
        return None
    return "no" if any(word in _DENIALS or word.endswith("n't") for word in words) else "yes"


def box_iou(first: Box, second: Box) -> float:
    """Return the intersection over union of two boxes; 0 for one whose corners are the wrong way round."""
    across = min(first[2], second[2]) - max(first[0], second[0])
    down = min(first[3], second[3]) - max(first[1], second[1])
    if across <= 0 or down <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return across * down / (sum(areas) - across * down)


def read_box(text: str, width: int, height: int, rule: Rule = "authors") -> Box | None:
    """Return the first box of `text` in pixels of a picture of this size; None if there is none.

    `authors` reads PLM's thousandths, `[040,482,112,576]`, and fractions, `[0.04, 0.482, 0.112, 0.576]`; numbers beyond
    1000 are neither. `lmms` takes every number for a fraction.
    """
    match = (_BOX if rule == "authors" else _LMMS_BOX).search(text)
    if match is None:
        return None
    numbers = [float(number) for number in match.groups()]
    if rule == "authors" and not _are_fractions(match.groups()):
        if max(numbers) > 1000:
            return None
        numbers = [number / 1000 for number in numbers]
    x1, y1, x2, y2 = numbers
    return (x1 * width, y1 * height, x2 * width, y2 * height)


def is_found(iou: float, rule: Rule = "authors") -> bool:
    """Whether a box of this IoU counts as right."""
    return iou > IOU_THRESHOLD if rule == "authors" else iou >= IOU_THRESHOLD


def _similarity(prediction: str, reference: str, rule: Rule) -> float:
    first, second = (" ".join(text.lower().split()) for text in (prediction, reference))
    length = max(len(prediction), len(reference)) if rule == "lmms" else max(len(first), len(second))
    if length == 0:
        return 1.0
    if abs(len(first) - len(second)) > length * ANLS_THRESHOLD:
        return 0.0  # so many letters are missing at least; long answers need no table
    distance = _edit_distance(first, second) / length
    if rule == "authors":
        return 1 - distance if distance < ANLS_THRESHOLD else 0.0
    return 1 - distance if 1 - distance >= ANLS_THRESHOLD else 0.0


def _edit_distance(first: str, second: str) -> int:
    """Return how many letters must be added, taken away or replaced (Levenshtein 1966)."""
    row = list(range(len(second) + 1))
    for number, letter in enumerate(first, 1):
        diagonal, row[0] = row[0], number
        for place, other in enumerate(second, 1):
            diagonal, row[place] = row[place], min(diagonal + (letter != other), row[place] + 1, row[place - 1] + 1)
    return row[-1]


def _number(text: str) -> float | None:
    try:
        value = float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _are_fractions(numbers: Sequence[str]) -> bool:
    written_in_thousandths = any(len(number) == 3 and number.isdecimal() for number in numbers)
    return not written_in_thousandths and all(float(number) <= 1 for number in numbers)
