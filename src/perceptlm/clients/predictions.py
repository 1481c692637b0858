"""Predictions: answers that any program wrote to a file, so that they are scored like a model's.

A line is `{"id": ..., "text": ...}`; it may also say `variant` (default "own"), `finish_reason`, `error` and
`num_frames`. Lines of an evaluation's own `answers.jsonl` and `rows.jsonl` are such lines. Knows neither questions nor
scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from perceptlm.clients.protocol import GenerationRequest, GenerationResult, K, ModelIdentity
from perceptlm.config import Config, digest_of
from perceptlm.errors import DataError
from perceptlm.exchange.jsonl import read_lines

OWN = "own"
MISSING = "the predictions hold none for this id"
FinishReason = Literal["stop", "length", "error"]


class Prediction(Config):
    """What a file says of one question."""

    text: str
    finish_reason: FinishReason = "stop"
    error: str | None = None
    num_frames: int | None = None
    """Pictures that the model was shown, where the file says it: frame numbers in `text` are numbers of these."""


def read_predictions(path: Path) -> dict[str, dict[str, Prediction]]:
    """Return predictions by variant and id; DataError naming file and line for what is none, or an id twice."""
    found: dict[str, dict[str, Prediction]] = {}
    for number, record in read_lines(path):
        variant, name = record.get("variant", OWN), record.get("id")
        if not isinstance(name, str) or not isinstance(variant, str):
            raise DataError("names no id", path=path, line=number, hint='write {"id": "...", "text": "..."}')
        if name in found.setdefault(variant, {}):
            raise DataError(f"a second prediction for {name} ({variant})", path=path, line=number)
        found[variant][name] = _prediction(record, path, number)
    if not found:
        raise DataError("holds no predictions", path=path)
    return found


class PredictionsClient:
    """Answers from the predictions of one variant; a request without one gets an error result. Looks at no picture."""

    reads_media = False

    def __init__(self, predictions: Mapping[str, Prediction], *, name: str = "predictions") -> None:
        self._predictions = predictions
        said = {"num_frames"}  # no part of an answer: the same answers are the same model
        revision = digest_of({key: item.model_dump(mode="json", exclude=said) for key, item in predictions.items()})
        self._identity = ModelIdentity(name=name, revision=revision, licence="NOASSERTION", backend="predictions")

    @property
    def identity(self) -> ModelIdentity:
        """The name given, and the digest of the predictions."""
        return self._identity

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[GenerationResult]:
        """Yield one result per request, in order."""
        for request in requests:
            found = self._predictions.get(request.id)
            if found is None:
                yield GenerationResult(request.id, "", "error", error=MISSING)
            else:
                yield GenerationResult(request.id, found.text, found.finish_reason, error=found.error)

    def answer_each(self, asked: Iterable[tuple[K, GenerationRequest]]) -> Iterator[tuple[K, GenerationResult]]:
        """Yield each result with the key of its request, in order."""
        for key, request in asked:
            for result in self.generate([request]):
                yield key, result


def _prediction(record: Mapping[str, Any], path: Path, line: int) -> Prediction:
    text = record.get("text", record.get("prediction"))
    reason, error = record.get("finish_reason", "stop"), record.get("error")
    shown = record.get("num_frames")
    readable = isinstance(text, str) and isinstance(error, str | None) and isinstance(shown, int | None)
    if not readable or reason not in get_args(FinishReason):
        raise DataError("is no prediction", path=path, line=line, hint='write {"id": "...", "text": "..."}')
    if reason == "error" and error is None:  # a row of an evaluation has the reason in its score
        score = record.get("score")
        error = str(score.get("reason")) if isinstance(score, Mapping) else "no reason given"
    return Prediction(text=text, finish_reason=reason, error=error, num_frames=shown)
