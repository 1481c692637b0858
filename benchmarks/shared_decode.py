"""Decoded frames and seconds of the three region tasks on shared videos, beside decoding per row (the public way).

    python benchmarks/shared_decode.py [--videos 10] [--repeats 3] [--frame-cache DIR] [--json]

Videos like SA-V's at 6 frames a second are generated (moving texture, 640x360, about 84 frames), and rows in the
released format: 4.4 of RCap, 3.4 of RTLoc and 1.1 of RDCap per video. They are converted, and every question's pictures
are made as an evaluation makes them. The peer does for each row what the public evaluation does: decode all frames of
the file to RGB, pick 32, draw the box. It decodes with OpenCV where that is installed, else with PyAV. No model is
asked. Before the timing, the pictures are compared with frames read and drawn one row at a time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

import perceptlm.media.video as video_module
from perceptlm.data.converters.convert import convert
from perceptlm.data.converters.formats import settings_for
from perceptlm.data.converters.settings import Sources
from perceptlm.eval.datasets import EvalData, load_questions
from perceptlm.eval.frame_cache import FrameCache
from perceptlm.eval.pictures import PictureSource
from perceptlm.eval.questions import Question
from perceptlm.eval.settings import EvalSettings
from perceptlm.exchange.jsonl import write_records
from perceptlm.media.regions import draw_regions
from perceptlm.media.sampling import uniform_indices
from perceptlm.media.video import Video, write_video
from perceptlm.seeding import generator

FRAMES_TARGET, SECONDS_TARGET = 8.0, 4.0
WIDTH, HEIGHT, RATE, NUM_FRAMES, MEDIAN_LENGTH = 640, 360, 6, 32, 84
ROWS_PER_VIDEO = {"rcap": 4.4, "rtloc": 3.4, "rdcap": 1.1}

try:
    import cv2
except ImportError:
    cv2 = None


def make_video(path: Path, number: int, length: int) -> None:
    """Write a texture that slides by, with noise on it, as a camera that moves would see."""
    random = generator(0, "shared-decode", number)
    coarse = random.integers(0, 256, (HEIGHT // 8 + 40, WIDTH // 8 + 80, 3))
    texture = np.kron(coarse, np.ones((8, 8, 1))).astype(np.int16)
    frames = np.empty((length, HEIGHT, WIDTH, 3), np.uint8)
    for place in range(length):
        x, y = 4 * place % 600, 2 * place % 300
        noise = random.integers(-6, 7, (HEIGHT, WIDTH, 1))
        frames[place] = np.clip(texture[y : y + HEIGHT, x : x + WIDTH] + noise, 0, 255)
    write_video(path, frames, RATE)


def make_box(masklet: int, frame: int) -> list[int]:
    """Return where a subject is, which drifts to the right."""
    left, top = WIDTH // 16 + 2 * frame * WIDTH // 640, HEIGHT // 6 + masklet * HEIGHT // 12
    return [left, top, left + WIDTH // 5, top + HEIGHT // 3]


def make_datasets(folder: Path, num_videos: int) -> list[EvalData]:
    """Write videos, boxes and rows, convert the rows, and return the three datasets."""
    media = folder / "media"
    media.mkdir()
    lengths = np.clip(generator(0, "lengths").lognormal(np.log(MEDIAN_LENGTH), 0.25, num_videos), 48, 160).astype(int)
    names = [f"sav_{number:06}.mp4" for number in range(num_videos)]
    for number, name in enumerate(names):
        make_video(media / name, number, int(lengths[number]))
    num_masklets = round(ROWS_PER_VIDEO["rdcap"] * num_videos)
    masklets = [(place % num_videos, place // num_videos) for place in range(num_masklets)]
    boxes = [
        {"video": names[video], "masklet_id": masklet,
         "bbox": {str(f): make_box(masklet, f) for f in range(lengths[video])}}
        for video, masklet in masklets
    ]  # fmt: skip
    write_records(folder / "boxes.jsonl", boxes)
    found = []
    for task, per_video in ROWS_PER_VIDEO.items():
        rows = []
        for place in range(round(per_video * num_videos)):
            video, masklet = masklets[place % num_masklets]
            last = int(lengths[video]) - 1
            event = {"start_frame": place % 20, "end_frame": last - place % 10, "caption": f"Event {place}."}
            own = event if task != "rdcap" else {"dense_captions": [event]}
            rows.append(
                {"uid": place, "video": names[video], "masklet_id": masklet, "total_frames": int(lengths[video])} | own
            )
        write_records(folder / f"{task}.jsonl", rows)
        sources = Sources((folder / f"{task}.jsonl",), media=media, boxes=folder / "boxes.jsonl")
        out = convert(folder / task, sources, settings_for(f"bench-{task}", sources), index=False)
        found.append(EvalData(out))
    return found


class Counter:
    """Counts the pictures that decoders give."""

    def __init__(self) -> None:
        self.num_frames = 0

    def counted(self, pictures: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        """Return the same function, its pictures counted."""

        def count(*arguments: Any) -> Iterator[Any]:
            for picture in pictures(*arguments):
                self.num_frames += 1
                yield picture

        return count


def decode_everything(path: Path) -> NDArray[np.uint8]:
    """Return every frame of a file as RGB, as the public evaluation reads it."""
    if cv2 is not None:
        capture, frames = cv2.VideoCapture(str(path)), []
        while True:
            ok, frame = capture.read()
            if not ok:
                return np.stack(frames)
            frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    with av.open(path) as container:
        container.streams.video[0].thread_type = "AUTO"
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def per_row(questions: list[Question]) -> int:
    """Do what the public evaluation does for each row; return the number of decoded frames."""
    num_decoded = 0
    for question in questions:
        frames = decode_everything(question.root / question.sample.media[0].path)
        num_decoded += len(frames)
        indices = uniform_indices(len(frames), NUM_FRAMES)
        draw_regions(frames[indices], indices, question.sample.regions)
    return num_decoded


def shared(questions: list[Question], cache: Path | None) -> int:
    """Make every question's pictures as an evaluation does; return the number of decoded frames."""
    counter = Counter()
    usual = video_module.decoded_pictures
    video_module.decoded_pictures = counter.counted(usual)
    try:
        source = PictureSource(questions, seed=0, frames=FrameCache(cache))
        for question in source.in_order(questions):
            source.media(question, "own")
    finally:
        video_module.decoded_pictures = usual
    # Opening a file decodes its first picture, which `decoded_pictures` does not see.
    return counter.num_frames + source.frames.num_decoded


def check_pictures(questions: list[Question]) -> None:
    """Compare shared pictures with frames read and drawn for one row alone."""
    source = PictureSource(questions, seed=0)
    for question in source.in_order(questions):
        with Video(question.root / question.sample.media[0].path) as video:
            indices = uniform_indices(video.table.num_frames, NUM_FRAMES)
            alone = draw_regions(video.frames(indices), indices, question.sample.regions)
        (item,) = source.media(question, "own")
        assert all(map(np.array_equal, item.pictures, alone)), question.sample.id


def measure(folder: Path, num_videos: int, repeats: int, cache: Path | None) -> dict[str, Any]:
    """Return decoded frames and median seconds of both ways, alternating, and their ratios."""
    questions = list(load_questions(make_datasets(folder, num_videos), EvalSettings(num_frames=NUM_FRAMES)))
    check_pictures(questions)
    ways: dict[str, Callable[[], int]] = {
        "per row": lambda: per_row(questions), "shared": lambda: shared(questions, cache)
    }  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    num_frames: dict[str, int] = {}
    for _ in range(repeats):
        for name, make in ways.items():
            start = time.perf_counter()
            decoded = make()
            seconds[name].append(time.perf_counter() - start)
            num_frames.setdefault(name, decoded)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "num_videos": num_videos,
        "num_rows": len(questions),
        "peer": "PyAV" if cv2 is None else f"OpenCV {cv2.__version__}",
        "decoded_frames": num_frames,
        "seconds": seconds,
        "frames_ratio": num_frames["per row"] / max(1, num_frames["shared"]),
        "seconds_ratio": medians["per row"] / medians["shared"],
    }


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, measure, print; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description="Decoding once per video, beside once per row.")
    parser.add_argument("--videos", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--frame-cache", type=Path, default=None, help="also keep frames on disk, here")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), options.videos, options.repeats, options.frame_cache)
    targets = {"frames_ratio": FRAMES_TARGET, "seconds_ratio": SECONDS_TARGET}
    met = all(found[name] >= target for name, target in targets.items())
    if options.json:
        print(json.dumps(found | {"met": met}))
        return 0 if met else 1
    print(f"{found['num_rows']} rows about {found['num_videos']} videos; the peer decodes with {found['peer']}")
    for name, values in found["seconds"].items():
        spread = f"{min(values):.2f} to {max(values):.2f}"
        print(f"{name}: {found['decoded_frames'][name]} frames decoded, {statistics.median(values):.2f} s ({spread})")
    for name, target in targets.items():
        verdict = "met" if found[name] >= target else "MISSED"
        print(f"{name.replace('_', ' ')}: {found[name]:.2f} (target {target:g}: {verdict})")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
