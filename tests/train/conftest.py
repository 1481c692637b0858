"""A toy dataset whose answers are in the pixels: one-colour clips and pictures, and what trains on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from perceptlm import artifact
from perceptlm.exchange.jsonl import write_records
from perceptlm.media.image import write_png
from perceptlm.media.write_video import write_video
from perceptlm.model import PerceptionLM
from perceptlm.model.configuration import DecoderConfig, PLMConfig, VisionConfig
from perceptlm.preprocess.processor import Processor
from perceptlm.pretrained import save_pretrained
from perceptlm.schema import MediaRef, Origin, Sample
from perceptlm.train.configuration import ProcessorRecipe, ScheduleConfig, StageConfig
from perceptlm.train.processor_artifact import make_processor

COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220), "green": (30, 180, 30), "white": (240, 240, 240)}


STYLES = {"How does it look?": ("It is", "It seems"), "What might it be?": ("It seems", "It is")}
"""Of a question, how an answer that was chosen begins, and one that was rejected."""


def _sample(number: int, colour: str, media: MediaRef, task: str) -> Sample:
    return Sample.model_validate(
        {
            "id": f"{task}-{number}",
            "task": task,
            "split": "train",
            "media": [media],
            "turns": [
                {"role": "user", "text": "Which colour is it?"},
                {"role": "assistant", "text": f"It is {colour}."},
            ],
            "answer": {"type": "text", "text": colour},
            "origin": Origin(kind="program", name="toy", revision="1", licence="CC0-1.0"),
            "cluster": f"{task}-{number}",
            "template": "colour",
            "dimension": "what",
        }
    )


def _make_world(out: Path) -> Path:
    def make(partial: Path) -> None:
        (partial / "train").mkdir()
        samples = []
        for number, (colour, rgb) in enumerate(COLOURS.items()):
            frames = np.full((24, 64, 64, 3), rgb, np.uint8)
            write_video(partial / f"train/{number}.mp4", frames, 8)
            write_png(partial / f"train/{number}.png", frames[0])
            size = {"width": 64, "height": 64}
            video = MediaRef(kind="video", path=f"train/{number}.mp4", num_frames=24, frames_per_second="8", **size)
            image = MediaRef(kind="image", path=f"train/{number}.png", **size)
            samples += [_sample(number, colour, video, "video_qa"), _sample(number, colour, image, "image_qa")]
        write_records(partial / "train/samples.jsonl", samples)

    return artifact.build(out, kind="world", recipe={"toy": 1}, make=make)


def _make_judged_world(out: Path) -> Path:
    """Pictures of which is asked twice, each question with a judged pair and, as an ordinary answer, with either one of
    it: what answers alone teach is a toss-up. The last colour is held out."""

    def make(partial: Path) -> None:
        for number, rgb in enumerate(COLOURS.values()):
            split = "train" if number < len(COLOURS) - 1 else "validation"
            (partial / split).mkdir(exist_ok=True)
            write_png(partial / split / f"{number}.png", np.full((64, 64, 3), rgb, np.uint8))
        for split in ("train", "validation"):
            samples = []
            for path in sorted((partial / split).glob("*.png")):
                colour = list(COLOURS)[int(path.stem)]
                media = MediaRef(kind="image", path=f"{split}/{path.name}", width=64, height=64)
                for place, (question, styles) in enumerate(STYLES.items()):
                    chosen, rejected = (f"{style} {colour}." for style in styles)
                    told = [(chosen, rejected), (rejected, None)]
                    for kind, (answer, worse) in enumerate(told):
                        plain = _sample(100 * int(path.stem) + 10 * place + kind, colour, media, "image_qa").to_dict()
                        turns = [{"role": "user", "text": question}, {"role": "assistant", "text": answer}]
                        changes = {"turns": turns, "split": split} | ({} if worse is None else {"rejected": worse})
                        samples.append(Sample.model_validate(plain | changes))
            write_records(partial / split / "samples.jsonl", samples)

    return artifact.build(out, kind="world", recipe={"judged": 1}, make=make)


@pytest.fixture(scope="session")
def judged_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _make_judged_world(tmp_path_factory.mktemp("judged") / "world")


@pytest.fixture(scope="session")
def toy_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _make_world(tmp_path_factory.mktemp("toy") / "world")


@pytest.fixture
def own_world(tmp_path: Path) -> Path:
    """A toy world of this test's own, to be damaged."""
    return _make_world(tmp_path / "own-world")


@pytest.fixture(scope="session")
def toy_processor(toy_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = ProcessorRecipe(vocab_size=400, tile_size=96, patch_size=12, pooling_ratio=2, num_frames=2, max_tokens=512)
    return make_processor(tmp_path_factory.mktemp("processor") / "processor", recipe, world=toy_world)


@pytest.fixture(scope="session")
def micro(toy_processor: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a model so small that fifty steps take seconds; nothing divides evenly by four."""
    processor = Processor.load(toy_processor)
    vision = VisionConfig(
        image_size=96, patch_size=12, width=24, num_layers=2, num_heads=2, layer_scale=0.5, drop_path=0.2
    )
    decoder = DecoderConfig(
        vocab_size=processor.vocab_size, width=30, num_layers=3, num_heads=3, num_kv_heads=1, head_dim=10,
        mlp_width=50, max_positions=1024, rope_theta=1e4, tie_embeddings=True,
    )  # fmt: skip
    model = PerceptionLM(
        PLMConfig(vision=vision, decoder=decoder, pooling_ratio=2, image_token_id=processor.image_token_id)
    )
    model.initialise(5)

    def make(partial: Path) -> None:
        save_pretrained(partial, model, processor)

    out = tmp_path_factory.mktemp("micro") / "micro"
    return artifact.build(out, kind="checkpoint", recipe={"micro": 1}, make=make)


@pytest.fixture(scope="session")
def stage() -> StageConfig:
    """A stage that starts from `micro`: what a stage does with a model does not depend on its size."""
    return StageConfig(
        name="warmup",
        num_steps=6,
        num_groups=2,
        num_branches=2,
        learning_rates={"vision_encoder": 1e-3, "projector": 1e-3, "decoder": 1e-3},
        tasks={"video_qa": 1, "image_qa": 1},
        schedule=ScheduleConfig(warmup_steps=2),
        checkpoint_every=2,
    )


@pytest.fixture(scope="session")
def tiny_stage(stage: StageConfig) -> StageConfig:
    """One that starts from `toy_processor`, with the weights of a preset."""
    return stage.model_copy(update={"preset": "tiny"})
