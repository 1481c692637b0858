"""batch: token counts that must agree, and the mask against its definition in words."""

import dataclasses

import numpy as np
import pytest
import torch

from perceptlm.batch import IGNORED_TARGET, Batch, Example, VisionLayout
from perceptlm.errors import ConfigError, LayoutError

IMAGE = 7


def a_batch(input_ids, group, branch, num_pictures, **changes):
    ids = torch.tensor(input_ids)
    zeros = torch.zeros_like(ids)
    values = {
        "input_ids": ids,
        "targets": torch.full_like(ids, IGNORED_TARGET),
        "positions": zeros,
        "group": torch.tensor(group),
        "branch": torch.tensor(branch),
        "tag": zeros,
        "pictures": torch.zeros(sum(num_pictures), 3, 2, 2),
        "image_token_id": IMAGE,
        "tags": (),
        "ids": tuple((f"s{number}",) for number in range(len(num_pictures))),
        "pictures_per_group": tuple(num_pictures),
        **changes,
    }
    return Batch(**values)


@pytest.mark.parametrize(
    ("tile", "patch", "pooling", "tokens"), [(448, 14, 2, 256), (448, 14, 1, 1024), (96, 16, 2, 9), (32, 16, 1, 4)]
)
def test_tokens_of_a_picture(tile, patch, pooling, tokens):
    layout = VisionLayout(tile_size=tile, patch_size=patch, pooling_ratio=pooling)
    assert layout.tokens_per_picture == tokens
    assert layout.num_tokens(5) == 5 * tokens


@pytest.mark.parametrize(("tile", "patch", "pooling"), [(448, 15, 1), (96, 16, 4), (0, 1, 1), (8, 0, 1), (8, 4, 0)])
def test_sizes_that_do_not_divide_are_refused(tile, patch, pooling):
    with pytest.raises(ConfigError):
        VisionLayout(tile_size=tile, patch_size=patch, pooling_ratio=pooling)


def test_the_mask_equals_its_definition():
    random = np.random.Generator(np.random.PCG64(0))
    for _ in range(20):
        num_rows, length = 2, 12
        group = np.sort(random.integers(-1, 3, (num_rows, length)), axis=1)[:, ::-1].copy()
        branch = random.integers(0, 4, (num_rows, length))
        batch = a_batch(np.zeros((num_rows, length), dtype=np.int64).tolist(), group.tolist(), branch.tolist(), [])
        mask = batch.attention_mask()
        assert (mask.shape, mask.dtype) == ((num_rows, length, length), torch.bool)
        for b, q, k in np.ndindex(num_rows, length, length):
            sees = (
                group[b, q] >= 0
                and k <= q
                and group[b, k] == group[b, q]
                and (branch[b, k] == 0 or branch[b, k] == branch[b, q])
            )
            assert bool(mask[b, q, k]) == (sees or q == k)


def test_every_query_sees_something():
    batch = a_batch([[1, 2, 0, 0]], [[0, 0, -1, -1]], [[0, 0, 0, 0]], [])
    assert bool(batch.attention_mask().any(dim=2).all())


def test_counts_that_agree_pass():
    a_batch([[IMAGE, IMAGE, 1, IMAGE, IMAGE]], [[0, 0, 0, 1, 1]], [[0] * 5], [1, 1]).check(2)


def test_a_placeholder_too_few_names_the_sample_and_both_counts():
    batch = a_batch([[IMAGE, IMAGE, 1, IMAGE, 1]], [[0, 0, 0, 1, 1]], [[0] * 5], [1, 1])
    with pytest.raises(LayoutError, match=r"sample s1: 1 image placeholders but 1 pictures x 2 = 2 vision tokens"):
        batch.check(2)


def test_pictures_that_were_not_announced_are_refused():
    batch = a_batch([[IMAGE, IMAGE]], [[0, 0]], [[0, 0]], [1], pictures=torch.zeros(2, 3, 2, 2))
    with pytest.raises(LayoutError, match="2 pictures given, 1 announced"):
        batch.check(2)


def test_supervised_targets_are_counted():
    targets = np.array([IGNORED_TARGET, 5, 0, IGNORED_TARGET])
    zeros = np.zeros(4, dtype=np.int64)
    example = Example(("a",), zeros, targets, zeros, zeros, zeros, (), np.zeros((0, 3, 2, 2), dtype=np.uint8))
    assert (example.num_tokens, example.num_supervised) == (4, 2)
    batch = a_batch([[1, 2]], [[0, 0]], [[0, 0]], [], targets=torch.tensor([[IGNORED_TARGET, 3]]))
    assert batch.num_supervised == 1


def test_moving_keeps_every_field():
    batch = a_batch([[IMAGE, 1]], [[0, 0]], [[0, 0]], [1], tags=("fgqa",))
    moved = batch.to("meta")
    for field in dataclasses.fields(Batch):
        before, after = getattr(batch, field.name), getattr(moved, field.name)
        if isinstance(before, torch.Tensor):
            assert (after.shape, after.dtype, after.device.type) == (before.shape, before.dtype, "meta")
        else:
            assert after == before
