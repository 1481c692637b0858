"""Run a scenario over its seeds, in memory or over HTTP, and put the result into words and plain values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from perceptlm.annotate.simulate.measures import Measures, OverSeeds, measure, over_seeds
from perceptlm.annotate.simulate.methods import baselines, policy_method
from perceptlm.annotate.simulate.offline import Method, run_project
from perceptlm.annotate.simulate.people import draw_crowd
from perceptlm.annotate.simulate.scenario import Scenario

_SHOWN = ("accuracy", "cost_per_item", "escalated_share", "capture", "ece", "skill_mae")


@dataclass(frozen=True)
class SimulationResult:
    """Measures of the scenario's policy over its seeds, why experts were asked, and the baselines' measures."""

    scenario: Scenario
    measures: dict[str, OverSeeds]
    reasons: dict[str, float]
    """Mean number of items that each reason sent to an expert."""
    baselines: dict[str, dict[str, OverSeeds]]
    service: dict[str, OverSeeds] = field(default_factory=dict)
    """How quick the service was, where it was run over HTTP; times differ from run to run, all else does not."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: the scenario with all defaults, then what came of it."""
        return {
            "scenario": self.scenario.to_dict(),
            "seeds": list(self.scenario.seeds),
            "measures": {name: value.to_dict() for name, value in self.measures.items()},
            "escalations_by_reason": self.reasons,
            "service": {name: value.to_dict() for name, value in self.service.items()},
            "baselines": {
                method: {name: value.to_dict() for name, value in found.items()}
                for method, found in self.baselines.items()
            },
        }


def simulate_offline(
    scenario: Scenario, *, with_baselines: bool = True, progress: Callable[[str], None] | None = None
) -> SimulationResult:
    """Run `scenario` in memory, seed by seed; the same scenario gives the same result."""
    policy = scenario.policy_at_costs()
    methods = {"": policy_method(policy), **(baselines(policy) if with_baselines else {})}
    found: dict[str, list[Measures]] = {name: [] for name in methods}
    reasons = []
    for seed in scenario.seeds:
        for name, method in methods.items():
            measures, why = run_seed(scenario, method, seed)
            found[name].append(measures)
            if not name:
                reasons.append(why)
        if progress is not None:
            progress(f"seed {seed} done")
    return SimulationResult(
        scenario=scenario,
        measures=over_seeds(found[""]),
        reasons=mean_of(reasons),
        baselines={name: over_seeds(values) for name, values in found.items() if name},
    )


def mean_of(reasons: Sequence[dict[str, int]]) -> dict[str, float]:
    """Return how often each reason was given, on average over the seeds."""
    names = sorted({name for why in reasons for name in why})
    return {name: sum(why.get(name, 0) for why in reasons) / len(reasons) for name in names}


def run_seed(scenario: Scenario, method: Method, seed: int) -> tuple[Measures, dict[str, int]]:
    """Return the measures of one project, and how many items each reason sent to an expert."""
    project = run_project(draw_crowd(scenario, seed), method)
    return measure(project), project.reasons()


def report_lines(result: SimulationResult) -> list[str]:
    """Return the result for people to read."""
    scenario = result.scenario
    lines = [f"{scenario.name}: {scenario.items.count} items, {len(scenario.seeds)} seeds, {scenario.mode}"]
    lines += [f"  {name:<26} {_words(value)}" for name, value in result.measures.items()]
    lines += [f"  {name:<26} {_words(value)}" for name, value in result.service.items()]
    if result.reasons:
        told = ", ".join(f"{name} {number:.0f}" for name, number in sorted(result.reasons.items()))
        lines.append(f"  items sent to an expert: {told}")
    if result.baselines:
        lines.append(f"  {'baseline':<26} " + " ".join(f"{name[:10]:>10}" for name in _SHOWN))
        lines += [_row(name, found) for name, found in {"(this policy)": result.measures, **result.baselines}.items()]
    return lines


def _row(name: str, found: dict[str, OverSeeds]) -> str:
    means: Sequence[float | None] = [found[measure_name].mean for measure_name in _SHOWN]
    return f"  {name:<26} " + " ".join("         -" if mean is None else f"{mean:10.4f}" for mean in means)


def _words(value: OverSeeds) -> str:
    if value.mean is None:
        return "-"
    around = "" if value.low is None or value.high is None else f"  [{value.low:.4f}, {value.high:.4f}]"
    return f"{value.mean:8.4f}{around}"
