"""Pretrained parts as artifacts: made from a recipe and a seed, and put into a model that is about to be trained.

A part's directory holds its weights in half precision under the names the model uses (`part.safetensors`), the recipe,
the log and, for the decoder, the tokenizer it speaks. It knows no stage.
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
from perceptlm.train.parts.configuration import DecoderRecipe, EncoderRecipe, PartRecipe
from perceptlm.train.parts.decoder import decoder_course
from perceptlm.train.parts.encoder import encoder_course
from perceptlm.train.parts.lessons import lesson_texts
from perceptlm.train.parts.loop import teach
from perceptlm.train.parts.matching_heads import set_matching_heads

ENCODER_KIND, DECODER_KIND = "encoder", "decoder"
WEIGHTS, TOKENIZER = "part.safetensors", "tokenizer.json"
_PREFIXES = {ENCODER_KIND: "vision_encoder.", DECODER_KIND: "decoder."}


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
        teach(decoder_course(model, tokenizer, recipe, seed), recipe, partial)
        _write(partial, model, DECODER_KIND, recipe)

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
        name: parameter.detach().to(torch.float16).contiguous()
        for name, parameter in sorted(model.named_parameters())
        if name.startswith(_PREFIXES[kind])
    }
    artifact.write_atomic(partial / WEIGHTS, save(tensors))
    artifact.write_atomic(partial / "recipe.yaml", dump_yaml(recipe).encode())
    shape = model.config.vision if kind == ENCODER_KIND else model.config.decoder
    artifact.write_atomic(partial / "config.json", (json.dumps(shape.to_dict(), indent=1) + "\n").encode())
