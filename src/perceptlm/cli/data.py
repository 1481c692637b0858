"""`plm data`: released data sets, converted once at the edge."""

from __future__ import annotations

import typer

from perceptlm.cli.data_convert import convert

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Data sets: convert released ones.")


@app.callback()
def data() -> None:
    """Data sets: convert released ones."""


app.command()(convert)
