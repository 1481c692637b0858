"""The catalogue: every dataset PLM was trained on, and the published blends of `midtrain` and `sft`, as data.

`catalogue.yaml` holds the lines of the paper's Tables 7 and 8 and the datasets of Table 9 behind each line. Printed
numbers are rounded and do not always add up; both sides are kept, and the difference is computed, never hidden. This
module opens no dataset; `blend` counts what is on disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, model_validator

from perceptlm.config import Config, load_yaml
from perceptlm.data.open_weights import licence_says_nothing, open_weights
from perceptlm.errors import UsageError

BlendStage = Literal["midtrain", "sft"]
Kind = Literal["image", "video", "text"]
Family = Literal["synthetic", "human public", "human new"]
# The names of `converters.formats`.
Format = Literal[
    "human-fgqa", "human-rcap", "human-rtloc", "human-rdcap",
    "image-auto-sa1b", "image-auto-ucsf", "image-auto-pdfacc", "image-auto-openimages", "image-auto-obj365",
    "image-auto-arxivqa", "video-auto-yt1b-caption", "video-auto-yt1b-mcqa", "video-auto-ego4d-caption",
    "video-auto-ego4d-qa", "llava", "reference",
]  # fmt: skip
Availability = Literal["released", "partly released", "not released", "unknown"]
BLEND_STAGES: tuple[BlendStage, ...] = get_args(BlendStage)
KINDS: tuple[Kind, ...] = get_args(Kind)
NOT_MODELS = ("person", "program")
"""What `labelled_by` says besides names of models."""
_ROUNDING = 0.05
"""A share of a line that rounding explains: the smallest lines are printed with two digits."""


class PublishedTotal(Config):
    """The rows of a whole blend as printed, and where."""

    rows: int = Field(gt=0)
    source: str


class BlendLine(Config):
    """One line of Tables 7 and 8: printed (rounded) rows by stage, None where it is no part of it.

    `listed` is the total that Table 9 prints for it.
    """

    key: str
    name: str
    midtrain: int | None = Field(default=None, gt=0)
    sft: int | None = Field(default=None, gt=0)
    listed: int | None = Field(default=None, gt=0)
    note: str = ""

    def rows_in(self, stage: BlendStage) -> int | None:
        """Return the printed rows in a stage; None if the line is not in it."""
        return self.midtrain if stage == "midtrain" else self.sft


class Dataset(Config):
    """One dataset: how many rows Table 9 gives it, who wrote its labels, under which licence, where they are."""

    key: str
    line: str
    name: str
    kind: Kind
    family: Family
    task: str
    rows: int | None = Field(default=None, gt=0)
    released_rows: int | None = Field(default=None, gt=0)
    licence: str = Field(min_length=1, description="of the labels; 'unknown' where it could not be confirmed")
    labelled_by: tuple[str, ...] = Field(min_length=1)
    source: str = Field(min_length=1, description="hub id or site of the labels; 'none', 'unknown'")
    format: Format | None = None
    availability: Availability
    note: str = ""

    @property
    def obstacles(self) -> tuple[str, ...]:
        """What stands in the way of its use: no release, no confirmed licence, labels that would fail the audit."""
        found: list[str] = [] if self.availability == "released" else [self.availability]
        if self.availability == "unknown":
            found = ["release not confirmed"]
        if licence_says_nothing(self.licence):
            found.append("licence not confirmed")
        for name in self.labelled_by:
            model = open_weights().find(name)
            if name in NOT_MODELS:
                continue
            if model is None and open_weights().why_refused(name) is not None:
                found.append(f"labels by {name}, a closed model")
            elif model is None:
                found.append(f"labels by {name}, which is not on the open-weights list")
            elif model.licence.output == "not_allowed":
                found.append(f"labels by {name}, whose licence does not allow training on them")
            elif model.licence.output == "unknown":
                found.append(f"labels by {name}, whose licence has not been read for this list")
        return tuple(found)


class Catalogue(Config):
    """The whole of `catalogue.yaml`; keys are unique and every dataset belongs to a line."""

    blends: dict[BlendStage, PublishedTotal]
    lines: tuple[BlendLine, ...]
    datasets: tuple[Dataset, ...]

    @model_validator(mode="after")
    def _whole(self) -> Catalogue:
        for what, keys in (
            ("line", [line.key for line in self.lines]),
            ("dataset", [item.key for item in self.datasets]),
        ):
            if again := sorted({key for key in keys if keys.count(key) > 1}):
                raise ValueError(f"the {what} '{again[0]}' stands there twice")
        if odd := {item.line for item in self.datasets} ^ {line.key for line in self.lines}:
            raise ValueError(f"lines without datasets, or datasets without a line: {', '.join(sorted(odd))}")
        return self

    def line(self, key: str) -> BlendLine:
        """Return the line of this key; KeyError if there is none."""
        return {line.key: line for line in self.lines}[key]

    def datasets_of(self, line: BlendLine) -> tuple[Dataset, ...]:
        """Return the datasets behind a line."""
        return tuple(item for item in self.datasets if item.line == line.key)

    def is_in(self, item: Dataset, stage: BlendStage) -> bool:
        """Whether a dataset's line is part of a blend."""
        return self.line(item.line).rows_in(stage) is not None

    def rows_in(self, item: Dataset, stage: BlendStage) -> int | None:
        """Return a dataset's rows in a blend; None if it has no part in it, or how large is not stated.

        A line of one dataset has the printed rows. Where it has several, these have Table 9's rows, if they sum to the
        line but for rounding; if they do not, nobody said which rows were taken.
        """
        line = self.line(item.line)
        printed = line.rows_in(stage)
        if printed is None or len(self.datasets_of(line)) == 1:
            return printed
        residual = self.residual(line, stage)
        return item.rows if residual is not None and abs(residual) <= _ROUNDING * printed else None

    def residual(self, line: BlendLine, stage: BlendStage) -> int | None:
        """Return a line's printed rows less those that Table 9 gives its datasets; None if it does not give all.

        0 for a line of one dataset, and one that is not in the blend: there the blend says how many rows it takes.
        """
        rows = [item.rows for item in self.datasets_of(line)]
        printed = line.rows_in(stage)
        if printed is None or len(rows) == 1:
            return 0
        stated = [count for count in rows if count is not None]
        return printed - sum(stated) if len(stated) == len(rows) else None

    def select(self, kind: Kind | None = None, stage: BlendStage | None = None) -> tuple[Dataset, ...]:
        """Return the datasets of a kind, in a stage's blend; all for None."""
        return tuple(
            item
            for item in self.datasets
            if (kind is None or item.kind == kind) and (stage is None or self.is_in(item, stage))
        )


@dataclass(frozen=True)
class PublishedLine:
    """One line of a published blend; `residual` is that of `Catalogue.residual`."""

    line: BlendLine
    rows: int
    share: float
    datasets: tuple[Dataset, ...]
    residual: int | None


@dataclass(frozen=True)
class PublishedBlend:
    """A published blend: its lines, the printed total, and what the lines leave of it."""

    stage: BlendStage
    total: PublishedTotal
    lines: tuple[PublishedLine, ...]

    @property
    def sum_of_lines(self) -> int:
        """The rows of all lines."""
        return sum(line.rows for line in self.lines)

    @property
    def residual(self) -> int:
        """The printed total less the sum of the lines: what rounding, or a slip, makes of it."""
        return self.total.rows - self.sum_of_lines

    def rows_by_availability(self) -> dict[Availability, int]:
        """Return the rows of lines by the least available of their datasets, most available first."""
        order: tuple[Availability, ...] = get_args(Availability)
        found = dict.fromkeys(order, 0)
        for line in self.lines:
            found[max((item.availability for item in line.datasets), key=order.index)] += line.rows
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "stage": self.stage,
            "printed_rows": self.total.rows,
            "source": self.total.source,
            "sum_of_lines": self.sum_of_lines,
            "residual": self.residual,
            "rows_by_availability": self.rows_by_availability(),
            "lines": [
                {
                    **line.line.to_dict(),
                    "rows": line.rows,
                    "share": line.share,
                    "residual": line.residual,
                    "datasets": [describe_dataset(item) for item in line.datasets],
                }
                for line in self.lines
            ],
        }


def describe_dataset(item: Dataset) -> dict[str, Any]:
    """Return a dataset as plain JSON values, with its rows in either blend and what stands in its way."""
    rows = {f"rows_in_{stage}": catalogue().rows_in(item, stage) for stage in BLEND_STAGES}
    return item.to_dict() | rows | {"obstacles": list(item.obstacles)}


def published_blend(stage: str) -> PublishedBlend:
    """Return the blend of `midtrain` or `sft` as published; UsageError for another name."""
    known = catalogue()
    for name in BLEND_STAGES:
        if name == stage:
            rows = [(line, count) for line in known.lines if (count := line.rows_in(name)) is not None]
            total = sum(count for _, count in rows)
            lines = [
                PublishedLine(line, count, count / total, known.datasets_of(line), known.residual(line, name))
                for line, count in rows
            ]
            return PublishedBlend(name, known.blends[name], tuple(lines))
    raise UsageError(
        f"there is no published blend of '{stage}'",
        hint=f"blends: {', '.join(BLEND_STAGES)} (the warm-up has one source: 1M captions of SA-1B), or a YAML file",
    )


@cache
def catalogue() -> Catalogue:
    """Return the catalogue that comes with the package."""
    return load_yaml(Catalogue, Path(__file__).with_name("catalogue.yaml"))
