"""A small tokenizer, a processor for 32-pixel tiles, and a dataset directory with one clip and one image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from perceptlm.batch import VisionLayout
from perceptlm.media.image import write_png
from perceptlm.media.video import write_video
from perceptlm.preprocess.processor import Processor, ProcessorConfig
from perceptlm.preprocess.tokenizer import Tokenizer, train_tokenizer
from perceptlm.schema import BoxTrack, MediaRef, Origin, Sample, TextAnswer, Turn

CORPUS = [
    "What does the red circle do? It enters from the left and stops after 12 jumps.",
    "You are a helpful language and vision assistant.\n\nDescribe the video in frames [0, 15].",
    "system user assistant <|image|> <|eot_id|> <|end_of_text|>",
] * 20


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train_tokenizer(CORPUS, 420)


@pytest.fixture
def make_processor(tokenizer: Tokenizer) -> Callable[..., Processor]:
    def make(**settings: object) -> Processor:
        layout = VisionLayout(tile_size=32, patch_size=8, pooling_ratio=2)
        values = {"num_frames": 4, "max_tiles": 4, "max_tokens": 600} | settings
        return Processor(ProcessorConfig(layout=layout, **values), tokenizer)  # type: ignore[arg-type]

    return make


@pytest.fixture
def processor(make_processor: Callable[..., Processor]) -> Processor:
    return make_processor()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with `clip.mp4` (12 grey frames of 48x32, each brighter) and `image.png` (64x32, left half red)."""
    levels = np.arange(12, dtype=np.uint8) * 16 + 20
    write_video(tmp_path / "clip.mp4", np.broadcast_to(levels[:, None, None, None], (12, 32, 48, 3)).copy(), 8)
    image = np.zeros((32, 64, 3), np.uint8)
    image[:, :32, 0] = 255
    write_png(tmp_path / "image.png", image)
    return tmp_path


VIDEO = MediaRef(kind="video", path="clip.mp4", width=48, height=32, num_frames=12, frames_per_second="8")
IMAGE = MediaRef(kind="image", path="image.png", width=64, height=32)


@pytest.fixture
def make_sample() -> Callable[..., Sample]:
    def make(
        id: str = "s0",
        *,
        task: str = "video_qa",
        media: str = "video",
        question: str = "What does it do?",
        answer: str = "It stops.",
        system: str | None = None,
        boxes: dict[int, tuple[float, float, float, float]] | None = None,
        turns: tuple[Turn, ...] | None = None,
    ) -> Sample:
        spoken = (Turn(role="user", text=question), Turn(role="assistant", text=answer))
        head = () if system is None else (Turn(role="system", text=system),)
        return Sample(
            id=id,
            task=task,  # type: ignore[arg-type]
            split="train",
            media={"video": (VIDEO,), "image": (IMAGE,), "images": (IMAGE, IMAGE), "none": ()}[media],
            turns=head + (turns or spoken),
            answer=TextAnswer(text=answer),
            origin=Origin(kind="program", name="test", revision="1", licence="CC0-1.0"),
            cluster="clip",
            template="t",
            dimension="what",
            regions=() if boxes is None else (BoxTrack(subject="it", boxes=boxes),),
        )

    return make
