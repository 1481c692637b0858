"""`plm annotate simulate`: let a crowd with known error rates work. No logic but wiring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def simulate(
    scenario: Annotated[Path, typer.Argument(help="A scenario (JSON); docs/annotation-quality.md has the format.")],
    offline: Annotated[
        bool, typer.Option("--offline", help="In memory, without a server: quick, and with baselines.")
    ] = False,
    seeds: Annotated[int, typer.Option("--seeds", min=0, help="Seeds 0 to SEEDS - 1; 0: the scenario's own.")] = 0,
    baselines: Annotated[
        bool, typer.Option("--baselines/--no-baselines", help="Compare with simpler ways (--offline).")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Simulate annotators and experts: accuracy, cost, escalation, capture, calibration and flags, with intervals."""
    from perceptlm.annotate.simulate.run import report_lines, simulate_offline
    from perceptlm.annotate.simulate.scenario import read_scenario

    plan = read_scenario(scenario)
    if seeds:
        plan = plan.model_copy(update={"seeds": tuple(range(seeds))})

    def say(line: str) -> None:
        typer.echo(line, err=True)

    if offline:
        result = simulate_offline(plan, with_baselines=baselines, progress=say)
    else:
        from perceptlm.annotate.simulate.run_http import simulate_over_http

        result = simulate_over_http(plan, progress=say)
    typer.echo(json.dumps(result.to_dict()) if as_json else "\n".join(report_lines(result)))
