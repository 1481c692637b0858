"""The worst answers of an evaluation, spread over rows and dimensions, for a person to look at.

Reads a published evaluation only; opens no media and judges nothing anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from perceptlm.config import Config
from perceptlm.eval.outcomes import Row
from perceptlm.eval.runner import ROWS
from perceptlm.eval.settings import ROW_NAMES, RowName
from perceptlm.exchange.jsonl import read_records
from perceptlm.schema import Dimension
from perceptlm.seeding import derive_seed


class Failure(Config):
    """A question the model, shown the right pictures, did not answer fully. Texts are as asked and as answered."""

    id: str
    """Of the Sample; for FGQA of a wrongly answered question of the group."""
    row: RowName
    dimension: Dimension | None
    template: str
    question: str
    truth: str
    answer: str
    score: float
    parse_failed: bool
    """The answer could not be read as what was asked for."""
    cut_off: bool
    """The answer ran into the limit of tokens."""
    num_frames: int
    """Pictures shown."""
    cluster: str
    attributes: dict[str, str | int | float | bool]


def failures(directory: Path, num_failures: int = 10, seed: int = 0) -> list[Failure]:
    """Return the worst answers of the evaluation in `directory`: rows take turns, and their dimensions within them.

    Each turn takes the worst answer left, among equals in an order drawn from `seed`, of a clip not taken yet as long
    as there is one. Never taken are full scores, questions without a score, and those whose reference no answer can
    reach. Fewer are returned if fewer failed.
    """
    taken: list[Row] = []
    queues = _queues(list(read_records(directory / ROWS, Row)), seed)
    while len(taken) < num_failures and any(queues.values()):
        for row in ROW_NAMES:
            if queues[row] and len(taken) < num_failures:
                queue = queues[row].pop(0)
                taken.append(queue.pop(_first_of_new_clip(queue, taken)))
                if queue:
                    queues[row].append(queue)
    return [_failure(row) for row in taken]


def _queues(rows: Sequence[Row], seed: int) -> dict[RowName, list[list[Row]]]:
    """Return, per row of the table, one list of failed questions per dimension, each worst first."""
    found: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))  # no dimension: one more of them
    groups: set[str] = set()
    order = sorted(rows, key=lambda row: (row.score.score or 0.0, derive_seed(seed, "failures", row.id)))
    for row in order:
        failed = row.score.score is not None and row.score.score < 1 and not row.score.degenerate
        if row.variant == "own" and failed and row.unit not in groups:
            groups.add(row.unit)
            found[row.row][row.dimension or ""].append(row)
    return {name: [found[name][dimension] for dimension in sorted(found[name])] for name in ROW_NAMES}


def _first_of_new_clip(queue: Sequence[Row], taken: Sequence[Row]) -> int:
    """Return the place of the first question among the worst ones whose clip is not taken, else 0."""
    clips = {row.cluster for row in taken}
    worst = [place for place, row in enumerate(queue) if row.score.score == queue[0].score.score]
    return next((place for place in worst if queue[place].cluster not in clips), 0)


def _failure(row: Row) -> Failure:
    return Failure.model_validate(
        {
            "id": row.id,
            "row": row.row,
            "dimension": row.dimension,
            "template": row.template,
            "question": row.prompt,
            "truth": row.reference,
            "answer": row.prediction,
            "score": row.score.score,
            "parse_failed": row.score.parse_failed,
            "cut_off": row.finish_reason == "length",
            "num_frames": row.num_frames,
            "cluster": row.cluster,
            "attributes": row.attributes,
        }
    )
