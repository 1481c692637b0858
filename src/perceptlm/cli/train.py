"""`plm train`: the parts, the processor and the stages, one artifact each."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from perceptlm.cli.train_adapt import adapt
from perceptlm.cli.written import say_forecast, say_written

app = typer.Typer(
    no_args_is_help=True, help="Pretrain parts; train the stages warmup, midtrain and sft; adapt to your own data."
)
app.command()(adapt)

Out = Annotated[Path, typer.Option("--out", help="Directory to publish.")]
World = Annotated[
    Path | None, typer.Option("--data", help="A dataset whose tasks are learnt by weight (plm world make).")
]
FromBlend = Annotated[
    Path | None, typer.Option("--blend", help="YAML of several datasets: name, data, media, split, repeats of each.")
]
Size = Annotated[
    str | None, typer.Option("--size", help="starter, or plm_1b, plm_3b, plm_8b as published (default: the demo's).")
]
StartParts = Annotated[
    list[Path] | None,
    typer.Option("--part", help="Pretrained part to start from (default, after a processor: the shipped ones)."),
]
Copies = Annotated[
    int, typer.Option("--copies", min=1, help="With torchrun: how many times the model is held, each shared out.")
]
Recipe = Annotated[Path | None, typer.Option("--recipe", help="YAML to use instead of the demo's recipe.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="Change one value, as key=value.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what another recipe made there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the resolved recipe, and stop.")]


@app.command()
def part(
    kind: Annotated[str, typer.Argument(help="words, encoder, projector, vision or decoder")],
    out: Out,
    seed: Annotated[int, typer.Option(help="Root of every random choice.")] = 0,
    given: Annotated[
        list[Path] | None, typer.Option("--part", help="A part that it is made from (default: the shipped one).")
    ] = None,
    recipe: Recipe = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Make a part of the tiny model from those before it: words, encoder, projector, vision (both tuned), decoder."""
    from perceptlm.artifact import read_manifest
    from perceptlm.config import dump_yaml, load_yaml, override
    from perceptlm.recipes.parts import part_path
    from perceptlm.recipes.parts_tiny import TINY_PARTS
    from perceptlm.train.parts.make_parts import make_part, needed_parts, recipe_type

    needed = needed_parts(kind)
    config = override(load_yaml(recipe_type(kind), recipe) if recipe else TINY_PARTS[kind](), overrides or [])
    if dry_run:
        typer.echo(dump_yaml(config), nl=False)
        return
    named = {read_manifest(path).kind: path for path in given or []}
    inputs = {name: part_path(f"{name}_tiny") for name in needed if name not in named} | named
    make_part(kind, out, config, inputs=inputs, seed=seed, overwrite=overwrite)
    say_written(out, as_json)


@app.command()
def processor(
    out: Out,
    world: Annotated[Path | None, typer.Option("--data", help="A world to train the tokenizer on.")] = None,
    decoder: Annotated[Path | None, typer.Option(help="A pretrained decoder whose tokenizer to take.")] = None,
    recipe: Recipe = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Fix how pictures are shown, with the tokenizer of a decoder (the shipped one unless another is named).

    With --data and --set vocab_size=N a tokenizer is trained on that world's training split instead.
    """
    from perceptlm.config import dump_yaml, load_yaml, override
    from perceptlm.recipes.demo import demo
    from perceptlm.recipes.parts import part_path
    from perceptlm.train.configuration import ProcessorRecipe
    from perceptlm.train.processor_artifact import make_processor

    config = load_yaml(ProcessorRecipe, recipe) if recipe else demo().processor
    config = override(config, overrides or [])
    if dry_run:
        typer.echo(dump_yaml(config), nl=False)
        return
    if world is None and decoder is None:
        decoder = part_path(demo().parts["decoder"])
    make_processor(out, config, world=world, decoder=decoder, overwrite=overwrite)
    say_written(out, as_json)


@app.command()
def stage(
    name: Annotated[str, typer.Argument(help="warmup, midtrain or sft")],
    start: Annotated[Path, typer.Option("--start", help="Checkpoint of the stage before, or a processor artifact.")],
    out: Out,
    world: World = None,
    blend: FromBlend = None,
    size: Size = None,
    seed: Annotated[int, typer.Option(help="Root of every random choice.")] = 0,
    recipe: Recipe = None,
    overrides: Overrides = None,
    parts: StartParts = None,
    copies: Copies = 1,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write run/tensorboard/ as well.")] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Train one stage and publish its checkpoint; with `torchrun --nproc-per-node N -m perceptlm train stage ...` on N
    processes, over which the model is shared out. Asked to stop (SIGTERM, Ctrl-C) it saves first.
    """
    from perceptlm.artifact import read_manifest
    from perceptlm.config import override
    from perceptlm.recipes.demo import demo
    from perceptlm.recipes.parts import part_path
    from perceptlm.recipes.stages import stage_recipe
    from perceptlm.train.ranks import joined_ranks
    from perceptlm.train.stage import train_stage
    from perceptlm.train.stage_data import StageData, read_blend
    from perceptlm.workflow.stage_forecast import forecast_stage

    sources, folders = read_blend(blend) if blend else ({}, {})
    config = override(stage_recipe(name, size=size, recipe=recipe, sources=sources), overrides or [])
    data = StageData(world, folders)
    if dry_run:
        say_forecast(config, forecast_stage(start, config, data, seed=seed), as_json)
        return
    if parts is None:
        from_processor = read_manifest(start).kind == "processor"
        parts = [part_path(part) for part in demo().parts.values()] if from_processor else []
    by_kind = {read_manifest(part).kind: part for part in parts}
    with joined_ranks(copies) as ranks:
        train_stage(
            out,
            config,
            data=data,
            start=start,
            seed=seed,
            parts=by_kind,
            overwrite=overwrite,
            ranks=ranks,
            tensorboard=tensorboard,
        )
        if ranks.is_first:
            say_written(out, as_json)


@app.command()
def status(
    directory: Annotated[Path, typer.Argument(help="The --out of a stage, finished or not.")],
    as_json: AsJson = False,
) -> None:
    """Say how far a stage is: steps, losses, speed, time left, what it goes on from."""
    from perceptlm.train.status import describe, read_status

    found = read_status(directory)
    if as_json:
        typer.echo(json.dumps(asdict(found) | {"directory": str(found.directory)}))
        return
    for line in describe(found):
        typer.echo(line)


@app.command()
def plan(
    size: Annotated[str, typer.Argument(help="plm_1b, plm_3b or plm_8b")],
    name: Annotated[str, typer.Argument(metavar="STAGE", help="warmup, midtrain or sft")],
    gpus: Annotated[int, typer.Option(min=1, help="How many there are.")] = 128,
    copies: Annotated[int, typer.Option(min=1, help="How many times the model is held, each shared out.")] = 1,
    tflops: Annotated[
        float, typer.Option(min=0.001, help="What one does at its peak, in bf16 (an H100: 989).")
    ] = 989.0,
    utilisation: Annotated[float, typer.Option(min=0.001, max=1.0, help="The share of that which is of use.")] = 0.25,
    samples_per_gpu: Annotated[int, typer.Option(min=1, help="Samples worked on at a time.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Say what a stage of PLM takes, with its published values: parameters, operations, memory, hours. Runs nothing."""
    from perceptlm.recipes.length_mix import largest_sample, mean_sample
    from perceptlm.recipes.plm_stages import model_of, plm_stage
    from perceptlm.train.forecast import forecast

    stage = plm_stage(size, name)  # type: ignore[arg-type]
    workload = mean_sample(stage)
    found = forecast(
        model_of(stage),
        stage.trained,
        workload,
        largest=largest_sample(stage),
        samples_per_step=stage.global_batch,
        num_steps=stage.num_steps,
        num_ranks=gpus,
        num_copies=copies,
        samples_per_rank=samples_per_gpu,
        flops_per_second=tflops * 1e12 * utilisation,
    )
    if as_json:
        typer.echo(json.dumps({"recipe": stage.to_dict(), "mean_sample": asdict(workload), **asdict(found)}))
        return
    from perceptlm.config import dump_yaml

    typer.echo(dump_yaml(stage), nl=False)
    gib = 2.0**30
    for label, value in (
        ("parameters", f"{sum(found.num_parameters.values()):,}, of which {found.num_trained:,} are trained"),
        ("mean sample", f"{workload.num_pictures:.1f} pictures, {workload.num_tokens:,.0f} tokens (see recipes)"),
        ("a step", f"{found.tokens_per_step:,.0f} tokens, {found.flops / 1e15:,.1f} PFLOP"),
        ("... vision", f"{100 * found.vision_flops / found.flops:.0f} % of them"),
        *(
            (
                label,
                f"{memory.total_bytes / gib:.1f} GiB: {memory.state_bytes / gib:.1f} of state, "
                f"{memory.gathered_bytes / gib:.1f} gathered, {memory.activation_bytes / gib:.1f} of activations",
            )
            for label, memory in (("memory of a GPU", found.memory), ("... at most", found.most_memory))
        ),
        ("time", f"{found.hours:,.1f} hours on {gpus} GPUs, {found.hours * gpus:,.0f} GPU-hours"),
    ):
        typer.echo(f"# {label:<16} {value}")
