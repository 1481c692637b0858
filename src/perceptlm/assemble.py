"""A new Perception Language Model from a Perception Encoder's and a Llama's own weights: where PLM's training begins.

The vision encoder loses its last blocks, norm and pooling, and its learned positions are interpolated to the size of
tiles. The projector is drawn anew. The decoder stays as it is; two spare tokens of its tokenizer become placeholders.
Sources: facts/reference-implementation.md 1.1, 1.2, 2.6 and section 4. Trains nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from perceptlm.config import parse
from perceptlm.errors import ConfigError, DataError
from perceptlm.model.configuration import PLMConfig
from perceptlm.model.initialise import first_values
from perceptlm.model.vision_encoder import interpolated_positions
from perceptlm.model.weights import hf_config
from perceptlm.model.weights.convert import write_model
from perceptlm.model.weights.layouts import state_on_meta, transformers_layout
from perceptlm.model.weights.own_checkpoints import DecoderCheckpoint, VisionCheckpoint, read_decoder, read_vision
from perceptlm.model.weights.rules import file_tensors, read_state
from perceptlm.model.weights.tensor_files import Held
from perceptlm.preprocess.adopted_tokenizer import adopt_tokenizer
from perceptlm.preprocess.chat_format import IMAGE, VIDEO
from perceptlm.preprocess.processor import Processor, ProcessorConfig
from perceptlm.preprocess.tokenizer import Tokenizer
from perceptlm.pretrained import check_fit, write_processor

_PLM_TILE = 448
_PLM_DEPTHS = {24: 23, 50: 47}
"""Blocks of PE-L and PE-G -> those that PLM keeps."""
_VISION, _DECODER = "vision_encoder.", "decoder."


@dataclass(frozen=True)
class Assembly:
    """What would be put together, and all that would be written."""

    vision: VisionCheckpoint
    decoder: DecoderCheckpoint
    config: PLMConfig
    processor: Processor
    written: tuple[Held, ...]
    seed: int


def plan_assembly(
    vision: Path,
    decoder: Path,
    *,
    release: str | None = None,
    tile_size: int | None = None,
    num_vision_layers: int | None = None,
    layer_scale: float | None = None,
    pooling_ratio: int = 2,
    dtype: torch.dtype | None = None,
    tokenizer: Path | None = None,
    seed: int = 0,
) -> Assembly:
    """Look at both checkpoints, reading no values of weights.

    By default tiles are 448 pixels wide for patches of 14, as PLM's, else as wide as the encoder's own pictures; of 24
    or 50 blocks 23 or 47 are kept, as by PLM; weights are of the decoder's type. `layer_scale` adds gains of that value
    to an encoder without. Raises ConfigError, WeightsError, UsageError or DataError naming what is wrong.
    """
    tower, llama = read_vision(vision, release), read_decoder(decoder)
    own = tower.config
    size = tile_size or (_PLM_TILE if own.patch_size == 14 else own.image_size)
    depth = num_vision_layers or _PLM_DEPTHS.get(own.num_layers, own.num_layers)
    if depth > own.num_layers:
        raise ConfigError(f"{vision}: {depth} blocks are wanted, but there are {own.num_layers}")
    adopted = _tokenizer(decoder, llama, tokenizer)
    config = parse(
        PLMConfig,
        {
            "vision": own.to_dict()
            | {"image_size": size, "num_layers": depth, "norm_post": False, "pool": "none", "output_width": None}
            | ({"layer_scale": layer_scale} if own.layer_scale is None else {}),
            "decoder": llama.config.to_dict(),
            "pooling_ratio": pooling_ratio,
            "image_token_id": adopted.special_id(IMAGE),
            "video_token_id": adopted.special_id(VIDEO),
        },
        source=f"{vision} with {decoder}",
    )
    settings = ProcessorConfig(layout=config.layout)
    settings = settings.model_copy(update={"max_tokens": min(settings.max_tokens, config.decoder.max_positions)})
    kind = dtype or llama.reader.held[llama.rules[0].files[0]].dtype
    like = state_on_meta(config)
    written = tuple(
        Held(name, tuple(tensor.shape), kind)
        for rule in transformers_layout(config)
        for name, tensor in zip(rule.files, rule.write(like[rule.memory]), strict=True)
    )
    processor = Processor(settings, adopted)
    check_fit(config, processor)
    return Assembly(tower, llama, config, processor, written, seed)


def _tokenizer(decoder: Path, llama: DecoderCheckpoint, chosen: Path | None) -> Tokenizer:
    try:
        text = llama.tokenizer if chosen is None else chosen.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", path=chosen) from error
    if text is None:
        raise ConfigError(f"{decoder}: has no tokenizer.json", hint="name one with --tokenizer")
    return adopt_tokenizer(text, source=str(chosen or decoder))


def assemble(assembly: Assembly, out: Path) -> None:
    """Write the model as the directory `out`, tensor by tensor; it must not be there, or be empty."""
    write_model(
        out,
        "transformers",
        assembly.written,
        _tensors(assembly),
        config=hf_config.to_json(assembly.config),
        files={},
        add_files=lambda directory: write_processor(directory, assembly.processor),
    )


@torch.no_grad()
def _tensors(assembly: Assembly) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors to be written, one rule's at a time."""
    dtype = assembly.written[0].dtype
    state = ((name, tensor.to(dtype)) for name, tensor in _state(assembly))
    yield from file_tensors(transformers_layout(assembly.config), state)


def _state(assembly: Assembly) -> Iterator[tuple[str, Tensor]]:
    """Yield name and values of every parameter of the new model."""
    config = assembly.config
    like = state_on_meta(config)
    found = set()
    for prefix, part in ((_VISION, assembly.vision), (_DECODER, assembly.decoder)):
        # Rules of what is left out, norm and pooling and the last blocks, are not followed: their tensors are not read.
        wanted = [rule for rule in part.rules if prefix + rule.memory in like]
        for name, tensor in read_state(wanted, part.reader.read):
            found.add(prefix + name)
            grid = config.vision.grid_size
            if prefix + name == f"{_VISION}position_embedding" and grid != assembly.vision.config.grid_size:
                tensor = interpolated_positions(tensor, assembly.vision.config.grid_size, grid, grid)
            yield prefix + name, tensor
    for name in sorted(like.keys() - found):
        shape = tuple(like[name].shape)
        yield name, torch.from_numpy(first_values(name, shape, config, assembly.seed))
