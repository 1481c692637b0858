"""`plm weights`: what a model directory holds, the same in another layout, and whether it computes as elsewhere."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Show, convert and check a model's weights.", no_args_is_help=True)
_Model = Annotated[
    str,
    typer.Argument(help="A model directory (config.json, model*.safetensors), or OWNER/NAME of the Hugging Face hub."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


class Precision(StrEnum):
    """What weights are converted to before anything is computed."""

    float32 = "float32"
    bfloat16 = "bfloat16"


class Layout(StrEnum):
    """How a model's files are named and its tensors shaped."""

    transformers = "transformers"
    original = "original"


@app.command()
def info(model: _Model, as_json: _Json = False) -> None:
    """Show the shape of a model and the number of its parameters. Reads no weights."""
    from perceptlm.exchange.hub import model_directory
    from perceptlm.model.weights.layouts import state_on_meta
    from perceptlm.pretrained import read_config

    config = read_config(model_directory(model, weights=False))
    counts: dict[str, int] = {}
    for name, tensor in state_on_meta(config).items():
        part = name.partition(".")[0]
        counts[part] = counts.get(part, 0) + tensor.numel()
    found: dict[str, Any] = {
        "directory": model,
        "num_parameters": {**counts, "all": sum(counts.values())},
        "vision_tokens_per_picture": config.layout.tokens_per_picture,
        "config": config.to_dict(),
    }
    if as_json:
        typer.echo(json.dumps(found))
        return
    for part, count in found["num_parameters"].items():
        typer.echo(f"{part:<16}{count:>16,} parameters")
    for part in ("vision", "decoder"):
        typer.echo(f"{part}: " + ", ".join(f"{key} {value}" for key, value in found["config"][part].items()))
    typer.echo(f"vision tokens per picture: {found['vision_tokens_per_picture']}")


@app.command()
def convert(
    source: Annotated[
        str,
        typer.Argument(help="A model directory, in either layout, a .gguf file of a Llama, or OWNER/NAME of the hub."),
    ],
    out: Annotated[Path, typer.Argument(help="Directory to write.")],
    to: Annotated[Layout, typer.Option(help="Layout to write.")] = Layout.transformers,
    dtype: Annotated[
        Precision, typer.Option(help="What a GGUF file's values are written as; others stay as they are.")
    ] = Precision.float32,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the source, say what would be written, stop.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Write a model in another layout, tensor by tensor; there and back are the same bytes."""
    from perceptlm.exchange.hub import model_directory
    from perceptlm.model.weights.convert import convert as write_converted
    from perceptlm.pretrained import DTYPES, plan_conversion

    planned = plan_conversion(model_directory(source), to, gguf_dtype=DTYPES[dtype])
    if not dry_run:
        write_converted(planned, out)
    largest = planned.largest
    found = {
        "source": source,
        "out": str(out),
        "from": planned.layout,
        "to": planned.wanted_layout,
        "num_tensors": len(planned.written),
        "num_bytes": planned.num_bytes,
        "largest": {"name": largest.name, "num_bytes": largest.num_bytes},
        "written": not dry_run,
    }
    if as_json:
        typer.echo(json.dumps(found))
        return
    typer.echo(
        f"{'would write' if dry_run else 'wrote'} {out}: {len(planned.written)} tensors, {planned.num_bytes:,} bytes, "
        f"{planned.layout} -> {planned.wanted_layout}; the largest is {largest.name}, {largest.num_bytes:,} bytes"
    )


@app.command()
def assemble(
    out: Annotated[Path, typer.Argument(help="Directory to write.")],
    vision: Annotated[Path, typer.Option(help="A Perception Encoder: its .pt, or a directory with timm's weights.")],
    decoder: Annotated[Path, typer.Option(help="A Llama: a directory, as of transformers or original, or a .gguf.")],
    release: Annotated[
        str | None, typer.Option(help="The encoder's release, such as PE-Core-L14-336. (default: the file's name)")
    ] = None,
    tile_size: Annotated[int | None, typer.Option(min=1, help="Pixels (default: 448, or the encoder's own).")] = None,
    num_vision_layers: Annotated[
        int | None, typer.Option(min=1, help="Blocks to keep. (default: as PLM, 23 of L and 47 of G)")
    ] = None,
    layer_scale: Annotated[
        float | None, typer.Option(help="Add gains of this value to an encoder that has none; PLM's second stage: 0.1.")
    ] = None,
    pooling_ratio: Annotated[int, typer.Option(min=1, help="Patches along a side that become one token.")] = 2,
    dtype: Annotated[
        Precision | None, typer.Option(help="What weights are written as. (default: the decoder's)")
    ] = None,
    tokenizer: Annotated[Path | None, typer.Option(help="A tokenizer.json. (default: the decoder's)")] = None,
    seed: Annotated[int, typer.Option(help="Of the projector's first values.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check both, say what would be written, stop.")] = False,
    as_json: _Json = False,
) -> None:
    """Make a new model of a Perception Encoder and a Llama; its projector is not trained yet."""
    from perceptlm import assemble as assembling
    from perceptlm.pretrained import DTYPES

    planned = assembling.plan_assembly(
        vision,
        decoder,
        release=release,
        tile_size=tile_size,
        num_vision_layers=num_vision_layers,
        layer_scale=layer_scale,
        pooling_ratio=pooling_ratio,
        dtype=None if dtype is None else DTYPES[dtype],
        tokenizer=tokenizer,
        seed=seed,
    )
    if not dry_run:
        assembling.assemble(planned, out)
    num_bytes = sum(held.num_bytes for held in planned.written)
    found = {
        "out": str(out),
        "num_tensors": len(planned.written),
        "num_bytes": num_bytes,
        "chat_format": planned.processor.tokenizer.chat.name,
        "config": planned.config.to_dict(),
        "written": not dry_run,
    }
    if as_json:
        typer.echo(json.dumps(found))
        return
    verb, kept = "would write" if dry_run else "wrote", planned.config.vision
    typer.echo(
        f"{verb} {out}: {len(planned.written)} tensors, {num_bytes:,} bytes; "
        f"{kept.num_layers} blocks of the encoder, tiles of {kept.image_size} pixels, "
        f"{planned.config.layout.tokens_per_picture} tokens each, chat format {planned.processor.tokenizer.chat.name}"
    )


@app.command()
def verify(
    model: _Model,
    expected: Annotated[Path | None, typer.Option(help="Recorded outputs. (default: in the directory)")] = None,
    atol: Annotated[float, typer.Option(min=0, help="Largest absolute difference that is accepted.")] = 2e-5,
    device: Annotated[str, typer.Option(help="Where to compute: cpu, cuda, ...")] = "cpu",
    dtype: Annotated[Precision, typer.Option(help="What to compute in.")] = Precision.float32,
    as_json: _Json = False,
) -> None:
    """Compute anew what expected.safetensors records, and print the largest differences.

    Exits with 1 if one is larger than --atol or a continued token is another one. Needs no tokenizer and no processor.
    """
    from perceptlm.exchange.hub import model_directory
    from perceptlm.model.weights import recorded
    from perceptlm.pretrained import DTYPES, load_model, read_config

    directory = model_directory(model)
    config = read_config(directory)
    cases = recorded.read_cases(expected or directory / recorded.EXPECTED, config)
    loaded = load_model(directory, config, device=device, dtype=DTYPES[dtype])
    comparisons = list(recorded.compare(loaded, cases))
    good = all(comparison.within(atol) for comparison in comparisons)
    if as_json:
        listed = [
            {"case": c.case, "output": c.output, "difference": c.difference, "within": c.within(atol)}
            for c in comparisons
        ]
        typer.echo(json.dumps({"directory": model, "atol": atol, "good": good, "comparisons": listed}))
    else:
        for c in comparisons:
            measured = f"{c.difference} tokens differ" if c.output == "greedy" else f"{c.difference:.3g}"
            typer.echo(f"{c.case:<8} {c.output:<14} {measured:<20} {'' if c.within(atol) else 'TOO FAR'}".rstrip())
        typer.echo(f"{model}: " + (f"as recorded, to {atol:g}" if good else f"not as recorded, to {atol:g}"))
    if not good:
        raise typer.Exit(1)
