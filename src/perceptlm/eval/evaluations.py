"""A published evaluation as it lies on disk, for those who compare and report. Knows no metric, and asks no model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perceptlm import artifact
from perceptlm.errors import DataError
from perceptlm.eval.outcomes import Row
from perceptlm.eval.runner import KIND, ROWS, SCORES
from perceptlm.exchange.jsonl import read_records


@dataclass(frozen=True)
class Evaluation:
    """What `plm eval run` wrote: the manifest, the content of `scores.json`, and every question in every variant."""

    directory: Path
    manifest: artifact.Manifest
    scores: Mapping[str, Any]
    rows: Sequence[Row]

    def own_rows(self) -> list[Row]:
        """Return the questions as shown with their own pictures."""
        return [row for row in self.rows if row.variant == "own"]


def read_evaluation(directory: Path) -> Evaluation:
    """Read a published evaluation; ArtifactError or DataError for a directory that is none."""
    manifest = artifact.require_kind(directory, KIND)
    path = directory / SCORES
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(scores, dict):
            raise TypeError(f"found {type(scores).__name__}")
    except (OSError, ValueError, RecursionError, TypeError) as error:
        raise no_scores(path, error) from error
    return Evaluation(directory, manifest, scores, list(read_records(directory / ROWS, Row)))


def no_scores(path: Path, why: Exception) -> DataError:
    """Return the error for a `scores.json` that holds something else."""
    return DataError(f"not the scores of an evaluation: {why}", path=path)
