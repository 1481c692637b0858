"""The learning curve of a finished demo: scores of its checkpoints on the validation split, in the order of training.

    python benchmarks/learning_curve.py out/demo [--out out/demo-curve] [--limit 100] [--json] [--dry-run]

Every stage's checkpoint is evaluated, and so are the models that a stage kept on its way: for some of the last one,
`plm demo --set stages.2.snapshot_every=53`.
Never the benchmark: whoever chooses by this curve must not have looked at it. Prints one line per checkpoint and row,
and writes `curve.json` and `curve.svg`; finished evaluations are kept, so the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from perceptlm.artifact import require_kind, write_atomic
from perceptlm.config import parse
from perceptlm.errors import PerceptLMError, UsageError
from perceptlm.eval.runner import SCORES
from perceptlm.eval.settings import EvalSettings
from perceptlm.exchange.jsonl import read_lines
from perceptlm.recipes.demo import DemoRecipe
from perceptlm.report.curves import line_chart
from perceptlm.train.trainer import SNAPSHOT_FOLDER
from perceptlm.train.training_log import METRICS
from perceptlm.workflow.evaluation import evaluate_local


@dataclass(frozen=True)
class Checkpoint:
    """A model directory and how much training went before it, counted over all stages so far."""

    name: str
    directory: Path
    step: int
    num_pictures: int


@dataclass(frozen=True)
class Point:
    """One row's score at one checkpoint, in shares of 1."""

    checkpoint: str
    step: int
    num_pictures: int
    row: str
    score: float
    ci_low: float
    ci_high: float
    constant: float | None
    n: int


def find_checkpoints(demo: Path, recipe: DemoRecipe) -> list[Checkpoint]:
    """Return the checkpoints of every stage in the order of training."""
    found = []
    steps_before, pictures_before = 0, 0
    for stage in recipe.stages:
        folder = demo / stage.name
        pictures = [record["num_pictures"] for _, record in read_lines(folder / METRICS)]
        snapshots = {int(path.name): path for path in (folder / SNAPSHOT_FOLDER).glob("*") if path.name.isdigit()}
        for step, directory in sorted(snapshots.items()):
            seen = pictures_before + sum(pictures[:step])
            found.append(Checkpoint(f"{stage.name}-{step}", directory, steps_before + step, seen))
        steps_before, pictures_before = steps_before + len(pictures), pictures_before + sum(pictures)
        found.append(Checkpoint(stage.name, folder, steps_before, pictures_before))
    return found


def settings_for(recipe: DemoRecipe, limit: int | None) -> EvalSettings:
    """Return how checkpoints are evaluated: as the demo evaluates, but on validation and shown the right pictures."""
    wanted: dict[str, Any] = recipe.evaluation.to_dict() | {"split": "validation", "variants": ("own",), "limit": limit}
    return parse(EvalSettings, wanted, source="--limit")


def measure(checkpoint: Checkpoint, demo: Path, out: Path, settings: EvalSettings) -> list[Point]:
    """Evaluate one checkpoint, or find that it was, and return its points."""
    folder = out / checkpoint.name
    evaluate_local(folder, settings, data=demo / "world", model=checkpoint.directory)
    tasks = json.loads((folder / SCORES).read_text(encoding="utf-8"))["tasks"]
    return [
        Point(
            checkpoint=checkpoint.name,
            step=checkpoint.step,
            num_pictures=checkpoint.num_pictures,
            row=row,
            score=task["score"],
            ci_low=task["ci_low"],
            ci_high=task["ci_high"],
            constant=task["baselines"]["constant"]["score"],
            n=task["n"],
        )
        for row, task in tasks.items()
        if task["score"] is not None
    ]


def draw(points: list[Point]) -> bytes:
    """Return the chart: score in percent over the pictures seen, one line a row, with whiskers."""
    rows = list(dict.fromkeys(point.row for point in points))
    of_row = {row: [point for point in points if point.row == row] for row in rows}
    return line_chart(
        {row: ([p.num_pictures for p in found], [100 * p.score for p in found]) for row, found in of_row.items()},
        title="Validation score over training",
        xlabel="pictures seen",
        ylabel="score, percent",
        has_total=False,
        intervals={row: [(100 * p.ci_low, 100 * p.ci_high) for p in found] for row, found in of_row.items()},
    )


def print_points(points: list[Point]) -> None:
    """Print one aligned line per point."""
    print(f"{'checkpoint':<16}{'step':>7}{'pictures':>10}  {'row':<7}{'score':>7}{'95 %':>15}{'constant':>10}{'n':>6}")
    for point in points:
        interval = f"{100 * point.ci_low:.1f} - {100 * point.ci_high:.1f}"
        constant = "-" if point.constant is None else f"{100 * point.constant:.1f}"
        print(
            f"{point.checkpoint:<16}{point.step:>7}{point.num_pictures:>10}  {point.row:<7}{100 * point.score:>7.1f}"
            f"{interval:>15}{constant:>10}{point.n:>6}"
        )


def run(arguments: argparse.Namespace) -> None:
    """Evaluate every checkpoint and write the curve; with --dry-run only say which there are."""
    demo: Path = arguments.demo
    recipe = parse(DemoRecipe, require_kind(demo, "demo").recipe, source=f"{demo}/manifest.json")
    out: Path = arguments.out or demo.with_name(f"{demo.resolve().name}-curve")
    checkpoints = find_checkpoints(demo, recipe)
    settings = settings_for(recipe, arguments.limit)
    if arguments.dry_run:
        planned = [asdict(checkpoint) | {"directory": str(checkpoint.directory)} for checkpoint in checkpoints]
        if arguments.json:
            print(json.dumps({"out": str(out), "split": settings.split, "checkpoints": planned}))
        else:
            print(f"would evaluate on {settings.split}, at most {settings.limit or 'all'} a row, into {out}:")
            for checkpoint in checkpoints:
                print(f"  {checkpoint.name}: {checkpoint.directory}, step {checkpoint.step}")
        return
    if out.resolve().is_relative_to(demo.resolve()):
        raise UsageError(f"{out} lies inside {demo}, whose content must stay what it is")
    points = [point for checkpoint in checkpoints for point in measure(checkpoint, demo, out, settings)]
    table = json.dumps([asdict(point) for point in points], indent=1) + "\n"
    write_atomic(out / "curve.json", table.encode())
    write_atomic(out / "curve.svg", draw(points))
    if arguments.json:
        print(table, end="")
    else:
        print_points(points)
        print(f"wrote {out / 'curve.json'} and {out / 'curve.svg'}")


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, run, and return the exit code."""
    parser = argparse.ArgumentParser(description="Score the checkpoints of a finished demo on its validation split.")
    parser.add_argument("demo", type=Path, help="a finished demo, such as out/demo")
    parser.add_argument(
        "--out", type=Path, help="where evaluations and curve go [default: beside the demo, DEMO-curve]"
    )
    parser.add_argument("--limit", type=int, help="ask only the first N of each row")
    parser.add_argument("--json", action="store_true", help="print the points as JSON")
    parser.add_argument("--dry-run", action="store_true", help="say which checkpoints there are, and stop")
    try:
        run(parser.parse_args(arguments))
    except PerceptLMError as error:
        print(f"error: {error.message}" + (f"\nhint: {error.hint}" if error.hint else ""), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
