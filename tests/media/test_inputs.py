"""What a caller hands in, as a model is shown it."""

from fractions import Fraction

import numpy as np
import pytest

from perceptlm.errors import DataError, MediaError
from perceptlm.media.image import write_png
from perceptlm.media.inputs import image_input, video_input
from perceptlm.media.write_video import write_video
from perceptlm.schema import BoxTrack, Mask, Masklet

FRAMES = np.broadcast_to((np.arange(40, dtype=np.uint8) * 6)[:, None, None, None], (40, 32, 48, 3)).copy()


def box(place, frame=0):
    return BoxTrack(subject="it", boxes={frame: place})


def test_files_and_arrays_are_shown_alike(tmp_path):
    write_png(tmp_path / "a.png", FRAMES[7])
    assert (image_input(tmp_path / "a.png").pictures[0] == image_input(FRAMES[7]).pictures[0]).all()
    write_video(tmp_path / "a.mp4", FRAMES, 8)
    read, given = video_input(str(tmp_path / "a.mp4"), 5), video_input(FRAMES, 5)
    assert np.abs(np.stack(read.pictures).astype(int) - np.stack(given.pictures)).max() < 6
    assert [int(picture[0, 0, 0]) // 6 for picture in given.pictures] == [0, 10, 20, 29, 39]


def test_one_frame_a_second(tmp_path):
    write_video(tmp_path / "a.mp4", FRAMES, Fraction(8))
    shown = video_input(tmp_path / "a.mp4", 4, "one_per_second").pictures
    # 0, 8, 16, 24, 32: thinned to four
    assert [round(float(picture.mean()) / 6) for picture in shown] == [0, 8, 24, 32]


def test_regions_are_drawn_on_the_frames_they_belong_to():
    shown = video_input(FRAMES, 5, regions=[box((4, 4, 20, 20), frame=20)]).pictures
    assert [bool((picture == (255, 0, 0)).all(axis=-1).any()) for picture in shown] == [
        False,
        False,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ([box((1, 1, 9, 9)), box((48, 0, 60, 9))], "region 1: box of frame 0 is outside the 48x32 picture"),
        ([box((-9, 0, 0, 9))], "region 0: box of frame 0 is outside"),
        ([Masklet(subject="it", masks={0: Mask(size=(48, 32), counts="")})], "mask of frame 0 is of 32x48"),
    ],
)
def test_regions_that_are_not_of_the_picture(regions, message):
    with pytest.raises(DataError, match=message):
        image_input(FRAMES[0], regions)


@pytest.mark.parametrize(
    "picture",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_arrays_that_are_no_pictures(picture):
    with pytest.raises(DataError, match=r"a picture must be \(H, W, 3\) uint8"):
        image_input(picture)
    with pytest.raises(DataError, match="a picture must be"):
        video_input([picture], 4)


def test_frames_of_two_sizes_are_no_video():
    with pytest.raises(DataError, match="frames of one video differ in size"):
        video_input([FRAMES[0], FRAMES[1][:9]], 2)


def test_a_video_of_no_frames(tmp_path):
    with pytest.raises(DataError, match="a video of no frames"):
        video_input([], 4)
    with pytest.raises(MediaError, match=r"nothing\.mp4"):
        video_input(tmp_path / "nothing.mp4", 4)
