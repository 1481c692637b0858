"""Evaluating a model directory of ours: loading what `eval` only knows as a client, under a fixed thread count.

Weights are loaded in the precision in which answers come faster: bf16 on a GPU and on processors with tiles for it.
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
from perceptlm.machine import fastest_precision
from perceptlm.model.device import best_device
from perceptlm.pretrained import LoadedModel, load
from perceptlm.train.trainer import deterministic

NUM_THREADS = 2
"""Fixed, because sums, and so greedy answers, depend on it in the last bit."""
_BATCH_SIZE = 128
"""Answers written side by side."""


def local_client(directory: Path) -> LocalClient:
    """Return a model directory as a client, such as a judge's."""
    return LocalClient(_load(directory), batch_size=_BATCH_SIZE)


def _load(directory: Path) -> LoadedModel:
    device = best_device().type
    is_bf16 = device != "cpu" or fastest_precision() == "bf16"
    return load(directory, device=device, dtype="bfloat16" if is_bf16 else "float32")


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
    with deterministic(NUM_THREADS):
        client = LocalClient(_load(model), batch_size=_BATCH_SIZE)
        blind_client = None
        if blind is not None:
            # It is shown the mid grey that it was trained on; anything else would make it seem worse than it is.
            blind_client = LocalClient(_load(blind), batch_size=_BATCH_SIZE, blind="zero")
        return evaluate(
            client,
            data,
            out,
            settings,
            clients={} if blind_client is None else {"trained_blind": blind_client},
            inputs=inputs,
            **options,
        )
