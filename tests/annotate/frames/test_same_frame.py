"""Every way to read a picture of the corpus gives the same one: its number is burned in."""

from __future__ import annotations

import contextlib
import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from frame_corpus import CASES, CorpusVideo, decoded_by_pyav, numbered, read_number, read_numbers
from PIL import Image

from perceptlm.annotate.frames.pictures import PictureService
from perceptlm.annotate.frames.proxy import KEYFRAME_INTERVAL, make_proxy
from perceptlm.annotate.frames.rate import middle_of
from perceptlm.media.pictures import load_pictures
from perceptlm.media.video import Video
from perceptlm.schema import MediaRef, Origin, Sample, TextAnswer, Turn

NAMES = [case.name for case in CASES]


@pytest.fixture(scope="module")
def service() -> PictureService:
    return PictureService()


@pytest.mark.parametrize("name", NAMES)
def test_sequential_decoding_and_our_reader(frame_corpus: dict[str, CorpusVideo], name: str) -> None:
    video = frame_corpus[name]
    pictures = decoded_by_pyav(video.path)
    assert read_numbers(pictures) == list(video.numbers)
    opened = Video(video.path)
    assert read_numbers(list(opened.in_order())) == list(video.numbers)
    jumping = [3, 21, 20, len(video.numbers) - 1]
    assert read_numbers(list(opened.frames(jumping, strategy="seek"))) == [video.numbers[n] for n in jumping]
    assert (opened.table.width, opened.table.height) == video.size == (pictures[0].shape[1], pictures[0].shape[0])


@pytest.mark.parametrize("name", NAMES)
def test_pictures_by_number(frame_corpus: dict[str, CorpusVideo], service: PictureService, name: str) -> None:
    video = frame_corpus[name]
    found = []
    for number in range(len(video.numbers)):
        image = Image.open(io.BytesIO(service.picture(video.path, number)))
        assert image.size == video.size
        found.append(read_number(np.asarray(image)))
    assert found == list(video.numbers)


@pytest.mark.parametrize("name", NAMES)
def test_proxy(frame_corpus: dict[str, CorpusVideo], tmp_path: Path, name: str) -> None:
    video = frame_corpus[name]
    record = make_proxy(video.path, tmp_path / "proxy.webm")
    rate = Fraction(record.frames_per_second)
    assert record.num_frames == len(video.numbers)
    assert (record.shown_width, record.shown_height) == video.size
    keyframes = []
    with av.open(str(tmp_path / "proxy.webm")) as container:
        times = []
        for number, frame in enumerate(container.decode(video=0)):
            assert read_number(frame.to_ndarray(format="rgb24")) == video.numbers[number]
            times.append(frame.pts * frame.time_base)
            if frame.key_frame:
                keyframes.append(number)
    assert len(times) == record.num_frames
    assert keyframes == list(range(0, record.num_frames, KEYFRAME_INTERVAL))
    # What a player shows at a time is the last picture that began; a page seeks to the middle of one.
    shown = [sum(time <= middle_of(n, rate) for time in times) - 1 for n in range(len(times))]
    assert shown == list(range(len(times)))


@pytest.mark.parametrize("name", NAMES)
def test_training_loader(frame_corpus: dict[str, CorpusVideo], name: str) -> None:
    """`load_pictures` is what `preprocess` and `eval` read with."""
    video = frame_corpus[name]
    table = Video(video.path).table
    media = MediaRef(
        kind="video", path=name, width=table.width, height=table.height, num_frames=table.num_frames,
        frames_per_second=str(table.average_rate),
    )  # fmt: skip
    sample = Sample(
        id="one", task="video_qa", split="train", media=(media,), cluster="c", template="t",
        answer=TextAnswer(text="a"), turns=(Turn(role="user", text="q"), Turn(role="assistant", text="a")),
        origin=Origin(kind="program", name="test", revision="1", licence="CC0-1.0"),
    )  # fmt: skip
    loaded = load_pictures(sample, video.path.parent, num_frames=64, choice="uniform")
    assert read_numbers(list(loaded.pictures)) == list(video.numbers)


def test_barcode_survives_compression_and_padding_and_does_not_survive_turning() -> None:
    for number in range(200):
        picture = numbered(number, 96, 64)
        buffer = io.BytesIO()
        Image.fromarray(picture).resize((67, 51)).save(buffer, format="JPEG", quality=20)
        assert read_number(np.pad(np.asarray(Image.open(buffer)), ((0, 1), (0, 1), (0, 0)))) == number
        for turns in (1, 2, 3):
            with contextlib.suppress(ValueError):
                assert read_number(np.rot90(picture, turns)) != number
    with pytest.raises(ValueError, match="no number"):
        read_number(np.full((64, 96, 3), 128, np.uint8))
