"""Text from people that any database and any page can hold: valid Unicode, no NUL, bounded length.

Text is kept as it was written and only ever shown as text. This module knows no tables and no pages.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from perceptlm.config import Config

MAX_NOTE = 4_000
MAX_ANSWER = 20_000
MAX_DEPTH = 20
MAX_INTEGER = 2**63 - 1
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}$"


def check_text(text: str) -> str:
    """Return `text`; ValueError for NUL characters and for halves of surrogate pairs, which have no UTF-8."""
    if "\x00" in text:
        raise ValueError("may not hold the NUL character")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("holds half of a surrogate pair, which is no character")
    return text


def check_json(value: Any, depth: int = 0) -> None:
    """Check that a JSON value can be kept and read again by anybody: every string in it, keys as well, no number that
    is too large or none at all, and no deep nesting.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("holds a number that is not finite")
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise ValueError("holds a number that is too large")
    elif isinstance(value, dict):
        for key, entry in value.items():
            check_json(key, depth + 1)
            check_json(entry, depth + 1)
    elif isinstance(value, list | tuple):
        for entry in value:
            check_json(entry, depth + 1)


Line = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(check_text)]
Note = Annotated[str, StringConstraints(max_length=MAX_NOTE), AfterValidator(check_text)]
Answer = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ANSWER), AfterValidator(check_text)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
PersonName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
RowId = Annotated[int, Field(ge=1, le=2**63 - 1)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]


class Body(Config):
    """A closed, strict record from outside: no unknown keys, no numbers in strings, nothing a database refuses."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _check_json(cls, values: Any) -> Any:
        check_json(values)
        return values
