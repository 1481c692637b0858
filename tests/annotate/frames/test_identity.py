"""Frame identities: equal for equal tables, other for other ones, and never for broken files."""

from __future__ import annotations

import io
import json
import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from frame_corpus import CASES, CorpusVideo, numbered, read_number, truncated
from PIL import Image
from pydantic import ValidationError

from perceptlm.annotate.frames import pictures as pictures_module
from perceptlm.annotate.frames.identity import FrameIdentity, identify
from perceptlm.annotate.frames.pictures import PictureService, encode_picture
from perceptlm.annotate.frames.proxy import make_proxy, shown_size
from perceptlm.annotate.frames.rate import COMMON_RATES, constant_rate, loaders_frame, middle_seconds
from perceptlm.errors import MediaError, StorageError
from perceptlm.media.image import write_png
from perceptlm.media.write_video import write_video


def test_identity_says_what_decoding_gives(frame_corpus: dict[str, CorpusVideo]) -> None:
    for video in frame_corpus.values():
        identity = identify(video.path)
        with av.open(str(video.path)) as container:
            times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
        assert [identity.time(n) for n in range(identity.num_frames)] == times
        assert (identity.width, identity.height) == video.size
        assert "PyAV" in identity.decoder
    assert identify(frame_corpus["rotated-90.mp4"].path).rotation == 270  # 90 counter-clockwise
    assert identify(frame_corpus["rotated-180.mp4"].path).rotation == 180


def test_hash_is_of_the_table_alone(frame_corpus: dict[str, CorpusVideo]) -> None:
    identity = identify(frame_corpus["cfr-29.97.mp4"].path)
    assert json.loads(identity.canonical_bytes)["time_base"] == [1, 30000]
    assert FrameIdentity.model_validate_json(identity.model_dump_json()).frame_table_hash == identity.frame_table_hash
    other = identity.model_copy(update={"decoder": "another"})
    assert FrameIdentity.model_validate(other.to_dict()).frame_table_hash == identity.frame_table_hash
    for change in ({"pts": (*identity.pts[:-1], identity.pts[-1] + 1)}, {"width": 98}, {"rotation": 90}):
        changed = FrameIdentity.model_validate(identity.to_dict() | change)
        assert changed.frame_table_hash != identity.frame_table_hash
    hashes = {identify(video.path).frame_table_hash for video in frame_corpus.values()}
    assert len(hashes) > len(CASES) // 2


def test_wrong_tables_are_refused() -> None:
    values = {"kind": "video", "time_base": (1, 25), "pts": (0, 1), "duration": 2, "width": 4, "height": 4,
              "rotation": 0, "mirrored": False, "decoder": "x"}  # fmt: skip
    FrameIdentity.model_validate(values)
    for change in ({"pts": (1, 0)}, {"pts": ()}, {"time_base": (0, 1)}, {"rotation": 45}, {"num_frames": 2}):
        with pytest.raises(ValidationError):
            FrameIdentity.model_validate(values | change)


def test_images_have_one_picture(tmp_path: Path) -> None:
    picture = numbered(7, 33, 21)
    write_png(tmp_path / "still.png", picture)
    identity = identify(tmp_path / "still.png")
    assert (identity.kind, identity.num_frames, identity.width, identity.height) == ("image", 1, 33, 21)
    service = PictureService()
    assert service.picture(tmp_path / "still.png", 0) == encode_picture(picture)
    with pytest.raises(MediaError, match="has no picture 1, only 0 to 0"):
        service.picture(tmp_path / "still.png", 1)
    record = make_proxy(tmp_path / "still.png", tmp_path / "proxy.webm")
    assert (record.num_frames, record.width, record.height, record.shown_width) == (1, 34, 22, 33)
    assert read_number(service.pixels(tmp_path / "proxy.webm", 0)[:21, :33]) == 7


def test_broken_files_are_named(tmp_path: Path, frame_corpus: dict[str, CorpusVideo]) -> None:
    path = truncated(tmp_path)
    for read in (identify, lambda path: PictureService().picture(path, 0)):
        with pytest.raises(MediaError, match=r"truncated\.mp4: .*earlier than it announces|cannot be"):
            read(path)
    with pytest.raises(MediaError):
        make_proxy(path, tmp_path / "proxy.webm")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["truncated.mp4"]
    with pytest.raises(MediaError, match="has no picture 40, only 0 to 39"):
        PictureService().picture(frame_corpus["b-frames.mp4"].path, 40)
    with pytest.raises(MediaError, match="no such file"):
        identify(tmp_path / "none.mp4")
    (tmp_path / "text.svg").write_text("<svg/>")
    with pytest.raises(MediaError, match="neither an image nor a video"):
        identify(tmp_path / "text.svg")
    with pytest.raises(StorageError):
        make_proxy(frame_corpus["b-frames.mp4"].path, tmp_path / "missing" / "proxy.webm")


def test_damage_in_the_middle_spares_the_pictures_before(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (24, 64, 96, 3)).astype(np.uint8)
    write_video(tmp_path / "noise.mp4", frames, 25, keyframe_interval=1, quality=20)
    content = bytearray((tmp_path / "noise.mp4").read_bytes())
    place = len(content) // 2
    content[place : place + 3000] = b"\xff" * 3000
    (tmp_path / "noise.mp4").write_bytes(content)
    service = PictureService()
    refused = []
    for number in range(24):
        try:
            service.picture(tmp_path / "noise.mp4", number)
        except MediaError as error:
            refused.append(number if "noise.mp4: picture" in error.message else error.message)
    assert refused == list(range(refused[0], 24))  # the damaged one, and those that are reached through it
    assert 8 < refused[0] < 14
    with pytest.raises(MediaError):  # a proxy reads every picture, so it is where an upload is found to be damaged
        make_proxy(tmp_path / "noise.mp4", tmp_path / "proxy.webm")


def test_memory_is_bounded_and_threads_agree(
    frame_corpus: dict[str, CorpusVideo], monkeypatch: pytest.MonkeyPatch
) -> None:
    videos = [frame_corpus[name] for name in ("long-gop.mp4", "edit-list.mp4", "b-frames.mp4")]
    bound = 300_000
    service = PictureService(bound)
    decoded: list[int] = []
    plain = pictures_module._decode

    def counting(file, wanted):
        decoded.append(len(wanted))
        return plain(file, wanted)

    monkeypatch.setattr(pictures_module, "_decode", counting)
    wrong: list[tuple[str, int]] = []

    def step(offset: int) -> None:
        for count in range(120):
            video = videos[(count // 40 + offset) % 3]
            number = (count * 7 + offset) % len(video.numbers)
            if read_number(service.pixels(video.path, number)) != video.numbers[number]:
                wrong.append((video.name, number))
            service.picture(video.path, number, "webp")
            assert service.num_bytes <= bound

    threads = [threading.Thread(target=step, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    decoded.clear()
    large = PictureService()
    path = frame_corpus["long-gop.mp4"].path
    steps = [threading.Thread(target=large.picture, args=(path, n)) for n in range(40)]
    for thread in steps:
        thread.start()
    for thread in steps:
        thread.join()
    assert sum(decoded) == 40  # every run once, whoever asked first


def test_a_changed_file_is_another_one(tmp_path: Path) -> None:
    service = PictureService()
    path = tmp_path / "still.png"
    write_png(path, numbered(1, 32, 32))
    first = service.picture(path, 0)
    write_png(path, numbered(2, 48, 32))
    assert service.picture(path, 0) != first
    assert service.identity(path).width == 48


def test_lossless_images_are_the_pixels() -> None:
    picture = np.random.default_rng(3).integers(0, 256, (31, 45, 3)).astype(np.uint8)
    for format in ("png", "webp"):
        data = encode_picture(picture, format)
        assert data == encode_picture(picture, format)
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), picture)


def test_proxies_are_bounded_and_the_same_every_time(tmp_path: Path, frame_corpus: dict[str, CorpusVideo]) -> None:
    video = frame_corpus["odd-size.avi"]
    record = make_proxy(video.path, tmp_path / "a.webm", max_side=51)
    assert (record.source_width, record.source_height) == (97, 65)
    assert (record.shown_width, record.shown_height, record.width, record.height) == (51, 34, 52, 34)
    make_proxy(video.path, tmp_path / "b.webm", max_side=51)
    assert (tmp_path / "a.webm").read_bytes() == (tmp_path / "b.webm").read_bytes()
    assert shown_size(4000, 10, 1280) == (1280, 3)
    assert shown_size(3, 40000, 1280) == (1, 1280)


RATES = (*(Fraction(n, d) for n, d in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1))),
         Fraction(60000, 1001), Fraction(60))  # fmt: skip


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_middles_survive_truncation_and_beginnings_do_not(rate: Fraction) -> None:
    """facts/annotation.md, section 0: 20,000 frames at each of eight rates, also when rounded to milliseconds."""
    fps = float(rate)
    for frame in range(20_000):
        seconds = middle_seconds(frame, rate)
        assert loaders_frame(seconds, fps) == frame
        assert loaders_frame(round(seconds, 3), fps) == frame
    beginnings = [loaders_frame(round(float(frame / rate), 3), fps) != frame for frame in range(20_000)]
    assert sum(beginnings) > 5000 or rate in (25, 50)  # which are whole milliseconds


def test_rates_are_common_ones_where_near() -> None:
    assert constant_rate(Fraction(40, 1)) == 40
    assert constant_rate(Fraction(2997, 100)) == Fraction(30000, 1001)
    assert constant_rate(Fraction(50, 3)) == Fraction(50, 3)
    assert constant_rate(Fraction(1, 1000)) == Fraction(1, 10)
    assert constant_rate(Fraction(100_000)) == 240
    assert all(constant_rate(rate) == rate for rate in COMMON_RATES)
