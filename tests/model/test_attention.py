import pytest
import torch

from perceptlm.model import attention
from perceptlm.model.plm import additive_mask


@pytest.mark.parametrize("num_kv_heads", [1, 2, 4])
@pytest.mark.parametrize("masked", [True, False])
def test_both_implementations_agree_in_values_and_gradients(num_kv_heads, masked):
    random = torch.Generator().manual_seed(0)
    queries = torch.randn(2, 5, 4, 8, generator=random, requires_grad=True)
    keys, values = (torch.randn(2, 7, num_kv_heads, 8, generator=random, requires_grad=True) for _ in range(2))
    visible = (torch.rand(2, 5, 7, generator=random) > 0.4) | torch.eye(5, 7, dtype=torch.bool)
    mask = additive_mask(visible, torch.float32) if masked else None
    found = [
        implementation(queries, keys, values, mask)
        for implementation in (attention._attend_by_parts, attention._attend_fused)
    ]
    assert found[0].shape == (2, 5, 32)
    torch.testing.assert_close(found[0], found[1])
    grad = torch.randn(2, 5, 32, generator=random)
    gradients = [torch.autograd.grad(output, (queries, keys, values), grad) for output in found]
    torch.testing.assert_close(gradients[0], gradients[1])


def test_heads_that_share_keys_are_consecutive():
    queries = torch.zeros(1, 1, 4, 2)
    keys = torch.zeros(1, 3, 2, 2)
    values = torch.stack([torch.full((1, 3, 2), 1.0), torch.full((1, 3, 2), 2.0)], dim=2)
    assert attention.attend(queries, keys, values).flatten().tolist() == [1, 1, 1, 1, 2, 2, 2, 2]
