"""`plm generate`: ask a model directory a question about an image or video file. No logic beyond the wiring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

Model = Annotated[Path, typer.Option("--model", help="A model directory, such as out/demo/sft.")]
VideoFile = Annotated[Path | None, typer.Option("--video", help="A video file (mp4, avi, webm, mkv, gif).")]
ImageFile = Annotated[Path | None, typer.Option("--image", help="An image file (jpg, png, gif, ...).")]
MaxNewTokens = Annotated[int, typer.Option("--max-new-tokens", min=1, help="Longest answer, in tokens.")]
Boxes = Annotated[
    list[str] | None,
    typer.Option("--box", metavar="X1,Y1,X2,Y2", help="Point at a box in pixels; may be repeated, each in its colour."),
]
ShownAs = Annotated[
    Literal["outline", "tint", "dim", "text"],
    typer.Option("--shown-as", help="How boxes are shown; as text, <|bbox0|> in the question is the first one."),
]
NumFrames = Annotated[
    int | None, typer.Option("--num-frames", min=1, help="Frames of a video to show (default: the model's own).")
]


def generate(
    question: Annotated[str, typer.Argument(help="What to ask.")],
    model: Model,
    video: VideoFile = None,
    image: ImageFile = None,
    max_new_tokens: MaxNewTokens = 128,
    temperature: Annotated[float, typer.Option("--temperature", min=0.0, help="0: always the likeliest word.")] = 0.0,
    seed: Annotated[int, typer.Option("--seed", help="Of the draws, when the temperature is above 0.")] = 0,
    num_frames: NumFrames = None,
    box: Boxes = None,
    shown_as: ShownAs = "outline",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the bare answer.")] = False,
) -> None:
    """Answer QUESTION about one image or video file."""
    from perceptlm.errors import DataError, UsageError

    kind, path = chosen_file(video, image)

    from perceptlm.inference.client import LocalClient
    from perceptlm.media.open import count_frames
    from perceptlm.pretrained import load
    from perceptlm.schema.regions import box_tracks

    if shown_as != "outline" and not box:
        raise UsageError(f"--shown-as {shown_as} is of boxes, and there are none", hint="add --box X1,Y1,X2,Y2")
    regions = box_tracks(box, range(count_frames(path)), shown_as) if box else ()
    loaded = load(model)
    request = loaded.request(
        question,
        images=[path] if kind == "image" else [],
        videos=[path] if kind == "video" else [],
        num_frames=num_frames,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        seed=seed,
        regions=regions,
    )
    client = LocalClient(loaded)
    (result,) = client.generate([request])
    if result.error is not None:
        raise DataError(result.error)
    if as_json:
        record = {
            "answer": result.text,
            "finish_reason": result.finish_reason,
            "num_prompt_tokens": result.num_prompt_tokens,
            "num_new_tokens": result.num_new_tokens,
            "num_pictures": sum(len(item.pictures) for item in request.media),
            "media": kind,
            "model": client.identity.to_dict(),
        }
        typer.echo(json.dumps(record, ensure_ascii=False))
    else:
        typer.echo(result.text)


def chosen_file(video: Path | None, image: Path | None) -> tuple[str, Path]:
    """Return the one file that was named, and whether it is a video or an image.

    What the file holds decides, not the option's name: a GIF may be either.
    """
    from perceptlm.errors import UsageError

    path = video or image
    if path is None or (video is not None and image is not None):
        raise UsageError("give one of --video FILE and --image FILE")
    from perceptlm.media.open import open_media

    return open_media(path), path
