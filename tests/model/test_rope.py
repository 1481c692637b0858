import math

import pytest
import torch

from perceptlm.model import DecoderConfig, RopeScaling
from perceptlm.model.rope import decoder_frequencies, decoder_turns, rotate, vision_turns


def config(head_dim: int, scaling: RopeScaling | None) -> DecoderConfig:
    return DecoderConfig(
        vocab_size=8, width=8, num_layers=1, num_heads=1, num_kv_heads=1, head_dim=head_dim, mlp_width=8,
        max_positions=64, rope_theta=500000.0, rope_scaling=scaling,
    )  # fmt: skip


LLAMA_3_2 = RopeScaling(factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_positions=8192)


@pytest.mark.parametrize(
    ("head_dim", "scaling", "expected"),
    [
        (
            64,
            LLAMA_3_2,
            {
                0: 1.0,
                13: 4.839421e-3,
                14: 3.211446e-3,
                15: 1.290548e-3,
                16: 4.295568e-4,
                17: 9.708288e-5,
                31: 9.418307e-8,
            },
        ),
        (128, LLAMA_3_2, {28: 3.211446e-3, 30: 1.290548e-3, 32: 4.295568e-4, 63: 7.672315e-8}),
        (128, None, {32: 1.414214e-3, 63: 2.455141e-6}),
    ],
)
def test_frequencies_of_the_released_sizes(head_dim, scaling, expected):
    found = decoder_frequencies(config(head_dim, scaling))
    for index, value in expected.items():
        assert float(found[index]) == pytest.approx(value, rel=2e-6)


def test_rotated_products_depend_on_distance_only():
    x = torch.randn(1, 2, 1, 64, generator=torch.Generator().manual_seed(0))

    def product(first: int, second: int) -> torch.Tensor:
        turned = rotate(x, decoder_turns(config(64, None), torch.tensor([[first, second]])))
        return (turned[0, 0, 0] * turned[0, 1, 0]).sum()

    torch.testing.assert_close(product(3, 8), product(40, 45), rtol=1e-4, atol=1e-5)
    assert abs(product(3, 8) - product(3, 9)) > 1e-3


def test_vision_turns_have_x_first_and_leaves_the_cls_token():
    with_cls = vision_turns(8, 2, 3, True, torch.device("cpu"))
    assert with_cls.shape == (7, 1, 4)
    torch.testing.assert_close(with_cls[0].angle(), torch.zeros(1, 4))
    # Patch (row 1, column 2) follows the cls token at 1 + 1 * 3 + 2; positions count from 1.
    torch.testing.assert_close(with_cls[6, 0].angle(), torch.tensor([3.0, 3.0 / 100, 2.0, 2.0 / 100]))
    without = vision_turns(8, 2, 3, False, torch.device("cpu"))
    torch.testing.assert_close(without[5, 0].angle(), torch.tensor([2.0, 2.0 / 100, 1.0, 1.0 / 100]))


def test_rotation_turns_neighbouring_channels():
    x = torch.tensor([[[1.0, 0.0, 0.0, 2.0]]])
    quarter = torch.polar(torch.ones(1, 1, 2), torch.full((1, 1, 2), math.pi / 2))
    torch.testing.assert_close(rotate(x, quarter), torch.tensor([[[0.0, 1.0, -2.0, 0.0]]]))
    assert rotate(x.bfloat16(), quarter).dtype == torch.float32
