"""What a frozen vision encoder makes of each distinct set of pictures, computed once and kept in memory.

A clip's frames are always encoded together and with nothing else, so that its features are the same to the last bit
whenever, and in whichever stage, it is met first: a resumed run gets the bytes of an uninterrupted one. They are kept
in the precision that the projector computes in, so nothing is rounded that would not be anyway. Knows no files.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from perceptlm.config import canonical_json
from perceptlm.model.plm import PerceptionLM
from perceptlm.model.weights.digest import digest_of_weights
from perceptlm.preprocess.configuration import ProcessorConfig
from perceptlm.preprocess.packing import normalise
from perceptlm.train.configuration import StageConfig

MAX_BYTES = 2 * 2**30

_latest: dict[str, dict[Hashable, Tensor]] = {}
"""The features of the encoder used last, by its identity: stages with the same frozen encoder share them."""


class VisionFeatures:
    """Features by key, at most `max_bytes` of them; what comes after that is computed each time it is asked for.

    Nothing is ever thrown out to make room: in a run over epochs, what was seen last comes again last.
    """

    def __init__(
        self, model: PerceptionLM, config: StageConfig, processor: ProcessorConfig, *, max_bytes: int = MAX_BYTES
    ) -> None:
        self._model = model
        self._bf16 = config.precision == "bf16"
        self._max_bytes = max_bytes
        identity = _identity(model, config, processor)
        if identity not in _latest:
            _latest.clear()
            _latest[identity] = {}
        self._held = _latest[identity]
        self._num_bytes = sum(map(_size, self._held.values()))

    def __contains__(self, key: Hashable) -> bool:
        """Whether `get` needs no tiles for this key; once true, always true. Safe to ask from another thread."""
        return key in self._held

    def get(self, key: Hashable, tiles: NDArray[np.uint8] | None) -> Tensor:
        """Return the patches (N, P, V) of the tiles (N, 3, S, S) that `key` stands for; they may be None if held."""
        held = self._held.get(key)
        if held is not None:
            return held
        if tiles is None:
            raise ValueError(f"no features and no tiles for {key}")
        made = self._encode(tiles)
        if self._num_bytes + _size(made) <= self._max_bytes:
            self._held[key] = made
            self._num_bytes += _size(made)
        return made

    @torch.no_grad()
    def _encode(self, tiles: NDArray[np.uint8]) -> Tensor:
        device = self._model.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self._bf16):
            patches = self._model.encode_patches(normalise(tiles).to(device))
        return patches.to(torch.bfloat16) if self._bf16 else patches


def release_features() -> None:
    """Give back the memory of all features: no more stages follow."""
    _latest.clear()


def _size(features: Tensor) -> int:
    return features.numel() * features.element_size()


def _identity(model: PerceptionLM, config: StageConfig, processor: ProcessorConfig) -> str:
    """Return a digest of all that features depend on beside the key: weights, precision, how pictures are shown."""
    settings = {
        "vision": model.config.vision.to_dict(),
        "processor": processor.to_dict(),
        "precision": config.precision,
        "num_threads": config.num_threads,
    }
    return digest_of_weights(model.vision_encoder, about=canonical_json(settings))
