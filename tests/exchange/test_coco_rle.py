from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from perceptlm.errors import DataError
from perceptlm.exchange.coco_rle import box_of_rle, decode_rle, encode_rle


def independent_decode(text: str, height: int, width: int) -> list[list[int]]:
    """A second reading of the format: characters -> base-32 numbers -> running differences -> columns."""
    numbers, digits = [], []
    for character in text:
        digits.append(ord(character) - 48)
        if digits[-1] < 32:
            value = sum((digit % 32) * 32**power for power, digit in enumerate(digits))
            numbers.append(value - 32 ** len(digits) if digits[-1] % 32 >= 16 else value)
            digits = []
    for place in range(3, len(numbers)):
        numbers[place] += numbers[place - 2]
    column_major = [place % 2 for place, number in enumerate(numbers) for _ in range(number)]
    return [[column_major[x * height + y] for x in range(width)] for y in range(height)]


@given(st_numpy.arrays(np.bool_, st.tuples(st.integers(1, 20), st.integers(1, 20))))
def test_every_mask_is_read_back_by_both_readers(mask: np.ndarray) -> None:
    text = encode_rle(mask)
    assert np.array_equal(decode_rle(text, *mask.shape), mask)
    assert independent_decode(text, *mask.shape) == mask.astype(int).tolist()
    rows, columns = np.nonzero(mask)
    around = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else None
    assert box_of_rle(text, *mask.shape) == around


def test_long_runs_and_a_worked_example() -> None:
    mask = np.zeros((96, 96), np.bool_)
    mask[40:60, 30:70] = True
    assert np.array_equal(decode_rle(encode_rle(mask), 96, 96), mask)
    # One row of 6: runs 0x2, 1x3, 0x1 -> characters '2', '3', '1'.
    assert encode_rle(np.array([[0, 0, 1, 1, 1, 0]], np.bool_)) == "231"
    assert encode_rle(np.ones((2, 2), np.bool_)) == "04"


@pytest.mark.parametrize("text", ["", "231\x00", "2", "2o", "99999"])
def test_text_that_does_not_fill_the_mask_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        decode_rle(text, 1, 6)
