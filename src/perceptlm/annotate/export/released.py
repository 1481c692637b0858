"""ReleasedItem: one row of a release, all that an export needs to know, and what decides an export's bytes.

Frame numbers are 0-based ordinals of decoded pictures of the asset as it was labelled, intervals half-open. People are
pseudonyms. Opens no file.
"""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, field_validator, model_validator

from perceptlm.annotate.frames.identity import FrameIdentity
from perceptlm.config import Config
from perceptlm.schema import Box, MediaRef, Origin

ExportFormat = Literal["samples", "reference", "fgqa", "benchmark"]
FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
_SHA256 = r"^[0-9a-f]{64}$"


class FrameInterval(Config):
    """Pictures from `start` up to, and without, `end`."""

    start: int = Field(ge=0)
    end: int = Field(gt=0)

    @model_validator(mode="after")
    def _not_empty(self) -> FrameInterval:
        if self.end <= self.start:
            raise ValueError(f"the interval [{self.start}, {self.end}) holds no frame")
        return self

    def __contains__(self, frame: object) -> bool:
        return isinstance(frame, int) and self.start <= frame < self.end


class ReleasedAsset(Config):
    """The file that was labelled. `path` is relative to the media folder; `identity` may be left out, its hash not."""

    path: str
    sha256: str = Field(pattern=_SHA256)
    frame_table_hash: str = Field(pattern=_SHA256)
    identity: FrameIdentity | None = None

    @field_validator("path")
    @classmethod
    def _inside(cls, value: str) -> str:
        return MediaRef(kind="image", path=value, width=1, height=1).path

    @model_validator(mode="after")
    def _same(self) -> ReleasedAsset:
        if self.identity is not None and self.identity.frame_table_hash != self.frame_table_hash:
            raise ValueError("frame_table_hash is not that of the identity")
        return self


class Distractor(Config):
    """A wrong answer that people judged certainly false; `written_by` says which model wrote it, None: a person."""

    text: str = Field(min_length=1)
    written_by: Origin | None = None


class CeilingChoice(Config):
    """What a person who never worked on the item chose between its answer and one distractor."""

    distractor: int = Field(ge=0)
    right: bool
    person: str


class Lineage(Config):
    """Where a row comes from, and how sure it is. What is not known is null."""

    row: str | None = Field(default=None, description="digest of the row in its release, where that is a server's")
    submissions: tuple[str, ...] = Field(min_length=1)
    guideline: str
    policy: str
    num_annotators: int = Field(ge=1)
    agreement: float | None = Field(default=None, ge=-1, le=1)
    posterior: float | None = Field(default=None, ge=0, le=1)
    adjudicated: bool = False
    audited: bool = False


class ReleasedItem(Config):
    """A question about one asset with its accepted answer.

    `boxes` have one entry per frame on which the subject is seen. `boxes_are` says what for: of `question`, they are
    drawn whenever it is asked ("the thing in the red rectangle"; in an image's question `<|bbox0|>` stands for it);
    of `evidence`, they show why the answer is right, and no model is shown them. Frames of the question without a box
    must be named in `not_visible`: boxes of keyframes only would leave most frames without one, unnoticed.
    `options` are those of a question that is a choice, in the order people saw; the distractors are the others of them.
    """

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]{0,119}$", description="the row's; no '_', which names pairs")
    key: str = Field(min_length=1, description="the item's, in its project")
    asset: ReleasedAsset
    domain: str
    question_type: str = ""
    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)
    options: tuple[str, ...] = Field(default=(), max_length=26)
    distractors: tuple[Distractor, ...] = ()
    evidence: FrameInterval | None = None
    boxes: dict[int, Box] = Field(default_factory=dict)
    boxes_are: Literal["question", "evidence"] | None = None
    not_visible: tuple[FrameInterval, ...] = ()
    lineage: Lineage
    licence: str = Field(min_length=1, description="SPDX expression of the row")
    author: str = Field(min_length=1, description="pseudonym of whose answer it is")
    recording: str | None = Field(default=None, description="the source recording, where several assets are of one")
    ceiling: tuple[CeilingChoice, ...] = ()

    @model_validator(mode="after")
    def _sane(self) -> ReleasedItem:
        if bool(self.boxes) != (self.boxes_are is not None):
            raise ValueError("boxes and boxes_are go together: say whether they are of the question or evidence")
        if any(choice.distractor >= len(self.distractors) for choice in self.ceiling):
            raise ValueError(f"a ceiling choice is about a distractor beyond the {len(self.distractors)} there are")
        if self.options and {self.answer, *(wrong.text for wrong in self.distractors)} != set(self.options):
            raise ValueError("of a choice, the options are the answer and the distractors")
        for text in (self.question, self.answer, *(distractor.text for distractor in self.distractors)):
            if not text.strip():
                raise ValueError("a text is blank")
        return self

    @property
    def question_boxes(self) -> dict[int, Box]:
        """The boxes that are shown with the question."""
        return self.boxes if self.boxes_are == "question" else {}

    @property
    def source(self) -> str:
        """The recording, for splits and intervals by cluster."""
        return self.recording or self.asset.sha256


class ExportSettings(Config):
    """What decides the bytes of an export, beside its rows. `formats` in the order of `FORMATS`; Samples always are."""

    formats: tuple[ExportFormat, ...] = FORMATS
    held_out: float = Field(default=0.1, ge=0, lt=1, description="share of the recordings that make the test")
    shown: Literal["evidence", "asset"] = Field(
        default="evidence", description="what a training row shows: its evidence, or all; the test shows all"
    )
    seed: int = Field(default=0, ge=0)
    rows_per_shard: int = Field(default=1_000_000, gt=0, description="Samples to a file")
    rows_per_group: int = Field(default=4096, gt=0, description="rows of Parquet held in memory")

    @model_validator(mode="after")
    def _formats(self) -> ExportSettings:
        if "samples" not in self.formats or len(set(self.formats)) != len(self.formats):
            raise ValueError("formats are named once each, samples among them")
        return self

    @property
    def share_held_out(self) -> float:
        """The share of recordings held out: none where no test is written."""
        return self.held_out if "benchmark" in self.formats else 0.0
