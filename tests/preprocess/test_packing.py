"""First fit, padding, and every field of a packed row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perceptlm.batch import IGNORED_TARGET, Example
from perceptlm.errors import DataError
from perceptlm.preprocess.packing import NO_TAG, collate, first_fit, pack


def example(name: str, num_tokens: int, *, tag: str = "fgqa", num_pictures: int = 1, level: int = 0) -> Example:
    """A prefix of 2 tokens, then one branch whose last target is supervised."""
    targets = np.full(num_tokens, IGNORED_TARGET, np.int64)
    targets[-2] = 9
    tags = np.full(num_tokens, NO_TAG, np.int64)
    tags[-2] = 0
    return Example(
        ids=(name,),
        input_ids=np.arange(num_tokens) + 10,
        targets=targets,
        positions=np.arange(num_tokens),
        branch=(np.arange(num_tokens) >= 2).astype(np.int64),
        tag=tags,
        tags=(tag,),
        pictures=np.full((num_pictures, 3, 2, 2), level, np.uint8),
    )


@given(st.lists(st.integers(1, 50), max_size=30))
def test_first_fit_places_everything_once_and_overfills_nothing(lengths: list[int]) -> None:
    rows = first_fit(lengths, 50)
    assert sorted(item for row in rows for item in row) == list(range(len(lengths)))
    assert all(sum(lengths[item] for item in row) <= 50 for row in rows)
    assert all(row == sorted(row) for row in rows)


def test_first_fit_goes_back_to_the_first_row_with_room() -> None:
    assert first_fit([6, 6, 4, 3], 10) == [[0, 2], [1, 3]]


@given(st.lists(st.integers(1, 60), max_size=80))
def test_first_fit_is_that_of_looking_at_every_row(lengths: list[int]) -> None:
    rows: list[list[int]] = []
    room: list[int] = []
    for item, length in enumerate(lengths):
        row = next((number for number, free in enumerate(room) if free >= length), len(rows))
        if row == len(rows):
            rows.append([])
            room.append(50)
        rows[row].append(item)
        room[row] -= length
    assert first_fit(lengths, 50) == rows  # what is longer than a row has one of its own


def test_pack_takes_the_longest_first_and_equals_in_order() -> None:
    assert pack([3, 6, 4, 6, 1], 10) == [[1, 2], [3, 0, 4]]
    assert pack([], 10) == []


def test_a_packed_batch_field_by_field() -> None:
    examples = [
        example("a", 6, level=255),
        example("b", 6, tag="rcap", level=0, num_pictures=2),
        example("c", 4, tag="rcap", level=51),
    ]
    batch = collate(examples, max_tokens=10, pad_token_id=1, image_token_id=2)
    assert batch.ids == (("a",), ("c",), ("b",))
    assert batch.tags == ("fgqa", "rcap")
    assert batch.pictures_per_group == (1, 1, 2)
    assert batch.input_ids.tolist() == [
        [10, 11, 12, 13, 14, 15, 10, 11, 12, 13],
        [10, 11, 12, 13, 14, 15, 1, 1, 1, 1],
    ]
    assert batch.group.tolist() == [[0] * 6 + [1] * 4, [2] * 6 + [-1] * 4]
    assert batch.branch.tolist() == [[0, 0, 1, 1, 1, 1, 0, 0, 1, 1], [0, 0, 1, 1, 1, 1, 0, 0, 0, 0]]
    assert batch.positions.tolist() == [[0, 1, 2, 3, 4, 5, 0, 1, 2, 3], [0, 1, 2, 3, 4, 5, 0, 0, 0, 0]]
    assert (batch.targets == 9).nonzero().tolist() == [[0, 4], [0, 8], [1, 4]]
    assert batch.num_supervised == 3
    assert batch.tag[batch.targets == 9].tolist() == [0, 1, 1]
    assert (batch.tag[batch.targets != 9] == NO_TAG).all()
    # 255 -> 1, 51 -> -0.6, 0 -> -1, in the order of the groups
    assert batch.pictures[:, 0, 0, 0].tolist() == pytest.approx([1, -0.6, -1, -1])


def test_without_packing_each_example_has_its_row() -> None:
    batch = collate([example("a", 3), example("b", 5)], max_tokens=None, pad_token_id=1, image_token_id=2)
    assert batch.input_ids.shape == (2, 5)
    assert batch.ids == (("a",), ("b",))
    assert batch.input_ids[0].tolist() == [10, 11, 12, 1, 1]


def test_examples_without_pictures() -> None:
    batch = collate([example("a", 3, num_pictures=0)], max_tokens=None, pad_token_id=1, image_token_id=2)
    assert batch.pictures.shape == (0, 3, 2, 2)


def test_blank_examples_share_one_grey_picture_and_do_not_mix() -> None:
    blank = replace(example("a", 3, num_pictures=2), blank=True)
    batch = collate([blank, blank], max_tokens=None, pad_token_id=1, image_token_id=2)
    assert batch.pictures.shape == (4, 3, 2, 2)
    assert batch.pictures.stride(0) == 0
    assert not batch.pictures.any()
    with pytest.raises(ValueError, match="do not mix"):
        collate([blank, example("b", 3)], max_tokens=None, pad_token_id=1, image_token_id=2)


def test_packed_groups_do_not_see_each_other() -> None:
    batch = collate([example("a", 4), example("b", 4)], max_tokens=10, pad_token_id=1, image_token_id=2)
    mask = batch.attention_mask()[0]
    assert not mask[4:, :4].any()
    assert mask[7, 4:].all()


def test_an_example_longer_than_a_row_is_named() -> None:
    with pytest.raises(DataError, match="sample long: 12 tokens"):
        collate([example("a", 3), example("long", 12)], max_tokens=10, pad_token_id=1, image_token_id=2)
