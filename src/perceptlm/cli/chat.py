"""`plm chat`: ask a model directory one question after the other about the same image or video file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer


def chat(
    model: Annotated[Path, typer.Option("--model", help="A model directory, such as out/demo/sft.")],
    video: Annotated[Path | None, typer.Option("--video", help="A video file (mp4, avi, webm, mkv, gif).")] = None,
    image: Annotated[Path | None, typer.Option("--image", help="An image file (jpg, png, gif, ...).")] = None,
    max_new_tokens: Annotated[int, typer.Option("--max-new-tokens", min=1, help="Longest answer, in tokens.")] = 128,
    num_frames: Annotated[
        int | None, typer.Option("--num-frames", min=1, help="Frames of a video to show (default: the model's own).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per answer.")] = False,
) -> None:
    """Answer questions from standard input, one a line, about one image or video file; Ctrl-D ends.

    Each question is asked on its own: the model sees the pictures, not what was said before, because it has learnt
    single questions only.
    """
    from perceptlm.errors import UsageError

    path = video or image
    if path is None or (video is not None and image is not None):
        raise UsageError("give one of --video FILE and --image FILE")

    from perceptlm.inference.client import LocalClient
    from perceptlm.media.open import open_media
    from perceptlm.pretrained import load
    from perceptlm.schema import Turn

    kind = open_media(path)
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
