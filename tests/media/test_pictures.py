"""What a Sample's media become: the right frames, boxes where they belong, and no file but the dataset's own."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from perceptlm.errors import DataError, MediaError
from perceptlm.media.image import write_png
from perceptlm.media.pictures import check_media, load_pictures, pictures_key, resolve_media_path
from perceptlm.media.sampling import FrameChoice
from perceptlm.media.video import write_video
from perceptlm.schema import BoxTrack, MediaRef, Origin, Sample, TextAnswer, Turn

VIDEO = MediaRef(kind="video", path="clip.mp4", width=48, height=32, num_frames=6)
IMAGE = MediaRef(kind="image", path="image.png", width=20, height=10)
BOX = (4.0, 4.0, 40.0, 28.0)

show = partial(load_pictures, choice="uniform")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    levels = np.arange(6, dtype=np.uint8) * 40
    write_video(tmp_path / "clip.mp4", np.broadcast_to(levels[:, None, None, None], (6, 32, 48, 3)).copy(), 8)
    write_png(tmp_path / "image.png", np.full((10, 20, 3), 7, np.uint8))
    return tmp_path


def sample(*media: MediaRef, boxes: dict[int, tuple[float, float, float, float]] | None = None) -> Sample:
    return Sample(
        id="s",
        task="video_qa",
        split="train",
        media=media,
        turns=(Turn(role="user", text="q"), Turn(role="assistant", text="a")),
        answer=TextAnswer(text="a"),
        origin=Origin(kind="program", name="test", revision="1", licence="CC0-1.0"),
        cluster="c",
        template="t",
        dimension="what",
        regions=() if boxes is None else (BoxTrack(subject="it", boxes=boxes),),
    )


def test_frames_are_spread_evenly_and_named(root: Path) -> None:
    loaded = show(sample(VIDEO), root, num_frames=3)
    assert loaded.source_indices == (0, 2, 5)
    assert [item.kind for item in loaded.media] == ["video"]
    assert [float(picture.mean()) for picture in loaded.pictures] == pytest.approx([0, 80, 200], abs=4)
    assert loaded.pictures[0].shape == (32, 48, 3)


def test_a_short_video_is_shown_whole(root: Path) -> None:
    assert show(sample(VIDEO), root, num_frames=32).source_indices == (0, 1, 2, 3, 4, 5)


@pytest.mark.parametrize("choice", ["uniform", "one_per_second"])
def test_of_a_clip_only_its_own_frames_are_shown(root: Path, choice: FrameChoice) -> None:
    """Frames 2 to 4 of 6; a box of frame 4 is that of the file's frame 4, and one of frame 0 is not shown."""
    values = VIDEO.to_dict() | {"frames_per_second": "8", "start_seconds": "0.25", "end_seconds": "0.5"}
    clip = MediaRef.model_validate(values)
    loaded = load_pictures(sample(clip, boxes={0: BOX, 4: BOX}), root, num_frames=2, choice=choice)
    assert loaded.source_indices == (2, 4)
    assert [bool((picture == (255, 0, 0)).all(axis=2).any()) for picture in loaded.pictures] == [False, True]
    assert float(loaded.pictures[0].mean()) == pytest.approx(80, abs=4)
    keys = [VIDEO, clip, clip.model_copy(update={"end_seconds": None}), VIDEO.model_copy(update={"frame_step": 2})]
    assert len({pictures_key(sample(item)) for item in keys}) == 4


def test_boxes_are_red_on_their_own_frames_only(root: Path) -> None:
    pictures = show(sample(VIDEO, boxes={0: BOX, 3: BOX, 5: BOX}), root, num_frames=3).pictures
    reds = [(picture == (255, 0, 0)).all(axis=2) for picture in pictures]
    assert [bool(red.any()) for red in reds] == [True, False, True]
    # one pixel wide on a picture of 32 rows
    assert reds[0][4, 4:41].all()
    assert not reds[0][5:28, 5:40].any()


def test_images_and_no_media(root: Path) -> None:
    loaded = show(sample(IMAGE, IMAGE), root, num_frames=3)
    assert [picture.shape for picture in loaded.pictures] == [(10, 20, 3), (10, 20, 3)]
    assert loaded.source_indices == (0,)
    assert show(sample(), root, num_frames=3).media == ()
    boxed = show(sample(IMAGE, boxes={0: (2, 2, 15, 8)}), root, num_frames=3)
    assert boxed.pictures[0][2, 2].tolist() == [255, 0, 0]


def test_what_one_sample_cannot_hold(root: Path) -> None:
    with pytest.raises(DataError, match="sample s: one video, or images only"):
        show(sample(VIDEO, IMAGE), root, num_frames=3)
    with pytest.raises(DataError, match="sample s: regions need exactly one"):
        show(sample(IMAGE, IMAGE, boxes={0: BOX}), root, num_frames=3)


@pytest.mark.parametrize("change", [{"width": 50}, {"height": 30}, {"num_frames": 7}])
@pytest.mark.parametrize("media", [VIDEO, IMAGE])
def test_a_file_that_is_not_what_the_record_says(root: Path, media: MediaRef, change: dict[str, int]) -> None:
    with pytest.raises(MediaError, match=rf"{media.path}: holds .*, but its record says"):
        show(sample(media.model_copy(update=change)), root, num_frames=3)


def test_no_path_leaves_the_root(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.png").write_bytes(b"secret")
    (root / "link.png").symlink_to(outside / "secret.png")
    (root / "folder").symlink_to(outside)
    (root / "loop.png").symlink_to(root / "loop.png")
    (root / "inner.png").symlink_to(root / "image.png")
    for path in ("link.png", "folder/secret.png", "../outside0/secret.png", "/etc/hostname"):
        with pytest.raises(MediaError, match="leads outside"):
            resolve_media_path(root, path)
    with pytest.raises(MediaError, match=r"loop\.png"):
        resolve_media_path(root, "loop.png")
    with pytest.raises(MediaError, match="there is no such file"):
        resolve_media_path(root, "absent.png")
    assert resolve_media_path(root, "inner.png") == (root / "image.png").resolve()


def test_keys_are_equal_when_pictures_are() -> None:
    assert pictures_key(sample(VIDEO)) == pictures_key(sample(VIDEO))
    different = [sample(VIDEO), sample(IMAGE), sample(VIDEO, boxes={0: BOX}), sample(VIDEO, boxes={1: BOX})]
    assert len({pictures_key(item) for item in different}) == 4


def test_media_are_checked_against_their_record(root: Path) -> None:
    check_media(VIDEO, root)
    check_media(IMAGE, root)
    with pytest.raises(MediaError, match=r"clip\.mp4: holds 6 picture\(s\) of 48x32, but its record says 7"):
        check_media(VIDEO.model_copy(update={"num_frames": 7}), root)
    with pytest.raises(MediaError, match=r"image\.png: holds 1 picture\(s\) of 20x10, but its record says 1 .* 20x11"):
        check_media(IMAGE.model_copy(update={"height": 11}), root)
    (root / "clip.mp4").write_bytes((root / "clip.mp4").read_bytes()[:200])
    with pytest.raises(MediaError, match=r"clip\.mp4"):
        check_media(VIDEO, root)
