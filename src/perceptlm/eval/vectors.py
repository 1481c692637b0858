"""Worked examples, run against the functions that score: `plm eval vectors FILE`.

A file holds examples in the format of PLM-VideoBench's shared vectors: `metric` names what is computed, `profile` by
whose rules, `expected` the answer. Numbers hold within `tol`, everything else exactly, and only what is expected is
looked at. `vector_table` says which function a metric is; nothing is computed here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from perceptlm.config import Config
from perceptlm.errors import DataError, PerceptLMError
from perceptlm.eval.vector_rules import REFUSALS, NotUnderstood, Refused
from perceptlm.eval.vector_table import compute

_REFUSING = re.compile("raise|error|exception|assert", re.IGNORECASE)
_SLACK = 1e-12
"""Differences below the last digits of a float are none, whatever the tolerance."""


class Example(Config):
    """One worked example. Fields that are not listed are ignored."""

    model_config = ConfigDict(extra="ignore")

    id: str
    metric: str
    profile: str
    input: dict[str, JsonValue]
    expected: JsonValue
    tol: float = Field(default=1e-6, ge=0)
    note: str | None = None


class Mismatch(Config):
    """An example that does not hold, and where."""

    id: str
    metric: str
    profile: str
    reason: str
    expected: JsonValue
    got: JsonValue


class VectorReport(Config):
    """What became of a file of examples. `notes` are about examples that hold but leaned on more than the file."""

    num_examples: int
    num_passed: int
    mismatches: tuple[Mismatch, ...]
    notes: tuple[str, ...] = ()


def read_examples(path: Path) -> list[Example]:
    """Read a file `{"vectors": [...]}`, or the bare list; DataError names what is wrong with it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"not JSON: {error}", path=path) from error
    except RecursionError as error:
        raise DataError("not JSON that can be read: it is nested too deeply", path=path) from error
    listed = found.get("vectors") if isinstance(found, dict) else found
    if not isinstance(listed, list) or not listed:
        raise DataError("no worked examples", path=path, hint='it must hold {"vectors": [...]}')
    try:
        examples = TypeAdapter(list[Example]).validate_python(listed)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place, *field = first["loc"]
        raise DataError(f"example {place}: {'.'.join(map(str, field))}: {first['msg']}", path=path) from error
    ids = [example.id for example in examples]
    if len(set(ids)) != len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise DataError(f"example '{twice}' is there twice", path=path)
    return examples


def run_examples(examples: Sequence[Example]) -> VectorReport:
    """Compute every example and compare; one that cannot be computed, or is not understood, is a mismatch."""
    known = {example.id: (example.metric, example.profile, example.input) for example in examples}
    mismatches: list[Mismatch] = []
    notes: list[str] = []
    for example in examples:
        reason, got = _check(example, known, notes)
        if reason is not None:
            mismatches.append(
                Mismatch(
                    id=example.id,
                    metric=example.metric,
                    profile=example.profile,
                    reason=reason,
                    expected=example.expected,
                    got=got,
                )
            )
    return VectorReport(
        num_examples=len(examples),
        num_passed=len(examples) - len(mismatches),
        mismatches=tuple(mismatches),
        notes=tuple(notes),
    )


def _check(
    example: Example, known: Mapping[str, tuple[str, str, Mapping[str, Any]]], notes: list[str]
) -> tuple[str | None, JsonValue]:
    """Return what is wrong with one example, None if nothing, and what was computed."""
    try:
        results = compute(example.metric, example.profile, example.input, known, notes)
    except NotUnderstood as error:
        return f"not understood: {error.message}", None
    except (PerceptLMError, *REFUSALS) as error:
        results = {"": Refused(type(error).__name__, str(error))}
    for profile, found in results.items():
        if isinstance(found, Refused):
            if _expects_refusal(example.expected):
                continue
            if found.instead is None:
                return f"refused: {found.name}: {found.message}", None
            found = found.instead
        wrong = difference(example.expected, found, example.tol)
        if wrong is not None:
            return wrong + (f" (profile {profile})" if len(results) > 1 else ""), found
    return None, None


def difference(expected: JsonValue, got: Any, tol: float, where: str = "") -> str | None:
    """Return the first place at which `got` is not as expected, None if there is none.

    Of objects only the expected keys are looked at. Numbers with a fraction hold within `tol`; integers, truth values
    and texts exactly, and a truth value is no number.
    """
    at = f" at {where}" if where else ""
    if isinstance(expected, dict):
        if not isinstance(got, Mapping):
            return f"not an object{at}"
        for key, value in expected.items():
            if key not in got:
                return f"nothing is computed for '{where + '.' if where else ''}{key}'"
            wrong = difference(value, got[key], tol, f"{where}.{key}" if where else key)
            if wrong is not None:
                return wrong
        return None
    if isinstance(expected, list):
        if not isinstance(got, list | tuple):
            return f"no list{at}"
        if len(got) != len(expected):
            return f"{len(got)} items{at}, expected {len(expected)}"
        pairs = enumerate(zip(expected, got, strict=True))
        return next((w for i, (e, g) in pairs if (w := difference(e, g, tol, f"{where}[{i}]")) is not None), None)
    return None if _same(expected, got, tol) else f"differs{at}: {got!r}, expected {expected!r}"


def _same(expected: JsonValue, got: Any, tol: float) -> bool:
    if isinstance(expected, bool) or isinstance(got, bool) or expected is None or got is None:
        return type(expected) is type(got) and expected == got
    if isinstance(expected, int | float) and isinstance(got, int | float) and float in (type(expected), type(got)):
        return abs(got - expected) <= tol + _SLACK
    return bool(expected == got)


def _expects_refusal(expected: JsonValue) -> bool:
    """Whether an example says that there is no answer: null, an error's name, or `{"raises": ...}` and the like."""
    if isinstance(expected, dict):
        return any(value and _REFUSING.search(key) for key, value in expected.items())
    return expected is None or (isinstance(expected, str) and bool(_REFUSING.search(expected)))


def report_lines(report: VectorReport) -> list[str]:
    """Return a report as lines for a terminal."""
    lines = [f"{report.num_passed} of {report.num_examples} worked examples hold"]
    for wrong in report.mismatches:
        lines.append(f"{wrong.id}: {wrong.metric}, {wrong.profile}: {wrong.reason}")
        lines.append(f"    expected {json.dumps(wrong.expected, ensure_ascii=False)}")
        lines.append(f"    got      {json.dumps(wrong.got, ensure_ascii=False)}")
    return [*lines, *(f"note: {note}" for note in report.notes)]
