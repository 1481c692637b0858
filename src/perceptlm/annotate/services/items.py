"""Items: taken in with their proposals, listed, shown with their whole history, reported, discarded.

The same key with the same content again changes nothing; with another content it is refused.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from perceptlm.annotate.life_cycle import MOVES, Event, State
from perceptlm.annotate.life_cycle import Actor as Mover
from perceptlm.annotate.refusals import Conflict, Invalid
from perceptlm.annotate.roles import Action, is_allowed
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.flow import advance_item, expert_reason_of, open_items
from perceptlm.annotate.services.item_states import change, item_of, locked_item, move, write_moves
from perceptlm.annotate.services.projects import content_of, policy_of
from perceptlm.annotate.services.steps import close_all, steps_of
from perceptlm.annotate.store.audit import Actor, Entry, append
from perceptlm.annotate.store.database import insert_all, now
from perceptlm.annotate.store.tables import (
    Asset,
    Item,
    ItemMove,
    ModelRefusal,
    Project,
    Proposal,
    Step,
    StepDecision,
    Submission,
    TextOnlyRow,
)
from perceptlm.config import digest_of

BATCH = 1000
FIRST_STEPS = ("question_check", "blind_answer", "choice")


def add_items(
    session: Session, caller: Caller, project: Project, entries: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Take in items and open them; all or none. Returns id, key, state and whether each is new."""
    domains = {entry.id for entry in content_of(project).domains}
    assets = set(session.scalars(select(Asset.id).where(Asset.project_id == project.id)))
    found = {item.key: item for item in _items_of(session, project, [entry["key"] for entry in entries])}
    digests = {key: item.request_sha256 for key, item in found.items()}
    new: dict[str, dict[str, Any]] = {}
    for number, entry in enumerate(entries):
        _check_entry(entry, number, domains, assets)
        key, digest = entry["key"], digest_of(entry)
        if key not in digests:
            digests[key], new[key] = digest, entry
        elif digests[key] != digest:
            raise Conflict(
                "key_taken", f"there is an item '{key}' already, with another content", field=f"items.{number}.key"
            )
    waiting = list(new.values())
    for start in range(0, len(waiting), BATCH):
        part = waiting[start : start + BATCH]
        found |= _take_in(session, caller.actor, project, part, digests)
    answers = []
    for entry in entries:
        item = found[entry["key"]]
        is_new = new.pop(item.key, None) is not None
        answers.append({"id": item.id, "key": item.key, "state": item.state, "is_new": is_new})
    return answers


def _items_of(session: Session, project: Project, keys: list[str]) -> list[Item]:
    found: list[Item] = []
    for start in range(0, len(keys), BATCH):
        mine = select(Item).where(Item.project_id == project.id, Item.key.in_(keys[start : start + BATCH]))
        found += session.scalars(mine)
    return found


def _check_entry(entry: dict[str, Any], number: int, domains: set[str], assets: set[int]) -> None:
    def wrong(field: str, message: str) -> Invalid:
        return Invalid("invalid_item", message, field=f"items.{number}.{field}")

    if entry["asset_id"] not in assets:
        raise wrong("asset_id", f"there is no asset {entry['asset_id']} in this project")
    if entry["domain"] not in domains:
        raise wrong("domain", f"'{entry['domain']}' is no domain of this project")
    if entry["step"] not in FIRST_STEPS:
        raise wrong("step", f"items begin with {', '.join(FIRST_STEPS)}")
    if entry["step"] == "choice" and len(entry["options"] or ()) < 2:
        raise wrong("options", "a choice needs at least two options")


def _take_in(
    session: Session, actor: Actor, project: Project, entries: list[dict[str, Any]], digests: dict[str, str]
) -> dict[str, Item]:
    """Write new items with their proposals and open them; each table gets all of its rows at once."""
    policy, time = policy_of(session, project), now(session)
    insert_all(session, Item, [_item_row(project, entry, digests[entry["key"]], time) for entry in entries])
    items = {item.key: item for item in _items_of(session, project, [entry["key"] for entry in entries])}
    proposals = [row for entry in entries for row in _proposal_rows(items[entry["key"]], entry["proposals"], time)]
    insert_all(session, Proposal, proposals)
    moves, logged = [], []
    for entry in entries:
        item = items[entry["key"]]
        item.expert_reason = expert_reason_of(project, policy, item)
        logged.append(Entry("item.create", f"item:{item.id}", {"key": item.key, "sha256": item.request_sha256}))
        for event in (*([Event.PROPOSE] if entry["proposals"] else []), Event.SCREEN, Event.OPEN):
            moves.append(change(session, item, event, Mover.RULES, actor))
            logged.append(moves[-1].entry)
    write_moves(session, project.id, actor, moves, logged)
    open_items(session, project, policy, [items[entry["key"]] for entry in entries], actor)
    return items


def _item_row(project: Project, entry: dict[str, Any], digest: str, time: int) -> dict[str, Any]:
    names = ("key", "asset_id", "domain", "question", "options", "priority", "needs_credential", "difficulty")
    return {
        **{name: entry[name] for name in names},
        "project_id": project.id,
        "first_step": entry["step"],
        "state": "ingested",
        "expert_reason": None,
        "is_repeated": False,
        "needs": [],
        "derived": {},
        "round": 0,
        "row_version": 0,
        "request_sha256": digest,
        "created_at": time,
        "updated_at": time,
    }


def _proposal_rows(item: Item, proposals: list[dict[str, Any]], time: int) -> list[dict[str, Any]]:
    """Return what a model proposed, with the model's name, revision and licence."""
    return [{"item_id": item.id, "created_at": time, **proposal} for proposal in proposals]


def list_items(
    session: Session, project: Project, *, state: str | None, domain: str | None, after: int, limit: int
) -> dict[str, Any]:
    """Return items by id, after the id `after`; `next` is the id to go on after, or None at the end."""
    statement = select(Item).where(Item.project_id == project.id, Item.id > after)
    if state is not None:
        statement = statement.where(Item.state == state)
    if domain is not None:
        statement = statement.where(Item.domain == domain)
    rows = list(session.scalars(statement.order_by(Item.id).limit(limit)))
    names = ("id", "key", "state", "domain", "question", "priority", "asset_id", "difficulty", "needs", "updated_at")
    items = [{name: getattr(row, name) for name in names} for row in rows]
    return {"items": items, "next": rows[-1].id if len(rows) == limit else None}


def show_item(session: Session, project: Project, item_id: int) -> dict[str, Any]:
    """Return an item with all that happened to it; whether it is gold is not among this."""
    item = item_of(session, project.id, item_id)

    def rows(table: type[Any], *names: str) -> list[dict[str, Any]]:
        found = session.scalars(select(table).where(table.item_id == item.id).order_by(table.id))
        return [{name: getattr(row, name) for name in names} for row in found]

    names = ("id", "key", "state", "domain", "question", "options", "priority", "needs_credential",
             "difficulty", "asset_id", "first_step", "round", "row_version", "derived", "needs", "created_at",
             "updated_at")  # fmt: skip
    return {
        **{name: getattr(item, name) for name in names},
        "proposals": rows(Proposal, "id", "kind", "text", "confidence", "model", "prompt_sha256"),
        "refusals": rows(ModelRefusal, "id", "need", "reason", "model", "prompt_sha256", "created_at"),
        "text_only": rows(
            TextOnlyRow, "id", "about", "counts", "num_unreadable", "alpha", "p_value", "told", "model",
            "prompt_sha256", "created_at",
        ),
        "steps": rows(Step, "id", "kind", "subject", "about", "round", "state", "num_taken", "num_submitted"),
        "submissions": rows(
            Submission, "id", "step_id", "user_id", "step_kind", "ordinal", "payload", "frame_table_hash",
            "guideline_version", "policy_version", "active_seconds", "created_at",
        ),
        "decisions": rows(
            StepDecision, "id", "step_id", "action", "reason", "value", "posterior", "method", "submissions"
        ),
        "moves": rows(ItemMove, "id", "event", "from_state", "to_state", "reason", "user_id", "created_at"),
    }  # fmt: skip


def report_item(session: Session, caller: Caller, project: Project, item_id: int, reason: str) -> dict[str, Any]:
    """Reopen a finished item because of an error in it: people answer it anew, in a new round.

    Whoever may not see the state of items gets the same answer for one that is not finished (gold never is): the report
    is noted in the log.
    """
    is_blind = caller.role is None or not is_allowed(Action.READ_ITEM, caller.role)
    item = locked_item(session, item_of(session, project.id, item_id).id)
    steps_of(session, item)
    if is_blind and (State(item.state), Event.REPORT) not in MOVES:
        append(session, caller.actor, "item.report", f"item:{item.id}", {"reason": reason}, project.id)
        return {"id": item.id}
    move(session, item, Event.REPORT, Mover.ANYONE, caller.actor, reason=reason)
    close_all(session, item)
    item.round += 1
    item.derived = {}
    move(session, item, Event.OPEN, Mover.RULES, caller.actor)
    advance_item(session, item, caller.actor)
    return {"id": item.id} if is_blind else {"id": item.id, "state": item.state}


def discard_item(session: Session, caller: Caller, project: Project, item_id: int, reason: str) -> dict[str, Any]:
    """Take an item out, with a reason."""
    item = locked_item(session, item_of(session, project.id, item_id).id)
    steps_of(session, item)
    move(session, item, Event.DISCARD, Mover.MANAGER, caller.actor, reason=reason)
    close_all(session, item)
    advance_item(session, item, caller.actor)  # it waits for no model any more
    return {"id": item.id, "state": item.state}
