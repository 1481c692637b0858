"""`plm annotate`: the annotation service. Collects its verbs; no logic."""

from __future__ import annotations

import typer

from perceptlm.cli import annotate_export

app = typer.Typer(no_args_is_help=True, help="Label videos and images with people, and export what they said.")


@app.callback()
def _nouns() -> None:
    """Label videos and images with people, and export what they said."""


app.command("export")(annotate_export.export)
