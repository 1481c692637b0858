"""What an evaluation is: which questions, how they are shown, how answers are read, how sure the numbers are.

Everything that decides a digested byte of the result is here or in the model and the data themselves.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from perceptlm.config import Config
from perceptlm.errors import UsageError
from perceptlm.eval.benchmarks.images.table import IMAGE_ROWS, IMAGE_TOKENS, ImageRow
from perceptlm.eval.benchmarks.plm_videobench.profiles import PROFILES, TABLE, Profile
from perceptlm.eval.outcomes import Variant
from perceptlm.schema import Split

RowName = Literal["fgqa", "sgqa", "rcap", "rtloc", "rdcap", "image"] | ImageRow
ROW_NAMES: tuple[RowName, ...] = ("fgqa", "sgqa", "rcap", "rtloc", "rdcap", "image", *IMAGE_ROWS)
"""The lines of the results table: the five PLM-VideoBench tasks, images of no benchmark (captions and questions
together), and the image benchmarks."""


class TokenLimits(Config):
    """The longest answer per row, in tokens. These suit the procedural world; a profile has its own (`of_profile`), and
    those of image benchmarks are fixed (`IMAGE_TOKENS`).
    """

    fgqa: int = Field(default=16, gt=0)
    sgqa: int = Field(default=64, gt=0)
    rcap: int = Field(default=128, gt=0)
    rtloc: int = Field(default=16, gt=0)
    rdcap: int = Field(default=320, gt=0)
    image: int = Field(default=96, gt=0)

    def of(self, row: RowName) -> int:
        """Return the limit of one row."""
        limit = next((IMAGE_TOKENS[name] for name in IMAGE_ROWS if name == row), None)
        return int(getattr(self, row)) if limit is None else limit

    @classmethod
    def of_profile(cls, profile: Profile) -> TokenLimits:
        """Return the limits of a profile's table."""
        return cls(**{task: rules.max_new_tokens for (task, name), rules in TABLE.items() if name == profile})


class EvalSettings(Config):
    """One evaluation. `limit` keeps the first items of each row: FGQA groups, samples elsewhere; None keeps all."""

    num_frames: int = Field(gt=0, description="pictures sampled from each video")
    split: Split = "benchmark"
    tasks: tuple[RowName, ...] = Field(default=ROW_NAMES, min_length=1, description="rows of the table to ask")
    variants: tuple[Variant, ...] = ("own", "zero", "other")
    limit: int | None = Field(default=None, gt=0)
    profile: Profile = "strict"
    max_new_tokens: TokenLimits = Field(default=TokenLimits(), description="unless given, those of the profile")
    seed: int = Field(default=0, ge=0)
    confidence: float = Field(default=0.95, gt=0, lt=1)
    num_resamples: int = Field(default=2000, gt=0)
    num_samples_per_chunk: int = Field(default=32, gt=0, description="asked together; a killed run redoes one chunk")
    max_error_share: float = Field(default=0.05, ge=0, le=1, description="more unanswered requests stop the run")

    @field_validator("tasks")
    @classmethod
    def _in_order(cls, tasks: tuple[RowName, ...]) -> tuple[RowName, ...]:
        return tuple(name for name in ROW_NAMES if name in tasks)

    @model_validator(mode="before")
    @classmethod
    def _limits_of_profile(cls, values: Any) -> Any:
        if isinstance(values, dict) and "max_new_tokens" not in values:
            profile = values.get("profile", "strict")
            if profile in PROFILES:
                return {**values, "max_new_tokens": TokenLimits.of_profile(profile)}
        return values

    @field_validator("variants")
    @classmethod
    def _own_first(cls, variants: tuple[Variant, ...]) -> tuple[Variant, ...]:
        if not variants or variants[0] != "own" or len(set(variants)) != len(variants):
            raise ValueError("must start with 'own' and name no variant twice")
        return variants


def check_names(kind: str, names: Sequence[str], known: Sequence[str]) -> None:
    """Raise UsageError for a name that is not known, with the nearest that is, and all of them."""
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"did you mean '{near[0]}'? " if near else ""
            raise UsageError(f"there is no {kind} '{name}'", hint=f"{meant}{kind}s: {', '.join(known)}")
