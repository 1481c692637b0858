"""`plm eval doctor` and `plm eval report`: look at a benchmark before, and at results after. Only the wiring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

_Data = Annotated[
    list[Path] | None,
    typer.Option("--data", help="A world, or a converted benchmark (bench-fgqa, ...); may be repeated."),
]
_Media = Annotated[
    list[Path] | None,
    typer.Option("--media", help="Where media files are: one for all, or one for each --data (default: as converted)."),
]
_Released = Annotated[
    list[str] | None,
    typer.Option(
        "--released", help="FORMAT=FILE: rows of a release, not converted yet, as bench-rtloc=FILE; may be repeated."
    ),
]
_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def doctor(
    data: _Data = None,
    media: _Media = None,
    released: _Released = None,
    boxes: Annotated[
        Path | None, typer.Option("--boxes", help="With --released: the release's metadata_test.jsonl.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Which split of --data.")] = "benchmark",
    tasks: Annotated[
        str | None, typer.Option("--tasks", help="Rows of the table, such as fgqa,rtloc (default: all).")
    ] = None,
    num_frames: Annotated[int, typer.Option("--num-frames", min=1, help="Frames that a model is shown.")] = 32,
    quick: Annotated[bool, typer.Option("--quick", help="Only look whether media files are there.")] = False,
    examples: Annotated[int, typer.Option("--examples", min=0, help="Examples named of each finding.")] = 5,
    as_json: _AsJson = False,
) -> None:
    """Find what cannot be asked, what is wrong, and what can never score; exit 1 unless all can be asked."""
    from perceptlm.eval.doctor import examine
    from perceptlm.eval.doctor_inputs import read_all
    from perceptlm.eval.doctor_lines import diagnosis_lines

    places = read_all(
        data or [], media or [], released or [], boxes=boxes, split=split, num_frames=num_frames, tasks=tasks
    )
    found = examine(places, num_frames=num_frames, open_media=not quick, max_examples=examples)
    typer.echo(json.dumps(found.to_dict()) if as_json else "\n".join(diagnosis_lines(found)))
    if not found.is_healthy:
        raise typer.Exit(1)


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Published evaluations (plm eval run).")],
    out: Annotated[Path, typer.Option("--out", help="The page; results.json is written beside it.")],
    data: _Data = None,
    media: Annotated[
        Path | None, typer.Option("--media", help="Where media files are now (default: where they were).")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=0, help="Questions shown of each row of the table.")] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="Print results.json.")] = False,
) -> None:
    """Show evaluations side by side with the published table: scores, breakdowns, controls, samples with pictures."""
    from perceptlm.eval.datasets import EvalData
    from perceptlm.eval.report_page import write_report
    from perceptlm.eval.results import RESULTS, read_runs, results_text

    found = read_runs(runs, data=[EvalData(item, media) for item in data or ()], media=media)
    written = write_report(found, out, num_samples=samples)
    if as_json:
        typer.echo(results_text(written), nl=False)
    typer.echo(f"wrote {out} and {out.parent / RESULTS}", err=True)
