"""Contact sheets: every frame whole and unaltered in its cell, captions below, the same pixels every time."""

from fractions import Fraction

import numpy as np
import pytest

from perceptlm.media.contact_sheet import contact_sheet, frame_captions


def contains(sheet: np.ndarray, frame: np.ndarray) -> bool:
    windows = np.lib.stride_tricks.sliding_window_view(sheet, frame.shape)[:, :, 0]
    return bool((windows.reshape(*windows.shape[:2], -1) == frame.reshape(-1)).all(axis=-1).any())


def test_every_frame_is_there_and_nothing_changes_between_calls(moving):
    frames = moving(5, 24, 16)
    sheet = contact_sheet(frames, columns=3, title="a clip")
    assert sheet.dtype == np.uint8
    assert all(contains(sheet, frame) for frame in frames)
    np.testing.assert_array_equal(sheet, contact_sheet(frames, columns=3, title="a clip"))
    assert (contact_sheet(frames, columns=3, title="another") != sheet).any()


def test_layout(moving):
    one = contact_sheet(moving(1, 24, 16))
    row = contact_sheet(moving(4, 24, 16), columns=4)
    column = contact_sheet(moving(4, 24, 16), columns=1)
    assert one.shape[0] == row.shape[0] < column.shape[0]
    assert one.shape[1] == column.shape[1] < row.shape[1]
    assert contact_sheet(moving(1, 24, 16), cell_width=96).shape[1] == one.shape[1] + 72
    assert contact_sheet(moving(1, 96, 64), cell_width=24).shape[:2] == one.shape[:2]


def test_captions_show_and_stay_in_their_cells(moving):
    frames = moving(2, 60, 16)
    plain = contact_sheet(frames, captions=["", ""])
    captioned = contact_sheet(frames, captions=["x" * 500 + "\n\x00", "#7"])
    assert captioned.shape == plain.shape
    changed = (captioned != plain).any(axis=(0, 2))
    assert changed[6:66].any()
    assert not changed[:6].any()
    assert not changed[66:72].any()


def test_caption_texts():
    assert frame_captions([0, 12], [Fraction(0), Fraction(12, 25)]) == ["#0 0.00s", "#12 0.48s"]


def test_bad_arguments(moving):
    frames = moving(2, 16, 16)
    with pytest.raises(ValueError, match="2 frames but 1 captions"):
        contact_sheet(frames, captions=["a"])
    with pytest.raises(ValueError, match="at least one frame"):
        contact_sheet(frames[:0])
    with pytest.raises(ValueError, match="must be positive"):
        contact_sheet(frames, columns=0)
