"""Training speed beside `transformers` PerceptionLM (the peer), step by step in turns, in one run.

    python benchmarks/training_speed.py [--size starter] [--work mixed] [--repeats 3] [--threads 2] [--json]

Both have the same weights, samples, dtype (bf16 by autocast), optimiser (AdamW, fused) and threads; all parts train.
Ours packs the samples of a micro-batch into one row; the peer pads their texts to the longest and is given all tiles
together. `batch of one` is the peer with one sample at a time, gradients added up, so that it pads nothing (first
repeat only). Before that both must give the same loss of the same samples, unpacked, in fp32. A useful token is one
that is not padding. Seconds are the clock's; those of cpu time, of all threads together, are told beside them, because
they depend less on what else a shared machine does. Each repeat draws other samples. Rates are medians; of the ratio
of medians and the median of ratios the smaller one counts.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import time
from typing import Any

import torch
from training_peer import (
    SIZES,
    Contender,
    Size,
    make_examples,
    our_batch,
    our_loss,
    our_model,
    peer_inputs,
    peer_loss,
    peer_model,
    size,
)

from perceptlm.batch import Example
from perceptlm.train.throughput import batch_flops, measured_peak

TARGETS = {"mixed": 2.5, "equal": 1.5}
UTILISATION_TARGET = 0.45
LOSS_TOLERANCE = 1e-4
_PARTS: Any = ("vision_encoder", "projector", "decoder")


def check_losses(ours: Contender, peer: Contender, examples: list[Example]) -> float:
    """Return the relative difference of the two losses in fp32, unpacked; SystemExit if it is too large."""
    num_targets = sum(example.num_supervised for example in examples)
    with torch.no_grad():
        found = [
            float(ours.total_loss(our_batch(examples, 0))) / num_targets,
            float(peer.total_loss(peer_inputs(examples))) / num_targets,
        ]
    difference = abs(found[0] / found[1] - 1)
    if difference > LOSS_TOLERANCE:
        raise SystemExit(f"losses differ: {found[0]} and {found[1]}; there is nothing to compare")
    return difference


def measure(shape: Size, work: str, repeats: int, contenders: dict[str, Contender]) -> list[dict[str, Any]]:
    """Do a step with each contender in every repeat; return seconds, seconds of all threads and losses."""
    rows = []
    for repeat in range(repeats):
        examples = make_examples(shape, work, seed=repeat + 1)
        num_targets = sum(example.num_supervised for example in examples)
        batch = our_batch(examples, None)
        parts = {"ours": [batch], "peer": [peer_inputs(examples)]}
        parts["batch of one"] = [peer_inputs([example]) for example in examples]
        row: dict[str, Any] = {
            "num_useful": sum(example.num_tokens for example in examples),
            "num_padded": parts["peer"][0]["input_ids"].numel(),
            "num_pictures": sum(len(example.pictures) for example in examples),
            "flops": batch_flops(shape.config, _PARTS, batch),
        }
        for name, contender in contenders.items():
            if name == "batch of one" and repeat:
                continue
            gc.collect()
            row[name] = dict(
                zip(("loss", "seconds", "cpu_seconds"), contender.step(parts[name], num_targets), strict=True)
            )
        rows.append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)  # a run that is broken off has told what it found
    return rows


def cpu_peak() -> float:
    """Return the operations of bf16 matrix products per second of cpu time, the best of four:
    unlike the peak by the clock it does not depend on what else the machine does."""
    side = 1024
    left = torch.ones(side, side, dtype=torch.bfloat16)
    best = float("inf")
    for _ in range(4):
        began = time.process_time()
        torch.mm(left, left)
        best = min(best, time.process_time() - began)
    return 2.0 * side**3 / best


def summary(rows: list[dict[str, Any]], names: list[str], peak: float) -> dict[str, Any]:
    """Return rates and ratios over the repeats."""
    found: dict[str, Any] = {}
    for name in names:
        for kind in ("seconds", "cpu_seconds"):
            rates = [row["num_useful"] / row[name][kind] for row in rows if name in row]
            found[f"{name}: tokens per {kind[:-1]}"] = statistics.median(rates)
    for name in names[1:]:
        for kind, label in (("seconds", "ratio"), ("cpu_seconds", "ratio of cpu time")):
            each = [row[name][kind] / row["ours"][kind] for row in rows if name in row]
            of_medians = found[f"ours: tokens per {kind[:-1]}"] / found[f"{name}: tokens per {kind[:-1]}"]
            if len(each) < len(rows):
                of_medians = each[0]
            found[f"{label}, ours / {name}"] = min(of_medians, statistics.median(each))
            found[f"{label}, ours / {name}, from"] = min(each)
            found[f"{label}, ours / {name}, to"] = max(each)
    for name in names[:2]:
        done = [row["flops"] / row[name]["seconds"] for row in rows]
        found[f"{name}: utilisation"] = statistics.median(done) / peak
        done = [row["flops"] / row[name]["cpu_seconds"] for row in rows]
        found[f"{name}: utilisation of cpu time"] = statistics.median(done) / cpu_peak()
    found["useful share of the peer's places"] = sum(r["num_useful"] for r in rows) / sum(r["num_padded"] for r in rows)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, measure, print; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description="Training speed beside transformers.")
    parser.add_argument("--size", default="starter", choices=SIZES)
    parser.add_argument("--work", default="mixed", choices=sorted(TARGETS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--precision", default="bf16", choices=("bf16", "fp32"), help="of both")
    parser.add_argument("--attention", default="sdpa", choices=("sdpa", "eager"), help="the peer's, in its decoder")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    shape = size(options.size)
    our = our_model(shape.config)
    their = peer_model(our, options.attention).to(device)
    our = our.to(device)
    ours = Contender(our, our_loss(our), options.precision)
    peer = Contender(their, peer_loss(their), options.precision)
    difference = check_losses(ours, peer, make_examples(shape, options.work, seed=0)[:2])
    peak = measured_peak(device, options.threads)
    contenders = {"ours": ours, "peer": peer}
    if options.work == "mixed":
        contenders["batch of one"] = peer
    for name in ("ours", "peer"):  # moments are made and kernels chosen in the first step
        warm_up = make_examples(shape, options.work, seed=0)[:1]
        parts: list[Any] = [our_batch(warm_up, None) if name == "ours" else peer_inputs(warm_up)]
        contenders[name].step(parts, warm_up[0].num_supervised)
    rows = measure(shape, options.work, options.repeats, contenders)
    found = {"relative difference of losses": difference, "peak GFLOP/s": max(peak, measured_peak.__wrapped__(
        device, options.threads)) / 1e9, "load": os.getloadavg()[0]}  # fmt: skip
    found |= summary(rows, list(contenders), found["peak GFLOP/s"] * 1e9)
    met = report_targets(options, found)
    if options.json:
        print(json.dumps({"found": found, "rows": rows, "met": met}))
    else:
        for name, value in found.items():
            print(f"{name:<44}{value:>14,.4g}")
        print("\n".join(f"{name}: {'met' if value else 'MISSED'}" for name, value in met.items()))
    return int(not all(met.values()))


def report_targets(options: argparse.Namespace, found: dict[str, Any]) -> dict[str, bool]:
    """Return which targets are met."""
    target = TARGETS[options.work]
    met = {f"{target} times the peer's useful tokens per second": found["ratio, ours / peer"] >= target}
    if options.size == "plm_1b_slice" and options.work == "equal":
        met[f"{UTILISATION_TARGET:.0%} of the peak of bf16 products"] = found["ours: utilisation"] >= UTILISATION_TARGET
    return met


if __name__ == "__main__":
    raise SystemExit(main())
