"""LocalClient: a model on this machine behind the GenerationClient interface.

What requests share - the system text and the pictures - is encoded and read once, also over calls, as far as memory
allows; then batches of like answers are written. A request's answer does not depend on what it is batched with. It
knows nothing of tasks or scores.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch

from perceptlm.batch import Example
from perceptlm.clients.protocol import GenerationRequest, GenerationResult, ModelIdentity
from perceptlm.errors import DataError
from perceptlm.inference.prefix_store import PrefixStore
from perceptlm.inference.prompts import Prompt, PromptMaker
from perceptlm.inference.scheduler import Work, batches_of_like
from perceptlm.model.generation import Branch, Continuation, Sampling, continue_branches, read_prefixes
from perceptlm.model.kv_cache import Prefix
from perceptlm.pretrained import LoadedModel

_BATCHES_PER_WINDOW = 8
_PREFIX_BYTES = 2**28


@dataclass
class _Window:
    """Consecutive requests that are answered together (pictures taken out), and the prefixes they need."""

    requests: list[GenerationRequest] = field(default_factory=list)
    results: dict[int, GenerationResult] = field(default_factory=dict)
    prompts: dict[int, Prompt] = field(default_factory=dict)
    prefixes: dict[Hashable, Prefix] = field(default_factory=dict)
    num_bytes: int = 0


class LocalClient:
    """Answers requests with a loaded model; `blind='zero'` shows it mid grey instead of every picture.

    The model's weights must not change while it answers for a client. `licence` is the SPDX expression of the
    weights, which a model directory does not state. `on_progress` is called with (requests answered, requests in all).
    """

    def __init__(
        self,
        loaded: LoadedModel,
        *,
        batch_size: int = 16,
        blind: Literal["zero"] | None = None,
        licence: str = "NOASSERTION",
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._loaded = loaded
        self._batch_size = batch_size
        self._blind = blind
        self._licence = licence
        self._on_progress = on_progress
        self._identity: ModelIdentity | None = None
        self._store = PrefixStore(_PREFIX_BYTES)

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is: the directory's name, and the digest of its manifest or of its weights."""
        if self._identity is None:
            directory = self._loaded.directory
            name = "in-memory" if directory is None else directory.resolve().name
            if self._blind is not None:
                name += f"+blind-{self._blind}"
            self._identity = ModelIdentity(
                name=name, revision=self._loaded.revision(), licence=self._licence, backend="perceptlm"
            )
        return self._identity

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[GenerationResult]:
        """Yield one result per request, in order."""
        model = self._loaded.model
        was_training = model.training
        model.eval()
        num_before = 0
        try:
            for window in self._windows(requests):
                yield from self._answer(window, num_before, len(requests))
                num_before += len(window.requests)
        finally:
            model.train(was_training)

    def _windows(self, requests: Sequence[GenerationRequest]) -> Iterator[_Window]:
        """Yield the requests in windows of bounded size; one that the processor refuses has its result already."""
        maker = PromptMaker(self._loaded.processor, grey=self._blind is not None)
        window = _Window()
        for request in requests:
            number = len(window.requests)
            window.requests.append(replace(request, media=()))
            try:
                window.prompts[number] = self._prepare(request, maker, window)
            except DataError as error:
                window.results[number] = GenerationResult(request.id, "", "error", error=error.message)
            full = len(window.requests) == _BATCHES_PER_WINDOW * self._batch_size
            if full or window.num_bytes > _PREFIX_BYTES:
                yield window
                window = _Window()
        if window.requests:
            yield window

    def _prepare(self, request: GenerationRequest, maker: PromptMaker, window: _Window) -> Prompt:
        """Return the prompt of a request, and put the prefix it needs into the window."""

        def num_held(key: Hashable) -> int | None:
            held = window.prefixes.get(key) or self._store.get(key)
            return None if held is None else held.num_tokens

        prompt = maker.prompt(request, num_held)
        if prompt.key not in window.prefixes:
            prefix = self._store.get(prompt.key)
            if prefix is None:
                assert prompt.prefix is not None
                prefix = self._read(prompt.prefix)
                self._store.put(prompt.key, prefix)
            window.prefixes[prompt.key] = prefix
            window.num_bytes += prefix.num_bytes
        return replace(prompt, prefix=None)

    @torch.no_grad()
    def _read(self, example: Example) -> Prefix:
        """Encode the pictures of a prefix and read it: alone, so that it is always the same to the last bit."""
        model = self._loaded.model
        batch = self._loaded.processor.collate([example]).to(model.device)
        if self._blind == "zero":
            # One picture expanded, as in training without pixels: it is encoded once.
            batch.pictures = torch.zeros_like(batch.pictures[:1]).expand(batch.pictures.shape)
        (prefix,) = read_prefixes(model, batch)
        return prefix

    def _answer(self, window: _Window, num_before: int, num_requests: int) -> list[GenerationResult]:
        """Return the results of a window in order."""
        numbers = sorted(window.prompts)
        work = [_work(window.requests[n], window.prompts[n]) for n in numbers]
        for batch in batches_of_like(work, self._batch_size):
            chosen = [numbers[place] for place in batch]
            for number, continuation in zip(chosen, self._continue(window, chosen), strict=True):
                window.results[number] = GenerationResult(
                    id=window.requests[number].id,
                    text=self._loaded.processor.decode(continuation.token_ids),
                    finish_reason=continuation.finish_reason,
                    num_prompt_tokens=window.prompts[number].num_tokens,
                    num_new_tokens=len(continuation.token_ids),
                )
            if self._on_progress is not None:
                self._on_progress(num_before + len(window.results), num_requests)
        return [window.results[number] for number in range(len(window.requests))]

    def _continue(self, window: _Window, numbers: Sequence[int]) -> list[Continuation]:
        keys = list(dict.fromkeys(window.prompts[number].key for number in numbers))
        places = {key: place for place, key in enumerate(keys)}
        branches = [
            Branch(places[prompt.key], prompt.token_ids, _sampling(request))
            for prompt, request in ((window.prompts[n], window.requests[n]) for n in numbers)
        ]
        prefixes = [window.prefixes[key] for key in keys]
        return continue_branches(self._loaded.model, prefixes, branches, self._loaded.processor.stop_token_ids)


def _work(request: GenerationRequest, prompt: Prompt) -> Work:
    return Work(request.max_new_tokens, prompt.key, prompt.num_shared, len(prompt.token_ids))


def _sampling(request: GenerationRequest) -> Sampling:
    return Sampling(request.max_new_tokens, request.temperature, request.seed, request.id)
