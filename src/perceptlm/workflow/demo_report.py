"""The demo's report page, its table on the terminal, and `summary.json`.

The page holds nothing that differs between two runs with the same seed; times and memory are in `summary.json`, which
stands beside the digested content. Everything here is read from the finished stages' directories.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from perceptlm.artifact import RUN_FOLDER, list_children, read_manifest, write_atomic
from perceptlm.data.sample_set import SampleSet
from perceptlm.eval.outcomes import Row
from perceptlm.eval.runner import ROWS, SCORES
from perceptlm.eval.settings import ROW_NAMES
from perceptlm.exchange.jsonl import read_lines, read_records
from perceptlm.log import console
from perceptlm.media.contact_sheet import contact_sheet
from perceptlm.media.pictures import load_pictures
from perceptlm.recipes.demo import DemoRecipe
from perceptlm.report.embed import embed_jpeg, embed_svg
from perceptlm.report.page import (
    Cards,
    Entry,
    ExampleCard,
    Gallery,
    Highlight,
    KeyValues,
    Notes,
    Page,
    ScoreTable,
    Summary,
    write_page,
)
from perceptlm.report.table import ScoreRow, terminal_table
from perceptlm.schema import Sample
from perceptlm.train.curves import draw_loss_curve, mean_of_ends, read_losses
from perceptlm.train.trainer import METRICS, THROUGHPUT

REPORT, SUMMARY = "report.html", "summary.json"
_CARDS_PER_ROW = 3
_TITLES = {
    "fgqa": "FGQA: three fine-grained questions, all right",
    "sgqa": "SGQA: what the one behind the camera asks",
    "rcap": "RCap: what happens to the boxed thing",
    "rtloc": "RTLoc: when it happens",
    "rdcap": "RDCap: everything the boxed thing does, with times",
    "image": "Images: captions and questions",
}


def score_rows(scores: Mapping[str, Any]) -> list[ScoreRow]:
    """Return the results table of an evaluation's `scores.json`; rows without any scored question are left out."""
    rows = []
    for name in ROW_NAMES:
        task = scores["tasks"].get(name)
        if task is None or task["score"] is None:
            continue
        baselines: dict[str, float | None] = {key: value.get("score") for key, value in task["baselines"].items()}
        rows.append(
            ScoreRow(
                task=name,
                metric=task["metric"],
                score=task["score"],
                low=task["ci_low"],
                high=task["ci_high"],
                n=task["n"],
                blind=baselines.get("blind"),
                constant=baselines.get("constant"),
                chance=baselines.get("chance"),
                oracle=baselines.get("oracle"),
            )
        )
    return rows


def write_report(folder: Path, recipe: DemoRecipe) -> None:
    """Write `report.html` from the finished stages in `folder`."""
    scores = _read_json(folder / "eval" / SCORES)
    rows = score_rows(scores)
    page = Page(
        title="perceptlm demo",
        lead="A Perception Language Model trained from nothing on procedural video, asked what, where, when and how.",
        sections=[
            _summary(rows, recipe),
            ScoreTable(
                heading="Scores beside their baselines",
                caption="Benchmark clips share no video, no background and no held-out (thing, action) pair with the "
                "training clips. Intervals are 95 %, by bootstrap over clips.",
                rows=rows,
            ),
            _notes(scores),
            _curves(folder, recipe),
            *_example_sections(folder, recipe),
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
    return Summary(
        paragraphs=[
            f"The model saw {world.num_clips} clips and {world.num_images} pictures drawn by a program, in three "
            f"stages, and is {told} (whole interval).",
            "A score says something only beside its baselines: a random answer (chance), the best fixed answer to each "
            "kind of question (constant), the best that can be had without the right pixels (blind), and the reference "
            "answer put through the same scorer (oracle).",
        ],
        highlights=[Highlight(f"{100 * row.score:.0f} %", row.task) for row in rows],
    )


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


def _example_sections(folder: Path, recipe: DemoRecipe) -> list[Cards]:
    world = folder / "world"
    settings = recipe.evaluation
    samples = {sample.id: sample for sample in SampleSet.open(world, settings.split).samples}
    rows = [row for row in read_records(folder / "eval" / ROWS, Row) if row.variant == "own"]
    sections = []
    for name in ROW_NAMES:
        chosen = choose_examples([row for row in rows if row.row == name and row.score.score is not None])
        cards = [_card(samples[row.id], row, world, settings.num_frames) for row in chosen]
        if cards:
            sections.append(Cards(heading=_TITLES[name], cards=cards))
    return sections


def choose_examples(rows: Sequence[Row], count: int = _CARDS_PER_ROW) -> list[Row]:
    """Return the best, the worst and the middle one: rows by score, then by id, taken at even distances."""
    ordered = sorted(rows, key=lambda row: (-(row.score.score or 0.0), row.id))
    if len(ordered) <= count:
        return ordered
    return [ordered[round(place * (len(ordered) - 1) / (count - 1))] for place in range(count)]


def _card(sample: Sample, row: Row, world: Path, num_frames: int) -> ExampleCard:
    loaded = load_pictures(sample, world, num_frames=num_frames)
    captions = [str(number) for number in range(len(loaded.pictures))]
    sheet = contact_sheet(np.stack(loaded.pictures), captions=captions, columns=4)
    score = row.score.score or 0.0
    return ExampleCard(
        title=f"{sample.id} ({sample.dimension})",
        picture=embed_jpeg(sheet, alt=f"Frames shown for {sample.id}"),
        question=row.prompt,
        answer=row.prediction,
        truth=row.reference,
        score=score,
        verdict="could not be read" if row.score.parse_failed else "",
    )


def _digests(folder: Path) -> KeyValues:
    entries = [Entry(name, digest) for name, digest in digests(folder).items()]
    return KeyValues(heading="Digests", caption="What each stage made", entries=entries, is_folded=True)


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every stage's artifact."""
    return {name: read_manifest(folder / name).digest for name in list_children(folder)}


def write_summary(folder: Path, recipe: DemoRecipe, seconds: Mapping[str, float]) -> None:
    """Write `summary.json`: scores, seconds per part, peak memory, digests."""
    scores = _read_json(folder / "eval" / SCORES)
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
            "paired_difference_to_blind": paired,
        }
    summary = {
        "tasks": tasks,
        "average": scores["average"],
        "judge": scores["judge"],
        "seconds": {**seconds, "total": round(sum(seconds.values()), 3)},
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


def print_table(out: Path) -> None:
    """Print the results table, where the time went, and what to look at next."""
    from rich.table import Table

    console_ = console()
    scores, summary = _read_json(out / "eval" / SCORES), _read_json(out / SUMMARY)
    console_.print(terminal_table(score_rows(scores), title="PLM-VideoBench tasks", width=console_.width))
    console_.print(f"judge of free text: {scores['judge']}")
    times = Table(title="Where the time went", show_header=False)
    for name, seconds in summary["seconds"].items():
        times.add_row(name, f"{seconds:,.0f} s")
    console_.print(times)
    console_.print(f"peak memory {summary['peak_memory_bytes'] / 2**30:.1f} GiB")
    console_.print(f"report: {out / REPORT}   for machines: {out / SUMMARY}", soft_wrap=True)


def _read_json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value
