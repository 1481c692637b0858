"""The bodies of requests, as closed and strict records. Answers are plain dictionaries made by the services."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import Field, StringConstraints

from perceptlm.annotate.plain_text import Answer, Body, Line, PersonName, RowId, Sha256, Slug
from perceptlm.annotate.policy import Policy

MAX_ITEMS = 1000
Fence = Annotated[int, Field(ge=1, le=2**63 - 1)]
Version = Annotated[int, Field(ge=1, le=2**31 - 1)]
Share = Annotated[float, Field(ge=0, le=1)]
OperationId = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
Need = Literal["answer_proposals", "distractor_proposals", "text_only"]
EventName = Literal["submission.created", "item.moved", "item.needs", "release.published", "release.superseded"]
ProjectPath = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
IdPath = Annotated[int, Path(ge=1, le=2**63 - 1)]
AfterQuery = Annotated[int, Query(ge=0, le=2**63 - 1)]
LimitQuery = Annotated[int, Query(ge=1, le=1000)]


class SignIn(Body):
    """Name and password."""

    name: Annotated[str, Field(max_length=64)]
    password: Annotated[str, Field(max_length=256)]


class NewUser(Body):
    """A person to add."""

    name: PersonName
    password: Annotated[str, Field(max_length=256)]
    display_name: Line | None = None


class NewCredential(Body):
    """A qualification that was verified; `expires_at` in UTC milliseconds."""

    domain: Slug
    level: Line
    evidence_sha256: Sha256
    expires_at: Annotated[int, Field(ge=0, le=2**53)]


class NewProject(Body):
    """A project to make from a pack."""

    slug: Slug
    title: Line
    pack: Line = "plain"
    mode: Literal["blind_first", "verify"] = "blind_first"


class NewMember(Body):
    """A role to give."""

    user: PersonName
    role: Literal["manager", "annotator", "verifier", "expert", "auditor"]


class NewGuideline(Body):
    """A new version of the guideline, in Markdown."""

    markdown: Annotated[str, StringConstraints(min_length=1, max_length=100_000)]


class NewPolicy(Body):
    """A new version of the policy."""

    policy: Policy


class Model(Body):
    """Which model said something."""

    name: Line
    revision: Line | None = None
    licence: Line | None = None


class NewProposal(Body):
    """What a model proposed."""

    kind: Literal["answer", "distractor", "choice"]
    text: Answer
    confidence: Share | None = None
    model: Model
    prompt_sha256: Sha256 | None = None


class NewItem(Body):
    """A question about an asset. `key` is the sender's own name for it."""

    key: Line
    asset_id: RowId
    domain: Slug
    question: Answer
    options: Annotated[list[Answer], Field(min_length=2, max_length=26)] | None = None
    step: Literal["question_check", "blind_answer", "choice"]
    priority: Annotated[int, Field(ge=0, le=9)] = 0
    needs_credential: bool = False
    difficulty: Literal["hard", "easy"] | None = None
    proposals: Annotated[list[NewProposal], Field(max_length=50)] = Field(default_factory=list)


class NewItems(Body):
    """Items to take in, all or none."""

    items: Annotated[list[NewItem], Field(min_length=1, max_length=MAX_ITEMS)]


class NewProposals(Body):
    """Further proposals for an item; with `if_needed` refused (`not_needed`) unless the item waits for them."""

    proposals: Annotated[list[NewProposal], Field(min_length=1, max_length=50)]
    if_needed: bool = False


class NewRefusals(Body):
    """Why what a model said to a need of an item was of no use."""

    need: Need
    reasons: Annotated[list[Line], Field(min_length=1, max_length=50)]
    model: Model
    prompt_sha256: Sha256


class TextOnlyCount(Body):
    """How often a model without the video was right about one distractor, of the replies that could be read."""

    distractor_id: RowId
    num_trials: Annotated[int, Field(ge=0, le=10_000)]
    num_right: Annotated[int, Field(ge=0, le=10_000)]


class NewTextOnly(Body):
    """What a model without the video said about all confirmed distractors; `about` is that of the item's need."""

    about: Sha256
    counts: Annotated[list[TextOnlyCount], Field(min_length=1, max_length=1000)]
    num_unreadable: Annotated[int, Field(ge=0, le=10_000_000)]
    model: Model
    prompt_sha256: Sha256


class KnownEntry(Body):
    """What is known to be right of an item: of its first step, or of `step`; of a distractor also which, from 0."""

    expected: dict[str, Any]
    step: Literal["question_check", "blind_answer", "distractor", "choice"] | None = None
    distractor: Annotated[int, Field(ge=0, le=63)] | None = None


class GoldEntry(KnownEntry):
    """Gold; `planted_wrong`: a proposal of the item is wrong on purpose."""

    planted_wrong: bool = False


class CalibrationEntry(KnownEntry):
    """A calibration item; `explanation` is told to whoever has done it."""

    explanation: Annotated[str, StringConstraints(max_length=4000)] = ""


class ApproveGold(Body):
    """Which proposed change to approve; all that wait if it is not said."""

    change: RowId | None = None


class AskNext(Body):
    """Which steps one wants to do; None is whatever there is for the role."""

    steps: Annotated[list[Slug], Field(min_length=1, max_length=8)] | None = None


class Held(Body):
    """The fence of a lease."""

    fence: Fence


class GiveBack(Body):
    """Why work is given back."""

    fence: Fence
    reason: Line


class NewDraft(Body):
    """A draft: any JSON object."""

    body: dict[str, Any]


class NewSubmission(Body):
    """A submission. `client_op_id` names it, so that it can be sent again."""

    client_op_id: OperationId
    fence: Fence
    payload: dict[str, Any]
    frame_table_hash: Sha256
    guideline_version: Version
    active_seconds: Annotated[float, Field(ge=0, le=1e7)]


class Because(Body):
    """A reason."""

    reason: Line


class NewRelease(Body):
    """What a release is for."""

    purpose: Line


class NewWebhook(Body):
    """Where to send which events."""

    url: Annotated[str, StringConstraints(min_length=8, max_length=2000)]
    events: Annotated[list[EventName], Field(min_length=1, max_length=5)]
