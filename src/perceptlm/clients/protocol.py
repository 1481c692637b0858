"""GenerationClient: the one way `engine`, `eval` and `annotate` reach a model, whatever runs it.

Torch-free. A request carries pictures as arrays that the caller has already sampled and marked (frames, red boxes);
how they become tiles, tokens or base64 is the client's own matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from perceptlm.config import Config
from perceptlm.schema import Turn

K = TypeVar("K")

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


@runtime_checkable
class EachAloneClient(GenerationClient, Protocol):
    """A client whose answer to a request does not depend, not even in the last bit, on what else it is asked.

    So what is missing of an interrupted run can be asked alone. A model that works on batches makes no such promise: a
    sum over more rows may be rounded in another way.
    """

    def answer_each(self, asked: Iterable[tuple[K, GenerationRequest]]) -> Iterator[tuple[K, GenerationResult]]:
        """Yield a result with the key of its request, in whatever order they come.

        The next request is taken only once there is room for it: what was taken and not yet yielded, or yielded last
        while the caller writes it down, is never more than the client asks at the same time.
        """
        ...


def answers_alone(client: GenerationClient) -> bool:
    """Whether a client answers each request alone; one that does not say so is asked in fixed batches."""
    return isinstance(client, EachAloneClient)


def needs_media(client: GenerationClient) -> bool:
    """Whether a client looks at pictures; one that has its answers written down says `reads_media = False`."""
    return bool(getattr(client, "reads_media", True))
