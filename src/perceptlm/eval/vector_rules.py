"""What the functions behind worked examples take and give: inputs, the rules in force, and having no answer.

Shared by `vector_tasks` and `vector_statistics`; `vector_table` puts them together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from perceptlm.errors import PerceptLMError
from perceptlm.eval.benchmarks.plm_videobench.profiles import Profile

Inputs = Mapping[str, Any]
Known = Mapping[str, tuple[str, str, Inputs]]
"""Metric, profile and inputs of the examples of a file, by id."""

REFUSALS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What inputs that make no sense end in: an answer like any other, if it is the expected one."""


class NotUnderstood(PerceptLMError):
    """A metric or profile that is not in the table."""


@dataclass(frozen=True)
class Refused:
    """There is no answer: what was raised. `instead` is ours where only the reference gives up."""

    name: str
    message: str
    instead: Any = None


@dataclass(frozen=True)
class Rules:
    """By whose rules an example is computed, and what else its file holds."""

    profile: Profile
    known: Known
    notes: list[str]


Compute = Callable[[Inputs, Rules], Any]
