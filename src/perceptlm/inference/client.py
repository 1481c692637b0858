"""LocalClient: a model on this machine behind the GenerationClient interface.

Requests are answered in static batches of like length. Pictures that several requests of a window share are encoded
once. A request's answer does not depend on what it is batched with. It knows nothing of tasks or scores.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from perceptlm.batch import Example
from perceptlm.clients.protocol import GenerationRequest, GenerationResult, ModelIdentity
from perceptlm.errors import DataError
from perceptlm.inference.scheduler import batches_by_length, windows
from perceptlm.model.generation import Continuation, Sampling, continue_batch
from perceptlm.pretrained import LoadedModel

_BATCHES_PER_WINDOW = 8


class LocalClient:
    """Answers requests with a loaded model; `blind='zero'` shows it mid grey instead of every picture.

    `licence` is the SPDX expression of the weights, which a model directory does not state. `on_progress` is called
    with (requests answered, requests in all).
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
        try:
            for window in windows(len(requests), _BATCHES_PER_WINDOW * self._batch_size):
                yield from self._answer([requests[i] for i in window], window.start, len(requests))
        finally:
            model.train(was_training)

    def _answer(
        self, requests: Sequence[GenerationRequest], num_before: int, num_requests: int
    ) -> list[GenerationResult]:
        """Return results in order; a request the processor refuses gets a result that says why."""
        results: dict[int, GenerationResult] = {}
        examples: dict[int, Example] = {}
        for index, request in enumerate(requests):
            try:
                examples[index] = self._loaded.processor.prompt(request)
            except DataError as error:
                results[index] = GenerationResult(request.id, "", "error", error=error.message)
        encoded: dict[str, Tensor] = {}
        lengths = {index: example.num_tokens for index, example in examples.items()}
        for indices in batches_by_length(lengths, self._batch_size):
            chosen = [requests[i] for i in indices]
            continuations = self._continue(chosen, [examples[i] for i in indices], encoded)
            for index, continuation in zip(indices, continuations, strict=True):
                results[index] = GenerationResult(
                    id=requests[index].id,
                    text=self._loaded.processor.decode(continuation.token_ids),
                    finish_reason=continuation.finish_reason,
                    num_prompt_tokens=examples[index].num_tokens,
                    num_new_tokens=len(continuation.token_ids),
                )
            if self._on_progress is not None:
                self._on_progress(num_before + len(results), num_requests)
        return [results[index] for index in range(len(requests))]

    def _continue(
        self, requests: Sequence[GenerationRequest], examples: Sequence[Example], encoded: dict[str, Tensor]
    ) -> list[Continuation]:
        processor, model = self._loaded.processor, self._loaded.model
        vision_tokens = [self._encode(example, encoded) for example in examples if len(example.pictures)]
        samplings = [Sampling(r.max_new_tokens, r.temperature, r.seed, r.id) for r in requests]
        return continue_batch(
            model,
            processor.collate(examples).to(model.device),
            samplings,
            processor.stop_token_ids,
            vision_tokens=torch.cat(vision_tokens) if vision_tokens else None,
        )

    @torch.no_grad()
    def _encode(self, example: Example, encoded: dict[str, Tensor]) -> Tensor:
        """Return the vision tokens of an Example's pictures, encoded the first time they are met."""
        key = hashlib.blake2b(example.pictures.tobytes(), digest_size=16).hexdigest()
        if key not in encoded:
            pictures = self._loaded.processor.collate([example]).pictures.to(self._loaded.model.device)
            encoded[key] = self._loaded.model.encode(torch.zeros_like(pictures) if self._blind == "zero" else pictures)
        return encoded[key]
