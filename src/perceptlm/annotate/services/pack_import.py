"""Fills a new project from a pack: its media drawn and taken in, its items opened, gold proposed, calibration set.

Gold comes into force once a second person approves it, as all gold does. Gold for free answers stays in the pack's copy
in the data directory (`services.known_work` says why); how much is said.
"""

from __future__ import annotations

import shutil
from typing import Any

from sqlalchemy.orm import Session

from perceptlm.annotate.packs.load import Pack, find_pack, load_pack, shipped_packs
from perceptlm.annotate.packs.pack import CheckItem, PackItem
from perceptlm.annotate.packs.prepare import PreparedPack, prepare_pack
from perceptlm.annotate.refusals import Invalid
from perceptlm.annotate.services.assets import add_assets, take_in
from perceptlm.annotate.services.calibration import set_calibration
from perceptlm.annotate.services.callers import Caller
from perceptlm.annotate.services.gold import propose_gold
from perceptlm.annotate.services.items import FIRST_STEPS, add_items
from perceptlm.annotate.services.packs import content_of_pack
from perceptlm.annotate.services.projects import create_project, refuse_taken
from perceptlm.annotate.services.server import Server
from perceptlm.annotate.services.users import owner_named
from perceptlm.annotate.store.tables import Project

HIGHEST_PRIORITY = 9


def chosen_pack(name: str) -> Pack:
    """Return a shipped pack by its name, any other by its directory; Invalid for one of one's own that calls itself as
    a shipped one does. UsageError if there is none, DataError for one that is not sound."""
    pack = load_pack(find_pack(name))
    if name not in shipped_packs() and pack.file.id in ("plain", *shipped_packs()):
        hint = "give it an id of its own in pack.yaml"
        raise Invalid("pack_id_taken", f"{name}: '{pack.file.id}' is the id of a pack that ships", hint=hint)
    return pack


def import_pack(server: Server, pack: Pack, owner: str, mode: str = "blind_first") -> dict[str, Any]:
    """Make the project that is called as the pack is, in the name of an owner, and return what went into it.

    Conflict if there is such a project; Invalid for a person who is no owner.
    """
    name = pack.file.id

    def look(session: Session) -> int:
        refuse_taken(session, name)
        return owner_named(session, owner).id

    owner_id = server.database.read(look)
    copy = server.directory.pack_copy(name)
    shutil.rmtree(copy, ignore_errors=True)  # of no project: it was cut off
    prepared = prepare_pack(pack, copy)
    uploads = {}
    for asset in prepared.assets:
        with asset.path.open("rb") as file:
            uploads[f"media/{asset.path.name}"] = take_in(file, server.directory, server.settings.max_upload_bytes)
    for upload in uploads.values():
        upload.keep(server.directory)
    caller = Caller(owner_id, is_owner=True)

    def work(session: Session) -> dict[str, Any]:
        content = content_of_pack(pack)
        project = create_project(session, caller.actor, name, pack.file.title, name, mode, content)
        made = add_assets(session, caller, project, list(uploads.values()), prepared.pack.file.media.licence)
        ids = {path: asset.id for path, (asset, _) in zip(uploads, made, strict=True)}
        return _fill(session, caller, project, prepared, ids)

    return server.database.write(work, gold=True)


def _fill(
    session: Session, caller: Caller, project: Project, prepared: PreparedPack, asset_ids: dict[str, int]
) -> dict[str, Any]:
    gold = [check for check in prepared.gold if check.step != "blind_answer"]
    work: list[tuple[PackItem, str | None]] = [(item, None) for item in prepared.items]
    work += [(check.item, check.step) for check in gold]
    # By key, so that the numbers that items get do not tell which are gold.
    work.sort(key=lambda one: one[0].key)
    entries = [_entry(prepared, item, step, asset_ids) for item, step in work]
    entries += [_entry(prepared, check.item, check.step, asset_ids) for check in prepared.calibration]
    add_items(session, caller, project, entries)
    if gold:
        body = {check.item.key: {**_known(check), "planted_wrong": _is_planted(check)} for check in gold}
        propose_gold(session, caller, project, body)
    if prepared.calibration:
        told = {check.item.key: {**_known(check), "explanation": check.explanation} for check in prepared.calibration}
        set_calibration(session, caller, project, told)
    return {
        "project": project.slug,
        "num_assets": len(asset_ids),
        "num_items": len(prepared.items),
        "num_gold_proposed": len(gold),
        "num_gold_left_out": len(prepared.gold) - len(gold),
        "num_calibration": len(prepared.calibration),
    }


def _entry(prepared: PreparedPack, item: PackItem, step: str | None, asset_ids: dict[str, int]) -> dict[str, Any]:
    kind = prepared.pack.file.question_type(item.question_type)
    assert kind is not None  # the pack was checked
    options = item.options or kind.options
    return {
        "key": item.key,
        "asset_id": asset_ids[item.asset],
        "domain": item.domain,
        "question": item.question,
        "options": None if options is None else list(options),
        "step": step if step in FIRST_STEPS else next(step for step in kind.steps if step in FIRST_STEPS),
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


def _known(check: CheckItem) -> dict[str, Any]:
    return {"expected": check.expected, "step": check.step, "distractor": check.distractor}


def _is_planted(check: CheckItem) -> bool:
    return any(proposal.planted_wrong for proposal in check.item.proposals)
