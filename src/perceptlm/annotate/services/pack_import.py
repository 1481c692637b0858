"""Fills a new project from a pack: its media drawn and taken in, its items opened, its gold proposed.

Gold comes into force once a second person approves it, as all gold does. Calibration items, and gold for work that no
item begins with, stay in the pack's copy in the data directory; how many is said.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from perceptlm.annotate.packs.load import find_pack, load_pack
from perceptlm.annotate.packs.pack import CheckItem, PackItem
from perceptlm.annotate.packs.prepare import PreparedPack, prepare_pack
from perceptlm.annotate.services.assets import add_assets, take_in
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.gold import propose_gold
from perceptlm.annotate.services.items import FIRST_STEPS, add_items
from perceptlm.annotate.services.packs import pack_content
from perceptlm.annotate.services.projects import create_project
from perceptlm.annotate.services.server import Server
from perceptlm.annotate.store.tables import Project

HIGHEST_PRIORITY = 9


def import_pack(server: Server, name: str, owner_id: int, mode: str = "blind_first") -> dict[str, Any]:
    """Make the project `name` of the shipped pack `name`, and return what went into it.

    Invalid if there is no such pack, StorageError if its copy is there already.
    """
    pack_content(name)  # refuses what is not shipped before anything is drawn
    prepared = prepare_pack(load_pack(find_pack(name)), server.directory.path / f"pack-{name}")
    uploads = {}
    for asset in prepared.assets:
        with asset.path.open("rb") as file:
            uploads[f"media/{asset.path.name}"] = take_in(file, server.directory, server.settings.max_upload_bytes)
    for upload in uploads.values():
        upload.keep(server.directory)
    caller = Caller(owner_id, is_owner=True)

    def work(session: Session) -> dict[str, Any]:
        title = prepared.pack.file.title
        project = create_project(session, caller.actor, name, title, name, mode)
        made = add_assets(session, caller, project, list(uploads.values()), prepared.pack.file.media.licence)
        ids = {path: asset.id for path, (asset, _) in zip(uploads, made, strict=True)}
        return _fill(session, caller, project, prepared, ids)

    return server.database.write(work, gold=True)


def _fill(
    session: Session, caller: Caller, project: Project, prepared: PreparedPack, asset_ids: dict[str, int]
) -> dict[str, Any]:
    usable = [check for check in prepared.gold if check.step in FIRST_STEPS]
    entries = [_entry(prepared, item, asset_ids) for item in prepared.items]
    entries += [_entry(prepared, check.item, asset_ids, check.step) for check in usable]
    add_items(session, caller, project, entries)
    gold = {check.item.key: _expected(check) for check in usable}
    if gold:
        propose_gold(session, caller, project, gold)
    return {
        "project": project.slug,
        "num_assets": len(asset_ids),
        "num_items": len(prepared.items),
        "num_gold_proposed": len(gold),
        "num_gold_left_out": len(prepared.gold) - len(usable),
        "num_calibration_left_out": len(prepared.calibration),
    }


def _entry(
    prepared: PreparedPack, item: PackItem, asset_ids: dict[str, int], first_step: str | None = None
) -> dict[str, Any]:
    kind = prepared.pack.file.question_type(item.question_type)
    assert kind is not None  # the pack was checked
    options = item.options or kind.options
    return {
        "key": item.key,
        "asset_id": asset_ids[item.asset],
        "domain": item.domain,
        "question": item.question,
        "options": None if options is None else list(options),
        "step": first_step or next(step for step in kind.steps if step in FIRST_STEPS),
        "priority": min(max(item.priority, 0), HIGHEST_PRIORITY),
        "needs_credential": item.needs_credential or bool(prepared.pack.file.rules_for(item.domain)),
        "difficulty": item.difficulty,
        "proposals": [
            {
                "kind": proposal.kind,
                "text": proposal.text,
                "confidence": proposal.confidence,
                "model": proposal.model.to_dict(),
                "prompt_sha256": None,
            }
            for proposal in item.proposals
        ],
    }


def _expected(check: CheckItem) -> dict[str, Any]:
    planted = any(proposal.planted_wrong for proposal in check.item.proposals)
    return {"expected": check.expected, "planted_wrong": planted}
