"""Pieces of work whose right answer is known, as gold and calibration name them: the item, the step, the distractor."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.fgqa.payloads import Interval
from perceptlm.annotate.refusals import Conflict, Invalid
from perceptlm.annotate.services.item_states import locked_item
from perceptlm.annotate.services.quality_records import KIND, VERDICTS
from perceptlm.annotate.store.tables import Item, Project, Proposal

CHECK, DISTRACTOR = "question_check", "distractor"


@dataclass(frozen=True)
class KnownWork:
    """One kind of work on an item; `subject` is the distractor that is judged, `subjects` all that are there."""

    kind: str
    subject: int | None
    subjects: tuple[int | None, ...]


def item_of_key(session: Session, project: Project, key: str) -> Item:
    """Return the item of a key; Invalid."""
    item = session.scalar(select(Item).where(Item.project_id == project.id, Item.key == key))
    if item is None:
        raise Invalid("no_such_item", f"there is no item '{key}' in this project", field=key)
    return item


def open_item_of_key(session: Session, project: Project, key: str) -> Item:
    """Return the locked item of a key; Conflict if people have finished it."""
    item = locked_item(session, item_of_key(session, project, key).id)
    if item.state != "open":
        raise Conflict("gold_not_open", f"the item '{key}' is {item.state}; what is known is of items that are open")
    return item


def known_work(session: Session, item: Item, entry: dict[str, Any], *, may_answer: bool = False) -> KnownWork:
    """Return which work on an item an entry is about, once what it expects is found to fit; Invalid naming the field.

    A free answer is known only for calibration (`may_answer`): of gold nobody could tell whether one worded anew is
    right, and it would stand out, since nobody compares it with others'.
    """
    kind = entry.get("step") or item.first_step
    distractors = distractors_of(session, [item.id])[item.id] if kind == DISTRACTOR else []
    is_fgqa = item.first_step in (CHECK, "blind_answer")
    fits = {KIND: bool(item.options), CHECK: item.first_step == CHECK, DISTRACTOR: is_fgqa and bool(distractors)}
    fits["blind_answer"] = is_fgqa and may_answer
    if not fits.get(kind, False):
        raise _wrong(item, "step", f"'{kind}' is no work on this item whose answer can be known")
    _check_expected(item, kind, entry["expected"])
    place = entry.get("distractor")
    if (kind == DISTRACTOR) != (place is not None) or not 0 <= (place or 0) < max(len(distractors), 1):
        raise _wrong(item, "distractor", f"given for the step 'distractor' alone, from 0 to {len(distractors) - 1}")
    subject = None if place is None else distractors[place]
    return KnownWork(kind, subject, tuple(distractors) or (None,))


def distractors_of(session: Session, item_ids: Collection[int]) -> dict[int, list[int]]:
    """Return the ids of the distractors of items, in their order; known work names one by its place."""
    mine = select(Proposal.item_id, Proposal.id).where(Proposal.item_id.in_(item_ids), Proposal.kind == "distractor")
    found: dict[int, list[int]] = {item_id: [] for item_id in item_ids}
    for item_id, number in session.execute(mine.order_by(Proposal.id)):
        found[item_id].append(number)
    return found


def _check_expected(item: Item, kind: str, expected: dict[str, Any]) -> None:
    """Raise Invalid for what the quality engine could not count with, and no submission be held against."""
    if kind in VERDICTS and expected.get("verdict") not in VERDICTS[kind]:
        raise _wrong(item, "expected.verdict", f"one of {', '.join(VERDICTS[kind])}")
    if kind == KIND:
        choice, num_options = expected.get("choice"), len(item.options or ())
        if not isinstance(choice, int) or isinstance(choice, bool) or not 0 <= choice < num_options:
            raise _wrong(item, "expected.choice", f"a choice is a number from 0 to {num_options - 1}")
    answers = expected.get("answers")
    is_texts = isinstance(answers, list) and bool(answers) and all(isinstance(text, str) for text in answers)
    if kind == "blind_answer" and not is_texts:
        raise _wrong(item, "expected.answers", "a list of the wordings that are right")
    wrong = expected.get("wrong", [])
    if not isinstance(wrong, list) or not all(isinstance(text, str) for text in wrong):
        raise _wrong(item, "expected.wrong", "a list of wordings that are wrong")
    if "evidence" in expected:
        try:
            Interval.model_validate(expected["evidence"])
        except ValidationError as error:
            raise _wrong(item, "expected.evidence", "frames `start` up to, not including, `end`") from error


def _wrong(item: Item, field: str, message: str) -> Invalid:
    return Invalid("invalid_gold", message, field=f"{item.key}.{field}")
