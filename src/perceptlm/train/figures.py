"""What the record of a step, or of a look at held-out data, says of losses. Loads no torch: `status` reads it too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PREFERENCE_FIGURES = ("total_loss", "preference_loss", "preference_accuracy", "preference_margin", "num_pairs")
"""That a record has only where pairs of answers are learnt from; the middle three only where it had pairs."""


def loss_of(record: Mapping[str, Any]) -> float:
    """Return the loss that decides: all that is minimised, which with pairs of answers is more than `loss`."""
    return float(record.get("total_loss", record["loss"]))


def preference_of(record: Mapping[str, Any]) -> dict[str, float]:
    """Return what the record says of pairs of answers."""
    return {name: record[name] for name in PREFERENCE_FIGURES if name in record}
