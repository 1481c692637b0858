"""The processor as an artifact: a tokenizer, a decoder's own or trained on a world, and how pictures are shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from perceptlm import artifact
from perceptlm.batch import VisionLayout
from perceptlm.data.sample_set import SampleSet
from perceptlm.errors import ConfigError
from perceptlm.preprocess.conversation import texts_shown
from perceptlm.preprocess.processor import Processor, ProcessorConfig
from perceptlm.preprocess.tokenizer import train_tokenizer
from perceptlm.train.configuration import ProcessorRecipe
from perceptlm.train.parts.make_parts import read_tokenizer

KIND = "processor"


def make_processor(
    out: Path,
    recipe: ProcessorRecipe,
    *,
    world: Path | None = None,
    decoder: Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Publish a processor with the tokenizer of the pretrained `decoder`, or one trained on the texts of `world`'s
    training split if the recipe gives a `vocab_size`."""
    if (recipe.vocab_size is None) != (world is None) or (world is None) == (decoder is None):
        raise ConfigError(
            "a processor takes its tokenizer either from a pretrained decoder or, with a vocab_size, from a world",
            hint="give vocab_size and a world, or neither and a decoder",
        )

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
            frame_numbers=recipe.frame_numbers,
        )
        if decoder is not None:
            tokenizer = read_tokenizer(decoder)
        elif world is not None and recipe.vocab_size is not None:
            tokenizer = train_tokenizer(training_texts(world, recipe.num_frames), recipe.vocab_size)
        Processor(config, tokenizer).save(partial)

    inputs = {name: path for name, path in (("world", world), ("decoder", decoder)) if path is not None}
    for name, path in inputs.items():
        artifact.require_kind(path, name)
    return artifact.build(out, kind=KIND, recipe=recipe.to_dict(), make=make, inputs=inputs, overwrite=overwrite)


def training_texts(world: Path, num_frames: int) -> Iterator[str]:
    """Return every text of the training split as the model will see it."""
    return texts_shown(SampleSet.open(world, "train").samples, num_frames)
