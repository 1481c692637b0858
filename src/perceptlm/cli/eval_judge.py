"""Options of `plm eval run` about the judge and the forecast, and `plm eval judge-agreement`. No logic but wiring."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from perceptlm.clients import GenerationClient
    from perceptlm.eval.datasets import EvalData
    from perceptlm.eval.forecast import Prices
    from perceptlm.eval.judges.protocol import Judge
    from perceptlm.eval.settings import EvalSettings

ProfileName = Annotated[
    str | None, typer.Option("--profile", help="Protocol: paper, lmms-eval-0.7.2 or strict (the usual one).")
]
Endpoint = Annotated[
    str | None, typer.Option("--judge-endpoint", help="URL of an OpenAI-compatible server that judges.")
]
ModelName = Annotated[str | None, typer.Option("--judge-name", help="The judge's name at its server.")]
Revision = Annotated[
    str | None, typer.Option("--judge-revision", help="Its revision, where the server does not state one.")
]
ModelPath = Annotated[Path | None, typer.Option("--judge-model", help="A model directory that judges in this process.")]
WordingPath = Annotated[
    Path | None, typer.Option("--judge-wording", help="Other wording: a YAML file, or where lmms-eval is.")
]
CachePath = Annotated[
    Path | None, typer.Option("--judge-cache", help="File of the judge's replies (default: beside OUT).")
]
NumParallel = Annotated[int, typer.Option("--judge-parallel", min=1, help="Calls to the judge at a time.")]
Timeout = Annotated[float, typer.Option("--judge-timeout", min=0.001, help="Seconds the judge may take for one reply.")]
MaxErrorShare = Annotated[
    float, typer.Option("--judge-max-errors", min=0, max=1, help="More calls without a reply stop the run.")
]
PriceIn = Annotated[float | None, typer.Option("--price-in", min=0, help="Of a million tokens the model reads.")]
PriceOut = Annotated[float | None, typer.Option("--price-out", min=0, help="Of a million tokens it writes.")]
JudgePriceIn = Annotated[float | None, typer.Option("--judge-price-in", min=0, help="The same, of the judge.")]
JudgePriceOut = Annotated[float | None, typer.Option("--judge-price-out", min=0, help="The same, of the judge.")]


@dataclass(frozen=True)
class JudgeOptions:
    """Which judge the options name; without a server or a model it is the procedural one."""

    endpoint: str | None
    name: str | None
    revision: str | None
    model: Path | None
    wording: Path | None
    num_parallel: int
    max_error_share: float
    cache: Path
    timeout_seconds: float = 300.0

    def __post_init__(self) -> None:
        """Refuse options that do not go together (UsageError)."""
        from perceptlm.errors import UsageError

        if (self.endpoint is None) != (self.name is None):
            raise UsageError("--judge-endpoint and --judge-name go together")
        if self.endpoint is not None and self.model is not None:
            raise UsageError("give one of --judge-endpoint URL and --judge-model DIR")
        if self.is_procedural and (self.wording is not None or self.revision is not None):
            raise UsageError("--judge-wording and --judge-revision need --judge-endpoint or --judge-model")

    @property
    def is_procedural(self) -> bool:
        """Whether no model judges."""
        return self.endpoint is None and self.model is None

    def client(self) -> GenerationClient:
        """Return the model that judges."""
        if self.model is not None:
            from perceptlm.workflow.evaluation import local_client

            return local_client(self.model)
        from perceptlm.clients.openai_http import OpenAIClient

        return OpenAIClient(
            str(self.endpoint), model=str(self.name), revision=self.revision, num_parallel=self.num_parallel,
            timeout_seconds=self.timeout_seconds, api_key_variable="PLM_JUDGE_API_KEY",
        )  # fmt: skip

    @contextmanager
    def open(self, settings: EvalSettings) -> Iterator[Judge]:
        """Yield the judge, and say afterwards what it took."""
        if self.is_procedural:
            from perceptlm.eval.scoring import PROCEDURAL

            yield PROCEDURAL
            return
        from perceptlm.eval.judges.opening import open_judge

        share = self.max_error_share
        with open_judge(
            self.client(),
            settings.profile,
            cache=self.cache,
            wording=self.wording,
            max_error_share=share,
            address=self.endpoint,
        ) as judge:
            try:
                yield judge
            finally:
                typer.echo(judge.summary(), err=True)


def cache_beside(out: Path) -> Path:
    """Return where replies are kept unless a place is named."""
    from perceptlm.eval.judges.opening import CACHE_NAME

    return out.parent / CACHE_NAME


def prices(model_in: float | None, model_out: float | None, judge_in: float | None, judge_out: float | None) -> Prices:
    """Return what a million tokens cost."""
    from perceptlm.eval.forecast import Prices

    return Prices(model_in=model_in, model_out=model_out, judge_in=judge_in, judge_out=judge_out)


def say_plan(
    data: list[EvalData], out: Path, settings: EvalSettings, judge: JudgeOptions, prices: Prices, *, as_json: bool
) -> None:
    """Print the forecast of an evaluation."""
    from perceptlm.eval.datasets import check_data, load_questions
    from perceptlm.eval.forecast import forecast
    from perceptlm.eval.generation import kept_texts
    from perceptlm.eval.judges.opening import open_judge, wording_of
    from perceptlm.eval.questions import first_questions

    check_data(data)
    questions = load_questions(data, settings)
    asked, texts = first_questions(questions, settings.limit), kept_texts(out)
    if judge.is_procedural:
        found = forecast(asked, settings, texts, prices=prices)
    elif judge.endpoint is not None and judge.revision is not None and judge.cache.is_file():
        with open_judge(judge.client(), settings.profile, cache=judge.cache, wording=judge.wording) as opened:
            turns_of = opened.wording.turns
            found = forecast(asked, settings, texts, turns_of=turns_of, num_cached=opened.num_cached, prices=prices)
    else:
        turns_of = wording_of(settings.profile, judge.wording).turns
        found = forecast(asked, settings, texts, turns_of=turns_of, prices=prices)
    typer.echo(json.dumps(found.to_dict()) if as_json else "\n".join(found.lines()))


def judge_agreement(
    results: Annotated[Path, typer.Argument(help="A published evaluation (plm eval run) with a judge's verdicts.")],
    against: Annotated[
        Path, typer.Option("--against", help="Another evaluation, or a JSONL file of human verdicts {id, value}.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print it all as JSON.")] = False,
) -> None:
    """Measure a judge against people (a file of their verdicts) or against another judge (its results)."""
    from perceptlm import artifact
    from perceptlm.eval.judges.agreement import compare_judges, compare_with_people

    artifact.require_kind(results, "eval")
    if against.is_dir():
        artifact.require_kind(against, "eval")
        report = compare_judges(results, against)
    else:
        report = compare_with_people(results, against)
    typer.echo(json.dumps(report.to_dict()) if as_json else "\n".join(report.lines()))
