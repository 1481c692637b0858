"""Peak memory of a training step beside `transformers` PerceptionLM (the peer), each in a fresh process.

    python benchmarks/training_memory.py [--size starter] [--work mixed] [--recompute none] [--repeats 1] [--json]

Weights, samples, dtype, optimiser and threads are the same (benchmarks/training_peer.py). Before the step that is
measured parameters, gradients and moments are there and what the allocator holds free is given back; what counts is by
how much the largest resident size goes beyond that while loss, gradients and update are made: activations, logits, bf16
copies of weights, work space. On a GPU the allocator's own count is taken. Needs Linux where there is no GPU.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn
from training_peer import (
    SIZES,
    Contender,
    make_examples,
    our_batch,
    our_loss,
    our_model,
    peer_inputs,
    peer_loss,
    peer_model,
    size,
)

from perceptlm.train.recompute import recompute

TARGET = 0.7
LOSS_TOLERANCE = 0.01
"""Of the two processes, in bf16; benchmarks/training_speed.py checks fp32 to 1e-4."""


def resident(kind: str) -> int:
    """Return the bytes that /proc says are resident: `VmRSS` now, `VmHWM` at most since it was reset."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("this measure needs Linux, or a GPU")


def measure_one(options: argparse.Namespace) -> dict[str, Any]:
    """Do one step of the contender that is asked for, in this process."""
    torch.set_num_threads(options.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    shape = size(options.size)
    examples = make_examples(shape, options.work, seed=1)
    num_targets = sum(example.num_supervised for example in examples)
    model: nn.Module = our_model(shape.config)
    if options.contender == "ours":
        recompute(model, options.recompute)
        contender = Contender(model.to(device), our_loss(model))
        part: Any = our_batch(examples, None)
    else:
        model = peer_model(model, "sdpa").to(device)
        contender = Contender(model, peer_loss(model))
        part = peer_inputs(examples)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    contender.optimiser.step()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    else:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = resident("VmRSS")
    loss = contender.backward([part], num_targets)
    contender.optimiser.step()
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else resident("VmHWM")
    state = sum(4 * parameter.nbytes for parameter in model.parameters())
    return {"loss": loss, "state_bytes": state, "before_bytes": before, "beyond_bytes": peak - before}


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, start a process for each contender and repeat, print; 1 if the target is missed."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(description="Peak memory of a training step beside transformers.")
    parser.add_argument("--size", default="starter", choices=SIZES)
    parser.add_argument("--work", default="mixed", choices=("equal", "mixed"))
    parser.add_argument("--recompute", default="none", choices=("none", "selective", "full"), help="ours")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--contender", choices=("ours", "peer"), help=argparse.SUPPRESS)
    options = parser.parse_args(given)
    if options.contender:
        print(json.dumps(measure_one(options)))
        return 0
    found: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": []}
    for _ in range(options.repeats):
        for name, runs in found.items():
            command = [sys.executable, __file__, *given, "--contender", name]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(done.stderr[-2000:])
            runs.append(json.loads(done.stdout.splitlines()[-1]))
    losses = [runs[0]["loss"] for runs in found.values()]
    if abs(losses[0] / losses[1] - 1) > LOSS_TOLERANCE:
        raise SystemExit(f"losses differ: {losses}; there is nothing to compare")
    medians = {name: statistics.median(run["beyond_bytes"] for run in runs) for name, runs in found.items()}
    ratio = medians["ours"] / medians["peer"]
    if options.json:
        print(json.dumps({"found": found, "ratio": ratio, "met": ratio <= TARGET}))
    else:
        for name, value in medians.items():
            print(f"{name}: {value / 2**20:,.0f} MiB beyond {found[name][0]['state_bytes'] / 2**20:,.0f} MiB of state")
        print(f"ours / peer: {ratio:.3f} (target {TARGET}: {'met' if ratio <= TARGET else 'MISSED'})")
    return int(ratio > TARGET)


if __name__ == "__main__":
    raise SystemExit(main())
