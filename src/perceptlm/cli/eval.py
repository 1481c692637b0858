"""`plm eval`: score a model, local or behind a server, on a world artifact. No logic beyond the wiring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perceptlm.cli import eval_judge, eval_numbers

if TYPE_CHECKING:
    from perceptlm.eval.judges.protocol import Judge
    from perceptlm.eval.settings import EvalSettings

app = typer.Typer(no_args_is_help=True, help="Score a model on the PLM-VideoBench tasks, beside blind baselines.")


app.command("judge-agreement")(eval_judge.judge_agreement)
app.command()(eval_numbers.vectors)
app.command()(eval_numbers.compare)


@app.callback()
def _nouns() -> None:
    """Score a model on the PLM-VideoBench tasks, beside blind baselines."""


@app.command()
def run(
    data: Annotated[Path, typer.Option("--data", help="A world artifact (plm world make).")],
    out: Annotated[Path, typer.Option("--out", help="Directory to publish.")],
    model: Annotated[Path | None, typer.Option("--model", help="A model directory, such as out/demo/sft.")] = None,
    blind_model: Annotated[
        Path | None, typer.Option("--blind-model", help="A model trained without pixels: one more blind variant.")
    ] = None,
    endpoint: Annotated[str | None, typer.Option("--endpoint", help="URL of an OpenAI-compatible server.")] = None,
    model_name: Annotated[str | None, typer.Option("--model-name", help="The model's name at the server.")] = None,
    variants: Annotated[str, typer.Option("--variants", help="What is shown: own first, then zero, other.")] = (
        "own,zero,other"
    ),
    num_frames: Annotated[
        int | None, typer.Option("--num-frames", min=1, help="Frames per video (default: the model's own, or 32).")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Ask only the first N items of a row.")] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Questions asked together.")] = 32,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Root of every random choice.")] = 0,
    profile: eval_judge.ProfileName = "strict",
    judge_endpoint: eval_judge.Endpoint = None,
    judge_name: eval_judge.ModelName = None,
    judge_revision: eval_judge.Revision = None,
    judge_model: eval_judge.ModelPath = None,
    judge_wording: eval_judge.WordingPath = None,
    judge_cache: eval_judge.CachePath = None,
    judge_parallel: eval_judge.NumParallel = 8,
    judge_max_errors: eval_judge.MaxErrorShare = 0.05,
    price_in: eval_judge.PriceIn = None,
    price_out: eval_judge.PriceOut = None,
    judge_price_in: eval_judge.JudgePriceIn = None,
    judge_price_out: eval_judge.JudgePriceOut = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another evaluation there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print scores.json.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be asked and cost, and stop.")] = False,
) -> None:
    """Ask every benchmark question, score the answers, and publish rows, scores and their breakdown."""
    from perceptlm.eval.forecast import Prices

    _check_models(model, blind_model, endpoint, model_name)
    judge = eval_judge.JudgeOptions(
        judge_endpoint, judge_name, judge_revision, judge_model, judge_wording, judge_parallel, judge_max_errors,
        judge_cache or eval_judge.cache_beside(out),
    )  # fmt: skip
    shown = [*variants.split(","), *(["trained_blind"] if blind_model else [])]
    frames = num_frames or _own_num_frames(model)
    settings = _settings(
        frames, variants=shown, limit=limit, profile=profile, seed=seed, num_samples_per_chunk=batch_size
    )
    if dry_run:
        prices = Prices(model_in=price_in, model_out=price_out, judge_in=judge_price_in, judge_out=judge_price_out)
        eval_judge.say_plan(data, out, settings, judge, prices, as_json=as_json)
        return
    with judge.open(settings) as opened:
        if model is not None:
            from perceptlm.workflow.evaluation import evaluate_local

            evaluate_local(out, settings, data=data, model=model, blind=blind_model, judge=opened, overwrite=overwrite)
        else:
            _evaluate_remote(str(endpoint), str(model_name), data, out, settings, opened, overwrite)
    _say_scores(out, as_json)


def _check_models(model: Path | None, blind_model: Path | None, endpoint: str | None, model_name: str | None) -> None:
    from perceptlm.errors import UsageError

    if (model is None) == (endpoint is None):
        raise UsageError("give one of --model DIR and --endpoint URL")
    if blind_model is not None and model is None:
        raise UsageError("--blind-model goes with --model")
    if (endpoint is None) != (model_name is None):
        raise UsageError("--endpoint and --model-name go together")


def _settings(num_frames: int, **values: object) -> EvalSettings:
    from perceptlm.config import parse
    from perceptlm.eval.settings import EvalSettings

    return parse(EvalSettings, {"num_frames": num_frames, **values}, source="options")


def _say_scores(out: Path, as_json: bool) -> None:
    from perceptlm.eval.runner import SCORES
    from perceptlm.eval.summary import table_lines

    text = (out / SCORES).read_text(encoding="utf-8")
    typer.echo(text if as_json else "\n".join(table_lines(json.loads(text))), nl=not as_json)
    typer.echo(f"wrote {out}", err=True)


def _own_num_frames(model: Path | None) -> int:
    if model is None:
        return 32
    from perceptlm.preprocess.processor import Processor

    return Processor.load(model).config.num_frames


def _evaluate_remote(
    endpoint: str, model_name: str, data: Path, out: Path, settings: EvalSettings, judge: Judge, overwrite: bool
) -> None:
    from perceptlm.clients.openai_http import OpenAIClient
    from perceptlm.eval.runner import evaluate

    evaluate(OpenAIClient(endpoint, model=model_name), data, out, settings, judge=judge, overwrite=overwrite)
