"""`plm eval report`: evaluations as one page for people and `results.json` for machines.

The page holds nothing that is not in the evaluations and their datasets, and no time or path of this machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from perceptlm.artifact import translate_os_errors, write_atomic
from perceptlm.errors import UsageError
from perceptlm.eval.breakdown_sections import breakdown_sections
from perceptlm.eval.compare import Comparison, compare_sides, side_of
from perceptlm.eval.report_samples import NUM_SAMPLES, sample_section
from perceptlm.eval.report_tables import (
    control_table,
    difference_table,
    failure_table,
    published_table,
    score_table,
    sliced_controls,
)
from perceptlm.eval.results import RESULTS, Run, results, results_text
from perceptlm.report.page import (
    Entry,
    Highlight,
    KeyValues,
    Notes,
    Page,
    Section,
    Summary,
    write_page,
)
from perceptlm.report.text import percent

_MAX_RUNS = 8


def write_report(runs: Sequence[Run], out: Path, *, num_samples: int = NUM_SAMPLES) -> dict[str, Any]:
    """Write the page `out`, and `results.json` beside it; return what the latter holds.

    Raises UsageError for too many runs, or a page that would replace the numbers.
    """
    if len(runs) > _MAX_RUNS:
        raise UsageError(f"{len(runs)} evaluations, but a page shows at most {_MAX_RUNS}")
    if out.name == RESULTS or out.is_dir():
        raise UsageError(f"{out} is no name for the page", hint="such as --out report.html")
    comparisons = compare_all(runs)
    found = results(runs, comparisons)
    with translate_os_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    write_page(out, report_page(runs, comparisons, num_samples=num_samples))
    write_atomic(out.parent / RESULTS, results_text(found).encode())
    return found


def compare_all(runs: Sequence[Run]) -> list[Comparison | None]:
    """Return how each run after the first differs from it; None for one with no row of the table in common."""
    if len(runs) == 1:
        return []
    first, *others = runs
    side = side_of(first)
    return [
        compare_sides(side, side_of(run), anyway=True, num_examples=0)
        if first.scores["tasks"].keys() & run.scores["tasks"].keys()
        else None
        for run in others
    ]


def report_page(runs: Sequence[Run], comparisons: Sequence[Comparison | None], *, num_samples: int) -> Page:
    """Return the page; `comparisons` are of the runs after the first with it."""
    compared = [
        difference_table(runs[0], run, found)
        for run, found in zip(runs[1:], comparisons, strict=True)
        if found is not None
    ]
    sections: list[Section] = [
        _summary(runs),
        score_table(runs),
        failure_table(runs),
        *compared,
        *published_table(runs),
        *control_table(runs),
    ]
    for run in runs:
        sections += breakdown_sections(run.slices, run.name if len(runs) > 1 else "")
    sections += [*sliced_controls(runs), *sample_section(runs, num_samples), _notes(runs), *_identities(runs)]
    names = ", ".join(dict.fromkeys(run.model for run in runs))
    return Page(
        title="Evaluation" if len(runs) == 1 else "Evaluations compared",
        lead=f"Asked: {_asked(runs)}. Answered by {names}.",
        sections=sections,
        footer="Made by `plm eval report`. Every number stands in results.json beside this page, with its interval.",
    )


def _asked(runs: Sequence[Run]) -> str:
    found = dict.fromkeys(source.describe() for run in runs for source in run.sources.values())
    return ", ".join(found) or "data that the evaluation does not name"


def _summary(runs: Sequence[Run]) -> Summary:
    highlights = []
    if len(runs) == 1:
        tasks = runs[0].scores["tasks"]
        highlights = [
            Highlight(f"{100 * t['score']:.0f} %", name) for name, t in tasks.items() if t["score"] is not None
        ]
    paragraphs = []
    for run in runs:
        scores = run.scores
        average = scores.get("average")
        told = "has no suite average, for that needs all five tasks" if average is None else _average(scores)
        not_whole = [
            name
            for name, task in scores["tasks"].items()
            if task.get("coverage") and task["coverage"]["num_askable"] < task["coverage"]["num_items"]
        ]
        gaps = f" Not all of {', '.join(not_whole)} could be asked." if not_whole else ""
        paragraphs.append(f"{run.name} ({run.model}, profile {scores['profile']}) {told}.{gaps}")
    paragraphs.append(
        "An interval says where the score would lie on other questions of the kind. Two models differ if the interval "
        "of their difference on the same questions, not those of their scores, leaves 0 out."
    )
    return Summary(paragraphs=paragraphs, highlights=highlights)


def _average(scores: Any) -> str:
    low, high = scores.get("average_ci_low"), scores.get("average_ci_high")
    interval = "" if low is None or high is None else f" (95 % interval {percent(low)} to {percent(high)})"
    return f"has a suite average of {percent(scores['average'])}{interval}"


def _notes(runs: Sequence[Run]) -> Notes:
    judges = dict.fromkeys(str(run.scores["judge"]) for run in runs)
    intervals = dict.fromkeys(str(run.scores.get("interval", "")) for run in runs)
    return Notes(
        heading="How to read it",
        paragraphs=[
            f"Free text is scored by: {'; '.join(judges)}.",
            f"Intervals: {'; '.join(intervals)}.",
            "Suite average: (FGQA + SGQA + mean of RDCap, RCap and RTLoc) / 3, as the published table has it.",
            "Slices are many: some stand out by chance. With fewer than some thirty items an interval is wide.",
        ],
    )


def _identities(runs: Sequence[Run]) -> list[KeyValues]:
    """Return what each run was made from."""
    found = []
    for run in runs:
        scores, recipe = run.scores, run.manifest.recipe
        entries = [Entry(f"model {key}", str(value)) for key, value in scores["model"].items()]
        entries += [Entry(f"judge {key}", str(value)) for key, value in scores.get("judge_identity", {}).items()]
        entries += [Entry(key, str(value)) for key, value in recipe.get("settings", {}).items()]
        entries += [Entry(f"digest of {name}", entry.digest) for name, entry in run.manifest.inputs.items()]
        entries.append(Entry("digest of the evaluation", run.manifest.digest))
        heading = f"Made from · {run.name}" if len(runs) > 1 else "Made from"
        caption = "Model, judge, settings and digests"
        found.append(KeyValues(heading=heading, caption=caption, entries=entries, is_folded=True))
    return found
