"""`plm train adapt`: a trained model learns from your own labels. No logic beyond the wiring."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from perceptlm.cli.written import say_forecast, say_written

HeldOutShare = Annotated[
    float | None,
    typer.Option(help="Share of your recordings to look at and never learn (default: 0.1, or your validation split)."),
]


def adapt(
    start: Annotated[Path, typer.Option("--start", help="The checkpoint to begin with.")],
    data: Annotated[Path, typer.Option("--data", help="Your dataset (plm data convert, plm world make).")],
    out: Annotated[Path, typer.Option("--out", help="Directory to publish.")],
    media: Annotated[Path | None, typer.Option("--media", help="Where its media lie (default: in it).")] = None,
    replay: Annotated[
        Path | None, typer.Option("--replay", help="A dataset of what the model must not forget.")
    ] = None,
    replay_media: Annotated[Path | None, typer.Option("--replay-media", help="Where its media lie.")] = None,
    replay_share: Annotated[float, typer.Option(help="The share of every step that is replayed.")] = 0.3,
    epochs: Annotated[float, typer.Option(help="How often your data is shown, at most.")] = 3.0,
    full: Annotated[bool, typer.Option("--full", help="Train the decoder itself, not low-rank matrices.")] = False,
    preference: Annotated[
        bool, typer.Option("--preference", help="Learn from rejected answers too (direct preference optimisation).")
    ] = False,
    held_out: HeldOutShare = None,
    seed: Annotated[int, typer.Option(help="Root of every random choice.")] = 0,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="Change one value, as key=value.")] = None,
    copies: Annotated[int, typer.Option(min=1, help="With torchrun: how many times the model is held.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what another recipe made there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take, and stop.")] = False,
) -> None:
    """Teach a trained model from your own labels, with what it knows shown again; on one small GPU or a CPU.

    It ends when held-out recordings are answered no better. The best model is published, merged, and its adapter alone.
    """
    from perceptlm.config import override
    from perceptlm.train.ranks import joined_ranks
    from perceptlm.train.stage_data import DataFolder
    from perceptlm.workflow.adapt import Adaptation, plan_adaptation, run_adaptation
    from perceptlm.workflow.stage_forecast import forecast_stage

    wanted = Adaptation(
        start,
        DataFolder(data, media),
        None if replay is None else DataFolder(replay, replay_media),
        replay_share,
        epochs,
        full,
        held_out,
        preference,
    )
    config = override(plan_adaptation(wanted), overrides or [])
    if dry_run:
        say_forecast(config, forecast_stage(start, config, wanted.data, seed=seed), as_json)
        return
    with joined_ranks(copies) as ranks:
        run_adaptation(wanted, config, out, seed=seed, overwrite=overwrite, ranks=ranks)
        if ranks.is_first:
            say_written(out, as_json)
