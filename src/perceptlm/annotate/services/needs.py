"""What items want from models, and what models say to it: proposals, refused replies, checks without the video.

The flow says what an item needs; whoever asks a model (`annotate.asking`) reads it here and hands in what came of it.
Everything is added to and logged, nothing changed. A need that is no longer there is answered with `not_needed`, so
that two who ask at once do no harm. Knows no model.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from perceptlm.annotate.fgqa.text_only import PairCount, about, are_readable, judge_text_only
from perceptlm.annotate.refusals import Conflict, Invalid
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.flow import advance_item
from perceptlm.annotate.services.item_states import item_of, locked_item
from perceptlm.annotate.services.projects import policy_of
from perceptlm.annotate.services.steps import lock_work, steps_of
from perceptlm.annotate.store.audit import append
from perceptlm.annotate.store.database import now
from perceptlm.annotate.store.tables import Asset, Item, ModelRefusal, Project, Proposal, TextOnlyRow

NEED_OF = {"answer": "answer_proposals", "distractor": "distractor_proposals"}
CONFIRMED = "certainly_false"
LOOK_ITEMS = 200


def list_needs(session: Session, project: Project, need: str, *, after: int, limit: int) -> dict[str, Any]:
    """Return the items with a need, by id after `after`, with what a model may be told of them; `next` is the id to go
    on after, or None at the end.
    """
    statement = (
        select(Item, Asset.kind, Asset.num_frames)
        .join(Asset, Asset.id == Item.asset_id)
        .where(Item.project_id == project.id, Item.needs == [need], Item.id > after)
    )
    rows = session.execute(statement.order_by(Item.id).limit(limit)).all()
    ids = [item.id for item, _, _ in rows]
    distractors = _distractors(session, ids)
    refusals = _refusals(session, ids, need)
    found = []
    for item, kind, num_frames in rows:
        question = item.derived.get("question", item.question)
        # While an answer is wanted, nobody's is told: an earlier round may have left one.
        answer = None if need == "answer_proposals" else str(item.derived["answer"])
        statuses = {} if answer is None else item.derived["distractors"]
        found.append(
            {
                "id": item.id,
                "key": item.key,
                "question": question,
                "answer": answer,
                "about": None if answer is None else about(question, answer),
                "asset": {"id": item.asset_id, "kind": kind, "num_frames": num_frames},
                "distractors": [
                    {**entry, "is_confirmed": statuses.get(str(entry["id"])) == CONFIRMED}
                    for entry in distractors[item.id]
                ],
                "refusals": refusals[item.id],
            }
        )
    return {"items": found, "next": rows[-1][0].id if len(rows) == limit else None}


def _distractors(session: Session, item_ids: list[int]) -> dict[int, list[dict[str, Any]]]:
    statement = select(Proposal).where(Proposal.item_id.in_(item_ids), Proposal.kind == "distractor")
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in session.scalars(statement.order_by(Proposal.id)):
        found[row.item_id].append({"id": row.id, "text": row.text})
    return found


def _refusals(session: Session, item_ids: list[int], need: str) -> dict[int, list[dict[str, Any]]]:
    statement = select(ModelRefusal).where(ModelRefusal.item_id.in_(item_ids), ModelRefusal.need == need)
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in session.scalars(statement.order_by(ModelRefusal.id)):
        found[row.item_id].append({"model": row.model, "prompt_sha256": row.prompt_sha256, "reason": row.reason})
    return found


def propose(
    session: Session,
    caller: Caller,
    project: Project,
    item_id: int,
    proposals: list[dict[str, Any]],
    *,
    if_needed: bool = False,
) -> list[int]:
    """Add proposals to an item that is being worked on, and go on with it; Conflict (`item_finished`, `not_needed`)."""
    item = locked_item(session, item_of(session, project.id, item_id).id)
    steps_of(session, item)
    if item.state in ("discarded", "superseded", "released"):
        raise Conflict("item_finished", f"the item is {item.state}")
    if if_needed:
        for kind in sorted({proposal["kind"] for proposal in proposals}):
            _check_needed(item, NEED_OF.get(kind, kind))
    rows = [Proposal(item_id=item.id, created_at=now(session), **proposal) for proposal in proposals]
    session.add_all(rows)
    session.flush()
    ids = [row.id for row in rows]
    append(session, caller.actor, "item.propose", f"item:{item.id}", {"proposals": ids}, project.id)
    advance_item(session, item, caller.actor)
    return ids


def refuse(session: Session, caller: Caller, project: Project, item_id: int, body: dict[str, Any]) -> list[int]:
    """Note why what a model said was of no use. The item still waits: another model may do better, or a person."""
    item = item_of(session, project.id, item_id)
    names = ("need", "model", "prompt_sha256")
    rows = [
        ModelRefusal(item_id=item.id, reason=reason, created_at=now(session), **{name: body[name] for name in names})
        for reason in body["reasons"]
    ]
    session.add_all(rows)
    session.flush()
    logged = {"refusals": [row.id for row in rows], **body}
    append(session, caller.actor, "item.model_refused", f"item:{item.id}", logged, project.id)
    return [row.id for row in rows]


def check_text_only(
    session: Session, caller: Caller, project: Project, item_id: int, body: dict[str, Any]
) -> dict[str, Any]:
    """Take in what a model without the video said, leave out the distractors that it told, and go on with the item.

    Conflict (`not_needed`) unless it is about the present question, answer and confirmed distractors, all of them;
    Invalid for counts that cannot be, or of which too few replies could be read.
    """
    item = locked_item(session, item_of(session, project.id, item_id).id)
    steps_of(session, item)
    _check_needed(item, "text_only")
    confirmed = {int(number) for number, status in item.derived["distractors"].items() if status == CONFIRMED}
    asked = [count["distractor_id"] for count in body["counts"]]
    if body["about"] != about(item.derived["question"], item.derived["answer"]) or sorted(asked) != sorted(confirmed):
        raise Conflict("not_needed", "the question, the answer or the distractors are others by now")
    counts = [PairCount(count["num_trials"], count["num_right"]) for count in body["counts"]]
    if any(count.num_right > count.num_trials for count in counts):
        raise Invalid("invalid_counts", "more are right than there are", field="counts")
    if not are_readable(counts, body["num_unreadable"]):
        raise Invalid("not_readable", "fewer than half of the replies name an answer", field="num_unreadable")
    alpha = policy_of(session, project).text_only_alpha
    verdict = judge_text_only(counts, alpha=alpha)
    told = [asked[place] for place in verdict.told]
    row = TextOnlyRow(item_id=item.id, alpha=alpha, p_value=verdict.p_value, told=told, created_at=now(session), **body)
    session.add(row)
    session.flush()
    logged = {"check": row.id, "alpha": alpha, "p_value": row.p_value, "told": told, **body}
    append(session, caller.actor, "item.text_only", f"item:{item.id}", logged, project.id)
    advance_item(session, item, caller.actor)
    return {"id": row.id, "p_value": row.p_value, "told": told}


def look_again(session: Session, caller: Caller, project: Project, after: int) -> int | None:
    """Let the policy that holds now act on items that wait for a model, some of them; return the id to go on after,
    None at the end. Nobody hands in anything for them that would make the flow look.
    """
    waits = or_(Item.needs == ["distractor_proposals"], Item.needs == ["text_only"])
    statement = select(Item.id).where(Item.project_id == project.id, waits, Item.id > after)
    ids = list(session.scalars(statement.order_by(Item.id).limit(LOOK_ITEMS)))
    lock_work(session, ids)
    for item_id in ids:
        advance_item(session, locked_item(session, item_id), caller.actor)
    return ids[-1] if len(ids) == LOOK_ITEMS else None


def _check_needed(item: Item, need: str) -> None:
    if need not in item.needs:
        raise Conflict("not_needed", f"the item does not wait for {need.replace('_', ' ')}")
