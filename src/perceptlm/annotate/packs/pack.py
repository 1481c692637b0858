"""What a domain pack says: taxonomy, question types, reason codes, credentials, policy, items, gold. Records only.

A pack is data and no code; docs/annotation-packs.md tells how to write one. These records check what can be seen in one
file; `load` checks them against each other. They open no file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from perceptlm.annotate.fgqa.payloads import DistractorVerdict, Interval, InvalidReason, QuestionVerdict, Step
from perceptlm.annotate.fgqa.text_rules import Answer, Code, Note, Wording, clean_line, same_text
from perceptlm.annotate.policy import Policy
from perceptlm.config import Config, parse
from perceptlm.errors import ConfigError

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Title = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(clean_line)]
Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
MediaPath = Annotated[str, StringConstraints(pattern=r"^media/[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Licence = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9().+ -]{2,200}$")]
Shortcut = Literal[
    "next_frame", "previous_frame", "next_second", "previous_second", "play", "set_start", "set_end", "submit",
    "unsure", "undo", "redo", "guideline",
]  # fmt: skip
STEP_ORDER: tuple[Step, ...] = (
    "question_check", "blind_answer", "compare", "distractor", "choice", "choice_after", "review", "expert", "ceiling",
)  # fmt: skip


class Domain(Config):
    """One node of the taxonomy. Items belong to any node; a credential for a node holds for those below it."""

    id: Name
    title: Title
    children: tuple[Domain, ...] = ()

    def walk(self, parents: tuple[str, ...] = ()) -> Iterator[tuple[Domain, tuple[str, ...]]]:
        """Yield this node and all below it, each with the ids above it."""
        yield self, parents
        for child in self.children:
            yield from child.walk((*parents, self.id))


class QuestionType(Config):
    """A kind of question: free text (`fgqa`) or one of several options (`choice`), and the steps it goes through."""

    id: Name
    title: Title
    kind: Literal["fgqa", "choice"]
    steps: tuple[Step, ...] = Field(min_length=1)
    options: tuple[Answer, ...] | None = None
    """The same for every item of this type; null: each item has its own."""

    @model_validator(mode="after")
    def _steps_fit(self) -> QuestionType:
        needed, other = ("blind_answer", "choice") if self.kind == "fgqa" else ("choice", "blind_answer")
        if needed not in self.steps or other in self.steps:
            raise ValueError(f"a question type of kind '{self.kind}' has the step '{needed}' and not '{other}'")
        if list(self.steps) != sorted(set(self.steps), key=STEP_ORDER.index):
            raise ValueError(f"steps are named once, in the order {', '.join(STEP_ORDER)}")
        if self.kind == "fgqa" and self.options is not None:
            raise ValueError("a free answer has no options")
        check_options(self.options)
        return self


class ReasonCode(Config):
    """A reason that a person picks, with what they read."""

    id: Code
    title: Title


class QuestionReason(Config):
    """The title of one of the fixed reasons why a question is invalid."""

    id: InvalidReason
    title: Title


class ReasonCodes(Config):
    """What may be picked: for invalid questions, in reviews, and by experts."""

    question: tuple[QuestionReason, ...] = Field(min_length=1)
    review: tuple[ReasonCode, ...] = Field(min_length=1)
    expert: tuple[ReasonCode, ...] = Field(min_length=1)


class CredentialRule(Config):
    """In `domain` and below, these steps are for people with a credential of `level`, shown by `evidence`."""

    domain: Name
    level: Name
    evidence: Title
    valid_days: int = Field(ge=1, le=3660)
    steps: tuple[Step, ...] = ("expert",)


class MediaNotice(Config):
    """Whose the media are."""

    licence: Licence
    source: Title


class Drawing(Config):
    """The format of clips that are drawn from `scenes.jsonl`."""

    width: int = Field(default=256, ge=64, le=512, multiple_of=2)
    height: int = Field(default=192, ge=64, le=512, multiple_of=2)
    frames_per_second: int = Field(default=12, ge=1, le=60)


class PackFile(Config):
    """What `pack.yaml` holds."""

    format_version: Literal[1]
    id: Name
    title: Title
    version: Annotated[str, StringConstraints(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    licence: Licence
    description: Note
    media: MediaNotice
    domains: tuple[Domain, ...] = Field(min_length=1)
    question_types: tuple[QuestionType, ...] = Field(min_length=1)
    reason_codes: ReasonCodes
    credential_rules: tuple[CredentialRule, ...] = ()
    policy: Policy = Policy()
    shortcuts: dict[Shortcut, Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+ ,.\[\]/-]{1,32}$")]] = Field(
        default_factory=dict
    )
    drawing: Drawing = Drawing()

    @model_validator(mode="after")
    def _ids_are_known_and_unique(self) -> PackFile:
        domains = [node.id for node in self.domain_nodes()]
        groups: dict[str, list[str]] = {
            "domains": domains,
            "question_types": [item.id for item in self.question_types],
            "reason_codes.question": [item.id for item in self.reason_codes.question],
            "reason_codes.review": [item.id for item in self.reason_codes.review],
            "reason_codes.expert": [item.id for item in self.reason_codes.expert],
            "credential_rules": [f"{rule.domain}, {rule.level}" for rule in self.credential_rules],
            "shortcuts": list(self.shortcuts.values()),
        }
        for name, ids in groups.items():
            twice = sorted({item for item in ids if ids.count(item) > 1})
            if twice:
                raise ValueError(f"{name}: '{twice[0]}' stands there twice")
        for rule in self.credential_rules:
            if rule.domain not in domains:
                raise ValueError(f"credential_rules: there is no domain '{rule.domain}'")
        return self

    def domain_nodes(self) -> tuple[Domain, ...]:
        """Return every node of the taxonomy, parents first."""
        return tuple(node for root in self.domains for node, _ in root.walk())

    def rules_for(self, domain: str) -> tuple[CredentialRule, ...]:
        """Return the credential rules that hold in a domain: its own and those of the nodes above it."""
        for root in self.domains:
            for node, parents in root.walk():
                if node.id == domain:
                    return tuple(rule for rule in self.credential_rules if rule.domain in (*parents, domain))
        return ()

    def question_type(self, name: str) -> QuestionType | None:
        """Return the question type of this id."""
        return next((item for item in self.question_types if item.id == name), None)


class ProposalMaker(Config):
    """Who made a proposal."""

    name: Title
    revision: Title
    licence: Licence


class PackProposal(Config):
    """A proposal that comes with an item. `planted_wrong` is never shown: it is there to measure copying.

    The text of a choice is the option's place, from '0'.
    """

    kind: Literal["answer", "distractor", "choice"]
    text: Answer
    confidence: float | None = Field(default=None, ge=0, le=1)
    planted_wrong: bool = False
    model: ProposalMaker


class PackItem(Config):
    """One question about one clip or picture, `asset` = media/NAME."""

    key: Key
    asset: MediaPath
    domain: Name
    question_type: Name
    question: Wording
    options: tuple[Answer, ...] | None = None
    priority: int = Field(default=0, ge=-1000, le=1000)
    difficulty: Literal["hard", "easy"] | None = None
    needs_credential: bool = False
    proposals: tuple[PackProposal, ...] = Field(default=(), max_length=64)

    @model_validator(mode="after")
    def _options_fit(self) -> PackItem:
        check_options(self.options)
        return self


class ExpectedCheck(Config):
    """What gold expects of a question check."""

    verdict: QuestionVerdict
    reason: InvalidReason | None = None


class ExpectedAnswer(Config):
    """Wordings that count as right and as wrong, and the frames that show it."""

    answers: tuple[Answer, ...] = Field(min_length=1)
    wrong: tuple[Answer, ...] = ()
    evidence: Interval | None = None


class ExpectedChoice(Config):
    """The right option's place."""

    choice: int = Field(ge=0)
    evidence: Interval | None = None


class ExpectedVerdict(Config):
    """The right verdict on a distractor."""

    verdict: DistractorVerdict


_EXPECTED: dict[str, type[Config]] = {
    "question_check": ExpectedCheck, "blind_answer": ExpectedAnswer, "choice": ExpectedChoice,
    "distractor": ExpectedVerdict,
}  # fmt: skip


class CheckItem(Config):
    """An item with a known truth: gold, hidden among the work, or calibration, explained afterwards.

    `distractor` is the place of the judged one among the item's distractors.
    """

    item: PackItem
    step: Literal["question_check", "blind_answer", "choice", "distractor"]
    expected: dict[str, Any]
    distractor: int | None = Field(default=None, ge=0)
    explanation: Note = ""

    @model_validator(mode="after")
    def _expected_fits(self) -> CheckItem:
        try:
            parse(_EXPECTED[self.step], self.expected, source="expected")
        except ConfigError as error:
            raise ValueError(error.message) from error
        num_distractors = sum(proposal.kind == "distractor" for proposal in self.item.proposals)
        if (self.step == "distractor") != (self.distractor is not None):
            raise ValueError("'distractor' is given exactly for the step 'distractor'")
        if self.distractor is not None and self.distractor >= num_distractors:
            raise ValueError(f"distractor {self.distractor}, but the item has {num_distractors}")
        return self


def check_options(options: tuple[str, ...] | None) -> None:
    """Raise ValueError for fewer than two options, more than 26, or two that say the same."""
    if options is None:
        return
    if not 2 <= len(options) <= 26:
        raise ValueError(f"{len(options)} options; there must be 2 to 26")
    for number, text in enumerate(options):
        if any(same_text(text, other) for other in options[:number]):
            raise ValueError(f"option '{text}' stands there twice")
