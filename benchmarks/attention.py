"""Our attention on a CPU (fp32 within) beside torch's fused kernel in bf16 (the peer), forward and backward in one run.

    python benchmarks/attention.py

Shapes are those of the tiny model's decoder and vision encoder. Prints medians of alternating runs and ratios.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from perceptlm.model.attention import attend

NUM_REPEATS = 9
SHAPES = {"decoder": (8, 360, 3, 64), "vision encoder": (64, 65, 2, 64)}
"""(B, T, H, d)"""


def fused(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Torch's fused kernel on the same arguments as `attend`."""
    turned = (x.transpose(1, 2) for x in (queries, keys, values))
    return functional.scaled_dot_product_attention(*turned, attn_mask=mask).transpose(1, 2).flatten(2)


def seconds_of(function: Callable[..., Tensor], inputs: list[Tensor], mask: Tensor) -> float:
    """Return the seconds of one forward and backward pass."""
    began = time.perf_counter()
    function(*inputs, mask).sum().backward()
    return time.perf_counter() - began


def main() -> None:
    """Measure each shape, alternating between the two, and print the ratios."""
    for name, (batch, length, heads, dim) in SHAPES.items():
        inputs = [torch.randn(batch, length, heads, dim, dtype=torch.bfloat16, requires_grad=True) for _ in range(3)]
        mask = torch.zeros(batch, 1, length, length, dtype=torch.bfloat16)
        mask.masked_fill_(torch.ones(length, length, dtype=torch.bool).triu(1), float("-inf"))
        times: dict[str, list[float]] = {"ours": [], "fused": []}
        for repeat in range(NUM_REPEATS + 1):
            for which, function in (("ours", attend), ("fused", fused)):
                spent = seconds_of(function, inputs, mask)
                if repeat:  # the first round warms up
                    times[which].append(spent)
        medians = {which: statistics.median(values) for which, values in times.items()}
        print(f"{name}: fused / ours = {medians['fused'] / medians['ours']:.2f}")


if __name__ == "__main__":
    main()
