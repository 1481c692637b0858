"""Requests as prompts: what stands before the question, which others may share, and the question's own tokens.

Pictures are told apart by their content, looked at once per object: callers that show the same pictures again hand in
the same `MediaInput`. Pictures of a prefix that is already held are not even resized. Knows no weights.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from perceptlm.batch import Example
from perceptlm.clients.protocol import GenerationRequest, MediaInput
from perceptlm.preprocess.conversation import system_text
from perceptlm.preprocess.processor import Processor
from perceptlm.schema.placeholders import marks_images


@dataclass(frozen=True)
class Prompt:
    """A request in tokens: those of its own, and the key and number of those it shares.

    `prefix` is the Example of the shared part, without a branch; None if the caller said that it holds it.
    """

    key: Hashable
    num_shared: int
    token_ids: tuple[int, ...]
    prefix: Example | None

    @property
    def num_tokens(self) -> int:
        """Tokens of the whole prompt."""
        return self.num_shared + len(self.token_ids)


class PromptMaker:
    """Makes Prompts of requests; with `grey`, pictures count as equal when there are as many of the same size."""

    def __init__(self, processor: Processor, *, grey: bool = False) -> None:
        self._processor = processor
        self._grey = grey
        self._keys: dict[int, tuple[weakref.ref[MediaInput], Hashable]] = {}

    def prompt(self, request: GenerationRequest, num_held: Callable[[Hashable], int | None]) -> Prompt:
        """Return the Prompt of `request`; `num_held` tells how many tokens the prefix of a key has, if it is held.

        Raises DataError if the request does not fit the model, or is not a conversation to go on from.
        """
        processor = self._processor
        # Where images stand in the text, what is shared depends on it.
        marked = request.turns if marks_images(request.turns, [item.kind for item in request.media]) else None
        key = (system_text(request.turns), tuple(self._key(item) for item in request.media), marked)
        num_shared = num_held(key)
        if num_shared is not None:
            token_ids = processor.own_ids(request)
            if num_shared + len(token_ids) <= processor.config.max_tokens:
                return Prompt(key, num_shared, tuple(token_ids), None)
        example = processor.prompt(request)
        num_shared = int((example.branch == 0).sum())
        return Prompt(key, num_shared, tuple(example.input_ids[num_shared:].tolist()), _first(example, num_shared))

    def _key(self, item: MediaInput) -> Hashable:
        known, key = self._keys.get(id(item), (None, None))
        # A number may become another object's once the first is gone.
        if known is None or known() is not item:
            key = self._digest(item)
            self._keys[id(item)] = (weakref.ref(item), key)
        return key

    def _digest(self, item: MediaInput) -> Hashable:
        shapes = tuple(picture.shape for picture in item.pictures)
        if self._grey:
            return (item.kind, shapes)
        digest = hashlib.blake2b(digest_size=16)
        for picture in item.pictures:
            digest.update(picture.tobytes())
        return (item.kind, shapes, digest.hexdigest())


def _first(example: Example, num_tokens: int) -> Example:
    """Return the first `num_tokens` of an Example, with its pictures."""
    names = ("input_ids", "targets", "positions", "branch", "tag")
    return replace(example, **{name: getattr(example, name)[:num_tokens] for name in names})
