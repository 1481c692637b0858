"""Published evaluations as a report reads them, and `results.json`: every number of several runs for machines.

Reads what `plm eval run` wrote, and nothing else. Nothing is computed here that is not in the runs already, but shares.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from perceptlm import artifact
from perceptlm.errors import DataError, UsageError
from perceptlm.eval.benchmarks.plm_videobench.published import PUBLISHED, SOURCE
from perceptlm.eval.breakdown import Slice, read_breakdown
from perceptlm.eval.compare import Comparison
from perceptlm.eval.datasets import EvalData
from perceptlm.eval.evaluations import Evaluation, read_evaluation
from perceptlm.eval.runner import SCORES

RESULTS = "results.json"
FORMAT_VERSION = 1
_PLM_VIDEOBENCH = "bench-"
"""How the formats of its released files begin."""


@dataclass(frozen=True)
class Source:
    """A dataset that was asked: the name of its directory, and, of a converted one that is at hand, from which release
    format."""

    kind: str
    directory: str
    digest: str
    format: str | None

    @property
    def is_plm_videobench(self) -> bool:
        """Whether it is known to be converted from the released benchmark."""
        return self.format is not None and self.format.startswith(_PLM_VIDEOBENCH)

    def describe(self) -> str:
        """Return it in words, such as `worldbench wb` or `bench-sgqa sgqa`."""
        return f"{self.format or self.kind} {self.directory}"


@dataclass(frozen=True)
class Run(Evaluation):
    """One evaluation. `name` tells it from others on the page; `data` are its datasets, as far as they are there."""

    name: str
    slices: Sequence[Slice]
    data: Sequence[EvalData]

    @property
    def model(self) -> str:
        """The model's name."""
        return str(self.scores["model"]["name"])

    @property
    def sources(self) -> dict[str, Source]:
        """The datasets it was made from, by their names in its manifest."""
        formats = {}
        for item in self.data:
            manifest = artifact.read_manifest(item.directory)
            formats[manifest.digest] = manifest.recipe.get("settings", {}).get("format")
        return {
            name: Source(entry.kind, PurePosixPath(entry.path).name, entry.digest, formats.get(entry.digest))
            for name, entry in self.manifest.inputs.items()
            if name.partition("_")[0] == "data"
        }

    @property
    def is_plm_videobench(self) -> bool:
        """Whether all that was asked is known to be the released benchmark."""
        sources = self.sources.values()
        return bool(sources) and all(source.is_plm_videobench for source in sources)


def read_runs(directories: Sequence[Path], *, data: Sequence[EvalData] = (), media: Path | None = None) -> list[Run]:
    """Return published evaluations; names are those of the directories, numbered where two are equal.

    `data` stands in for the datasets that a run names, `media` for where their media are. Raises ArtifactError or
    DataError for a directory that is no evaluation, UsageError if one is given twice.
    """
    if len({directory.resolve() for directory in directories}) < len(directories):
        raise UsageError("one evaluation is named twice")
    names: list[str] = []
    for directory in directories:
        name = directory.resolve().name
        names.append(name if name not in names else f"{name} ({len(names) + 1})")
    return [_read_run(name, place, data, media) for name, place in zip(names, directories, strict=True)]


def _read_run(name: str, directory: Path, data: Sequence[EvalData], media: Path | None) -> Run:
    found = read_evaluation(directory)
    if not isinstance(found.scores.get("tasks"), dict) or not isinstance(found.scores.get("model"), dict):
        raise DataError("not the scores of an evaluation", path=directory / SCORES)
    return Run(
        name=name,
        directory=directory,
        manifest=found.manifest,
        scores=found.scores,
        rows=found.rows,
        slices=read_breakdown(directory),
        data=list(data) or _data_of(directory, found.manifest, media),
    )


def _data_of(directory: Path, manifest: artifact.Manifest, media: Path | None) -> list[EvalData]:
    """Return the datasets a run was made from, if they still lie where they lay and are the same."""
    found = []
    for name, entry in manifest.inputs.items():
        place = (directory.resolve() / entry.path).resolve()
        is_there = name.partition("_")[0] == "data" and (place / artifact.MANIFEST).is_file()
        if is_there and artifact.read_manifest(place).digest == entry.digest:
            found.append(EvalData(place, media))
    return found


def coverage_share(task: Mapping[str, Any]) -> float | None:
    """Return the share of a row's items that could be asked; None for an evaluation made before it was counted."""
    coverage = task.get("coverage")
    return None if not coverage else coverage["num_askable"] / max(coverage["num_items"], 1)


def results(runs: Sequence[Run], comparisons: Sequence[Comparison | None]) -> dict[str, Any]:
    """Return what `results.json` holds: per run who, on what, how, every score, and every slice; the differences to the
    first run; and the published table."""
    return {
        "format_version": FORMAT_VERSION,
        "runs": [_run(run) for run in runs],
        "differences": [
            {**found.to_dict(), "a": runs[0].name, "b": run.name}
            for run, found in zip(runs[1:], comparisons, strict=True)
            if found is not None
        ],
        "published": {
            "source": SOURCE,
            "rows": [{**row._asdict(), "average_agrees_with_scores": row.agrees} for row in PUBLISHED],
        },
    }


def _run(run: Run) -> dict[str, Any]:
    recipe, sources = run.manifest.recipe, run.sources
    tasks = {}
    for name, task in run.scores["tasks"].items():
        share = coverage_share(task)
        tasks[name] = task | {"coverage": None if share is None else task["coverage"] | {"share": share}}
    return {
        "name": run.name,
        "digest": run.manifest.digest,
        "datasets": {name: source.digest for name, source in sources.items()},
        "sources": {
            name: {"kind": source.kind, "directory": source.directory, "format": source.format}
            for name, source in sources.items()
        },
        "is_plm_videobench": run.is_plm_videobench,
        "settings": recipe.get("settings"),
        "variants": recipe.get("settings", {}).get("variants"),
        **{key: value for key, value in run.scores.items() if key != "tasks"},
        "tasks": tasks,
        "breakdown": [item.to_dict() for item in run.slices],
    }


def results_text(found: Mapping[str, Any]) -> str:
    """Return `results.json` as it is written."""
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
