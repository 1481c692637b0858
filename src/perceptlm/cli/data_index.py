"""`plm data index`: the row index of a dataset's splits. No logic beyond the wiring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def index(
    directory: Annotated[Path, typer.Argument(help="A dataset: SPLIT/samples.jsonl, or shards samples-*.jsonl.")],
    split: Annotated[
        list[str] | None, typer.Option("--split", help="Only this split (default: all). Repeat it.")
    ] = None,
    max_branches: Annotated[
        int, typer.Option("--max-branches", min=1, help="Rows about the same pictures in one unit, at most.")
    ] = 8,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that share the shards.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Index the rows of a dataset, so that any is read by its number; does nothing where the index is still true."""
    from perceptlm.data.dataset_files import choose_splits
    from perceptlm.data.index_build import build_index

    splits = choose_splits(directory, split or ())
    records = [build_index(directory, name, max_branches=max_branches, num_workers=workers) for name in splits]
    if as_json:
        found = {
            record.split: {
                "num_rows": record.num_rows,
                "num_units": record.num_units,
                "num_shards": len(record.shards),
                "max_branches": record.max_branches,
                "tasks": record.task_counts,
            }
            for record in records
        }
        typer.echo(json.dumps({"directory": str(directory), "splits": found}))
        return
    for record in records:
        typer.echo(
            f"{directory / record.split}: {record.num_rows:,} rows in {len(record.shards):,} shards, "
            f"{record.num_units:,} units of at most {record.max_branches} rows"
        )
