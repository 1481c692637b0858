"""GenerationClient: the one way `engine`, `eval` and `annotate` reach a model, whatever runs it.

Torch-free. A request carries pictures as arrays that the caller has already sampled and marked (frames, red boxes);
how they become tiles, tokens or base64 is the client's own matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from perceptlm.config import Config
from perceptlm.schema import Turn

Picture = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""


class ModelIdentity(Config):
    """Which model answered: enough to find it again, and to know whether its words may be trained on."""

    name: str
    revision: str
    licence: str
    backend: str


@dataclass(frozen=True)
class MediaInput:
    """One image (one picture) or one video (its sampled frames, in order)."""

    kind: Literal["image", "video"]
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class GenerationRequest:
    """A conversation that ends with a user turn, and the media shown before its first user text."""

    id: str
    turns: tuple[Turn, ...]
    media: tuple[MediaInput, ...] = ()
    max_new_tokens: int = 128
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class GenerationResult:
    """What came back. `error` is set, and `text` empty, when the model could not be made to answer."""

    id: str
    text: str
    finish_reason: Literal["stop", "length", "error"]
    error: str | None = None
    num_prompt_tokens: int | None = None
    num_new_tokens: int | None = None
    details: dict[str, str] = field(default_factory=dict)


@runtime_checkable
class GenerationClient(Protocol):
    """Anything that answers requests."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        ...

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[GenerationResult]:
        """Yield one result per request, in the order of the requests, as they become available."""
        ...
