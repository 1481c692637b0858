"""Which function of ours a worked example's metric and profile mean. The functions live where they are used.

Profiles `paper`, `lmms-eval-0.7.2` and `strict` are ours, `all` is each of them; other names are tools whose
convention is shown for comparison. What stands in brackets behind a name explains it and is not read.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from perceptlm.eval.benchmarks.plm_videobench.profiles import LMMS, PROFILES
from perceptlm.eval.vector_rules import Compute, Inputs, Known, NotUnderstood, Refused, Rules
from perceptlm.eval.vector_statistics import STANDARD_ERRORS, STATISTICS
from perceptlm.eval.vector_tasks import OTHER_TOOLS, TASKS

METRICS: dict[str, Compute] = {**TASKS, **STATISTICS}
"""Metrics of the three profiles."""
OF_OTHERS: dict[tuple[str, str], Compute] = {**OTHER_TOOLS, **STANDARD_ERRORS}
"""Metrics of other tools, by name of the metric and of the tool."""


def compute(metric: str, profile: str, inputs: Inputs, known: Known, notes: list[str]) -> dict[str, Any]:
    """Return what an example gives, as JSON values, by name of the profile: three results for `all`.

    Raises NotUnderstood for a metric or profile that is not in the table, and whatever the inputs lead to.
    """
    if metric not in METRICS and not any(name == metric for name, _ in OF_OTHERS):
        raise NotUnderstood(f"metric '{metric}'")
    name = profile.partition("(")[0].strip().lower()
    rules = Rules(LMMS, known, notes)
    if (metric, name) in OF_OTHERS:
        return {name: _plain(OF_OTHERS[metric, name](inputs, rules))}
    chosen = [one for one in PROFILES if name in (one, "all")]
    if not chosen or metric not in METRICS:
        raise NotUnderstood(f"profile '{profile}' of metric '{metric}'")
    return {one: _plain(METRICS[metric](inputs, replace(rules, profile=one))) for one in chosen}


def _plain(found: Any) -> Any:
    if isinstance(found, Refused):
        return replace(found, instead=_plain(found.instead))
    return json.loads(json.dumps(found, allow_nan=False))
