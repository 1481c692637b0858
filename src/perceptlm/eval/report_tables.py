"""The tables of a report: scores beside baselines, what could not be scored, controls, differences, published rows.

Every figure comes from published evaluations; where one was not measured there is a dash. Asks no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from perceptlm.eval.benchmarks.plm_videobench.published import PUBLISHED, SOURCE
from perceptlm.eval.compare import Comparison, Difference
from perceptlm.eval.results import Run, coverage_share
from perceptlm.eval.settings import ROW_NAMES
from perceptlm.eval.summary import gap_lines
from perceptlm.report.page import Notes, ScoreTable
from perceptlm.report.plain_table import Cell, PlainTable, Tone
from perceptlm.report.table import Difference as OverBlind
from perceptlm.report.table import ScoreRow, Target
from perceptlm.report.text import percent

_PUBLISHED_TASKS = ("fgqa", "sgqa", "rdcap", "rcap", "rtloc")
_CONTROLS = {
    "zero": "black", "other": "another clip", "text_only": "text only", "trained_blind": "trained blind",
    "single_frame": "single frame", "shuffled_frames": "shuffled frames", "no_box": "no box",
}  # fmt: skip
_NOT_COMPARABLE = (
    "The pale numbers were measured elsewhere, with a judge, frames and prompts of their own. They can be set beside a "
    "run in the profile `paper` with Llama-3.3-70B-Instruct as its judge on the whole benchmark, and beside no other."
)


def score_row(name: str, task: Mapping[str, Any], *, label: str = "", target: Target | None = None) -> ScoreRow:
    """Return one row of `scores.json` for a table, called `label` there. It must have a score."""
    baselines = {key: value.get("score") for key, value in task["baselines"].items()}
    paired = task["baselines"].get("blind", {}).get("paired")
    off_scale = "" if 0 <= task["score"] <= 1 else f"the judge went off its scale: {percent(task['score'])}"
    return ScoreRow(
        task=label or name,
        metric=task["metric"],
        score=_share(task["score"]),
        low=_share(task["ci_low"]),
        high=_share(task["ci_high"]),
        n=task["n"],
        note=off_scale,
        unit="groups" if name == "fgqa" else "questions",
        over_blind=None if paired is None else OverBlind(paired["difference"], paired["ci_low"], paired["ci_high"]),
        target=target,
        coverage=coverage_share(task),
        **{key: None if baselines.get(key) is None else _share(baselines[key]) for key in _BASELINES},
    )


_BASELINES = ("blind", "constant", "chance", "oracle")


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def tasks_of(runs: Sequence[Run]) -> Iterable[tuple[str, str, Run, Mapping[str, Any]]]:
    """Yield (row of the table, label, run, its results), rows in order, and within one the runs beside each other."""
    for name in ROW_NAMES:
        for run in runs:
            if name in run.scores["tasks"]:
                yield name, name if len(runs) == 1 else f"{name} · {run.name}", run, run.scores["tasks"][name]


def score_table(runs: Sequence[Run]) -> ScoreTable:
    """Return the results table; rows without any scored question have a line of dashes."""
    everything = [(name, label, task) for name, label, _, task in tasks_of(runs)]
    named = [item for item in everything if item[2]["score"] is not None]
    rows = [score_row(name, task, label=label) for name, label, task in named]
    metrics = dict.fromkeys(f"{name}: {task['metric']}" for name, _, task in named)
    gaps = [line if len(runs) == 1 else f"{run.name}: {line}" for run in runs for line in gap_lines(run.scores)]
    return ScoreTable(
        heading="Results",
        caption="Score in percent with its interval, beside baselines measured on the same questions. Asked: the share "
        "of the benchmark's items that could be asked; a score of less than all is not the benchmark's.",
        rows=rows if len(runs) == 1 else [replace(row, metric="") for row in rows],
        paragraphs=gaps if len(runs) == 1 else [*metrics, *gaps],
        unscored=[label for _, label, task in everything if task["score"] is None],
    )


def failure_table(runs: Sequence[Run]) -> PlainTable:
    """Return, per row, how many items were not asked, not read or not judged, and what that leaves open."""
    rows: list[tuple[str, list[Cell | None]]] = []
    for _, label, _, task in tasks_of(runs):
        coverage, judge = task.get("coverage"), task.get("judge", {})
        low, high = task["bounds"]
        rows.append(
            (
                label,
                [
                    None if coverage is None else Cell(f"{coverage['num_items']:,}"),
                    None if coverage is None else _count(coverage["num_items"] - coverage["num_askable"]),
                    Cell(f"{task['n']:,}"),
                    _count(task["outcomes"]["error"]),
                    _count(task["parse_failures"]),
                    _count(task["truncated_answers"]),
                    _count(judge["failed"], f"of {judge['judgements']:,}") if judge else None,
                    _count(judge["read_by_fallback"]) if judge else None,
                    _count(task["degenerate_references"], tone=""),
                    Cell(f"{percent(low)} – {percent(high)}", tone="" if low < high else "quiet"),
                ],
            )
        )
    return PlainTable(
        heading="What could not be scored",
        caption="Numbers of items (groups of questions for fgqa), and of questions where they failed.",
        columns=(
            "items", "not asked", "scored", "model failed", "answer not read", "cut off", "judge failed",
            "judge read by fallback", "cannot be met", "score had all of these failed – succeeded",
        ),
        rows=rows,
        paragraphs=[
            "Not asked: media are missing or damaged, or rows were dropped in conversion; a group of which a question "
            "is missing leaves the score as a whole. Answers that were not read count as wrong. Cannot be met: an "
            "event too short for the frames shown. The last column counts converted questions only."
        ],
    )  # fmt: skip


def _count(number: int, small: str = "", tone: Tone = "bad") -> Cell:
    return Cell(f"{number:,}", small, tone if number else "quiet")


def control_table(runs: Sequence[Run]) -> list[PlainTable]:
    """Return what is left of each score when the model is shown less, and the noise ceiling; nothing without any."""
    named = list(tasks_of(runs))
    shown = [name for name in _CONTROLS if any(_control(task, name) for *_, task in named)]
    has_ceiling = any("ceiling" in task for *_, task in named)
    if not shown and not has_ceiling:
        return []
    rows: list[tuple[str, list[Cell | None]]] = []
    for _, label, _, task in named:
        cells: list[Cell | None] = [_estimate(task), *(_loss(_control(task, name)) for name in shown)]
        if has_ceiling:
            cells.append(_estimate(task["ceiling"]) if "ceiling" in task else None)
        rows.append((label, cells))
    return [
        PlainTable(
            heading="Controls",
            caption="Score in percent when something is taken away, and below it how much the own pictures add on the "
            "same questions, with its interval: what holds 0 was not needed.",
            columns=("own", *(_CONTROLS[name] for name in shown), *(("noise ceiling",) if has_ceiling else ())),
            rows=rows,
            paragraphs=["Noise ceiling: what one reference scores against the others, where there are several."]
            if has_ceiling
            else [],
        )
    ]


def _control(task: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] = {**task.get("blind_variants", {}), **task.get("controls", {})}
    return found.get(name)


def _estimate(found: Mapping[str, Any]) -> Cell | None:
    if found["score"] is None:
        return None
    return Cell(percent(found["score"]), f"{percent(found['ci_low'])} – {percent(found['ci_high'])}")


def _loss(found: Mapping[str, Any] | None) -> Cell | None:
    if found is None or found["score"] is None:
        return None
    paired = found.get("paired")
    if paired is None:
        return Cell(percent(found["score"]))
    low, high = paired["ci_low"], paired["ci_high"]
    return Cell(percent(found["score"]), f"{_points(paired['difference'])}\n{_points(low)} to {_points(high)}")


def sliced_controls(runs: Sequence[Run]) -> list[PlainTable]:
    """Return the controls by dimension, question type and the like, on the same items; nothing without any."""
    shown = [name for name in _CONTROLS if any(name in item.variants for run in runs for item in run.slices)]
    if not shown:
        return []
    rows: list[tuple[str, list[Cell | None]]] = []
    for run in runs:
        for item in run.slices:
            if item.by == "template":
                continue
            label = f"{item.row} · {item.by.replace('_', ' ')}: {item.value}"
            cells: list[Cell | None] = [Cell(percent(item.score), f"{percent(item.low)} – {percent(item.high)}")]
            found: dict[str, float] = {str(name): score for name, score in item.variants.items()}
            cells += [Cell(percent(found[name])) if name in found else None for name in shown]
            rows.append((label if len(runs) == 1 else f"{label} · {run.name}", [*cells, Cell(f"{item.n:,}")]))
    caption = f"Controls in {len(rows)} slices"
    columns = ("own", *(_CONTROLS[name] for name in shown), "n")
    return [PlainTable("Controls by slice", caption, columns, rows, is_folded=True)]


def published_table(runs: Sequence[Run]) -> list[PlainTable | Notes]:
    """Return the runs above the published rows, or why they cannot stand there; nothing if no run has a task of the
    benchmark."""
    if not any(name in run.scores["tasks"] for run in runs for name in _PUBLISHED_TASKS):
        return []
    heading = "Beside the published table"
    if not all(run.is_plm_videobench for run in runs):
        others = dict.fromkeys(
            source.describe() for run in runs for source in run.sources.values() if not source.is_plm_videobench
        )
        why = f"Not shown: {', '.join(others) or 'what was asked'} is not known to be the released PLM-VideoBench, and "
        return [Notes(heading=heading, paragraphs=[f"{why}scores on other questions say nothing beside its table."])]
    rows: list[tuple[str, list[Cell | None]]] = []
    for run in runs:
        cells = [
            _estimate(run.scores["tasks"][name]) if name in run.scores["tasks"] else None for name in _PUBLISHED_TASKS
        ]
        average = run.scores.get("average")
        low, high = run.scores.get("average_ci_low"), run.scores.get("average_ci_high")
        interval = "" if low is None or high is None else f"{percent(low)} – {percent(high)}"
        rows.append((run.name, [*cells, None if average is None else Cell(percent(average), interval)]))
    for row in PUBLISHED:
        found = row.scores
        mark = "" if row.agrees else "not the mean of its scores"
        values: list[Cell | None] = [Cell(f"{found[name]:.1f}", tone="quiet") for name in _PUBLISHED_TASKS]
        rows.append((row.model, [*values, Cell(f"{row.average:.1f}", mark, "quiet")]))
    return [
        PlainTable(
            heading=heading,
            caption=f"In percent. Above: measured here, with intervals. Below, pale: {SOURCE}, without any.",
            columns=(*_PUBLISHED_TASKS, "average"),
            rows=rows,
            paragraphs=[_NOT_COMPARABLE],
        )
    ]


def difference_table(first: Run, other: Run, found: Comparison) -> PlainTable:
    """Return how another run differs from the first, on the items both scored."""
    rows = [(task.row, task.difference, task.left_out) for task in found.tasks]
    named: list[tuple[str, list[Cell | None]]] = [(str(name), _difference(item, lost)) for name, item, lost in rows]
    if found.average is not None:
        named.append(("average", _difference(found.average, {})))
    notes = [f"Not the same: {text}." for text in found.warnings]
    return PlainTable(
        heading=f"{other.name} less {first.name}",
        caption="Paired by item, in percentage points, with 95 % intervals. Detectable: the true difference that so "
        f"many items find {100 * found.power:g} times of 100.",
        columns=(first.name, other.name, "difference", "p", "detectable", "items", "left out"),
        rows=named,
        paragraphs=notes,
    )


def _difference(found: Difference | None, left_out: Mapping[str, int]) -> list[Cell | None]:
    lost = Cell(f"{sum(left_out.values()):,}", ", ".join(left_out), "bad") if left_out else Cell("0", tone="quiet")
    if found is None:
        return [None, None, Cell("nothing in common", tone="quiet"), None, None, Cell("0"), lost]
    clear = found.ci_low > 0 or found.ci_high < 0
    tone: Tone = "" if not clear else "good" if found.difference > 0 else "bad"
    interval = f"{_points(found.ci_low)} to {_points(found.ci_high)}"
    return [
        Cell(percent(found.score_a)),
        Cell(percent(found.score_b)),
        Cell(_points(found.difference), interval, tone),
        Cell("<0.0001" if found.p_value < 0.0001 else f"{found.p_value:.4f}"),
        None if found.detectable is None else Cell(f"{100 * found.detectable:.1f}"),
        Cell(f"{found.n:,}", f"{found.num_clusters:,} clusters"),
        lost,
    ]


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"
