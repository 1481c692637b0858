"""All nominal work of a project assessed: choices, question checks and distractors, each kind by itself.

Somebody who pauses because of one kind of work pauses from all. Read with gold.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from perceptlm.annotate.policy import Policy
from perceptlm.annotate.quality.assess import Assessment
from perceptlm.annotate.services.quality_records import NOMINAL, Records, read_records
from perceptlm.annotate.store.tables import Project


@dataclass(frozen=True)
class Assessed:
    """The records of one kind of work, and what follows from them."""

    records: Records
    found: Assessment


def assess_project(session: Session, project: Project, policy: Policy) -> dict[str, Assessed]:
    """Return what follows from the labels of each kind of work that has any."""
    records = {kind: read_records(session, project, policy, kind) for kind in NOMINAL}
    weighed = {kind: (some, some.weigh(policy)) for kind, some in records.items() if len(some.labels)}
    paused = set[int]().union(*(some.paused_ids(found) for some, found in weighed.values()))
    return {kind: Assessed(some, some.route(found, policy, paused)) for kind, (some, found) in weighed.items()}
