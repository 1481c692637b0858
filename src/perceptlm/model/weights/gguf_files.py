"""A GGUF file of the architecture `llama`: the shape of its decoder, and its tensors one by one, no longer quantised.

Needs the package `gguf` (the extra of that name). Quantised values are turned into numbers as it does; nothing is lost
that quantising has not lost. Knows no other architecture.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from perceptlm.config import parse
from perceptlm.errors import ConfigError, WeightsError
from perceptlm.model.configuration import DecoderConfig, RopeScaling
from perceptlm.model.rope import decoder_frequencies
from perceptlm.model.weights.tensor_files import Held

TYPES = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q4_K", "Q6_K")
"""Types of values that are read."""
_ROPE_FACTORS = "rope_freqs.weight"
_LLAMA_3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_positions": 8192}


class GgufReader:
    """The tensors of a GGUF file, as `dtype`."""

    def __init__(self, path: Path, dtype: torch.dtype = torch.float32) -> None:
        try:
            import gguf
        except ImportError as error:
            raise ConfigError(
                f"{path}: reading GGUF files needs the package gguf", hint="pip install 'perceptlm[gguf]'"
            ) from error
        try:
            self._reader = gguf.GGUFReader(path)
        except (OSError, ValueError, IndexError, KeyError) as error:
            raise WeightsError(f"{path}: not a readable GGUF file: {error}") from error
        self._path, self._dtype = path, dtype
        self._tensors = {tensor.name: tensor for tensor in self._reader.tensors}
        for tensor in self._reader.tensors:
            if tensor.tensor_type.name not in TYPES:
                known = ", ".join(TYPES)
                raise WeightsError(f"{path}: {tensor.name} is of the type {tensor.tensor_type.name}; known are {known}")
        self._factors = self._tensors.pop(_ROPE_FACTORS, None)
        self.held = {
            name: Held(name, tuple(int(size) for size in reversed(tensor.shape)), dtype)
            for name, tensor in self._tensors.items()
        }

    def read(self, name: str) -> Tensor:
        """Return one tensor, its memory its own."""
        return self._values(self._tensors[name]).to(self._dtype)

    def _values(self, tensor: Any) -> Tensor:
        from gguf.quants import dequantize

        values = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())
        return values.reshape([int(size) for size in reversed(tensor.shape)])

    def metadata(self) -> Mapping[str, Any]:
        """Return what the file says of itself, by key."""
        return {key: field.contents() for key, field in self._reader.fields.items()}

    def config(self) -> DecoderConfig:
        """Return the shape of the decoder; ConfigError for another architecture, or a key that is missing or wrong."""
        found = self.metadata()
        architecture = found.get("general.architecture")
        if architecture != "llama":
            raise ConfigError(f"{self._path}: the architecture is {architecture!r}; only 'llama' is supported")

        def need(key: str) -> Any:
            if f"llama.{key}" not in found:
                raise ConfigError(f"{self._path}: 'llama.{key}' is missing")
            return found[f"llama.{key}"]

        width, num_heads = need("embedding_length"), need("attention.head_count")
        embedding = self.held.get("token_embd.weight")
        if embedding is None:
            raise WeightsError(f"{self._path}: token_embd.weight is missing")
        values = {
            "vocab_size": embedding.shape[0],
            "width": width,
            "num_layers": need("block_count"),
            "num_heads": num_heads,
            "num_kv_heads": found.get("llama.attention.head_count_kv", num_heads),
            "head_dim": found.get("llama.attention.key_length", width // num_heads),
            "mlp_width": need("feed_forward_length"),
            "max_positions": need("context_length"),
            # Kept in single precision there: 1e-5 reads as 9.999999747378752e-06.
            "norm_eps": float(f"{need('attention.layer_norm_rms_epsilon'):.6g}"),
            "rope_theta": found.get("llama.rope.freq_base", 10000.0),
            "tie_embeddings": "output.weight" not in self.held,
        }
        config = parse(DecoderConfig, values, source=str(self._path))
        return config.model_copy(update={"rope_scaling": self._rope_scaling(config)})

    def _rope_scaling(self, config: DecoderConfig) -> RopeScaling | None:
        """Return the stretching of positions: the file holds by how much every frequency is divided."""
        if self._factors is None:
            return None
        factors = self._values(self._factors)
        scaling = RopeScaling(factor=round(float(factors.max()), 3), **_LLAMA_3)
        stretched = decoder_frequencies(config.model_copy(update={"rope_scaling": scaling}))
        wanted = decoder_frequencies(config) / stretched
        if factors.shape != wanted.shape or not torch.allclose(factors, wanted, rtol=1e-3):
            raise ConfigError(f"{self._path}: {_ROPE_FACTORS} stretches positions otherwise than Llama 3 does")
        return scaling
