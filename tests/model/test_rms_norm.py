import torch
from torch.nn import functional

from perceptlm.model.rms_norm import RMSNorm


def test_values_and_gradients_equal_the_definition():
    norm = RMSNorm(8, 1e-5)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(8, generator=random))
    x = torch.randn(3, 5, 8, generator=random, requires_grad=True)
    grad = torch.randn(3, 5, 8, generator=random)
    expected = functional.rms_norm(x, (8,), norm.weight, 1e-5)
    torch.testing.assert_close(norm(x), expected)
    found = torch.autograd.grad(norm(x), (x, norm.weight), grad)
    torch.testing.assert_close(found, torch.autograd.grad(expected, (x, norm.weight), grad))


def test_half_precision_is_computed_in_fp32():
    norm = RMSNorm(8, 1e-5).to(torch.bfloat16)
    torch.nn.init.ones_(norm.weight)
    x = torch.full((1, 8), 300.0, dtype=torch.bfloat16)
    assert norm(x).dtype == torch.bfloat16
    torch.testing.assert_close(norm(x).float(), torch.ones(1, 8))
    with torch.autocast("cpu", torch.bfloat16):
        assert norm(x.float()).dtype == torch.bfloat16
