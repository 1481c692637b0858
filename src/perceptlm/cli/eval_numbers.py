"""`plm eval vectors` and `plm eval compare`. No logic but wiring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def vectors(
    file: Annotated[Path, typer.Argument(help="Worked examples, such as shared/vectors/eval_public.json.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run worked examples of metrics, parsers and statistics; list those that do not hold, exit 1 if there is one."""
    from perceptlm.eval.vectors import read_examples, report_lines, run_examples

    report = run_examples(read_examples(file))
    typer.echo(json.dumps(report.to_dict()) if as_json else "\n".join(report_lines(report)))
    if report.mismatches:
        raise typer.Exit(1)


def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A directory that plm eval run wrote.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another one, of another model or setting.")],
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Compare although judge, profile, frames or data differ.")
    ] = False,
    examples: Annotated[int, typer.Option("--examples", min=0, help="Questions shown where they differ most.")] = 4,
    confidence: Annotated[float, typer.Option("--confidence", help="Of the intervals.")] = 0.95,
    power: Annotated[float, typer.Option("--power", help="Of the minimum detectable difference.")] = 0.8,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare two runs on the items both have: differences with intervals and tests, and where they differ most."""
    from perceptlm.eval.compare import compare_runs
    from perceptlm.eval.comparison_text import comparison_lines

    found = compare_runs(first, second, anyway=anyway, num_examples=examples, confidence=confidence, power=power)
    typer.echo(json.dumps(found.to_dict()) if as_json else "\n".join(comparison_lines(found)))
