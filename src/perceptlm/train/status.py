"""How far a run is, from what it has written: one that is finished, goes on or was interrupted. Loads no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from perceptlm.artifact import MANIFEST, REQUEST, RUN_FOLDER, partial_path
from perceptlm.errors import UsageError
from perceptlm.train.figures import loss_of, preference_of

_RECENT = 20
"""Steps that the present loss and rate are means of."""


@dataclass(frozen=True)
class Status:
    """`num_done` of `num_steps`; means are over the last steps. What is not known is None."""

    directory: Path
    finished: bool
    name: str
    num_done: int
    num_steps: int
    loss: float | None = None
    per_task: dict[str, float] = field(default_factory=dict)
    held_out_loss: float | None = None
    best_held_out_step: int | None = None
    preference: dict[str, float] = field(default_factory=dict)
    """Means over the last steps that had pairs; nothing where none are learnt from."""
    held_out_preference: dict[str, float] = field(default_factory=dict)
    tokens_per_second: float | None = None
    data_wait_share: float | None = None
    useful_share: float | None = None
    model_flops_utilisation: float | None = None
    seconds_left: float | None = None
    num_dropped: int = 0
    saved_steps: tuple[int, ...] = ()


def read_status(out: Path) -> Status:
    """Return the status of the run that publishes, or has published, `out`; UsageError if there is none."""
    finished = (out / MANIFEST).is_file()
    folder = out if finished else partial_path(out)
    record = folder / (MANIFEST if finished else REQUEST)
    if not record.is_file():
        raise UsageError(f"{out}: no training is or was here", hint="give the --out of a plm train stage")
    recipe = json.loads(record.read_text(encoding="utf-8"))["recipe"]
    if "num_steps" not in recipe:
        raise UsageError(f"{out}: not a stage of training")
    steps = _lines(folder / "metrics.jsonl")
    rates = _lines(folder / RUN_FOLDER / "throughput.jsonl")[-_RECENT:]
    looks = _lines(folder / "validation.jsonl")
    seconds = sum(rate["seconds"] for rate in rates)
    num_left = 0 if finished else int(recipe["num_steps"]) - len(steps)
    states = folder / "state"
    return Status(
        directory=folder,
        finished=finished,
        name=str(recipe["name"]),
        num_done=len(steps),
        num_steps=int(recipe["num_steps"]),
        loss=fmean(step["loss"] for step in steps[-_RECENT:]) if steps else None,
        per_task=steps[-1]["per_task"] if steps else {},
        held_out_loss=looks[-1]["loss"] if looks else None,
        best_held_out_step=min(looks, key=loss_of)["step"] if looks else None,
        preference=_mean_preference(steps[-_RECENT:]),
        held_out_preference=preference_of(looks[-1]) if looks else {},
        tokens_per_second=sum(rate["num_tokens"] for rate in rates) / seconds if seconds else None,
        data_wait_share=sum(rate["data_wait_seconds"] for rate in rates) / seconds if seconds else None,
        useful_share=sum(rate["num_tokens"] for rate in rates) / sum(rate["num_places"] for rate in rates)
        if rates
        else None,
        model_flops_utilisation=fmean(rate["model_flops_utilisation"] for rate in rates) if rates else None,
        seconds_left=num_left * seconds / len(rates) if rates else None,
        num_dropped=len(_lines(folder / "dropped.jsonl")),
        saved_steps=tuple(sorted(int(path.name) for path in states.iterdir() if path.name.isdigit()))
        if states.is_dir()
        else (),
    )


def describe(status: Status) -> list[str]:
    """Return the lines that tell a person."""
    how = "finished" if status.finished else "not finished"
    lines = [f"{status.name}: {status.num_done:,} of {status.num_steps:,} steps, {how} ({status.directory})"]
    for label, value, form in (
        ("loss", status.loss, "{:.4f} per token, last steps"),
        ("held-out loss", status.held_out_loss, "{:.4f}"),
        ("... best after", status.best_held_out_step, "{:,} steps"),
        ("pairs", _told(status.preference), "{}, last steps"),
        ("held-out pairs", _told(status.held_out_preference), "{}"),
        ("speed", status.tokens_per_second, "{:,.0f} tokens/s"),
        ("of the matrix peak", status.model_flops_utilisation, "{:.1%}"),
        ("waiting for data", status.data_wait_share, "{:.1%} of the time"),
        ("places not padding", status.useful_share, "{:.1%}"),
        ("left", None if status.finished else status.seconds_left, "{:,.0f} s at this speed"),
        ("unusable groups", status.num_dropped or None, "{:,} (dropped.jsonl)"),
        ("goes on from step", max(status.saved_steps, default=None), "{:,}"),
    ):
        if value is not None:
            lines.append(f"  {label:<20} {form.format(value)}")
    lines += [f"  {task:<20} {loss:.4f}" for task, loss in status.per_task.items()]
    return lines


def _mean_preference(steps: list[dict[str, Any]]) -> dict[str, float]:
    found = [preference_of(step) for step in steps if step.get("num_pairs")]
    return {name: fmean(values[name] for values in found) for name in found[0]} if found else {}


def _told(preference: dict[str, float]) -> str | None:
    if not preference.get("num_pairs"):
        return None
    accuracy, margin = preference["preference_accuracy"], preference["preference_margin"]
    return f"{accuracy:.1%} ranked right, margin {margin:.3f}, loss {preference['preference_loss']:.4f}"


def _lines(path: Path) -> list[dict[str, Any]]:
    """Return the records of a log, without a last one that is just being written."""
    if not path.exists():
        return []
    whole = path.read_bytes().rpartition(b"\n")[0]
    return [json.loads(line) for line in whole.splitlines() if line.strip()]
