"""The rows of a release, from the tables: what each finished item came to, batch by batch. Nothing is written here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from perceptlm.annotate.fgqa.meanings import median_interval
from perceptlm.annotate.fgqa.payloads import Interval
from perceptlm.annotate.fgqa.stages import Record, Stage, answer_stage, choice_stage
from perceptlm.annotate.fgqa.text_rules import same_text
from perceptlm.annotate.policy import Policy
from perceptlm.annotate.release_row import row_body
from perceptlm.annotate.services.flow import submissions_of, view_of
from perceptlm.annotate.services.projects import policy_of
from perceptlm.annotate.store.tables import Asset, Item, Project, Proposal, Step, StepDecision, Submission
from perceptlm.annotate.tokens import derived

AUDIT = "audit"
ANSWERS = {"fgqa": "blind_answer", "choice": "choice"}
"""The step in which people answer, by the kind of item."""


@dataclass(frozen=True)
class Given:
    """One submission with what its step says."""

    row: Submission
    subject: int | None
    about: str | None
    reason: str | None
    round: int


def row_bodies(
    session: Session, project: Project, items: list[Item], secret: bytes
) -> Iterator[tuple[dict[str, Any], Item]]:
    """Yield the row of each finished item, in order; nothing of a batch is held when the next one comes."""
    ids = [item.id for item in items]
    policy = policy_of(session, project)
    given: dict[int, list[Given]] = {item_id: [] for item_id in ids}
    statement = (
        select(Submission, Step.subject, Step.about, Step.reason, Step.round)
        .join(Step, Step.id == Submission.step_id)
        .where(Submission.item_id.in_(ids))
        .order_by(Submission.id)
    )
    for found in session.execute(statement):
        given[found[0].item_id].append(Given(*found))
    assets = {
        row.id: row for row in session.scalars(select(Asset).where(Asset.id.in_({item.asset_id for item in items})))
    }
    posteriors = _posteriors(session, ids)
    proposals = _distractors(session, ids)
    for item in items:
        record = _Record(session, project, policy, item, given.pop(item.id), secret)
        values = record.values(proposals.get(item.id, []))
        posterior = posteriors.get((item.id, item.round))
        yield row_body({**values, "posterior": posterior, "asset": _asset(assets[item.asset_id])}), item


def _asset(row: Asset) -> dict[str, Any]:
    names = ("sha256", "suffix", "kind", "num_frames", "frame_table_hash", "licence")
    return {name: getattr(row, name) for name in names}


def _posteriors(session: Session, ids: list[int]) -> dict[tuple[int, int], float | None]:
    """Return the posterior of the last decision of each item's choice, by item and round."""
    statement = (
        select(StepDecision.item_id, Step.round, StepDecision.posterior)
        .join(Step, Step.id == StepDecision.step_id)
        .where(StepDecision.item_id.in_(ids), Step.kind == ANSWERS["choice"])
        .order_by(StepDecision.id)
    )
    return {(item_id, number): posterior for item_id, number, posterior in session.execute(statement)}


def _distractors(session: Session, ids: list[int]) -> dict[int, list[tuple[int, str, Any]]]:
    statement = (
        select(Proposal.item_id, Proposal.id, Proposal.text, Proposal.model)
        .where(Proposal.item_id.in_(ids), Proposal.kind == "distractor")
        .order_by(Proposal.id)
    )
    found: dict[int, list[tuple[int, str, Any]]] = {}
    for item_id, number, text, model in session.execute(statement):
        found.setdefault(item_id, []).append((number, text, model))
    return found


class _Record:
    """One finished item with its submissions."""

    def __init__(
        self, session: Session, project: Project, policy: Policy, item: Item, given: list[Given], secret: bytes
    ) -> None:
        self._session, self._project, self._policy, self._item, self._given = session, project, policy, item, given
        self._kind = "choice" if item.first_step == "choice" else "fgqa"
        self._people = {
            entry.row.user_id: derived(secret, "person", f"{project.id}:{entry.row.user_id}")[:12] for entry in given
        }
        step = ANSWERS[self._kind]
        self._answers = [
            entry.row
            for entry in given
            if entry.row.step_kind == step and entry.row.ordinal == 0 and entry.round == item.round
        ]
        experts = [entry for entry in given if entry.row.step_kind == "expert" and entry.round == item.round]
        rulings = [entry for entry in experts if entry.about == step]
        self._ruling = rulings[-1] if rulings else None

    def values(self, proposals: list[tuple[int, str, Any]]) -> dict[str, Any]:
        """Return all of the row but its asset, posterior and id."""
        item = self._item
        before = None if self._ruling is None else self._before_expert()
        return {
            "key": item.key,
            "item": item.id,
            "row_version": item.row_version,
            "kind": self._kind,
            "domain": item.domain,
            "difficulty": item.difficulty,
            "question": item.derived.get("question", item.question),
            "options": item.options,
            "answer": self._answer(),
            "author": self._people[self._author().user_id],
            "answered_by": "people" if self._ruling is None else "expert",
            "distractors": self._confirmed(proposals),
            **self._evidence(),
            "ceiling": self._ceiling(),
            "num_annotators": max(1, len({row.user_id for row in self._answers})),
            "agreement": self._agreement(before),
            "adjudicated": bool(item.derived.get("adjudicated")),
            "audited": self._is_audit(),
            "audit_changed": self._is_audit() and before is not None and self._is_changed(before),
            "guideline_versions": sorted({entry.row.guideline_version for entry in self._given}),
            "policy_versions": sorted({entry.row.policy_version for entry in self._given}),
            "people": sorted(set(self._people.values())),
            "submissions": [self._submission(entry) for entry in self._given],
            "derived": item.derived,
        }

    def _submission(self, entry: Given) -> dict[str, Any]:
        row = entry.row
        step = "choice_after" if row.ordinal else row.step_kind
        return {
            "id": row.id,
            "step": step,
            "about": entry.about,
            "subject": entry.subject,
            "round": entry.round,
            "person": self._people[row.user_id],
            "sha256": row.payload_sha256,
        }

    def _answer(self) -> str:
        if self._kind == "choice":
            return str((self._item.options or ())[self._item.derived["choice"]])
        return str(self._item.derived["answer"])

    def _author(self) -> Submission:
        """Return the submission whose words, or whose choice, were released; the first of several."""
        if self._ruling is not None:
            return self._ruling.row
        if self._kind == "choice":
            return next(row for row in self._answers if row.payload["choice"] == self._item.derived["choice"])
        return next(entry.row for entry in self._given if entry.row.id == self._item.derived["answer_from"])

    def _before_expert(self) -> Stage:
        """Return what people had come to, without any expert's word: of a choice, what the engine would have accepted
        when it was escalated; later fits know the expert's answer."""
        item = self._item
        if self._kind == "choice" and (value := self._escalated_choice()) is not None:
            return Stage("settled", derived={"choice": int(value)})
        view = view_of(self._session, item, self._project, self._policy, [])
        people = tuple(entry for entry in submissions_of(self._session, item) if entry.step != "expert")
        stage = choice_stage if self._kind == "choice" else answer_stage
        return stage(Record(view, people), self._policy)

    def _escalated_choice(self) -> str | None:
        statement = (
            select(StepDecision.value)
            .join(Step, Step.id == StepDecision.step_id)
            .where(StepDecision.item_id == self._item.id, StepDecision.action == "escalate")
            .where(Step.kind == ANSWERS["choice"], Step.round == self._item.round)
            .order_by(StepDecision.id.desc())
        )
        return self._session.scalar(statement.limit(1))

    def _is_audit(self) -> bool:
        return self._ruling is not None and self._ruling.reason == AUDIT

    def _is_changed(self, before: Stage) -> bool:
        if self._kind == "choice":
            return bool(before.derived.get("choice") != self._item.derived["choice"])
        return not same_text(str(before.derived.get("answer", "")), self._answer())

    def _agreement(self, before: Stage | None) -> float | None:
        if not self._answers:
            return None
        if self._kind == "choice":
            same = [bool(row.payload["choice"] == self._item.derived["choice"]) for row in self._answers]
            return round(sum(same) / len(same), 6)
        found = self._item.derived if before is None else before.derived
        if "dissenting" not in found or (before is not None and self._is_changed(before)):
            return None
        num_dissenting: int = found["dissenting"]
        return round(1 - num_dissenting / len(self._answers), 6)

    def _evidence(self) -> dict[str, Any]:
        found = self._item.derived
        if self._kind == "fgqa":
            return {"evidence": found.get("evidence"), "boxes": found.get("boxes") or []}
        # Of those who chose what was released: an expert may have decided against those who had marked an interval.
        agree = [row.payload for row in self._answers if row.payload["choice"] == found["choice"]]
        marked = [Interval.model_validate(payload["evidence"]) for payload in agree if payload.get("evidence")]
        return {"evidence": median_interval(marked)[0].to_dict() if marked else None, "boxes": []}

    def _confirmed(self, proposals: list[tuple[int, str, Any]]) -> list[dict[str, Any]]:
        """Return the distractor of each pair of the group, in its order, which is that of the ceiling."""
        groups = self._item.derived.get("groups") or []
        statuses = self._item.derived.get("distractors") or {}
        confirmed = {text: (number, model) for number, text, model in reversed(proposals)
                     if statuses.get(str(number)) == "certainly_false"}  # fmt: skip
        texts = [pair["options"][1 - pair["answer_index"]] for pair in groups]
        return [{"id": confirmed[text][0], "text": text, "model": confirmed[text][1]} for text in texts]

    def _ceiling(self) -> list[dict[str, Any]]:
        groups = self._item.derived.get("groups") or []
        return [
            {
                "pair": entry.subject,
                "right": entry.row.payload["choice"] == groups[entry.subject]["answer_index"],
                "person": self._people[entry.row.user_id],
            }
            for entry in self._given
            if entry.row.step_kind == "ceiling" and entry.round == self._item.round and entry.subject is not None
        ]


def num_audited_discards(session: Session, project: Project) -> dict[str, int]:
    """Return, by domain, the items that people had agreed on and an audit then took out: errors that it found."""
    statement = (
        select(Item.domain, func.count(func.distinct(Item.id)))
        .join(Step, Step.item_id == Item.id)
        .where(
            Item.project_id == project.id,
            Item.state == "discarded",
            Step.kind == "expert",
            Step.reason == AUDIT,
            Step.about.in_(ANSWERS.values()),
            Step.round == Item.round,
            Step.num_submitted > 0,
        )
        .group_by(Item.domain)
    )
    return dict(session.execute(statement).all())
