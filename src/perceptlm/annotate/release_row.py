"""What one row of a release says: what an item came to, from whose work, and how sure it is.

Services write these rows, the export reads them; once written they never change. People are pseudonyms. Knows no
database and no format of export.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from perceptlm.annotate.fgqa.payloads import FrameBox, Interval
from perceptlm.config import Config, digest_of

FORMAT = "perceptlm release 1"


class RowAsset(Config):
    """The media that was labelled: the file is `media/<sha256>.<suffix>` of the data directory."""

    sha256: str
    suffix: str
    kind: Literal["image", "video"]
    num_frames: int
    frame_table_hash: str
    licence: str


class RowDistractor(Config):
    """A distractor that people confirmed certainly false, and the model that proposed it."""

    id: int
    text: str
    model: dict[str, Any]


class RowCeiling(Config):
    """What a person who had no part in the item chose of a pair; `pair` counts the distractors from 0."""

    pair: int
    right: bool
    person: str


class RowSubmission(Config):
    """One submission to the item. `about` is what an expert's adjudicates."""

    id: int
    step: str
    about: str | None
    subject: int | None
    round: int
    person: str
    sha256: str


class ReleaseRowBody(Config):
    """One row. `row_id` is the digest of all the rest.

    `answered_by`: an expert, whatever people had agreed on; `author` is whose words or choice it is. `agreement` is the
    share of those who answered blind (or chose) in the last round that gave the released answer: null where an expert
    gave another one in words. `posterior` is the quality engine's, of choices. `audited`: an expert saw it because it
    was drawn at random, after people had agreed; `audit_changed` whether the expert changed it. `people` had a part in
    the item, the ceiling's among them.
    """

    row_id: str
    key: str
    item: int
    row_version: int
    kind: Literal["fgqa", "choice"]
    domain: str
    difficulty: str | None
    question: str
    options: tuple[str, ...] | None
    answer: str
    author: str
    answered_by: Literal["people", "expert"]
    distractors: tuple[RowDistractor, ...]
    evidence: Interval | None
    boxes: tuple[FrameBox, ...]
    ceiling: tuple[RowCeiling, ...]
    num_annotators: int = Field(ge=1)
    agreement: float | None
    posterior: float | None
    adjudicated: bool
    audited: bool
    audit_changed: bool
    asset: RowAsset
    guideline_versions: tuple[int, ...]
    policy_versions: tuple[int, ...]
    people: tuple[str, ...]
    submissions: tuple[RowSubmission, ...]
    derived: dict[str, Any]


def row_body(values: dict[str, Any]) -> dict[str, Any]:
    """Return a row as it is kept, checked, with its id."""
    checked = ReleaseRowBody.model_validate({"row_id": "", **values}).to_dict()
    del checked["row_id"]
    return {"row_id": digest_of(checked), **checked}
