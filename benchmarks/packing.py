"""How many positions packing leaves unused, how evenly ranks are loaded, and how long a step takes to plan.

    python benchmarks/packing.py --size plm_8b --ranks 8 128 256

Samples are drawn from `recipes/length_mix.yaml` (nothing is read or trained), `--steps` steps of each stage at its
published global batch, longest sequence and number of rows that a GPU works on at a time. For every number of ranks:

- useful: the share of positions that hold a token, each batch as wide as its longest row (as the loader makes it);
- per step: floating-point operations of the dearest rank over the mean of all; `least` bounds it from below for whole
  samples, however they are shared;
- per batch: the same where ranks wait for each other after every batch, as they do where weights are gathered;
- planning: seconds to pack a step and share its rows out, as a share of a step's time in the paper.

Peers: padding every sample to the longest sequence (what the public trainer does); padding to the longest of each
batch; first fit in the order of the samples. Rows of exactly the published length (`full rows`) are reported beside,
with the most that any packing could reach; targets are judged on batches as they are made.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from perceptlm.data.blend import split_by_cost, split_in_turns
from perceptlm.preprocess.packing import first_fit, pack
from perceptlm.recipes.length_mix import draw_samples, mean_sample
from perceptlm.recipes.plm_stages import PLM_SIZES, STAGES, PlmStage, model_of, plm_stage
from perceptlm.train.forecast import flops_of

USEFUL, EVEN, PLANNING = 0.97, 1.05, 0.01
ROWS_PER_BATCH = {"warmup": 16, "midtrain": 4, "sft": 2}
"""Sequences that a GPU works on at a time (facts/reference-implementation.md 4; PLM-8B's midtrain: 2)."""
FULL_ROWS = (1, 2, 4, 8)
"""Times the longest sequence."""
GPU_HOURS = {
    "plm_1b": {"warmup": 8 * 3, "midtrain": 128 * 36, "sft": 128 * 48},
    "plm_3b": {"warmup": 8 * 4, "midtrain": 128 * 72, "sft": 128 * 60},
    "plm_8b": {"warmup": 8 * 6, "midtrain": 256 * 72, "sft": 256 * 60},
}
"""facts/paper.md 2."""
Row = list[int]
Plan = list[list[list[Row]]]
"""Of every rank, its batches; each batch its rows; each row the places of its samples."""


@dataclass(frozen=True)
class Step:
    """One step's samples: tokens, and floating-point operations with and without the logits."""

    stage: PlmStage
    lengths: list[int]
    flops: list[float]
    costs: list[float]

    @property
    def at_a_time(self) -> int:
        """Rows of a batch."""
        small = self.stage.size == "plm_8b" and self.stage.name == "midtrain"
        return 2 if small else ROWS_PER_BATCH[self.stage.name]


def draw_step(stage: PlmStage, seed: int, number: int) -> Step:
    """Return the samples of one step."""
    drawn = draw_samples(stage, stage.global_batch, seed, number)
    config = model_of(stage)

    @functools.cache
    def flops(num_pictures: int, num_tokens: int, num_supervised: int) -> float:
        return flops_of(
            config, stage.trained, num_encoded=num_pictures, num_pictures=num_pictures, lengths=(num_tokens,),
            num_supervised=num_supervised,
        )  # fmt: skip

    pictures, lengths = drawn.num_pictures.tolist(), drawn.num_tokens.tolist()
    return Step(
        stage,
        lengths,
        flops=[flops(*values) for values in zip(pictures, lengths, drawn.num_supervised.tolist(), strict=True)],
        costs=[flops(*values, 0) for values in zip(pictures, lengths, strict=True)],
    )


def packed(step: Step, num_ranks: int) -> Plan:
    """Plan as the loader does with `rows_per_batch`: the longest first, in turns of rows that cost alike."""
    return [in_batches(rows, step.at_a_time) for rows in rows_in_turns(step, num_ranks)]


def packed_one_by_one(step: Step, num_ranks: int) -> Plan:
    """Plan as the loader does with `rows_per_batch` 1."""
    return [in_batches(rows, 1) for rows in rows_in_turns(step, num_ranks)]


def rows_in_turns(step: Step, num_ranks: int) -> list[list[Row]]:
    """Return each rank's rows, in order."""
    rows, costs = packed_rows(step)
    return [[rows[number] for number in share] for share in split_in_turns(costs, num_ranks)]


def packed_at_once(step: Step, num_ranks: int) -> Plan:
    """Plan as the loader does without: a rank has one batch of all its rows."""
    rows, costs = packed_rows(step)
    return [[[rows[number] for number in share]] for share in split_by_cost(costs, num_ranks)]


def packed_rows(step: Step) -> tuple[list[Row], list[float]]:
    """Return the rows of a step, and what each costs."""
    rows = pack(step.lengths, step.stage.max_tokens)
    return rows, [sum(step.costs[item] for item in row) for row in rows]


def one_a_row(step: Step, num_ranks: int) -> Plan:
    """Plan as a loader that packs nothing: samples in order, dealt out in turn."""
    return [
        in_batches([[item] for item in range(rank, len(step.lengths), num_ranks)], step.at_a_time)
        for rank in range(num_ranks)
    ]


def in_order(step: Step, num_ranks: int) -> Plan:
    """First fit in the order of the samples, rows dealt out in turn."""
    rows = first_fit(step.lengths, step.stage.max_tokens)
    return [in_batches(rows[rank::num_ranks], step.at_a_time) for rank in range(num_ranks)]


def in_batches(rows: list[Row], at_a_time: int) -> list[list[Row]]:
    """Cut rows into batches."""
    return [rows[start : start + at_a_time] for start in range(0, len(rows), at_a_time)]


def slow_first_fit(lengths: list[int], max_tokens: int) -> list[Row]:
    """First fit by looking at every row: the peer of `first_fit`, which must give the same."""
    rows: list[Row] = []
    room: list[int] = []
    for item, length in enumerate(lengths):
        row = next((number for number, free in enumerate(room) if free >= length), None)
        if row is None:
            row = len(rows)
            rows.append([])
            room.append(max_tokens)
        rows[row].append(item)
        room[row] -= length
    return rows


def useful(step: Step, plan: Plan, *, width: int | None) -> float:
    """Return the share of positions that hold a token; `width` is that of all rows, None: of each batch's longest."""
    positions = 0
    for batch in (batch for batches in plan for batch in batches):
        longest = max(sum(step.lengths[item] for item in row) for row in batch)
        positions += len(batch) * (longest if width is None else width)
    return sum(step.lengths) / positions


def imbalance(step: Step, plan: Plan) -> tuple[float, float]:
    """Return the operations of the dearest rank over the mean, per step and where ranks wait after every batch."""
    costs = [[sum(step.flops[item] for row in batch for item in row) for batch in batches] for batches in plan]
    mean = sum(step.flops) / len(plan)
    num_turns = max(len(of_rank) for of_rank in costs)
    turns = [max(of_rank[turn] if turn < len(of_rank) else 0.0 for of_rank in costs) for turn in range(num_turns)]
    return max(sum(of_rank) for of_rank in costs) / mean, sum(turns) / mean


def least_imbalance(step: Step, num_ranks: int) -> float:
    """Return what no sharing of whole samples goes below: of k * ranks + 1 samples, k + 1 are on one rank."""
    dearest = sorted(step.flops, reverse=True)
    mean = sum(dearest) / num_ranks
    bound = max(mean, dearest[0])
    for number in range(1, (len(dearest) - 1) // num_ranks + 1):
        place = number * num_ranks
        bound = max(bound, sum(dearest[place - number : place + 1]))
    return bound / mean


def full_rows(steps: list[Step], width: int) -> float:
    """Return the share of positions that hold a token in rows of exactly `width`."""
    return statistics.mean(sum(step.lengths) / (len(pack(step.lengths, width)) * width) for step in steps)


def most_useful(step: Step) -> float:
    """Return what no packing into full rows goes above (the bound L2 of Martello and Toth 1990 on their number)."""
    width, lengths = step.stage.max_tokens, np.array(step.lengths)
    least = math.ceil(lengths.sum() / width)
    for small in np.unique(lengths[lengths <= width // 2]).tolist() or [1]:
        alone = int((lengths > width - small).sum())
        large = lengths[(lengths <= width - small) & (lengths > width / 2)]
        rest = int(lengths[(lengths <= width / 2) & (lengths >= small)].sum())
        beyond = rest - (len(large) * width - int(large.sum()))
        least = max(least, alone + len(large) + max(0, math.ceil(beyond / width)))
    return float(lengths.sum() / (least * width))


def timed(work: Callable[[], object]) -> float:
    """Return the least seconds of three."""
    found = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)


PLANS: dict[str, tuple[Callable[[Step, int], Plan], bool]] = {
    "packed": (packed, False),
    "packed, one row at a time": (packed_one_by_one, False),
    "packed, all rows at once": (packed_at_once, False),
    "padded to the longest sequence": (one_a_row, True),
    "padded to each batch's longest": (one_a_row, False),
    "first fit in order": (in_order, False),
}
"""How a step is planned, and whether every row is as wide as the longest sequence."""


def measure_plan(steps: list[Step], name: str, num_ranks: int) -> dict[str, object]:
    """Measure one way to plan on so many ranks."""
    planned, to_longest = PLANS[name]
    stage = steps[0].stage
    plans = [planned(step, num_ranks) for step in steps]
    per_step, per_batch = zip(*map(imbalance, steps, plans), strict=True)
    width = stage.max_tokens if to_longest else None
    shares = [useful(step, plan, width=width) for step, plan in zip(steps, plans, strict=True)]
    line: dict[str, object] = {
        "ranks": num_ranks, "plan": name, "useful": statistics.mean(shares), "per_step": statistics.mean(per_step),
        "per_step_worst": max(per_step), "per_batch": statistics.mean(per_batch),
    }  # fmt: skip
    if planned is packed:
        seconds = statistics.median(timed(functools.partial(packed, step, num_ranks)) for step in steps)
        step_seconds = GPU_HOURS[stage.size][stage.name] * 3600 / num_ranks / stage.num_steps
        least = statistics.mean(least_imbalance(step, num_ranks) for step in steps)
        line |= {"least": least, "seconds": seconds, "of_a_step": seconds / step_seconds}
    return line


def measure(stage: PlmStage, ranks: list[int], num_steps: int, seed: int) -> dict[str, object]:
    """Measure one stage."""
    steps = [draw_step(stage, seed, number) for number in range(num_steps)]
    first, longest = steps[0], stage.max_tokens
    ordered = sorted(first.lengths, reverse=True)
    same = first_fit(ordered, longest) == slow_first_fit(ordered, longest)
    seconds = timed(lambda: first_fit(ordered, longest))
    found: dict[str, object] = {
        "stage": stage.name,
        "mean_tokens": statistics.mean(sum(step.lengths) / len(step.lengths) for step in steps),
        "mean_tokens_of_mix": mean_sample(stage).num_tokens,
        "row_tokens": longest,
        "rows_per_batch": first.at_a_time,
        "full_rows": {str(times): full_rows(steps, times * longest) for times in FULL_ROWS},
        "full_rows_at_most": statistics.mean(most_useful(step) for step in steps),
        "first_fit": {"seconds": seconds, "times": timed(lambda: slow_first_fit(ordered, longest)) / seconds,
                      "same": same},
    }  # fmt: skip
    lines = [measure_plan(steps, name, n) for n in ranks for name in PLANS]
    return found | {"plans": lines}


def report(found: list[dict[str, object]]) -> None:
    """Print a table a stage, and what is met."""
    for of_stage in found:
        speed = of_stage["first_fit"]
        longer = list(of_stage["full_rows"].items())[1:]
        print(
            f"\n{of_stage['stage']}: {of_stage['mean_tokens']:,.0f} tokens a sample, rows of {of_stage['row_tokens']:,}"
            f", {of_stage['rows_per_batch']} at a time\n"
            f"  full rows {of_stage['full_rows']['1']:.1%} useful, of at most {of_stage['full_rows_at_most']:.1%}"
            f"; of {', '.join(f'{times} times the length {share:.1%}' for times, share in longer)}\n"
            f"  first fit {1000 * speed['seconds']:.1f} ms, {speed['times']:.1f} times as fast as looking at every row,"
            f" {'the same' if speed['same'] else 'NOT THE SAME'}"
        )
        print(f"  {'ranks':>5}  {'':<32}{'useful':>7}  {'per step (worst)':>17}  {'per batch':>9}")
        for line in of_stage["plans"]:
            spread = f"{line['per_step']:.3f} ({line['per_step_worst']:.3f})"
            print(
                f"  {line['ranks']:>5}  {line['plan']:<32}{line['useful']:>7.1%}  {spread:>17}"
                f"  {line['per_batch']:>9.3f}"
            )
            if line["plan"] == "packed":
                print(
                    f"         useful, target {USEFUL:.0%}: {verdict(line['useful'] >= USEFUL)};"
                    f" per step, aim {EVEN}: {verdict(line['per_step'] <= EVEN)} (least possible {line['least']:.3f});"
                    f" planned in {1000 * line['seconds']:.0f} ms, {line['of_a_step']:.2%} of a step, target"
                    f" {PLANNING:.0%}: {verdict(line['of_a_step'] <= PLANNING)}"
                )


def verdict(met: bool) -> str:
    """Return the word."""
    return "met" if met else "missed"


def main() -> None:
    """Draw, plan, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=PLM_SIZES, default="plm_8b")
    parser.add_argument("--stage", choices=STAGES, action="append", help="only this one (may be repeated)")
    parser.add_argument("--ranks", type=int, nargs="+", default=[8, 128, 256])
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    stages = [plm_stage(options.size, name) for name in options.stage or STAGES]
    found = [measure(stage, options.ranks, options.steps, options.seed) for stage in stages]
    if options.json:
        print(json.dumps({"size": options.size, "steps": options.steps, "stages": found}, indent=1))
    else:
        report(found)


if __name__ == "__main__":
    main()
