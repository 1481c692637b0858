"""ScriptedClient: answers written down beforehand, for tests and for replaying what a model once said.

It looks at nothing but the request; it knows neither models nor servers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from perceptlm.clients.protocol import GenerationRequest, GenerationResult, K, ModelIdentity
from perceptlm.config import digest_of
from perceptlm.errors import ClientError


class ScriptedClient:
    """Answers from a table of request ids, or from a function of the request.

    A request that is not in the table, or for which the function raises ClientError, gets an error result. Unless
    `identity` is given, a table is named by its digest, so that two tables never pass for the same model.
    """

    def __init__(
        self,
        answers: Mapping[str, str] | Callable[[GenerationRequest], str],
        *,
        identity: ModelIdentity | None = None,
    ) -> None:
        self._answers = dict(answers) if isinstance(answers, Mapping) else answers
        revision = digest_of(self._answers) if isinstance(self._answers, dict) else "unknown"
        self._identity = identity or ModelIdentity(
            name="scripted", revision=revision, licence="NOASSERTION", backend="scripted"
        )

    @property
    def identity(self) -> ModelIdentity:
        """Which script this is."""
        return self._identity

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[GenerationResult]:
        """Yield one result per request, in order; `max_new_tokens` does not cut scripted answers."""
        for request in requests:
            try:
                yield GenerationResult(request.id, self._answer(request), "stop")
            except ClientError as error:
                yield GenerationResult(request.id, "", "error", error=error.message)

    def answer_each(self, asked: Iterable[tuple[K, GenerationRequest]]) -> Iterator[tuple[K, GenerationResult]]:
        """Yield each result with the key of its request, in order."""
        for key, request in asked:
            for result in self.generate([request]):
                yield key, result

    def _answer(self, request: GenerationRequest) -> str:
        if not isinstance(self._answers, dict):
            return self._answers(request)
        if request.id not in self._answers:
            raise ClientError(f"no answer is scripted for request {request.id}")
        return self._answers[request.id]
