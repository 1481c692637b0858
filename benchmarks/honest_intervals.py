"""How often 95 % intervals hold the truth, and how often equal systems are called different, beside plain percentiles.

    python benchmarks/honest_intervals.py [--num 4000] [--workers 2] [--only small] [--json]

Each seed is one simulated benchmark of each shape: its true score, how alike the rows of a video are, and how alike
two equal systems answer are drawn anew. The truth is known exactly: it is the mean of every row's score. The peer is
the percentile bootstrap. The last four shapes are harder than what is published and have no target.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import starmap

import numpy as np

from perceptlm.eval.benchmarks.plm_videobench.metrics import SUITE_WEIGHTS
from perceptlm.seeding import generator
from perceptlm.statistics import (
    Part,
    bootstrap_interval_of_sum,
    cluster_means,
    difference_part,
    paired_difference_of_sum,
)

COVERAGE, FALSE_POSITIVES = (0.94, 0.96), (0.04, 0.06)
_CHUNK = 50
PEER_RESAMPLES = 800


@dataclass(frozen=True)
class Task:
    """Rows of one task: how many per video on average, the steps of a score, and between what its truth is drawn."""

    rows: float
    steps: int
    truth: tuple[float, float]
    weight: float = 1.0
    uneven: bool = False
    """Rows per video are geometric, not one and a Poisson number."""


@dataclass(frozen=True)
class Shape:
    """One kind of benchmark: groups of tasks; those of a group are about the same videos."""

    name: str
    groups: tuple[tuple[tuple[int, int], tuple[Task, ...]], ...]
    """Per group: between which numbers the number of videos is drawn, and the tasks."""
    has_target: bool = True


def _alone(name: str, videos: tuple[int, int], task: Task, *, has_target: bool = True) -> Shape:
    return Shape(name, ((videos, (task,)),), has_target)


_FGQA, _SGQA = Task(2.3, 1, (0.3, 0.9)), Task(1.2, 1, (0.3, 0.7))
_RCAP, _RTLOC = Task(4.4, 10, (0.15, 0.55), uneven=True), Task(3.4, 4, (0.1, 0.7), uneven=True)
_RDCAP = Task(1.1, 20, (0.1, 0.6))


def _weighed(name: str, task: Task) -> Task:
    return Task(task.rows, task.steps, task.truth, SUITE_WEIGHTS[name], task.uneven)


SHAPES = (
    _alone("FGQA: 400 groups in 175 videos", (175, 175), _FGQA),
    _alone("SGQA: 665 rows in 550 videos", (550, 550), _SGQA),
    _alone("RTLoc: 200 rows in 60 videos", (60, 60), _RTLOC),
    _alone("RCap: 440 rows in 100 videos", (100, 100), _RCAP),
    _alone("RDCap: 100 rows in 90 videos", (90, 90), _RDCAP),
    _alone("small: yes/no, 40 to 60 videos", (40, 60), Task(2.0, 1, (0.15, 0.85), uneven=True)),
    _alone("small: quarters, 40 to 60 videos", (40, 60), Task(1.5, 4, (0.1, 0.7), uneven=True)),
    Shape(
        "suite average, region tasks on shared videos",
        (
            ((100, 100), (_weighed("fgqa", _FGQA),)),
            ((120, 120), (_weighed("sgqa", _SGQA),)),
            ((60, 60), (_weighed("rcap", _RCAP), _weighed("rtloc", _RTLOC), _weighed("rdcap", _RDCAP))),
        ),
    ),
    _alone("yes/no, 40 rows of 40 videos", (40, 40), Task(1.0, 1, (0.15, 0.85)), has_target=False),
    _alone("yes/no, 30 rows of 15 videos", (15, 15), Task(2.0, 1, (0.2, 0.8), uneven=True), has_target=False),
    _alone("near the top: 85 to 97 %, 40 videos", (40, 40), Task(3.0, 1, (0.85, 0.97), uneven=True), has_target=False),
    _alone("near zero: 1 to 6 %, 60 videos", (60, 60), Task(1.1, 20, (0.01, 0.06)), has_target=False),
)


@dataclass(frozen=True)
class Outcome:
    """What one simulated benchmark showed."""

    held: bool
    percentile_held: bool
    rejected: bool
    width: float


def simulate(shape: Shape, seed: int) -> Outcome:
    """Draw two equal systems on one benchmark: does the first's interval hold the truth, is a difference claimed?"""
    random = generator(seed, "honest-intervals", shape.name)
    scores, differences, truth = [], [], 0.0
    for number, (videos, tasks) in enumerate(shape.groups):
        num_videos = int(random.integers(videos[0], videos[1] + 1))
        places = random.random(num_videos)  # how hard a video is, among all; shared by the tasks about it
        for task in tasks:
            mean = random.uniform(*task.truth)
            a, b, owners = _two_systems(task, mean, num_videos, places if len(tasks) > 1 else None, random)
            clusters = [f"{number}/{owner}" for owner in owners.tolist()]
            scores.append(Part(a, clusters, task.weight))
            differences.append(difference_part(a, b, clusters, task.weight))
            truth += task.weight * mean
    interval = bootstrap_interval_of_sum(scores, seed=seed)
    estimates, _ = cluster_means(scores).resample(seed, PEER_RESAMPLES)
    low, high = np.quantile(estimates, [0.025, 0.975])
    return Outcome(
        held=interval.contains(truth),
        percentile_held=bool(low <= truth <= high),
        rejected=paired_difference_of_sum(differences).p_value < 0.05,
        width=interval.high - interval.low,
    )


def _two_systems(
    task: Task, mean: float, num_videos: int, places: np.ndarray | None, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the scores of two systems of the same true score, row by row, and the video of each row.

    A video has a level around the mean, each system its own around that; of some rows both find the same level.
    """
    extra = task.rows - 1
    sizes = random.geometric(1 / task.rows, num_videos) if task.uneven else 1 + random.poisson(extra, num_videos)
    owners = np.repeat(np.arange(num_videos), sizes)
    alike, own, item = random.uniform(0.02, 0.4), random.uniform(3, 30), random.uniform(0.5, 3)
    share_of_common = random.uniform(0.3, 0.9)
    if places is None:
        level = _beta(random, np.full(num_videos, mean), 1 / alike - 1)
    else:
        # Two levels with the right mean, so that shared places make the tasks' levels go together.
        width = alike**0.5 * min(mean, 1 - mean)
        level = np.where(places < 0.5, mean - width, mean + width)
    common = random.random(len(owners)) < share_of_common
    shared = _beta(random, level[owners], item)
    systems = []
    for _ in range(2):
        found = _beta(random, _beta(random, level, own)[owners], item)
        systems.append(random.binomial(task.steps, np.where(common, shared, found)) / task.steps)
    return systems[0], systems[1], owners


def _beta(random: np.random.Generator, mean: np.ndarray, concentration: float) -> np.ndarray:
    """Return draws of the beta distribution with these means; a mean of nearly 0 or 1 is returned as it is."""
    inside = (mean > 1e-6) & (mean < 1 - 1e-6)
    safe = np.where(inside, mean, 0.5)
    return np.where(inside, random.beta(safe * concentration, (1 - safe) * concentration), mean)


def _chunk(shape: Shape, start: int, stop: int) -> list[Outcome]:
    return [simulate(shape, seed) for seed in range(start, stop)]


def measure(shape: Shape, num: int, pool: ProcessPoolExecutor | None) -> dict[str, object]:
    """Return the shares over seeds 0 to num - 1."""
    pieces = [(shape, start, min(start + _CHUNK, num)) for start in range(0, num, _CHUNK)]
    chunks = starmap(_chunk, pieces) if pool is None else pool.map(_chunk, *zip(*pieces, strict=True))
    found = [outcome for chunk in chunks for outcome in chunk]
    return {
        "shape": shape.name,
        "has_target": shape.has_target,
        "coverage": sum(outcome.held for outcome in found) / num,
        "percentile_coverage": sum(outcome.percentile_held for outcome in found) / num,
        "false_positives": sum(outcome.rejected for outcome in found) / num,
        "mean_width": sum(outcome.width for outcome in found) / num,
    }


def _verdict(value: float, target: tuple[float, float]) -> str:
    return "met" if target[0] <= value <= target[1] else "MISSED"


def main() -> None:
    """Simulate, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num", type=int, default=4000, help="simulated benchmarks per shape: seeds 0 to NUM - 1")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="shapes whose name holds this text")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    pool = ProcessPoolExecutor(options.workers) if options.workers > 1 else None
    lines = []
    if not options.json:
        print(f"{options.num} simulated benchmarks a shape; targets: coverage 94 to 96 %, false positives 4 to 6 %")
        print(f"{'':46}{'coverage':>16}{'percentile':>12}{'false positives':>22}{'width':>8}")
    for shape in (shape for shape in SHAPES if options.only in shape.name):
        line = measure(shape, options.num, pool)
        lines.append(line)
        held, wrong = float(str(line["coverage"])), float(str(line["false_positives"]))
        said = [_verdict(held, COVERAGE), _verdict(wrong, FALSE_POSITIVES)] if shape.has_target else ["", ""]
        if not options.json:
            print(
                f"{shape.name:46}{100 * held:8.2f} {said[0]:<7}{100 * float(str(line['percentile_coverage'])):12.2f}"
                f"{100 * wrong:14.2f} {said[1]:<7}{float(str(line['mean_width'])):8.3f}",
                flush=True,
            )
    if options.json:
        print(json.dumps({"num": options.num, "shapes": lines}))


if __name__ == "__main__":
    main()
