"""Writing clips: the same bytes, playable by others, and clear refusals."""

import time
from fractions import Fraction

import av
import numpy as np
import pytest

from perceptlm.errors import MediaError, StorageError
from perceptlm.media.video import read_frames, write_video


@pytest.mark.parametrize("codec", ["h264", "mpeg4"])
def test_same_frames_give_the_same_bytes(tmp_path, moving, codec):
    frames = moving(20, 96, 64)
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, frames, 8, codec)
        time.sleep(1.1 if name == "a.mp4" else 0)  # a time of writing would show
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize(("codec", "name"), [("h264", "h264"), ("mpeg4", "mpeg4")])
def test_stream_is_what_players_expect(tmp_path, moving, codec, name):
    path = tmp_path / "clip.mp4"
    write_video(path, moving(70, 96, 64), Fraction(30000, 1001), codec, keyframe_interval=32)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == name
        assert (stream.codec_context.pix_fmt, stream.average_rate) == ("yuv420p", Fraction(30000, 1001))
        pictures = list(container.decode(stream))
    assert [number for number, picture in enumerate(pictures) if picture.key_frame] == [0, 32, 64]
    assert all(picture.pict_type != av.video.frame.PictureType.B for picture in pictures)


@pytest.mark.parametrize("codec", ["h264", "mpeg4"])
def test_better_quality_means_less_error_and_more_bytes(tmp_path, moving, codec):
    frames = moving(8, 96, 96)
    sizes, errors = [], []
    for quality in (2, 12, 30):
        path = tmp_path / f"{quality}.mp4"
        write_video(path, frames, 8, codec, quality=quality)
        sizes.append(path.stat().st_size)
        errors.append(np.abs(read_frames(path, range(8)).astype(int) - frames).mean())
    assert sizes == sorted(sizes, reverse=True)
    assert errors == sorted(errors)


def test_plain_colours_survive(tmp_path):
    colours = np.array([[255, 0, 0], [128, 128, 128], [255, 255, 255], [0, 0, 0], [10, 200, 90]], np.uint8)
    frames = np.repeat(np.repeat(colours[:, None, None], 32, axis=1), 32, axis=2)
    write_video(tmp_path / "flat.mp4", frames, 1, quality=5)
    assert np.abs(read_frames(tmp_path / "flat.mp4", range(5)).astype(int) - frames).max() <= 4


@pytest.mark.parametrize(
    ("shape", "rate", "options", "words"),
    [
        ((2, 63, 64, 3), 8, {}, "even width and height, got 64x63"),
        ((0, 64, 64, 3), 8, {}, "at least one frame"),
        ((2, 64, 64), 8, {}, r"must be \(T, H, W, 3\)"),
        ((2, 64, 64, 3), 0, {}, "frames_per_second 0"),
        ((2, 64, 64, 3), Fraction(1, 1 << 20), {}, "cannot be stored"),
        ((2, 64, 64, 3), 8, {"quality": 52}, r"quality 52 is not in 0\.\.51"),
        ((2, 64, 64, 3), 8, {"codec": "mpeg4", "quality": 0}, r"not in 1\.\.31"),
        ((2, 64, 64, 3), 8, {"codec": "vp10"}, "unknown codec 'vp10'"),
        ((2, 64, 64, 3), 8, {"keyframe_interval": 0}, "keyframe_interval"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, shape, rate, options, words):
    path = tmp_path / "clip.mp4"
    with pytest.raises(MediaError, match=words) as caught:
        write_video(path, np.zeros(shape, np.uint8), rate, **options)
    assert str(path) in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_refused_by_the_disk(tmp_path, moving):
    path = tmp_path / "nowhere" / "clip.mp4"
    with pytest.raises(StorageError, match=r"clip\.mp4: the video cannot be written"):
        write_video(path, moving(2, 32, 32), 8)


def test_failed_write_leaves_the_old_file(tmp_path, moving, monkeypatch):
    path = tmp_path / "clip.mp4"
    write_video(path, moving(2, 32, 32), 8)
    before = path.read_bytes()

    def refuse(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("perceptlm.media.write_video._encode", refuse)
    with pytest.raises(StorageError, match="No space left"):
        write_video(path, moving(4, 32, 32), 8)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
