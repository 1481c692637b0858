"""Evaluating a model directory of ours: loading what `eval` only knows as a client, under a fixed thread count.

Weights are loaded in bf16, the precision of training's matrix products, in which answers come faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from perceptlm.artifact import MANIFEST
from perceptlm.eval.datasets import EvalData
from perceptlm.eval.runner import evaluate
from perceptlm.eval.settings import EvalSettings
from perceptlm.inference.client import LocalClient
from perceptlm.model.device import best_device
from perceptlm.pretrained import load
from perceptlm.train.trainer import deterministic

NUM_THREADS = 2
"""Fixed, because sums, and so greedy answers, depend on it in the last bit."""
_BATCH_SIZE = 128
"""Answers written side by side."""


def local_client(directory: Path) -> LocalClient:
    """Return a model directory as a client, such as a judge's, in bf16."""
    return LocalClient(load(directory, device=best_device().type, dtype="bfloat16"), batch_size=_BATCH_SIZE)


def evaluate_local(
    out: Path,
    settings: EvalSettings,
    *,
    data: Path | Sequence[EvalData],
    model: Path,
    blind: Path | None = None,
    **options: Any,
) -> Path:
    """Publish the evaluation of `model`; `blind`, trained without pixels, answers the variant `trained_blind`.

    `options` are those of `eval.runner.evaluate`.
    """
    # A model directory that no plm command wrote has no manifest; its identity then names it by its weights.
    named = (("model", model), ("blind_model", blind))
    inputs = {name: path for name, path in named if path is not None and (path / MANIFEST).is_file()}
    device = best_device().type
    with deterministic(NUM_THREADS):
        client = LocalClient(load(model, device=device, dtype="bfloat16"), batch_size=_BATCH_SIZE)
        blind_client = None
        if blind is not None:
            # It is shown the mid grey that it was trained on; anything else would make it seem worse than it is.
            loaded = load(blind, device=device, dtype="bfloat16")
            blind_client = LocalClient(loaded, batch_size=_BATCH_SIZE, blind="zero")
        return evaluate(
            client,
            data,
            out,
            settings,
            clients={} if blind_client is None else {"trained_blind": blind_client},
            inputs=inputs,
            **options,
        )
