"""The checkpoint of a Perception Encoder or of a Llama alone: its shape, its tensors, and the rules that lead to ours.

A Perception Encoder is a `.pt` of its release, or a directory with timm's `model.safetensors`; nothing in it tells its
shape, which is that of the release. A Llama is a directory of `transformers` (`config.json`), an original one
(`params.json` and one `consolidated*.pth`), or a `.gguf` file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from perceptlm.config import read_json_object
from perceptlm.errors import ConfigError, UsageError, WeightsError
from perceptlm.model.configuration import DecoderConfig, VisionConfig
from perceptlm.model.decoder import Decoder
from perceptlm.model.perception_encoders import PERCEPTION_ENCODERS
from perceptlm.model.vision_encoder import VisionTransformer
from perceptlm.model.weights import decoder_layouts, hf_config, original_config, vision_layouts
from perceptlm.model.weights.gguf_files import GgufReader
from perceptlm.model.weights.gguf_tokenizer import tokenizer_files
from perceptlm.model.weights.rules import Rule, check_shapes, file_shapes, repeated, within
from perceptlm.model.weights.tensor_files import Held, PthReader, SafetensorsReader, TensorReader

_TOWER = "visual."
_TIMM_ONLY = "head.bias"
"""timm's output map has a bias, of zeros; PE's has none."""
_OUTPUT = "output.weight"


@dataclass(frozen=True)
class VisionCheckpoint:
    """The tensors of a Perception Encoder, norm and pooling included."""

    config: VisionConfig
    rules: list[Rule]
    reader: TensorReader


@dataclass(frozen=True)
class DecoderCheckpoint:
    """The tensors of a Llama, and the text of its `tokenizer.json`, if there is one."""

    config: DecoderConfig
    rules: list[Rule]
    reader: TensorReader
    tokenizer: str | None


def read_vision(path: Path, release: str | None = None) -> VisionCheckpoint:
    """Look at a Perception Encoder's checkpoint without reading values; `release` is by default the file's name.

    Raises UsageError for an unknown release, WeightsError naming every tensor that is missing, too many or misshapen.
    """
    name = release or path.stem
    if name not in PERCEPTION_ENCODERS:
        raise UsageError(
            f"{path}: '{name}' is no release of a Perception Encoder", hint=f"known: {', '.join(PERCEPTION_ENCODERS)}"
        )
    config = PERCEPTION_ENCODERS[name]
    reader: TensorReader = SafetensorsReader(path) if path.is_dir() else PthReader(path)
    shapes = {found: held.shape for found, held in reader.held.items()}
    prefix = _TOWER if any(found.startswith(_TOWER) for found in shapes) else ""
    original = f"{prefix}conv1.weight" in shapes
    rules = vision_layouts.original_layout(config) if original else vision_layouts.timm_layout(config)
    rules = within(rules, memory="", file=prefix)
    # Beside `visual.` stands the text tower, which a PLM does not need.
    ours = {found: shape for found, shape in shapes.items() if found.startswith(prefix) and found != _TIMM_ONLY}
    with torch.device("meta"):
        like = VisionTransformer(config).state_dict()
    check_shapes(ours, file_shapes(rules, like), where=path)
    return VisionCheckpoint(config, rules, reader)


def read_decoder(path: Path) -> DecoderCheckpoint:
    """Look at a Llama's checkpoint without reading values, but for an output that may be the embedding once more.

    Raises ConfigError for a configuration that is missing or wrong, WeightsError as `read_vision`.
    """
    if path.suffix == ".gguf":
        gguf = GgufReader(path)
        config = gguf.config()
        files = tokenizer_files(gguf.metadata(), source=path)
        found = DecoderCheckpoint(config, decoder_layouts.gguf_layout(config), gguf, files["tokenizer.json"])
    elif (path / "config.json").is_file():
        source = path / "config.json"
        config = hf_config.decoder_from_json(read_json_object(source), source=str(source))
        rules = decoder_layouts.transformers_layout(config)
        found = DecoderCheckpoint(config, rules, SafetensorsReader(path), _tokenizer_of(path))
    elif (path / "params.json").is_file():
        found = _read_original(path)
    else:
        raise ConfigError(
            f"{path}: there is neither config.json nor params.json",
            hint="give the directory of a Llama, or a .gguf file",
        )
    with torch.device("meta"):
        like = Decoder(found.config).state_dict()
    shapes = {name: held.shape for name, held in found.reader.held.items()}
    check_shapes(shapes, file_shapes(found.rules, like), where=path)
    return found


def _read_original(path: Path) -> DecoderCheckpoint:
    source = path / "params.json"
    files = sorted(path.glob("consolidated*.pth"))
    if len(files) != 1:
        raise WeightsError(f"{path}: expected one consolidated*.pth, found {len(files)}")
    reader = PthReader(files[0])
    repeats = _repeats_embedding(reader)
    config = original_config.from_llama_params(
        read_json_object(source), tied=_OUTPUT not in reader.held or repeats, source=str(source)
    )
    rules = decoder_layouts.original_layout(config)
    if config.tie_embeddings:
        # PLM names the output written once more otherwise than Llama.
        names = ("tok_embeddings.weight", *([_OUTPUT] if repeats else []))
        rules = [repeated("embedding", names) if rule.memory == "embedding" else rule for rule in rules]
    return DecoderCheckpoint(config, rules, reader, _tokenizer_of(path))


def _repeats_embedding(reader: TensorReader) -> bool:
    """Whether the output is there, and is the embedding."""
    held: Mapping[str, Held] = reader.held
    embedding, output = held.get("tok_embeddings.weight"), held.get(_OUTPUT)
    if embedding is None or output is None or embedding.shape != output.shape:
        return False
    first: Tensor = reader.read(embedding.name)
    return torch.equal(first, reader.read(output.name))


def _tokenizer_of(directory: Path) -> str | None:
    path = directory / "tokenizer.json"
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
