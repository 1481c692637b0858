"""The loss of many tokens over a large vocabulary, without ever holding their logits together.

Logits are made some rows at a time, and what the gradient needs is made of them at once: rows times width and
vocabulary times width are kept instead of rows times vocabulary, and no product is made twice. Knows no batches and no
tags.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_NUM_LOGITS = 2**25
"""That are there at a time: in bf16 and fp32 together about 200 MB."""


def token_losses(hidden: Tensor, output: Tensor, targets: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the sum of the negative log-likelihoods of `targets` (S,), and each of them (S,) without a graph.

    hidden (S, D) times `output` (vocabulary, D) are the logits, computed in `dtype`; losses are in fp32 at least.
    """
    total, losses = _TokenLosses.apply(hidden, output, targets, dtype)  # type: ignore[no-untyped-call]
    return total, losses


def each_token_loss(hidden: Tensor, output: Tensor, targets: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the negative log-likelihood of each of `targets` (S,), as `token_losses` does, with a graph to `hidden`.

    `output` must be frozen: its gradient would need the logits again.
    """
    if torch.is_grad_enabled() and output.requires_grad:
        raise ValueError("losses of single tokens have no gradient for the matrix that makes logits")
    losses: Tensor = _EachTokenLoss.apply(hidden, output, targets, dtype)  # type: ignore[no-untyped-call]
    return losses


class _TokenLosses(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, output: Tensor, targets: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        of_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        of_output = torch.zeros_like(output) if ctx.needs_input_grad[1] else None
        losses = _in_pieces(hidden, output, targets, dtype, of_hidden, of_output)
        ctx.save_for_backward(of_hidden, of_output)
        ctx.mark_non_differentiable(losses)
        return losses.sum(), losses

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        of_hidden, of_output = ctx.saved_tensors
        factor = grad_outputs[0]
        return (
            None if of_hidden is None else of_hidden * factor.to(of_hidden.dtype),
            # Not needed again: a second pass would find it multiplied, and is refused by autograd.
            None if of_output is None else of_output.mul_(factor.to(of_output.dtype)),
            None,
            None,
        )


class _EachTokenLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, output: Tensor, targets: Tensor, dtype: torch.dtype) -> Tensor:
        of_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        losses = _in_pieces(hidden, output, targets, dtype, of_hidden, None)
        ctx.save_for_backward(of_hidden)
        return losses

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, None, None, None]:
        (of_hidden,) = ctx.saved_tensors
        factors = grad_outputs[0][:, None]
        return None if of_hidden is None else of_hidden * factors.to(of_hidden.dtype), None, None, None


def _in_pieces(
    hidden: Tensor,
    output: Tensor,
    targets: Tensor,
    dtype: torch.dtype,
    of_hidden: Tensor | None,
    of_output: Tensor | None,
) -> Tensor:
    """Return the loss of each target (S,); fill in the gradients of their sum that are asked for, `of_output` zeros."""
    wide = torch.promote_types(dtype, torch.float32)
    losses = torch.empty(len(targets), dtype=wide, device=hidden.device)
    num_rows = max(1, _NUM_LOGITS // len(output))
    with torch.autocast(hidden.device.type, enabled=False):
        matrix = output.to(dtype)
        for start in range(0, len(targets), num_rows):
            rows = slice(start, start + num_rows)
            narrow, wanted = hidden[rows].to(dtype), targets[rows, None]
            logits = functional.linear(narrow, matrix).to(wide)
            log_sums = logits.logsumexp(dim=-1, keepdim=True)
            losses[rows] = (log_sums - logits.gather(1, wanted))[:, 0]
            if of_hidden is None and of_output is None:
                continue
            # The gradient of a loss by its logits: probabilities, less one for the target.
            errors = logits.sub_(log_sums).exp_()
            errors.scatter_add_(1, wanted, errors.new_full(wanted.shape, -1.0))
            errors = errors.to(dtype)
            if of_hidden is not None:
                of_hidden[rows] = errors @ matrix
            if of_output is not None:
                of_output += errors.T @ narrow
    return losses
