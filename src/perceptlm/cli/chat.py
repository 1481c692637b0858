"""`plm chat`: ask a model directory one question after the other about the same image or video file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import typer

from perceptlm.cli.generate import ImageFile, MaxNewTokens, Model, NumFrames, VideoFile, chosen_file


def chat(
    model: Model,
    video: VideoFile = None,
    image: ImageFile = None,
    max_new_tokens: MaxNewTokens = 128,
    num_frames: NumFrames = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per answer.")] = False,
) -> None:
    """Answer questions from standard input, one a line, about one image or video file; Ctrl-D ends.

    Each question is asked on its own: the model sees the pictures, not what was said before, because it has learnt
    single questions only.
    """
    kind, path = chosen_file(video, image)

    from perceptlm.inference.client import LocalClient
    from perceptlm.pretrained import load
    from perceptlm.schema import Turn

    loaded = load(model)
    shown = loaded.request(
        "",
        images=[path] if kind == "image" else [],
        videos=[path] if kind == "video" else [],
        num_frames=num_frames,
        max_new_tokens=max_new_tokens,
    )
    # One client for all questions: it encodes the pictures once.
    client = LocalClient(loaded)
    for question in _questions():
        (result,) = client.generate([replace(shown, turns=(Turn(role="user", text=question),))])
        if result.error is not None:
            typer.echo(f"not asked: {result.error}", err=True)
        elif as_json:
            record = {"question": question, "answer": result.text, "finish_reason": result.finish_reason}
            typer.echo(json.dumps(record, ensure_ascii=False))
        else:
            typer.echo(result.text)


def _questions() -> Iterator[str]:
    """Yield the lines of standard input that hold words, with a mark to type behind where a person sits there."""
    is_typed = sys.stdin.isatty()
    if is_typed:
        typer.echo("Ask about the pictures, one question a line. Ctrl-D ends.", err=True)
    while True:
        if is_typed:
            typer.echo("> ", nl=False, err=True)
        try:
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            line = ""
        if not line:
            if is_typed:
                typer.echo(err=True)
            return
        if line.strip():
            yield line.strip()
