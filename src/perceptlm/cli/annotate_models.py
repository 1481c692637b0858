"""`plm annotate propose` and `text-only`: ask a model for what items of a served project need. No logic but wiring."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from perceptlm.cli.eval import BackendName, Concurrency, Endpoint, Model, Timeout

if TYPE_CHECKING:
    from perceptlm.annotate.asking.needs import AskSettings, Need
    from perceptlm.workflow.asked_models import AskedModel

Url = Annotated[str, typer.Argument(help="Where the service is, such as http://127.0.0.1:8030.")]
Project = Annotated[str, typer.Option("--project", help="Slug of the project.")]
ModelName = Annotated[str | None, typer.Option("--model-name", help="The model's name at the server of --endpoint.")]
Revision = Annotated[
    str | None, typer.Option("--model-revision", help="Its revision, where the server does not state one.")
]
Licence = Annotated[str, typer.Option("--model-licence", help="Its licence, as an SPDX expression.")]
Only = Annotated[
    Literal["answers", "distractors"] | None, typer.Option("--only", help="Make only these (default: both).")
]
NumFrames = Annotated[int, typer.Option("--num-frames", min=1, help="Frames of a video that the model is shown.")]
MaxSide = Annotated[int, typer.Option("--max-side", min=16, help="Longest side of a frame that it is shown.")]
NumDistractors = Annotated[
    int, typer.Option("--distractors", min=1, max=20, help="Wrong answers to ask for, per item.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Ask about the first N items of each kind.")]
Again = Annotated[bool, typer.Option("--again", help="Also ask what this model was asked before, in vain.")]
KeyVariable = Annotated[str, typer.Option("--key-env", help="Variable that holds the API key of the service.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be asked, and stop; needs no model.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def propose(
    url: Url,
    project: Project,
    endpoint: Endpoint = None,
    model_name: ModelName = None,
    model_revision: Revision = None,
    model_licence: Licence = "NOASSERTION",
    model: Model = None,
    backend: BackendName = "perceptlm",
    only: Only = None,
    num_frames: NumFrames = 32,
    max_side: MaxSide = 768,
    distractors: NumDistractors = 4,
    limit: Limit = None,
    again: Again = False,
    concurrency: Concurrency = 8,
    timeout: Timeout = 300.0,
    key_variable: KeyVariable = "PLM_ANNOTATE_KEY",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Let a model write the draft answers and the wrong answers that items of a served project wait for."""
    from perceptlm.annotate.asking.needs import AskSettings
    from perceptlm.workflow.asked_models import AskedModel

    asked = AskedModel(
        model=model, backend=backend, endpoint=endpoint, name=model_name, revision=model_revision,
        licence=model_licence, num_parallel=concurrency, timeout_seconds=timeout,
    )  # fmt: skip
    settings = AskSettings(
        num_frames=num_frames, max_side=max_side, num_distractors=distractors, limit=limit, again=again
    )
    needs: dict[str | None, list[Need]] = {"answers": ["answer_proposals"], "distractors": ["distractor_proposals"]}
    needs[None] = [*needs["answers"], *needs["distractors"]]

    _run(url, project, key_variable, asked, settings, needs[only], dry_run=dry_run, as_json=as_json)


def text_only(
    url: Url,
    project: Project,
    endpoint: Endpoint = None,
    model_name: ModelName = None,
    model_revision: Revision = None,
    model: Model = None,
    backend: BackendName = "perceptlm",
    limit: Limit = None,
    again: Again = False,
    concurrency: Concurrency = 8,
    timeout: Timeout = 300.0,
    key_variable: KeyVariable = "PLM_ANNOTATE_KEY",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Ask a model, without the video, to tell answers from distractors: those that it tells are left out."""
    from perceptlm.annotate.asking.needs import AskSettings
    from perceptlm.workflow.asked_models import AskedModel

    asked = AskedModel(
        model=model, backend=backend, endpoint=endpoint, name=model_name, revision=model_revision,
        num_parallel=concurrency, timeout_seconds=timeout,
    )  # fmt: skip
    settings = AskSettings(limit=limit, again=again)
    _run(url, project, key_variable, asked, settings, ["text_only"], dry_run=dry_run, as_json=as_json)


def _run(
    url: str,
    project: str,
    key_variable: str,
    asked: AskedModel,
    settings: AskSettings,
    needs: list[Need],
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    from perceptlm.annotate.asking.plan import RULES, plan_of, plan_record
    from perceptlm.annotate.asking.run import ask, needy_items
    from perceptlm.annotate.asking.service import Service
    from perceptlm.log import progress

    with Service(url, project, key_variable=key_variable) as service:
        if dry_run:
            plans = [plan_of(need, needy_items(service, need, settings), settings) for need in needs]
            lines = [*(plan.line() for plan in plans), *(f"rule: {rule}" for rule in RULES)]
            typer.echo(json.dumps(plan_record(plans)) if as_json else "\n".join(lines))
            return
        client, found = asked.client(), {}
        for need in needs:
            items = needy_items(service, need, settings)
            with progress() as bar:
                task = bar.add_task(need.replace("_", " "), total=len(items))
                found[need] = ask(service, client, need, settings, items, partial(bar.advance, task))
    record: dict[str, Any] = {need: tally.to_dict() for need, tally in found.items()}
    lines = [line for need, tally in found.items() for line in tally.lines(need)]
    typer.echo(json.dumps({"model": client.identity.to_dict(), **record}) if as_json else "\n".join(lines))
