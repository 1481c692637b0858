"""Pretrained parts as artifacts: made from a recipe and a seed, and put into a model that is about to be trained.

A part's directory holds its weights in half precision under the names the model uses (`part.safetensors`), the recipe,
the log and, for the decoder, the tokenizer it speaks and the vectors that scenes were shown in. It knows no stage.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save

from perceptlm import artifact
from perceptlm.config import dump_yaml
from perceptlm.errors import ConfigError, WeightsError
from perceptlm.model.plm import PerceptionLM
from perceptlm.model.presets import PRESETS
from perceptlm.preprocess.tokenizer import IMAGE, Tokenizer, train_tokenizer
from perceptlm.seeding import derive_seed
from perceptlm.train.parts.configuration import DecoderRecipe, EncoderRecipe, PartRecipe, ProjectorRecipe
from perceptlm.train.parts.decoder import decoder_course
from perceptlm.train.parts.encoder import encoder_course
from perceptlm.train.parts.lessons import lesson_texts
from perceptlm.train.parts.loop import teach
from perceptlm.train.parts.matching_heads import set_matching_heads
from perceptlm.train.parts.projector import projector_course

ENCODER_KIND, PROJECTOR_KIND, DECODER_KIND = "encoder", "projector", "decoder"
WEIGHTS, TOKENIZER, SCENE_VECTORS = "part.safetensors", "tokenizer.json", "scene_vectors.safetensors"
_PREFIXES = {ENCODER_KIND: "vision_encoder.", PROJECTOR_KIND: "projector.", DECODER_KIND: "decoder."}


def make_encoder(out: Path, recipe: EncoderRecipe, *, seed: int, overwrite: bool = False) -> Path:
    """Pretrain a vision encoder and publish it at `out`; goes on from unfinished work."""

    def make(partial: Path) -> None:
        # The decoder of this model is never used: any vocabulary will do.
        model = _fresh_model(recipe, vocab_size=1, image_token_id=0, seed=seed)
        teach(encoder_course(model.vision_encoder, recipe, seed), recipe, partial)
        _write(partial, model, ENCODER_KIND, recipe)

    return artifact.build(
        out, kind=ENCODER_KIND, recipe=recipe.to_dict(), make=make, seeds={"seed": seed}, overwrite=overwrite
    )


def make_projector(
    out: Path, recipe: ProjectorRecipe, *, encoder: Path, decoder: Path, seed: int, overwrite: bool = False
) -> Path:
    """Pretrain a projector that joins two parts and publish it at `out`; goes on from unfinished work."""

    def make(partial: Path) -> None:
        tokenizer = read_tokenizer(decoder)
        image_token_id = tokenizer.special_id(IMAGE)
        model = _fresh_model(recipe, vocab_size=tokenizer.vocab_size, image_token_id=image_token_id, seed=seed)
        put_in(model, encoder)
        known = load_file(decoder / SCENE_VECTORS)
        teach(projector_course(model, known["words"], known["bias"], recipe, seed), recipe, partial)
        _write(partial, model, PROJECTOR_KIND, recipe)

    inputs = {ENCODER_KIND: encoder, DECODER_KIND: decoder}
    for kind, part in inputs.items():
        artifact.require_kind(part, kind)
    return artifact.build(
        out,
        kind=PROJECTOR_KIND,
        recipe=recipe.to_dict(),
        make=make,
        inputs=inputs,
        seeds={"seed": seed},
        overwrite=overwrite,
    )


def make_decoder(out: Path, recipe: DecoderRecipe, *, seed: int, overwrite: bool = False) -> Path:
    """Train a tokenizer and pretrain a decoder, and publish both at `out`; goes on from unfinished work."""

    def make(partial: Path) -> None:
        if not (partial / TOKENIZER).is_file():
            grid = PRESETS[recipe.preset](1, 0)
            cells = grid.vision.grid_size // grid.pooling_ratio
            texts = lesson_texts(recipe, cells, derive_seed(seed, "scenes"), recipe.num_tokenizer_chunks)
            artifact.write_atomic(partial / TOKENIZER, train_tokenizer(texts, recipe.vocab_size).to_json().encode())
        tokenizer = read_tokenizer(partial)
        image_token_id = tokenizer.special_id(IMAGE)
        model = _fresh_model(recipe, vocab_size=tokenizer.vocab_size, image_token_id=image_token_id, seed=seed)
        set_matching_heads(model.decoder)
        course, words = decoder_course(model, tokenizer, recipe, seed)
        teach(course, recipe, partial)
        _write(partial, model, DECODER_KIND, recipe)
        shown = {"words": words.vectors(), "bias": words.bias}
        artifact.write_atomic(partial / SCENE_VECTORS, save({name: _half(value) for name, value in shown.items()}))

    return artifact.build(
        out, kind=DECODER_KIND, recipe=recipe.to_dict(), make=make, seeds={"seed": seed}, overwrite=overwrite
    )


def read_tokenizer(decoder: Path) -> Tokenizer:
    """Return the tokenizer of a decoder artifact."""
    path = decoder / TOKENIZER
    return Tokenizer.from_json(path.read_text(encoding="utf-8"), source=str(path))


def put_in(model: PerceptionLM, part: Path) -> None:
    """Give `model` the weights of a part; WeightsError names the tensors that do not fit."""
    manifest = artifact.require_kind(part, *_PREFIXES)
    prefix = _PREFIXES[manifest.kind]
    tensors = load_file(part / WEIGHTS)
    wanted = {name: value for name, value in model.named_parameters() if name.startswith(prefix)}
    wrong = sorted(
        name
        for name in tensors.keys() | wanted.keys()
        if name not in tensors or name not in wanted or tensors[name].shape != wanted[name].shape
    )
    if wrong:
        raise WeightsError(
            f"{part / WEIGHTS}: {len(wrong)} tensors do not fit the model's {manifest.kind}, the first is {wrong[0]}",
            hint="the part was made for another preset or vocabulary",
        )
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(tensors[name])


def _fresh_model(recipe: PartRecipe, *, vocab_size: int, image_token_id: int, seed: int) -> PerceptionLM:
    if recipe.preset not in PRESETS:
        raise ConfigError(f"unknown preset '{recipe.preset}'; there are: {', '.join(sorted(PRESETS))}")
    model = PerceptionLM(PRESETS[recipe.preset](vocab_size, image_token_id))
    model.initialise(derive_seed(seed, "weights"))
    return model


def _write(partial: Path, model: PerceptionLM, kind: str, recipe: PartRecipe) -> None:
    """Write weights (fp16: finer than bf16, and small weights need no range), recipe and shape."""
    tensors = {
        name: _half(parameter)
        for name, parameter in sorted(model.named_parameters())
        if name.startswith(_PREFIXES[kind])
    }
    artifact.write_atomic(partial / WEIGHTS, save(tensors))
    artifact.write_atomic(partial / "recipe.yaml", dump_yaml(recipe).encode())
    shapes = {ENCODER_KIND: model.config.vision, DECODER_KIND: model.config.decoder}
    if kind in shapes:
        text = json.dumps(shapes[kind].to_dict(), indent=1) + "\n"
        artifact.write_atomic(partial / "config.json", text.encode())


def _half(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to(torch.float16).contiguous()
