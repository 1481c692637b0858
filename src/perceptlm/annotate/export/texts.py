"""What keeps a row, or one of its pairs, out of training data: texts that a loader would not take as text, and
rows without a licence and distractors of models that may not be learnt from. Each with the reason."""

from __future__ import annotations

from perceptlm.annotate.export.released import Distractor, ReleasedItem
from perceptlm.data.audit_rules import faults_of
from perceptlm.data.open_weights import open_weights
from perceptlm.schema import Origin
from perceptlm.schema.placeholders import box_placeholder

SPECIAL = "text holds a marker or special token"
_BOX = box_placeholder(0)
_MARKERS = ("<image>", "<video>", "<|")


def why_unusable(item: ReleasedItem, *, is_image: bool) -> str | None:
    """Return why no row can be made of an item, or None."""
    faults = faults_of(Origin(kind="person", name=item.author, revision="1", licence=item.licence), open_weights())
    if faults:
        return f"of a person: {faults[0].reason}"
    has_box = is_image and bool(item.question_boxes)
    question = item.question.replace(_BOX, "", 1) if has_box else item.question
    if has_box and _BOX not in item.question:
        return f"the boxes of an image's question are told as text, but it has no {_BOX}"
    if len({_plain(option) for option in item.options}) < len(item.options):
        return "two options say the same"
    if any(map(_is_special, item.options)):
        return SPECIAL
    return SPECIAL if _is_special(question) or _is_special(item.answer) else None


def usable_distractors(item: ReleasedItem) -> tuple[list[int], list[tuple[int, str]]]:
    """Return the places of the distractors that make pairs, and of the others with the reason."""
    used, others = [], []
    seen = {_plain(item.answer)}
    for place, distractor in enumerate(item.distractors):
        reason = _why_no_pair(distractor, seen)
        seen.add(_plain(distractor.text))
        if reason is None:
            used.append(place)
        else:
            others.append((place, reason))
    return used, others


def _why_no_pair(distractor: Distractor, seen: set[str]) -> str | None:
    if _is_special(distractor.text):
        return SPECIAL
    if _plain(distractor.text) in seen:
        return "distractor is the answer, or another distractor"
    if distractor.written_by is not None:
        faults = faults_of(distractor.written_by, open_weights())
        if faults:
            return f"distractor by a model: {faults[0].reason}"
    return None


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold().rstrip(".")


def _is_special(text: str) -> bool:
    return any(marker in text for marker in _MARKERS)
