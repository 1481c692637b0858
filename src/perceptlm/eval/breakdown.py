"""Where a model is good and where it fails: scores by dimension, by question family and by what the clip shows.

Every slice has the score, its interval, its baselines and its controls on the same items. Bins: number of things 1, 2,
3, 4, 5+; number of events 0, 1, 2, 3, 4+; length of the clip in seconds, from 0, 5, 10, 30 and 60 on; size of the box
as mean share of the picture, from 0, 1, 5 and 20 % on (`eval.traits`); the others are the words a data set records:
question type and domain in FGQA and SGQA, class of the subject. The procedural world's words mean: speed,
the subject's mean way per frame in picture widths, still < 0.004 <= slow < 0.02 <= fast; occlusion, the mean hidden
share of its silhouette while it is seen, none < 0.05 <= some < 0.35 <= much. Asks no model and opens no media.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Literal, get_args

from pydantic import Field, TypeAdapter, ValidationError

from perceptlm.artifact import write_atomic
from perceptlm.config import Config
from perceptlm.errors import DataError
from perceptlm.eval.outcomes import BLIND_VARIANTS, Row, Variant
from perceptlm.eval.settings import ROW_NAMES, EvalSettings, RowName
from perceptlm.eval.summary import Unit, score_range, units_of
from perceptlm.exchange.jsonl import encode_line
from perceptlm.seeding import derive_seed
from perceptlm.statistics import bootstrap_interval

BREAKDOWN = "breakdown.json"

By = Literal[
    "dimension", "question_type", "domain", "clip_length", "subject_class", "box_size", "num_things", "speed", "size",
    "occlusion", "held_out", "num_events", "template",
]  # fmt: skip
BYS: tuple[By, ...] = get_args(By)

_MOST: dict[By, int] = {"num_things": 5, "num_events": 4}
"""Counts from here on share one bin."""
_BINS: dict[By, tuple[str, tuple[tuple[float, str], ...]]] = {
    "clip_length": (
        "clip_seconds", ((0, "under 5 s"), (5, "5 to 10 s"), (10, "10 to 30 s"), (30, "30 to 60 s"), (60, "over 60 s"))
    ),
    "box_size": ("box_share", ((0, "under 1 %"), (0.01, "1 to 5 %"), (0.05, "5 to 20 %"), (0.2, "over 20 %"))),
}  # fmt: skip
"""The attribute that is binned, and where each bin begins."""
_ORDER = {
    word: place
    for place, word in enumerate(
        (
            *(
                "what",
                "where",
                "when",
                "how",
                "still",
                "slow",
                "fast",
                "small",
                "medium",
                "large",
                "none",
                "some",
                "much",
            ),
            *(name for _, bins in _BINS.values() for _, name in bins),
        )
    )
}


class Slice(Config):
    """The scored units (FGQA: groups) of one row that share one value; scores lie in [0, 1]."""

    row: RowName
    by: By
    value: str
    n: int
    score: float
    low: float
    high: float
    blind: float | None
    """The best score without the right pictures, on the same units; None if no blind variant was asked."""
    blind_variant: Variant | None
    constant: float | None
    """The best constant answer per question template, on the same units."""
    variants: dict[Variant, float] = Field(default_factory=dict)
    """The score of every control that was asked, on the same units."""


def breakdown(rows: Sequence[Row], constants: Mapping[RowName, Sequence[Unit]], settings: EvalSettings) -> list[Slice]:
    """Return every slice with a scored unit; `constants` are the units of each row as the constant answers them.

    In order of row, of what is sliced by, and of value: words and counts in their natural order, templates by name.
    """
    slices = []
    for name in ROW_NAMES:
        of_row = [row for row in rows if row.row == name]
        first = {row.unit: row for row in reversed(of_row) if row.variant == "own"}
        answered = {variant: units_of(of_row, variant) for variant in settings.variants}
        for by in BYS:
            keys: dict[str, set[str]] = defaultdict(set)
            for unit, row in first.items():
                value = value_of(row, by)
                if value is not None:
                    keys[value].add(unit)
            for value in sorted(keys, key=_place):
                found = _slice(name, by, value, keys[value], answered, constants.get(name, ()), settings)
                if found is not None:
                    slices.append(found)
    return slices


def value_of(row: Row, by: By) -> str | None:
    """Return the bin of a question; None if its data set does not say."""
    if by == "dimension":
        return row.dimension
    if by == "template":
        return row.template
    if by in _BINS:
        name, bins = _BINS[by]
        measured = row.attributes.get(name)
        if isinstance(measured, str) or measured is None:
            return None
        return next((word for start, word in reversed(bins) if measured >= start), None)
    value = row.attributes.get(by)
    if value is None:
        return None
    if by == "held_out":
        return "held out" if value else "seen"
    if by in _MOST and isinstance(value, int):
        return f"{_MOST[by]}+" if value >= _MOST[by] else str(value)
    return str(value)


def write_breakdown(directory: Path, slices: Sequence[Slice]) -> None:
    """Write `breakdown.json`: a list, one slice per line."""
    lines = ",\n".join(encode_line(item).decode().rstrip() for item in slices)
    write_atomic(directory / BREAKDOWN, f"[\n{lines}\n]\n".encode())


def read_breakdown(directory: Path) -> list[Slice]:
    """Read the slices of a published evaluation; none if it was made before there were any."""
    path = directory / BREAKDOWN
    if not path.is_file():
        return []
    try:
        return TypeAdapter(list[Slice]).validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataError("not the breakdown of an evaluation", path=path, hint="run the evaluation again") from error


def _place(value: str) -> tuple[int, str]:
    return (_ORDER.get(value, len(_ORDER)), value)


def _slice(
    name: RowName,
    by: By,
    value: str,
    keys: set[str],
    answered: Mapping[Variant, Sequence[Unit]],
    constant: Sequence[Unit],
    settings: EvalSettings,
) -> Slice | None:
    own = [unit for unit in answered["own"] if unit.key in keys and unit.value is not None]
    if not own:
        return None
    scored = {unit.key for unit in own}
    values = [unit.value for unit in own if unit.value is not None]
    interval = bootstrap_interval(
        values,
        [unit.cluster for unit in own],
        seed=derive_seed(settings.seed, "breakdown", name, by, value),
        num_resamples=settings.num_resamples,
        confidence=settings.confidence,
        bounds=score_range(values),
    )
    means = {variant: _mean(units, scored) for variant, units in answered.items() if variant != "own"}
    variants = {variant: score for variant, score in means.items() if score is not None}
    known = {variant: score for variant, score in variants.items() if variant in BLIND_VARIANTS}
    best = max(known, key=lambda variant: known[variant], default=None)
    return Slice(
        row=name,
        by=by,
        value=value,
        n=len(own),
        score=fmean(values),
        low=interval.low,
        high=interval.high,
        blind=None if best is None else known[best],
        blind_variant=best,
        constant=_mean(constant, scored),
        variants=variants,
    )


def _mean(units: Sequence[Unit], keys: set[str]) -> float | None:
    values = [unit.value for unit in units if unit.key in keys and unit.value is not None]
    return fmean(values) if values else None
