"""Files that are not what they should be: one clear MediaError naming the file, and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perceptlm.errors import MediaError
from perceptlm.media.image import read_image, write_png
from perceptlm.media.limits import MediaLimits
from perceptlm.media.open import open_media
from perceptlm.media.video import Video

SMALL = MediaLimits(max_pixels=1 << 20, max_frames=1000, max_read_bytes=1 << 26)


def refusal(path: Path, **options) -> str:
    with pytest.raises(MediaError) as caught:
        Video(path, **options)
    assert caught.value.message.startswith(f"{path}: ")
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"this is no video at all, just words\n" * 50, "is not a video"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nclip.mp4\n#EXT-X-ENDLIST\n", "is not a video"),
        (b"ffconcat version 1.0\nfile clip.mp4\n", "is not a video"),
        (bytes(4096), "is not a video"),
    ],
)
def test_non_videos(encode, tmp_path, content, words):
    encode("clip.mp4")
    path = tmp_path / "strange.mp4"
    path.write_bytes(content)
    assert words in refusal(path)


def test_missing_directory_and_sound(tmp_path, sound_only):
    assert "no such file" in refusal(tmp_path / "nowhere.mp4")
    assert "is a directory" in refusal(tmp_path)
    assert "only sound" in refusal(sound_only)


def test_no_pictures(encode):
    path = encode("none.avi", codec="mpeg4", num_frames=1)
    # A stream whose only chunk of data is gone: a header, and no picture.
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"movi") + 4])
    assert refusal(path)
    assert "no picture" in refusal(path, allow_partial=True)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cut.avi", {"codec": "mpeg4"}),
        ("cut.mkv", {}),
        ("cut.webm", {"codec": "libvpx"}),
        ("cut.mp4", {"container_options": {"movflags": "faststart"}}),
    ],
)
def test_truncated_files_are_refused_or_read_in_part(encode, name, options):
    path = encode(name, num_frames=100, **options)
    whole = Video(path).frames(range(100))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    assert refusal_on_the_way(path)
    partial = Video(path, allow_partial=True)
    assert 20 < partial.table.num_frames < 90
    np.testing.assert_array_equal(partial.frames([0, 15]), whole[[0, 15]])
    np.testing.assert_array_equal(partial.frames([0, 15]), Video(path, allow_partial=True).frames([0, 15]))


def refusal_on_the_way(path: Path) -> bool:
    with pytest.raises(MediaError, match=f"{path.name}: "):
        Video(path).frames([0, 99])
    return True


def test_truncated_without_an_index_cannot_be_read(encode):
    path = encode("cut.mp4")
    path.write_bytes(path.read_bytes()[:-400])
    assert "is not a video that can be read" in refusal(path)
    assert refusal(path, allow_partial=True)


def test_damaged_picture_is_named_only_when_met(encode):
    path = encode("hole.mp4", num_frames=40, gop=10, options={"x264-params": "scenecut=0"})
    whole = Video(path).frames(range(40))
    with av.open(str(path)) as container:
        hit = [packet for packet in container.demux() if packet.pts is not None][14]
        position, size, first_lost = hit.pos, hit.size, 14
    content = bytearray(path.read_bytes())
    content[position : position + size] = b"\xff" * size
    path.write_bytes(content)
    damaged = Video(path)
    with pytest.raises(MediaError, match=rf"hole\.mp4: picture {first_lost} cannot be decoded"):
        damaged.frames(range(40))
    np.testing.assert_array_equal(damaged.frames([0, 13, 35]), whole[[0, 13, 35]])
    partial = Video(path, allow_partial=True)
    assert (partial.num_damaged, partial.table.num_frames) == (1, 39)


def test_turned_by_an_odd_angle_is_refused(encode):
    assert "neither a quarter turn nor a mirroring" in refusal(encode("odd.mp4", rotation=30))


FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
CHANGES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=30)


@FUZZ
@given(changes=CHANGES, cut=st.none() | st.integers(0, 10**6), partial=st.booleans())
@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi", "clip.webm", "clip.gif"])
def test_corrupted_videos_decode_or_raise_media_error(fuzz_sources, tmp_path, name, changes, cut, partial):
    path = tmp_path / name
    path.write_bytes(corrupted(fuzz_sources[name], changes, cut))
    with media_errors_allowed(path):
        open_media(path)
        video = Video(path, limits=SMALL, allow_partial=partial)
        assert video.frames([0, video.table.num_frames - 1]).shape[0] == 2


@FUZZ
@given(changes=CHANGES, cut=st.none() | st.integers(0, 10**6))
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tiff", "a.webp", "a.bmp"])
def test_corrupted_images_decode_or_raise_media_error(fuzz_sources, tmp_path, name, changes, cut):
    path = tmp_path / name
    path.write_bytes(corrupted(fuzz_sources[name], changes, cut))
    with media_errors_allowed(path):
        open_media(path)
        assert read_image(path, limits=SMALL).ndim == 3


def test_what_the_corruption_starts_from_decodes(fuzz_sources, tmp_path):
    for name, content in fuzz_sources.items():
        path = tmp_path / name
        path.write_bytes(content)
        if open_media(path) == "video":
            assert Video(path, limits=SMALL).frames([0, 7]).shape == (2, 32, 32, 3)
        else:
            assert read_image(path, limits=SMALL).shape == (20, 24, 3)


@contextmanager
def media_errors_allowed(path: Path) -> Iterator[None]:
    try:
        yield
    except MediaError as error:
        named = error.message.startswith(f"{path}: ")
        if not named:
            raise


def corrupted(content: bytes, changes: list[tuple[int, int]], cut: int | None) -> bytes:
    changed = bytearray(content)
    for position, value in changes:
        changed[position % len(changed)] = value
    return bytes(changed if cut is None else changed[: cut % len(changed)])


@pytest.fixture
def fuzz_sources(encode, moving, tmp_path) -> dict[str, bytes]:
    from PIL import Image

    small = {"num_frames": 8, "size": (32, 32)}
    paths = [
        encode("clip.mp4", b_frames=2, **small),
        encode("clip.avi", codec="mpeg4", **small),
        encode("clip.webm", codec="libvpx", **small),
        encode("clip.gif", codec="gif", pixel_format="rgb8", **small),
    ]
    picture = moving(1, 24, 20)[0]
    write_png(tmp_path / "a.png", picture)
    for suffix in ("jpg", "tiff", "webp", "bmp"):
        Image.fromarray(picture).save(tmp_path / f"a.{suffix}", exif=Image.Exif())
    paths += [tmp_path / f"a.{suffix}" for suffix in ("png", "jpg", "tiff", "webp", "bmp")]
    return {path.name: path.read_bytes() for path in paths}
