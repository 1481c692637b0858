"""Worked examples of standard errors, tests, intervals and of what is done with missing verdicts.

Nothing is computed here that is computed elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import Any

import numpy as np

from perceptlm.eval.benchmarks.plm_videobench.profiles import LMMS
from perceptlm.eval.outcomes import Score
from perceptlm.eval.summary import make_units, mean_score, score_range
from perceptlm.eval.vector_rules import Compute, Inputs, Rules
from perceptlm.statistics import (
    Part,
    bootstrap_interval,
    cluster_means,
    mcnemar_exact,
    paired_difference_of_sum,
    wilson_interval,
)
from perceptlm.statistics.standard_errors import clustered_standard_error, naive_standard_error


def _standard_error(estimate: Callable[[Inputs], float]) -> Compute:
    return lambda d, _: {"mean": fmean(d["scores"]), "se": estimate(d)}


def _paired_t(d: Inputs, _: Rules) -> dict[str, Any]:
    differences = [a - b for a, b in zip(d["a"], d["b"], strict=True)]
    clusters = d.get("clusters") or [str(number) for number in range(len(differences))]
    found = paired_difference_of_sum([Part(differences, clusters)], bounds=(-np.inf, np.inf))
    ends = [found.interval.low, found.interval.high]
    return {
        "mean_diff": found.difference,
        "se": found.standard_error,
        "t": found.t,
        "p": found.p_value,
        "ci95": ends if np.isfinite(ends).all() else None,
    }


def _wilson(d: Inputs, _: Rules) -> dict[str, Any]:
    found = wilson_interval(d["k"], d["n"])
    return {"ci": [found.low, found.high], "p": d["k"] / d["n"]}


def _bootstrap_ci(d: Inputs, _: Rules) -> dict[str, Any]:
    scores = d["scores"]
    clusters = d.get("clusters") or [str(number) for number in range(len(scores))]
    found = bootstrap_interval(scores, clusters, seed=d.get("seed", 0), bounds=score_range(scores))
    return {"ci": [found.low, found.high], "mean": fmean(scores)}


def _bootstrap_unit(d: Inputs, _: Rules) -> dict[str, Any]:
    units = make_units((str(group), str(group), _value(right)) for group, right in d["rows"])
    part = Part([unit.high for unit in units], [unit.cluster for unit in units])
    resampled = cluster_means([part]).resample(0, 20_000)[0]
    possible = sorted({round(mean, 9) for mean in resampled.tolist()})
    return {"unit": "qa_uid group (or video cluster)", "possible_bootstrap_means": possible}


def _bootstrap_determinism(d: Inputs, _: Rules) -> dict[str, bool]:
    scores, clusters = [0.2, 0.9, 0.4, 1.0, 0.0, 0.7], ["a", "a", "b", "c", "c", "d"]
    runs = [bootstrap_interval(scores, clusters, seed=0), bootstrap_interval(scores, clusters, seed=0)]
    runs.append(bootstrap_interval(scores[::-1], clusters[::-1], seed=0))
    return {"identical": all(run == runs[0] for run in runs)}


def _value(score: float) -> Score:
    return Score(outcome="value", score=float(score))


def _judge_failures(d: Inputs, rules: Rules) -> dict[str, Any]:
    failed = Score(outcome="unscored", reason="the judge failed")
    scores = [_value(verdict == "yes") if verdict in ("yes", "no") else failed for verdict in d["verdicts"]]
    units = make_units((str(number), str(number), score) for number, score in enumerate(scores))
    low, high = fmean(unit.low for unit in units), fmean(unit.high for unit in units)
    judged = mean_score(units)
    return {
        "accuracy": low if rules.profile == LMMS else judged,
        "accuracy_judged_only": judged,
        "accuracy_failed_as_wrong": low,
        "bounds": [low, high],
        "judge_failures": sum(score.outcome != "value" for score in scores),
    }


def _missing_predictions(d: Inputs, _: Rules) -> dict[str, Any]:
    missing = Score(outcome="error", reason="no prediction")
    scored = [
        (group, group, missing if part == "MISSING" else _value(part == "right"))
        for group, parts in d["groups"].items()
        for part in parts
    ]
    units = make_units(scored)
    return {
        "mbacc_missing_as_wrong": fmean(unit.low for unit in units),
        "bounds": [fmean(unit.low for unit in units), fmean(unit.high for unit in units)],
        "coverage_instances": fmean(score.outcome == "value" for _, _, score in scored),
        "groups_complete": sum("MISSING" not in parts for parts in d["groups"].values()),
    }


STATISTICS: dict[str, Compute] = {
    "paired_t": _paired_t,
    "mcnemar_exact": lambda d, _: {"p": mcnemar_exact(d["only_a_right"], d["only_b_right"])},
    "wilson_ci95": _wilson,
    "bootstrap_ci": _bootstrap_ci,
    "bootstrap_unit": _bootstrap_unit,
    "bootstrap_determinism": _bootstrap_determinism,
    "judge_failure_policy": _judge_failures,
    "missing_prediction_policy": _missing_predictions,
}

STANDARD_ERRORS: dict[tuple[str, str], Compute] = {
    ("standard_error", "naive clt"): _standard_error(lambda d: naive_standard_error(d["scores"])),
    ("standard_error", "clustered, lmms-eval/miller eq.4"): _standard_error(
        lambda d: clustered_standard_error(d["scores"], d["clusters"], "rows")
    ),
    ("standard_error", "clustered, plain sandwich"): _standard_error(
        lambda d: clustered_standard_error(d["scores"], d["clusters"], "none")
    ),
}
