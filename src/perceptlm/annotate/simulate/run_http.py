"""Run a scenario over its seeds at real servers, one for each seed. Needs what the service needs (extra `annotate`)."""

from __future__ import annotations

from collections.abc import Callable

from perceptlm.annotate.simulate.driver import run_over_http
from perceptlm.annotate.simulate.measures import measure, over_seeds
from perceptlm.annotate.simulate.people import draw_crowd
from perceptlm.annotate.simulate.project_setup import service_policy
from perceptlm.annotate.simulate.run import SimulationResult, mean_of
from perceptlm.annotate.simulate.scenario import Scenario


def simulate_over_http(scenario: Scenario, *, progress: Callable[[str], None] | None = None) -> SimulationResult:
    """Run `scenario` at a server of its own for each seed; all but the times is as `simulate_offline` has it.

    ConfigError where the service takes no such policy; StorageError if it refuses a request.
    """
    service_policy(scenario)
    measures, reasons, service = [], [], []
    for seed in scenario.seeds:
        driven = run_over_http(draw_crowd(scenario, seed), progress=progress)
        measures.append(measure(driven.outcome))
        reasons.append(driven.outcome.reasons())
        service.append(driven.service)
        if progress is not None:
            progress(f"seed {seed} done: {driven.service['num_requests']:.0f} requests")
    return SimulationResult(scenario, over_seeds(measures), mean_of(reasons), {}, over_seeds(service))
