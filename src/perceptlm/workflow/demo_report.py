"""The demo's report page, its table on the terminal, and `summary.json`.

The page holds nothing that differs between two runs with the same seed; times and memory are in `summary.json`, which
stands beside the digested content. Everything here is read from the finished stages' directories.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from perceptlm.artifact import RUN_FOLDER, list_children, read_manifest, write_atomic
from perceptlm.eval.breakdown import read_breakdown
from perceptlm.eval.breakdown_sections import breakdown_sections
from perceptlm.eval.report_tables import score_row
from perceptlm.eval.runner import SCORES
from perceptlm.eval.settings import ROW_NAMES
from perceptlm.exchange.jsonl import read_lines
from perceptlm.log import console
from perceptlm.recipes.demo import DemoRecipe
from perceptlm.report.embed import embed_svg
from perceptlm.report.page import (
    Command,
    Commands,
    Entry,
    Gallery,
    Highlight,
    KeyValues,
    Notes,
    Page,
    ScoreTable,
    Summary,
    write_page,
)
from perceptlm.report.table import ScoreRow, Target, target_lines, terminal_table
from perceptlm.report.text import showable
from perceptlm.train.curves import draw_loss_curve, mean_of_ends, read_losses
from perceptlm.train.training_log import METRICS, THROUGHPUT
from perceptlm.workflow.demo_cards import example_sections, failure_section
from perceptlm.workflow.demo_goals import MIN_ITEMS, GoalResult, check_goals
from perceptlm.workflow.demo_invitation import make_invitations

REPORT, SUMMARY = "report.html", "summary.json"


def score_rows(scores: Mapping[str, Any]) -> list[ScoreRow]:
    """Return the results table of an evaluation's `scores.json`; rows without any scored question are left out."""
    goals = check_goals(scores)
    rows = []
    for name in ROW_NAMES:
        task = scores["tasks"].get(name)
        if task is None or task["score"] is None:
            continue
        rows.append(score_row(name, task, target=_target(goals.get(name))))
    return rows


def _target(goal: GoalResult | None) -> Target | None:
    return None if goal is None else Target(goal.is_met, goal.goal.describe(), goal.describe())


def write_report(folder: Path, recipe: DemoRecipe) -> None:
    """Write `report.html` from the finished stages in `folder`."""
    scores = _read_json(folder / "eval" / SCORES)
    rows = score_rows(scores)
    page = Page(
        title="perceptlm demo",
        lead="A small Perception Language Model trained on procedural video, asked what, where, when and how.",
        sections=[
            _summary(rows, recipe),
            ScoreTable(
                heading="Scores beside their baselines",
                caption="Benchmark clips share no video, no background and no held-out (thing, action) pair with the "
                "training clips. Intervals are 95 %, by bootstrap over clips. Over blind: the difference on the same "
                f"items. A goal counts if that excludes 0 and {MIN_ITEMS} items or more were asked.",
                rows=rows,
            ),
            _notes(scores),
            *breakdown_sections(read_breakdown(folder / "eval")),
            *failure_section(folder, recipe),
            *example_sections(folder, recipe),
            _try_it(folder, recipe),
            _curves(folder, recipe),
            _loss_table(folder, recipe),
            _digests(folder),
        ],
        footer="Made by `plm demo`. `plm verify` checks this directory, `plm reproduce` makes it again and compares.",
    )
    write_page(folder / REPORT, page)


def _summary(rows: Sequence[ScoreRow], recipe: DemoRecipe) -> Summary:
    above = [row.task for row in rows if row.is_above_baselines]
    world = recipe.world
    told = f"above chance, constant and blind on {', '.join(above)}" if above else "not above its baselines on any row"
    targets = [row.target for row in rows if row.target is not None]
    missed = [row.task for row in rows if row.target is not None and not row.target.is_met]
    return Summary(
        paragraphs=[
            f"The model saw {world.num_clips} clips and {world.num_images} pictures drawn by a program, in three "
            f"stages, and is {told} (by their intervals).",
            f"It meets {len(targets) - len(missed)} of its {len(targets)} goals"
            + (f"; missed: {', '.join(missed)}." if missed else "."),
            "A score says something only beside its baselines: a random answer (chance), the best fixed answer to each "
            "kind of question (constant), the best that can be had without the right pixels (blind), and the reference "
            "answer put through the same scorer (oracle).",
        ],
        highlights=[Highlight(f"{100 * row.score:.0f} %", _highlight_label(row)) for row in rows],
    )


def _highlight_label(row: ScoreRow) -> str:
    return row.task if row.target is None else f"{row.task}, goal {'met' if row.target.is_met else 'missed'}"


def _notes(scores: Mapping[str, Any]) -> Notes:
    degenerate = {name: task["degenerate_references"] for name, task in scores["tasks"].items()}
    told = ", ".join(f"{name} {count}" for name, count in degenerate.items() if count) or "none"
    failures = {name: task["parse_failures"] for name, task in scores["tasks"].items()}
    return Notes(
        heading="How to read them",
        paragraphs=[
            f"Free text is scored by {scores['judge']}. It knows only the procedural world's language and cannot be "
            "compared with the language-model judge of the published benchmark.",
            "Answers that could not be read as what was asked for: "
            + ", ".join(f"{name} {count}" for name, count in failures.items())
            + f". References with an event too short for the frames shown (no answer can overlap it): {told}.",
        ],
    )


def _try_it(folder: Path, recipe: DemoRecipe) -> Commands:
    invitations = make_invitations(folder, recipe, shown_as=PurePosixPath())
    return Commands(
        heading="Try it yourself",
        intro="In a terminal, from the directory of this page (cd out/demo, unless it was made elsewhere), once plm is "
        "at hand (before the cd: . .venv/bin/activate).",
        commands=[Command(invitation.about, invitation.line("plm")) for invitation in invitations],
    )


def _curves(folder: Path, recipe: DemoRecipe) -> Gallery:
    pictures = []
    for stage in recipe.stages:
        svg = draw_loss_curve(folder / stage.name / METRICS, f"{stage.name}: loss per supervised token")
        pictures.append(embed_svg(svg, alt=f"Loss by task over the steps of {stage.name}", caption=stage.name))
    return Gallery(heading="Loss over the three stages", pictures=pictures)


def _loss_table(folder: Path, recipe: DemoRecipe) -> KeyValues:
    entries = []
    for stage in recipe.stages:
        for task, (_, losses) in read_losses(folder / stage.name / METRICS).items():
            first, last = mean_of_ends(losses)
            entries.append(Entry(f"{stage.name}, {task}", f"{first:.3f} to {last:.3f}"))
    caption = "Mean of the first and of the last tenth of the steps"
    return KeyValues(heading="Loss by task", caption=caption, entries=entries, is_folded=True)


def _digests(folder: Path) -> KeyValues:
    entries = [Entry(name, digest) for name, digest in digests(folder).items()]
    return KeyValues(heading="Digests", caption="What each stage made", entries=entries, is_folded=True)


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every stage's artifact."""
    return {name: read_manifest(folder / name).digest for name in list_children(folder)}


def write_summary(folder: Path, recipe: DemoRecipe, seconds: Mapping[str, float], beside: Mapping[str, float]) -> None:
    """Write `summary.json`: scores, seconds per part and of what ran `beside` them, peak memory, digests."""
    scores = _read_json(folder / "eval" / SCORES)
    goals = check_goals(scores)
    tasks = {}
    for row in score_rows(scores):
        baselines = {name: getattr(row, name) for name in ("blind", "constant", "chance", "oracle")}
        paired = scores["tasks"][row.task]["baselines"].get("blind", {}).get("paired")
        tasks[row.task] = {
            "metric": row.metric,
            "score": row.score,
            "ci_low": row.low,
            "ci_high": row.high,
            **baselines,
            "n": row.n,
            "unit": row.unit,
            "paired_difference_to_blind": paired,
            "goal": goals[row.task].to_dict() if row.task in goals else None,
        }
    summary = {
        "tasks": tasks,
        "num_goals": len(goals),
        "num_goals_met": sum(goal.is_met for goal in goals.values()),
        "average": scores["average"],
        "judge": scores["judge"],
        "seconds": {**seconds, "total": round(sum(seconds.values()), 3)},
        "seconds_beside_without_pixels": dict(beside),
        "seconds_per_step": {stage.name: _seconds_per_step(folder / stage.name) for stage in recipe.stages},
        "peak_memory_bytes": _peak_memory(folder),
        "digests": digests(folder),
    }
    write_atomic(folder / SUMMARY, (json.dumps(summary, indent=1) + "\n").encode())


def _seconds_per_step(stage: Path) -> float:
    seconds = [record["seconds"] for _, record in read_lines(stage / RUN_FOLDER / THROUGHPUT)]
    return float(np.median(seconds))


def _peak_memory(folder: Path) -> int:
    records = folder.rglob(f"{RUN_FOLDER}/memory.json")
    return max((int(_read_json(path)["peak_bytes"]) for path in records), default=0)


def print_table(out: Path, recipe: DemoRecipe, *, program: str) -> None:
    """Print the results table, the goals, where the time went, and what to look at and to try next.

    `program` is how the reader calls plm from where they are.
    """
    from rich.table import Table
    from rich.text import Text

    console_ = console()
    scores, summary = _read_json(out / "eval" / SCORES), _read_json(out / SUMMARY)
    rows = score_rows(scores)
    console_.print(terminal_table(rows, title="PLM-VideoBench tasks", width=console_.width))
    console_.print(f"judge of free text: {scores['judge']}")
    console_.print(f"\n[bold]{summary['num_goals_met']} of {summary['num_goals']} goals met[/bold]")
    for line in target_lines(rows):
        console_.print(Text(line), soft_wrap=True)
    times = Table(title="Where the time went", show_header=False)
    for name, seconds in summary["seconds"].items():
        times.add_row(name, f"{seconds:,.0f} s")
    for name, seconds in summary["seconds_beside_without_pixels"].items():
        times.add_row(f"beside: {name} without pixels", f"{seconds:,.0f} s")
    console_.print(times)
    console_.print(f"peak memory {summary['peak_memory_bytes'] / 2**30:.1f} GiB")
    console_.print(Text(f"report: {out / REPORT}   for machines: {out / SUMMARY}"), soft_wrap=True)
    console_.print("\n[bold]Try it[/bold]")
    for invitation in make_invitations(out, recipe, shown_as=out):
        # Text, so that nothing is read as markup, and unbroken, so that the line can be copied.
        console_.print(Text(f"# {showable(invitation.about)}", style="dim"), soft_wrap=True)
        console_.print(Text(showable(invitation.line(program))), soft_wrap=True)


def _read_json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value
