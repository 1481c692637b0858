"""Asking any client a stream of requests: each alone where it can be, in batches elsewhere. Knows no question.

Requests are taken as they are wanted, so that no more pictures are held than are being looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from perceptlm.clients.protocol import EachAloneClient, GenerationClient, GenerationRequest, GenerationResult, K
from perceptlm.errors import ClientError

BATCH_SIZE = 8
"""Requests that a client gets together which cannot be asked each alone."""


def ask_all(
    client: GenerationClient, asked: Iterable[tuple[K, GenerationRequest]]
) -> Iterator[tuple[K, GenerationResult]]:
    """Yield each result with the key of its request, in whatever order they come.

    Raises ClientError where a client answers something that it was not asked.
    """
    if isinstance(client, EachAloneClient):
        yield from client.answer_each(asked)
        return
    source = iter(asked)
    while batch := list(islice(source, BATCH_SIZE)):
        results = client.generate([request for _, request in batch])
        for (key, request), result in zip(batch, results, strict=True):
            if result.id != request.id:
                raise ClientError(f"the client answered {result.id} where {request.id} was asked")
            yield key, result
