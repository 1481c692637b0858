"""Pretrained parts as artifacts: made from a recipe and a seed, and put into a model that is about to be trained.

First come the words on which projector and decoder agree (a tokenizer, vectors of scene words) and the encoder; then
the projector, which finds these vectors in what the encoder sees; both tuned together, as `vision`, and their errors
measured; then the decoder, which is shown scenes with such errors. A part's directory holds its weights in half
precision under the names the model uses (`part.safetensors`), the recipe and the log. It knows no stage.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save

from perceptlm import artifact
from perceptlm.config import Config, dump_yaml
from perceptlm.errors import ConfigError, UsageError, WeightsError
from perceptlm.model.configuration import PLMConfig
from perceptlm.model.plm import PerceptionLM
from perceptlm.model.presets import PRESETS
from perceptlm.preprocess.chat_format import IMAGE
from perceptlm.preprocess.tokenizer import Tokenizer, train_tokenizer
from perceptlm.seeding import derive_seed
from perceptlm.train.parts.configuration import (
    DecoderRecipe,
    EncoderRecipe,
    PartRecipe,
    ProjectorRecipe,
    VisionRecipe,
    WordsRecipe,
)
from perceptlm.train.parts.decoder import decoder_course
from perceptlm.train.parts.encoder import encoder_course
from perceptlm.train.parts.lessons import Shown, lesson_texts
from perceptlm.train.parts.loop import teach
from perceptlm.train.parts.matching_heads import set_matching_heads
from perceptlm.train.parts.misreading import read_misreading
from perceptlm.train.parts.projector import misreading_of, projector_course
from perceptlm.train.parts.scene_vectors import draw_scene_vectors, read_scene_vectors
from perceptlm.train.sharding import set_values
from perceptlm.train.trainer import deterministic

WORDS_KIND, ENCODER_KIND, PROJECTOR_KIND = "words", "encoder", "projector"
VISION_KIND, DECODER_KIND = "vision", "decoder"
WEIGHTS, TOKENIZER = "part.safetensors", "tokenizer.json"
SCENE_VECTORS, MISREADING = "scene_vectors.safetensors", "misreading.safetensors"
_PREFIXES = {
    ENCODER_KIND: ("vision_encoder.",),
    PROJECTOR_KIND: ("projector.",),
    VISION_KIND: ("vision_encoder.", "projector."),
    DECODER_KIND: ("decoder.",),
}


def make_part(
    kind: str, out: Path, recipe: Config, *, inputs: Mapping[str, Path], seed: int, overwrite: bool = False
) -> Path:
    """Make a part of `kind` from the parts that it needs and publish it at `out`; goes on from unfinished work.

    A decoder may also be made from a decoder: it then goes on from that one's weights. Raises UsageError for an unknown
    kind and for inputs that are not the ones `needed_parts` names.
    """
    if set(inputs) - set(_maker(kind).may) != set(needed_parts(kind)):
        needed = ", ".join(needed_parts(kind)) or "nothing"
        raise UsageError(f"part '{kind}' is made from {needed}, not from {', '.join(sorted(inputs)) or 'nothing'}")
    for name, part in inputs.items():
        artifact.require_kind(part, name)

    def make(partial: Path) -> None:
        _MAKERS[kind].make(partial, recipe, inputs, seed)
        artifact.write_atomic(partial / "recipe.yaml", dump_yaml(recipe).encode())

    return artifact.build(
        out,
        kind=kind,
        recipe=recipe.to_dict(),
        make=make,
        inputs=inputs,
        seeds={"seed": seed},
        overwrite=overwrite,
    )


def needed_parts(kind: str) -> tuple[str, ...]:
    """Return the kinds of the parts from which one of `kind` is made."""
    return _maker(kind).needs


def recipe_type(kind: str) -> type[Config]:
    """Return the type of recipe that makes a part of `kind`."""
    return _maker(kind).recipe_type


def _make_words(partial: Path, recipe: WordsRecipe, _inputs: Mapping[str, Path], seed: int) -> None:
    """Train a tokenizer and draw the vectors of the scene words."""
    tokenizer = train_tokenizer(lesson_texts(recipe, seed), recipe.vocab_size)
    width = _shape(recipe.preset, tokenizer.vocab_size, 0).decoder.width
    artifact.write_atomic(partial / TOKENIZER, tokenizer.to_json().encode())
    artifact.write_atomic(partial / SCENE_VECTORS, draw_scene_vectors(tokenizer, width, seed).to_bytes())


def _make_encoder(partial: Path, recipe: EncoderRecipe, _inputs: Mapping[str, Path], seed: int) -> None:
    """Pretrain a vision encoder."""
    model = _fresh_model(recipe, None, seed)
    teach(encoder_course(model.vision_encoder, recipe, seed), recipe, partial)
    _write(partial, model, ENCODER_KIND)


def _make_projector(partial: Path, recipe: ProjectorRecipe, inputs: Mapping[str, Path], seed: int) -> None:
    """Pretrain a projector that finds the words in what the encoder sees."""
    model = _fresh_model(recipe, read_tokenizer(inputs[WORDS_KIND]), seed)
    put_in(model, inputs[ENCODER_KIND])
    vectors = read_scene_vectors(inputs[WORDS_KIND] / SCENE_VECTORS)
    teach(projector_course(model, vectors, recipe, seed, tuned=False), recipe, partial)
    _write(partial, model, PROJECTOR_KIND)


def _make_vision(partial: Path, recipe: VisionRecipe, inputs: Mapping[str, Path], seed: int) -> None:
    """Tune encoder and projector together to find the words in pictures, and measure how they err."""
    model = _fresh_model(recipe, read_tokenizer(inputs[WORDS_KIND]), seed)
    put_in(model, inputs[ENCODER_KIND])
    put_in(model, inputs[PROJECTOR_KIND])
    vectors = read_scene_vectors(inputs[WORDS_KIND] / SCENE_VECTORS)
    if not (partial / WEIGHTS).is_file():
        course = projector_course(model, vectors, recipe, derive_seed(seed, "tuning"), tuned=True)
        teach(course, recipe, partial)
        _write(partial, model, VISION_KIND)
    # What is measured is what was written, whether it has just been taught or a run goes on from it.
    _copy_weights(model, partial / WEIGHTS, VISION_KIND)
    with deterministic(recipe.num_threads):
        measured = misreading_of(model, vectors, recipe, seed)
    artifact.write_atomic(partial / MISREADING, measured.to_bytes())


def _make_decoder(partial: Path, recipe: DecoderRecipe, inputs: Mapping[str, Path], seed: int) -> None:
    """Pretrain a decoder that is shown the words as they are misread in pictures; its tokenizer is kept beside it."""
    tokenizer = read_tokenizer(inputs[WORDS_KIND])
    model = _fresh_model(recipe, tokenizer, seed)
    shown = Shown(
        tokenizer_json=tokenizer.to_json(),
        vectors=read_scene_vectors(inputs[WORDS_KIND] / SCENE_VECTORS),
        misreading=read_misreading(inputs[VISION_KIND] / MISREADING),
        grid=model.config.vision.grid_size // model.config.pooling_ratio,
    )
    set_matching_heads(model.decoder)
    course = decoder_course(model, shown, recipe, seed)
    if DECODER_KIND in inputs:
        if read_tokenizer(inputs[DECODER_KIND]).to_json() != shown.tokenizer_json:
            raise UsageError(f"{inputs[DECODER_KIND]} and {inputs[WORDS_KIND]} have different tokenizers")
        put_in(model, inputs[DECODER_KIND])
    teach(course, recipe, partial)
    _write(partial, model, DECODER_KIND)
    artifact.write_atomic(partial / TOKENIZER, shown.tokenizer_json.encode())


@dataclass(frozen=True)
class _Maker:
    """What makes a kind of part: into a folder, from a recipe, the parts it `needs` by kind and those it `may` be made
    from besides, and a seed."""

    make: Callable[[Path, Any, Mapping[str, Path], int], None]
    recipe_type: type[Config]
    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()


_MAKERS = {
    WORDS_KIND: _Maker(_make_words, WordsRecipe),
    ENCODER_KIND: _Maker(_make_encoder, EncoderRecipe),
    PROJECTOR_KIND: _Maker(_make_projector, ProjectorRecipe, needs=(WORDS_KIND, ENCODER_KIND)),
    VISION_KIND: _Maker(_make_vision, VisionRecipe, needs=(WORDS_KIND, ENCODER_KIND, PROJECTOR_KIND)),
    DECODER_KIND: _Maker(_make_decoder, DecoderRecipe, needs=(WORDS_KIND, VISION_KIND), may=(DECODER_KIND,)),
}
PART_KINDS = tuple(_MAKERS)
"""All kinds of parts, each after those it is made from."""


def _maker(kind: str) -> _Maker:
    if kind not in _MAKERS:
        raise UsageError(f"there is no part '{kind}'", hint=f"parts: {', '.join(PART_KINDS)}")
    return _MAKERS[kind]


def read_tokenizer(part: Path) -> Tokenizer:
    """Return the tokenizer of a words or decoder artifact."""
    path = part / TOKENIZER
    return Tokenizer.from_json(path.read_text(encoding="utf-8"), source=str(path))


def put_in(model: PerceptionLM, part: Path) -> None:
    """Give `model` the weights of a part; WeightsError names the tensors that do not fit."""
    manifest = artifact.require_kind(part, *_PREFIXES)
    _copy_weights(model, part / WEIGHTS, manifest.kind)


def _copy_weights(model: PerceptionLM, path: Path, kind: str) -> None:
    prefix = _PREFIXES[kind]
    tensors = load_file(path)
    wanted = {name: value for name, value in model.named_parameters() if name.startswith(prefix)}
    wrong = sorted(
        name
        for name in tensors.keys() | wanted.keys()
        if name not in tensors or name not in wanted or tensors[name].shape != wanted[name].shape
    )
    if wrong:
        raise WeightsError(
            f"{path}: {len(wrong)} tensors do not fit the model's {kind}, the first is {wrong[0]}",
            hint="the part was made for another preset or vocabulary",
        )
    for name, parameter in wanted.items():
        set_values(parameter, tensors[name])


def _shape(preset: str, vocab_size: int, image_token_id: int) -> PLMConfig:
    if preset not in PRESETS:
        raise ConfigError(f"unknown preset '{preset}'; there are: {', '.join(sorted(PRESETS))}")
    return PRESETS[preset](vocab_size, image_token_id)


def _fresh_model(recipe: PartRecipe, tokenizer: Tokenizer | None, seed: int) -> PerceptionLM:
    """Return a model with first values; without a tokenizer, one whose decoder is never used."""
    vocab_size, image_token_id = (tokenizer.vocab_size, tokenizer.special_id(IMAGE)) if tokenizer else (1, 0)
    model = PerceptionLM(_shape(recipe.preset, vocab_size, image_token_id))
    model.initialise(derive_seed(seed, "weights"))
    return model


def _write(partial: Path, model: PerceptionLM, kind: str) -> None:
    """Write weights (fp16: finer than bf16, and small weights need no range) and shape."""
    tensors = {
        name: _half(parameter)
        for name, parameter in sorted(model.named_parameters())
        if name.startswith(_PREFIXES[kind])
    }
    artifact.write_atomic(partial / WEIGHTS, save(tensors))
    shapes = {ENCODER_KIND: model.config.vision, DECODER_KIND: model.config.decoder}
    if kind in shapes:
        text = json.dumps(shapes[kind].to_dict(), indent=1) + "\n"
        artifact.write_atomic(partial / "config.json", text.encode())


def _half(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to(torch.float16).contiguous()
