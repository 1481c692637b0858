"""`plm eval`: score any model on the benchmark tasks. No logic beyond the wiring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from perceptlm.cli import eval_judge, eval_looking, eval_numbers

app = typer.Typer(no_args_is_help=True, help="Score a model on the PLM-VideoBench tasks, beside blind baselines.")

Data = Annotated[
    list[Path], typer.Option("--data", help="A world, or a converted benchmark (bench-fgqa, ...); may be repeated.")
]
Media = Annotated[
    list[Path] | None,
    typer.Option("--media", help="Where media files are: one for all --data, or one for each (default: as converted)."),
]
Out = Annotated[Path, typer.Option("--out", help="Directory to publish.")]
Model = Annotated[
    str | None, typer.Option("--model", help="A model directory, or with transformers a name on the hub.")
]
BackendName = Annotated[
    Literal["perceptlm", "transformers"], typer.Option("--backend", help="What runs --model on this machine.")
]
BlindModel = Annotated[
    Path | None, typer.Option("--blind-model", help="A model trained without pixels: one more blind variant.")
]
Endpoint = Annotated[str | None, typer.Option("--endpoint", help="URL of an OpenAI-compatible server.")]
ModelName = Annotated[
    str | None, typer.Option("--model-name", help="The model's name at the server, or of --predictions.")
]
Predictions = Annotated[
    Path | None, typer.Option("--predictions", help='Score a file of answers: lines {"id": ..., "text": ...}.')
]
Concurrency = Annotated[int, typer.Option("--concurrency", min=1, help="Requests a server is asked at once.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.001, help="Seconds a server may take for one answer.")]
Tasks = Annotated[str | None, typer.Option("--tasks", help="Rows of the table, such as fgqa,rtloc (default: all).")]
Variants = Annotated[
    str | None,
    typer.Option(
        "--variants",
        help="What is shown: own first, then zero, other, text_only, single_frame, shuffled_frames, no_box "
        "(default: own,zero,other; of --predictions: own).",
    ),
]
NumFrames = Annotated[
    int | None, typer.Option("--num-frames", min=1, help="Frames per video (default: the model's own, or 32).")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Ask only the first N items of a row.")]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, help="Questions a local model is asked together.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Root of every random choice.")]
FrameFolder = Annotated[
    Path | None, typer.Option("--frame-cache", help="Keep decoded frames here, for later runs and other models.")
]
FrameGiB = Annotated[float, typer.Option("--frame-cache-gib", min=0.0, help="The most that --frame-cache takes.")]
Shard = Annotated[str | None, typer.Option("--shard", help="Ask only part I of N, such as 1/4; then run without.")]
GenerateOnly = Annotated[bool, typer.Option("--generate-only", help="Ask, and score nothing yet.")]
ScoreOnly = Annotated[bool, typer.Option("--score-only", help="Score what was asked before; no model is needed.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace another evaluation there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print scores.json.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be asked, and stop.")]


app.command()(eval_looking.doctor)
app.command()(eval_looking.report)
app.command("judge-agreement")(eval_judge.judge_agreement)
app.command()(eval_numbers.vectors)
app.command()(eval_numbers.compare)


@app.callback()
def _nouns() -> None:
    """Score a model on the PLM-VideoBench tasks, beside blind baselines."""


@app.command()
def run(
    data: Data,
    out: Out,
    media: Media = None,
    model: Model = None,
    backend: BackendName = "perceptlm",
    blind_model: BlindModel = None,
    endpoint: Endpoint = None,
    model_name: ModelName = None,
    predictions: Predictions = None,
    concurrency: Concurrency = 8,
    timeout: Timeout = 300.0,
    tasks: Tasks = None,
    profile: eval_judge.ProfileName = None,
    variants: Variants = None,
    num_frames: NumFrames = None,
    limit: Limit = None,
    batch_size: BatchSize = 32,
    seed: Seed = 0,
    frame_cache: FrameFolder = None,
    frame_cache_gib: FrameGiB = 20.0,
    shard: Shard = None,
    generate_only: GenerateOnly = False,
    score_only: ScoreOnly = False,
    judge_endpoint: eval_judge.Endpoint = None,
    judge_name: eval_judge.ModelName = None,
    judge_revision: eval_judge.Revision = None,
    judge_model: eval_judge.ModelPath = None,
    judge_wording: eval_judge.WordingPath = None,
    judge_cache: eval_judge.CachePath = None,
    judge_parallel: eval_judge.NumParallel = 8,
    judge_timeout: eval_judge.Timeout = 300.0,
    judge_max_errors: eval_judge.MaxErrorShare = 0.05,
    price_in: eval_judge.PriceIn = None,
    price_out: eval_judge.PriceOut = None,
    judge_price_in: eval_judge.JudgePriceIn = None,
    judge_price_out: eval_judge.JudgePriceOut = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Ask every benchmark question, score the answers, and publish rows, scores and their breakdown."""
    from perceptlm.workflow.asked_models import AskedModel, evaluate_asked, phase_of, settings_for, sources_of

    asked = AskedModel(model, backend, blind_model, endpoint, model_name, predictions, concurrency, timeout)
    judge = eval_judge.JudgeOptions(
        judge_endpoint, judge_name, judge_revision, judge_model, judge_wording, judge_parallel, judge_max_errors,
        judge_cache or eval_judge.cache_beside(out), judge_timeout,
    )  # fmt: skip
    phase, sources = phase_of(generate_only, score_only, shard), sources_of(data, media or [])
    values = {"tasks": tasks, "profile": profile, "variants": variants, "num_frames": num_frames, "limit": limit}
    settings = settings_for(asked, phase, out, values, num_samples_per_chunk=batch_size, seed=seed)
    if dry_run:
        prices = eval_judge.prices(price_in, price_out, judge_price_in, judge_price_out)
        eval_judge.say_plan(sources, out, settings, judge, prices, as_json=as_json)
        return
    how = {"phase": phase, "share": _share(shard), "frames": _frames(frame_cache, frame_cache_gib)}
    with judge.open(settings) as opened:
        place = evaluate_asked(asked, sources, out, settings, judge=opened, overwrite=overwrite, **how)
    _say_results(place, as_json)


def _share(shard: str | None) -> Any:
    from perceptlm.eval.generation import Share

    return None if shard is None else Share.parse(shard)


def _frames(folder: Path | None, gib: float) -> Any:
    from perceptlm.eval.frame_cache import FrameCache

    return FrameCache(folder, max_bytes=int(gib * 2**30))


def _say_results(place: Path, as_json: bool) -> None:
    from perceptlm.eval.runner import SCORES
    from perceptlm.eval.summary import table_lines
    from perceptlm.workflow.asked_models import prediction_gaps

    for line in prediction_gaps(place):
        typer.echo(line, err=True)
    if not (place / SCORES).is_file():
        if as_json:
            typer.echo(json.dumps({"unfinished": str(place)}))
        typer.echo(f"answers are kept in {place}; run without --shard and --generate-only to finish", err=True)
        return
    text = (place / SCORES).read_text(encoding="utf-8")
    typer.echo(text if as_json else "\n".join(table_lines(json.loads(text))), nl=not as_json)
    typer.echo(f"wrote {place}", err=True)
