"""Display matrices: quarter turns and mirrorings move pixels, others are refused."""

import struct

import numpy as np
import pytest

from perceptlm.media.orientation import parse_display_matrix

PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def matrix(a: int, b: int, c: int, d: int) -> bytes:
    return struct.pack("=9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ((1, 0, 0, 1), PIXELS),
        ((0, 1, -1, 0), np.rot90(PIXELS, -1)),  # a phone held upright: shown turned clockwise
        ((-1, 0, 0, -1), np.rot90(PIXELS, 2)),
        ((0, -1, 1, 0), np.rot90(PIXELS, 1)),
        ((-1, 0, 0, 1), PIXELS[:, ::-1]),
        ((1, 0, 0, -1), PIXELS[::-1]),
        ((0, 1, 1, 0), PIXELS.transpose(1, 0, 2)),
        ((0, -1, -1, 0), PIXELS.transpose(1, 0, 2)[::-1, ::-1]),
    ],
)
def test_axis_aligned(entries, expected):
    orientation = parse_display_matrix(matrix(*entries))
    shown = orientation.apply(PIXELS)
    np.testing.assert_array_equal(shown, expected)
    assert orientation.size(3, 2) == (shown.shape[1], shown.shape[0])


@pytest.mark.parametrize("data", [matrix(1, 1, -1, 1), matrix(0, 0, 0, 0), b"short"])
def test_others(data):
    with pytest.raises(ValueError, match=r"matrix|quarter turn"):
        parse_display_matrix(data)
