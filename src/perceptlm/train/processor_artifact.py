"""The processor as an artifact: a tokenizer trained on the training split, and how pictures are shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from perceptlm import artifact
from perceptlm.batch import VisionLayout
from perceptlm.data.sample_set import SampleSet
from perceptlm.preprocess.processor import Processor, ProcessorConfig
from perceptlm.preprocess.tokenizer import train_tokenizer
from perceptlm.schema.placeholders import resolve
from perceptlm.train.configuration import ProcessorRecipe

KIND = "processor"


def make_processor(out: Path, recipe: ProcessorRecipe, *, world: Path, overwrite: bool = False) -> Path:
    """Train the tokenizer on the texts of `world`'s training split and publish the processor."""

    def make(partial: Path) -> None:
        layout = VisionLayout(
            tile_size=recipe.tile_size, patch_size=recipe.patch_size, pooling_ratio=recipe.pooling_ratio
        )
        config = ProcessorConfig(
            layout=layout,
            num_frames=recipe.num_frames,
            max_tiles=recipe.max_tiles,
            vision_input=recipe.vision_input,
            max_tokens=recipe.max_tokens,
        )
        tokenizer = train_tokenizer(training_texts(world, recipe.num_frames), recipe.vocab_size)
        Processor(config, tokenizer).save(partial)

    artifact.require_kind(world, "world")
    return artifact.build(
        out, kind=KIND, recipe=recipe.to_dict(), make=make, inputs={"world": world}, overwrite=overwrite
    )


def training_texts(world: Path, num_frames: int) -> Iterator[str]:
    """Yield every text of the training split as the model will see it."""
    for sample in SampleSet.open(world, "train").samples:
        total = sample.media[0].num_frames
        for turn in sample.turns:
            yield resolve(turn.text, total_frames=total, num_frames=min(num_frames, total))
