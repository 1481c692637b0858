"""`plm eval`: score a model, local or behind a server, on a world artifact. No logic beyond the wiring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from perceptlm.clients import GenerationClient
    from perceptlm.eval.settings import EvalSettings

app = typer.Typer(no_args_is_help=True, help="Score a model on the PLM-VideoBench tasks, beside blind baselines.")


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
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another evaluation there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print scores.json.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be asked, and stop.")] = False,
) -> None:
    """Ask every benchmark question, score the answers, and publish rows, scores and their breakdown."""
    from perceptlm.config import parse
    from perceptlm.errors import UsageError
    from perceptlm.eval.settings import EvalSettings

    if (model is None) == (endpoint is None):
        raise UsageError("give one of --model DIR and --endpoint URL")
    if blind_model is not None and model is None:
        raise UsageError("--blind-model goes with --model")
    if (endpoint is None) != (model_name is None):
        raise UsageError("--endpoint and --model-name go together")
    shown = [*variants.split(","), *(["trained_blind"] if blind_model else [])]
    settings = parse(
        EvalSettings,
        {
            "num_frames": num_frames or _own_num_frames(model),
            "variants": shown,
            "limit": limit,
            "seed": seed,
            "num_samples_per_chunk": batch_size,
        },
        source="options",
    )
    if dry_run:
        _say_plan(data, settings, as_json)
        return
    from perceptlm.eval.runner import SCORES, evaluate
    from perceptlm.eval.summary import table_lines
    from perceptlm.workflow.evaluation import evaluate_local

    if model is not None:
        evaluate_local(out, settings, data=data, model=model, blind=blind_model, overwrite=overwrite)
    else:
        evaluate(_remote(str(endpoint), str(model_name)), data, out, settings, overwrite=overwrite)
    text = (out / SCORES).read_text(encoding="utf-8")
    typer.echo(text if as_json else "\n".join(table_lines(json.loads(text))), nl=not as_json)
    typer.echo(f"wrote {out}", err=True)


def _own_num_frames(model: Path | None) -> int:
    if model is None:
        return 32
    from perceptlm.preprocess.processor import Processor

    return Processor.load(model).config.num_frames


def _remote(endpoint: str, model_name: str) -> GenerationClient:
    from perceptlm.clients.openai_http import OpenAIClient

    return OpenAIClient(endpoint, model=model_name)


def _say_plan(data: Path, settings: EvalSettings, as_json: bool) -> None:
    from collections import Counter

    from perceptlm.eval.questions import first_questions
    from perceptlm.eval.runner import load_questions

    questions = load_questions(data, settings.split, settings.num_frames)
    counts = Counter(question.row for question in first_questions(questions, settings.limit))
    num_requests = counts.total() * len(settings.variants)
    if as_json:
        typer.echo(json.dumps({"questions": counts, "variants": settings.variants, "num_requests": num_requests}))
        return
    rows = ", ".join(f"{row} {count}" for row, count in counts.items())
    typer.echo(f"would send {num_requests} requests: {rows}, each shown {', '.join(settings.variants)}")
