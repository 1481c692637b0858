"""`plm annotate`: human annotation. No logic here: each verb lives in a file of its own."""

from __future__ import annotations

import typer

from perceptlm.cli.annotate_simulate import simulate

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Label with people: simulate a crowd.")


@app.callback()
def _group() -> None:
    """Keep `simulate` a verb while it is the only one."""


app.command(no_args_is_help=True)(simulate)
