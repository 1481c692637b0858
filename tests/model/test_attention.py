import pytest
import torch
from torch import Tensor

from perceptlm.model.attention import attend
from perceptlm.model.segments import additive_mask


def by_hand(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """The formula, head by head."""
    shared = queries.shape[2] // keys.shape[2]
    found = []
    for head in range(queries.shape[2]):
        scores = queries[:, :, head] @ keys[:, :, head // shared].mT / queries.shape[-1] ** 0.5
        weights = (scores if mask is None else scores + mask[:, 0]).softmax(dim=-1)
        found.append(weights @ values[:, :, head // shared])
    return torch.cat(found, dim=-1)


@pytest.mark.parametrize("num_kv_heads", [1, 2, 4])
@pytest.mark.parametrize("masked", [True, False])
def test_values_and_gradients_are_those_of_the_formula(num_kv_heads, masked):
    random = torch.Generator().manual_seed(0)
    queries = torch.randn(2, 5, 4, 8, generator=random, requires_grad=True)
    keys, values = (torch.randn(2, 7, num_kv_heads, 8, generator=random, requires_grad=True) for _ in range(2))
    visible = (torch.rand(2, 5, 7, generator=random) > 0.4) | torch.eye(5, 7, dtype=torch.bool)
    mask = additive_mask(visible, torch.float32) if masked else None
    found = [implementation(queries, keys, values, mask) for implementation in (attend, by_hand)]
    assert found[0].shape == (2, 5, 32)
    torch.testing.assert_close(found[0], found[1])
    grad = torch.randn(2, 5, 32, generator=random)
    gradients = [torch.autograd.grad(output, (queries, keys, values), grad) for output in found]
    torch.testing.assert_close(gradients[0], gradients[1])


def test_on_a_cpu_products_are_wide_whatever_autocast_says_and_the_result_is_as_the_values():
    random = torch.Generator().manual_seed(0)
    queries, keys = (torch.randn(1, 6, 2, 8, generator=random) for _ in range(2))
    values = torch.randn(1, 6, 2, 8, generator=random).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = attend(queries, keys, values)
    assert torch.equal(found, by_hand(queries, keys, values.float(), None).bfloat16())


def test_heads_that_share_keys_are_consecutive():
    queries = torch.zeros(1, 1, 4, 2)
    keys = torch.zeros(1, 3, 2, 2)
    values = torch.stack([torch.full((1, 3, 2), 1.0), torch.full((1, 3, 2), 2.0)], dim=2)
    assert attend(queries, keys, values).flatten().tolist() == [1, 1, 1, 1, 2, 2, 2, 2]
