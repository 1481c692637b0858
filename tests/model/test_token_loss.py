"""The loss made piece by piece is the loss, and so is its gradient."""

import pytest
import torch
from torch.nn import functional

from perceptlm.model import token_loss
from perceptlm.model.token_loss import each_token_loss, token_losses

NUM_TOKENS, WIDTH, VOCABULARY = 11, 6, 17


@pytest.fixture
def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    hidden = torch.randn(NUM_TOKENS, WIDTH, dtype=torch.float64, generator=random, requires_grad=True)
    output = torch.randn(VOCABULARY, WIDTH, dtype=torch.float64, generator=random, requires_grad=True)
    return hidden, output, torch.randint(VOCABULARY, (NUM_TOKENS,), generator=random)


@pytest.mark.parametrize("num_rows", [1, 4, 11, 100])
def test_values_and_gradients_are_those_of_cross_entropy(inputs, num_rows, monkeypatch):
    monkeypatch.setattr(token_loss, "_NUM_LOGITS", num_rows * VOCABULARY)
    hidden, output, targets = inputs
    total, losses = token_losses(hidden, output, targets, torch.float64)
    expected = functional.cross_entropy(hidden @ output.T, targets, reduction="none")
    torch.testing.assert_close(losses, expected, rtol=0, atol=1e-12)
    assert not losses.requires_grad
    found = torch.autograd.grad(total / 7, (hidden, output))
    wanted = torch.autograd.grad(expected.sum() / 7, (hidden, output))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("num_rows", [1, 4, 100])
def test_each_loss_has_a_gradient_of_its_own(inputs, num_rows, monkeypatch):
    monkeypatch.setattr(token_loss, "_NUM_LOGITS", num_rows * VOCABULARY)
    hidden, output, targets = inputs
    weights = torch.arange(NUM_TOKENS, dtype=torch.float64) - 4.5
    losses = each_token_loss(hidden, output.detach(), targets, torch.float64)
    expected = functional.cross_entropy(hidden @ output.T.detach(), targets, reduction="none")
    torch.testing.assert_close(losses, expected, rtol=0, atol=1e-12)
    found = torch.autograd.grad((weights * losses).sum().sin(), hidden)
    wanted = torch.autograd.grad((weights * expected).sum().sin(), hidden)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="no gradient for the matrix that makes logits"):
        each_token_loss(hidden, output, targets, torch.float64)
    with torch.no_grad():
        assert torch.equal(each_token_loss(hidden, output, targets, torch.float64), losses)


def test_what_is_frozen_gets_no_gradient(inputs):
    hidden, output, targets = inputs
    total, _ = token_losses(hidden, output.detach(), targets, torch.float64)
    (found,) = torch.autograd.grad(total, (hidden,))
    assert found.abs().sum() > 0
    with torch.no_grad():
        assert not token_losses(hidden, output, targets, torch.float64)[0].requires_grad


def test_a_gradient_cannot_be_asked_for_twice(inputs):
    hidden, output, targets = inputs
    total, _ = token_losses(hidden, output, targets, torch.float64)
    total.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


def test_products_are_in_the_type_asked_for_and_losses_wide(inputs):
    hidden, output, targets = (x.float() if x.is_floating_point() else x for x in inputs)
    with torch.autocast("cpu", torch.bfloat16):
        total, losses = token_losses(hidden, output, targets, torch.bfloat16)
    assert total.dtype == losses.dtype == torch.float32
    logits = (hidden.bfloat16() @ output.bfloat16().T).float()
    torch.testing.assert_close(total, functional.cross_entropy(logits, targets, reduction="sum"))
