"""How right, how dear and how honest routed labels are, on the simulated crowd of facts/annotation.md, section 5.6.

    python benchmarks/annotation_quality.py [--seeds 20] [--items 3000] [--workers 2] [--json]

3,000 items of 4 options, a quarter of them hard, in 3 domains; 30 annotators (20 good, right on .90 of easy and .62 of
hard items, 7 weak .75/.46, 3 who guess), 9 experts (.975; hard .93 at home, .70 outside), 30 gold items each, an expert
costs 5 labels. Costs hold gold and a 5 % random audit; the baselines do not audit. The estimator is given labels, who
gave them, domains, credentials and gold: never the truth, never who is hard. Nothing was chosen on these seeds (0 to
19), but on 1000 and above. The two baselines are run beside it, on the same people and items.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from perceptlm.annotate.simulate.measures import Measures, OverSeeds, over_seeds
from perceptlm.annotate.simulate.methods import baselines, policy_method
from perceptlm.annotate.simulate.offline import Method
from perceptlm.annotate.simulate.run import run_seed
from perceptlm.annotate.simulate.scenario import Scenario
from perceptlm.config import parse

STATED_DISAGREE, STATED_TRUE_STRATA = 0.962, 0.975
MOST_COST, MOST_ESCALATED, MOST_ECE = 4.3, 0.32, 0.012
MOST_LOST, LEAST_FLAGGED = 0.005, 0.9

CROWD: dict[str, Any] = {
    "name": "section 5.6",
    "annotators": [
        {"name": "good", "count": 20, "easy": 0.90, "hard": 0.62},
        {"name": "weak", "count": 7, "easy": 0.75, "hard": 0.46},
        {"name": "guessing", "count": 3, "easy": 0.25, "hard": 0.25},
    ],
}
MODEL = {"easy": 0.80, "hard": 0.55}
COPYING = {"share": 1 / 3, "rate": 0.9}
SHOWN = ("accuracy", "cost_per_item", "escalated_share", "capture", "ece", "skill_mae")


def cases(num_items: int) -> dict[str, tuple[Scenario, Method]]:
    """Return what is run, by name."""

    def scenario(**more: Any) -> Scenario:
        return parse(Scenario, {**CROWD, "items": {"count": num_items}, **more})

    plain = scenario()
    policy = plain.policy_at_costs()
    simpler = baselines(policy)
    anyone = policy.model_copy(update={"extra_labels_from": "anyone"})
    ours = policy_method(policy)
    return {
        "two disagree -> expert": (plain, simpler["two_disagree_expert"]),
        "posterior, true strata": (plain, simpler["posterior_true_strata"]),
        "posterior, estimated strata": (plain, simpler["posterior_estimated_strata"]),
        "value, no strata": (plain, simpler["policy_without_strata"]),
        "value, estimated strata": (plain, ours),
        "  ... extra labels by anyone": (plain, policy_method(anyone)),
        "value, true strata": (plain, simpler["policy_true_strata"]),
        "blind first, nobody copies": (scenario(model=MODEL), ours),
        "blind first, a third copy": (scenario(model=MODEL, anchoring=COPYING), ours),
        "  ... and a tenth leaks": (scenario(model=MODEL, anchoring={**COPYING, "leak": 0.1}), ours),
        "verify, nobody copies": (scenario(model=MODEL, mode="verify"), ours),
        "verify, a third copy": (scenario(model=MODEL, mode="verify", anchoring=COPYING), ours),
        "  ... half of what they see": (
            scenario(model=MODEL, mode="verify", anchoring={**COPYING, "rate": 0.5}),
            ours,
        ),
    }


def _one(num_items: int, name: str, seed: int) -> Measures:
    scenario, method = cases(num_items)[name]
    return run_seed(scenario, method, seed)[0]


def judge(found: dict[str, dict[str, OverSeeds]]) -> list[dict[str, Any]]:
    """Return the lines with a target: name, value, target, met."""

    def mean(case: str, measure: str) -> float:
        value = found[case][measure].mean
        return float("nan") if value is None else value

    ours = "value, estimated strata"
    here = (mean("two disagree -> expert", "accuracy") + mean("posterior, true strata", "accuracy")) / 2
    same = (mean("two disagree -> expert", "accuracy") + mean("value, true strata", "accuracy")) / 2
    stated = (STATED_DISAGREE + STATED_TRUE_STRATA) / 2
    accuracy = mean(ours, "accuracy")
    lost = mean("blind first, nobody copies", "accuracy") - mean("blind first, a third copy", "accuracy")
    lines: list[tuple[str, float, str, float]] = [
        ("accuracy, estimated strata: half the gap of this run", accuracy, ">=", here),
        ("accuracy, estimated strata: half the gap to 'value, true strata'", accuracy, ">=", same),
        ("accuracy, estimated strata: half the gap as stated", accuracy, ">=", stated),
        ("cost per item", mean(ours, "cost_per_item"), "<=", MOST_COST),
        ("escalated share", mean(ours, "escalated_share"), "<=", MOST_ESCALATED),
        ("calibration error", mean(ours, "ece"), "<=", MOST_ECE),
        ("blind first: accuracy lost where a third copy", abs(lost), "<=", MOST_LOST),
        (
            "verify: copiers flagged, precision",
            mean("verify, a third copy", "copying_flag_precision"),
            ">=",
            LEAST_FLAGGED,
        ),
        ("verify: copiers flagged, recall", mean("verify, a third copy", "copying_flag_recall"), ">=", LEAST_FLAGGED),
    ]
    return [
        {"name": name, "value": value, "target": f"{sign} {target:.4f}", "met": _holds(value, sign, target)}
        for name, value, sign, target in lines
    ]


def _holds(value: float, sign: str, target: float) -> bool:
    return value >= target if sign == ">=" else value <= target


def main() -> None:
    """Simulate, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="seeds 0 to SEEDS - 1")
    parser.add_argument("--items", type=int, default=3000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    names = list(cases(options.items))
    work = [(options.items, name, seed) for name in names for seed in range(options.seeds)]
    if options.workers > 1:
        with ProcessPoolExecutor(options.workers) as pool:
            measured = list(pool.map(_one, *zip(*work, strict=True)))
    else:
        measured = [_one(*piece) for piece in work]
    found = {
        name: over_seeds([m for m, (_, case, _) in zip(measured, work, strict=True) if case == name]) for name in names
    }
    lines = judge(found)
    if options.json:
        cases_found = {name: {m: v.to_dict() for m, v in values.items()} for name, values in found.items()}
        print(json.dumps({"seeds": options.seeds, "items": options.items, "targets": lines, "cases": cases_found}))
        return
    print(
        f"{options.items} items, mean of {options.seeds} seeds; 'posterior': threshold .95, 'value': two labels ahead"
    )
    print(f"{'':30}" + "".join(f"{name:>16}" for name in SHOWN) + f"{'copiers P, R':>16}")
    for name, values in found.items():
        flags = [values[f"copying_flag_{part}"].mean for part in ("precision", "recall")]
        told = ", ".join("-" if flag is None else f"{flag:.2f}" for flag in flags)
        print(f"{name:30}" + "".join(f"{_words(values[shown]):>16}" for shown in SHOWN) + f"{told:>16}")
    for line in lines:
        print(f"{line['name']:68}{line['value']:9.4f}  {line['target']:>10}  {'met' if line['met'] else 'MISSED'}")


def _words(value: OverSeeds) -> str:
    if value.mean is None:
        return "-"
    spread = "" if value.high is None else f" ±{value.high - value.mean:.4f}"
    return f"{value.mean:.4f}{spread}"


if __name__ == "__main__":
    main()
