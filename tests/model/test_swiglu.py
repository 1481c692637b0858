import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional

from perceptlm.model.swiglu import swiglu


def plain(gate_up: torch.Tensor) -> torch.Tensor:
    gate, up = gate_up.chunk(2, dim=-1)
    return functional.silu(gate) * up


def test_values_and_gradients_are_those_of_the_formula():
    gate_up = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(swiglu(gate_up), plain(gate_up))
    assert torch.autograd.gradcheck(swiglu, gate_up)


def test_in_bf16_the_bits_are_those_of_autograd_and_only_the_input_is_kept():
    gate_up = torch.randn(40, 64, generator=torch.Generator().manual_seed(0)).bfloat16().requires_grad_()
    grad = torch.randn(40, 32, generator=torch.Generator().manual_seed(1)).bfloat16()
    kept: list[torch.Tensor] = []
    with saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        found = swiglu(gate_up)
    assert [tensor.shape for tensor in kept] == [gate_up.shape]
    expected = plain(gate_up)
    assert torch.equal(found, expected)
    assert torch.equal(*(torch.autograd.grad(output, gate_up, grad)[0] for output in (found, expected)))
