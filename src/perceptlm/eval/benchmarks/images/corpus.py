"""What image benchmarks publish beside a mean over questions: POPE's F1, scores by subset, CIDEr of all captions.

Every number has an interval over images, by the same bootstrap as the rows of the table. Reads scored rows only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from perceptlm.eval.benchmarks.images.captions import LARGEST, cider
from perceptlm.eval.benchmarks.images.table import IMAGE_ROWS, SUBSET
from perceptlm.eval.outcomes import Row, Score
from perceptlm.eval.questions import Question
from perceptlm.eval.settings import EvalSettings
from perceptlm.schema import TextAnswer
from perceptlm.seeding import derive_seed
from perceptlm.statistics import bootstrap_interval

Items = Iterable[tuple[float, str]]
"""Values, each with the cluster it belongs to."""
CAPTIONS = "coco_captions"
OVERALL = "all"


def with_captions_scored(rows: Sequence[Row], questions: Iterable[Question]) -> list[Row]:
    """Return `rows` in which every caption that was answered has its CIDEr-D / 10 as score, variant by variant.

    Document frequencies are those of the references of all captions answered in the variant. UsageError without
    pycocoevalcap if there are captions.
    """
    known = {
        question.sample.id: question.sample.answer.references
        for question in questions
        if question.row == CAPTIONS and isinstance(question.sample.answer, TextAnswer)
    }
    scores: dict[int, Score] = {}
    for variant in dict.fromkeys(row.variant for row in rows):
        places = [
            place
            for place, row in enumerate(rows)
            if row.variant == variant and row.row == CAPTIONS and row.score.outcome == "unscored" and row.id in known
        ]
        values = cider([rows[place].prediction for place in places], [known[rows[place].id] for place in places])
        for place, value in zip(places, values, strict=True):
            failed = rows[place].score.parse_failed
            scores[place] = Score(outcome="value", score=value / LARGEST, parse_failed=failed)
    return [
        row.model_copy(update={"score": scores[place]}) if place in scores else row for place, row in enumerate(rows)
    ]


def published_numbers(name: str, rows: Iterable[Row], settings: EvalSettings) -> dict[str, dict[str, Any]]:
    """Return, for an image benchmark, its published numbers over all questions and by subset; {} for other rows.

    Only questions shown their own pictures count, and only those with a score. What the row itself shows, its score
    over all questions, is not repeated. A number is None where it is a mean of nothing: POPE's precision of a model
    that never says yes.
    """
    if name not in IMAGE_ROWS:
        return {}
    scored = [row for row in rows if row.variant == "own" and row.score.score is not None]
    subsets = {str(row.attributes[SUBSET]) for row in scored if SUBSET in row.attributes}
    parts = {OVERALL: scored} | {
        subset: [row for row in scored if row.attributes.get(SUBSET) == subset] for subset in sorted(subsets)
    }
    found = {part: _numbers(name, part, of_part, settings) for part, of_part in parts.items() if of_part}
    return {part: numbers for part, numbers in found.items() if len(numbers) > 1}


def published_lines(tasks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the published numbers of every row that has some as lines for a terminal, times 100."""
    lines = []
    for name, task in tasks.items():
        for part, numbers in task.get("published", {}).items():
            told = [f"{metric} {_hundredfold(number)}" for metric, number in numbers.items() if metric != "n"]
            lines.append(f"{name}, {part} ({numbers['n']}): {', '.join(told)}")
    return lines


def _numbers(name: str, part: str, rows: Sequence[Row], settings: EvalSettings) -> dict[str, Any]:
    values = [(row.score.score or 0.0, row.cluster) for row in rows]
    items: dict[str, Items] = {} if part == OVERALL else {"score": values}
    if name == "pope":
        items |= _yes_items(rows, settings)
    elif name == "refcoco":
        items["mean_iou"] = [(_iou(row), row.cluster) for row in rows]
    elif name == CAPTIONS:
        items["cider"] = [(value * LARGEST, cluster) for value, cluster in values]
    numbers = {
        metric: _mean(of_metric, LARGEST if metric == "cider" else 1.0, (name, part, metric), settings)
        for metric, of_metric in items.items()
    }
    return {"n": len(rows), **numbers}


def _yes_items(rows: Sequence[Row], settings: EvalSettings) -> dict[str, Items]:
    """Return what POPE's numbers are means of: F1 is the mean of precision's and recall's items together.

    lmms-eval leaves answers that are neither yes nor no out of recall, and takes its share of yes from the labels.
    """
    is_lmms = settings.profile != "strict"
    said_yes = [(float(row.reference == "yes"), row.cluster) for row in rows if row.score.parsed == "yes"]
    are_yes = [
        (float(row.score.parsed == "yes"), row.cluster)
        for row in rows
        if row.reference == "yes" and (row.score.parsed is not None or not is_lmms)
    ]
    shares = [(float((row.reference if is_lmms else row.score.parsed) == "yes"), row.cluster) for row in rows]
    return {"precision": said_yes, "recall": are_yes, "f1": [*said_yes, *are_yes], "yes_ratio": shares}


def _iou(row: Row) -> float:
    parsed = row.score.parsed
    iou = parsed.get("iou") if isinstance(parsed, dict) else None
    return float(iou) if isinstance(iou, int | float) else 0.0


def _mean(items: Items, top: float, names: tuple[str, ...], settings: EvalSettings) -> dict[str, float | None]:
    pairs = list(items)
    if not pairs:
        return {"value": None, "ci_low": None, "ci_high": None}
    values, clusters = [value for value, _ in pairs], [cluster for _, cluster in pairs]
    interval = bootstrap_interval(
        values,
        clusters,
        seed=derive_seed(settings.seed, "published", *names),
        num_resamples=settings.num_resamples,
        confidence=settings.confidence,
        bounds=(0.0, top),
    )
    return {"value": fmean(values), "ci_low": interval.low, "ci_high": interval.high}


def _hundredfold(number: Mapping[str, float | None]) -> str:
    if number["value"] is None:
        return "-"
    value, low, high = (100 * (number[name] or 0.0) for name in ("value", "ci_low", "ci_high"))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"
