"""What is computed again is what was computed: losses and gradients are the same to the last bit, for less memory."""

from __future__ import annotations

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from perceptlm.batch import Batch
from perceptlm.model import PerceptionLM
from perceptlm.model.presets import tiny
from perceptlm.train.recompute import recompute


def batch() -> Batch:
    length = 3 * 16 + 40
    ids = torch.cat([torch.full((48,), 5), torch.arange(10, 50)])[None]
    targets = torch.full((1, length), -100)
    targets[0, -20:] = 7
    zeros = torch.zeros(1, length, dtype=torch.long)
    return Batch(
        input_ids=ids, targets=targets, positions=torch.arange(length)[None], group=zeros, branch=zeros, tag=zeros,
        pictures=torch.rand(3, 3, 96, 96, generator=torch.Generator().manual_seed(0)), image_token_id=5, tags=("t",),
        ids=(("a",),), pictures_per_group=(3,),
    )  # fmt: skip


def kept_and_gradients(how: str) -> tuple[int, float, list[torch.Tensor]]:
    model = PerceptionLM(tiny(300, 5))
    model.initialise(0)
    recompute(model, how)  # type: ignore[arg-type]
    kept = 0

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += tensor.numel() * tensor.element_size()
        return tensor

    with torch.autocast("cpu", torch.bfloat16), saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model.loss(batch()).total
    loss.backward()
    return (
        kept,
        float(loss.detach()),
        [parameter.grad for parameter in model.parameters() if parameter.grad is not None],
    )


@pytest.mark.parametrize("how", ["selective", "full"])
def test_results_are_the_same_and_less_is_kept(how: str) -> None:
    expected_kept, expected_loss, expected = kept_and_gradients("none")
    kept, loss, gradients = kept_and_gradients(how)
    assert loss == expected_loss
    assert len(gradients) == len(expected)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(gradients, expected, strict=True))
    assert kept < 0.5 * expected_kept
