"""Proposals from any model: a draft answer, and wrong answers that differ in one detail. Kept apart, with their maker.

The prompts are our own. A proposal carries the model's identity and licence, and the digest of what it was asked, so
that a release can say which words came from where. A model that the project's audit refuses is not asked at all
(docs/data-audit.md). Knows no person: who sees a proposal, and when, is the flow's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from perceptlm.annotate.fgqa.text_rules import clean_line, same_text
from perceptlm.clients.protocol import (
    GenerationClient,
    GenerationRequest,
    GenerationResult,
    MediaInput,
    ModelIdentity,
)
from perceptlm.config import Config, digest_of
from perceptlm.data.audit_rules import ADVICE, faults_of
from perceptlm.data.open_weights import open_weights
from perceptlm.errors import ClientError, ConfigError
from perceptlm.schema import Origin, Turn

ANSWER_PROMPT = (
    "Answer the question about the video in one short sentence. Say only what can be seen, with the details that the "
    "question asks for. If it cannot be seen, reply with the word UNSEEN.\nQuestion: {question}"
)
DISTRACTOR_PROMPT = (
    "Write {number} wrong answers to a question about a video. The right answer is given. Each wrong answer changes "
    "exactly one detail of the right one, such as an object, a colour, a side, a number or the order; it is about as "
    "long, worded in the same way, and believable for someone who has not seen the video. None may be true as well.\n"
    "Question: {question}\nRight answer: {answer}\n"
    "Reply with a JSON list of {number} strings and nothing else."
)
MAX_TEXT = 4000
_MAX_NEW_TOKENS = 400


@dataclass(frozen=True)
class Ask:
    """What to make proposals for. `answer` is needed for distractors; media are sampled by the caller."""

    key: str
    question: str
    answer: str | None = None
    media: tuple[MediaInput, ...] = ()


class ProposedText(Config):
    """One proposal of a model, as it is stored and exported."""

    key: str
    kind: Literal["answer", "distractor"]
    text: str
    model: ModelIdentity
    prompt_sha256: str
    seed: int


@dataclass(frozen=True)
class Refused:
    """A reply that gave no proposal, and why."""

    key: str
    reason: str


def check_model(identity: ModelIdentity) -> Origin:
    """Return the Origin of a model's words; ConfigError, with every reason, for a model that the audit refuses."""
    origin = Origin(
        kind="model",
        name=identity.name or "?",
        revision=identity.revision or "?",
        licence=identity.licence or "NOASSERTION",
    )
    faults = faults_of(origin, open_weights())
    if faults:
        raise ConfigError(
            f"model '{identity.name}' may make no proposals: {'; '.join(fault.message for fault in faults)}",
            hint=ADVICE[faults[0].reason],
        )
    return origin


def propose_answers(
    client: GenerationClient, asks: Sequence[Ask], *, seed: int = 0
) -> Iterator[ProposedText | Refused]:
    """Yield a draft answer for each ask, or why there is none; raises ConfigError as `check_model` does."""
    check_model(client.identity)
    for ask, result in zip(asks, _ask(client, asks, [_answer_text(ask) for ask in asks], seed), strict=True):
        text, reason = _readable(result)
        if text is not None and text.strip(" .").upper() == "UNSEEN":
            reason = "the model says that it cannot be seen"
        yield _record(client, ask, "answer", str(text), _answer_text(ask), seed) if not reason else _no(ask, reason)


def propose_distractors(
    client: GenerationClient, asks: Sequence[Ask], *, number: int = 4, seed: int = 0
) -> Iterator[ProposedText | Refused]:
    """Yield up to `number` distractors for each ask, each told once and none the answer, or why there are none."""
    check_model(client.identity)
    prompts = [_distractor_text(ask, number) for ask in asks]
    for ask, prompt, result in zip(asks, prompts, _ask(client, asks, prompts, seed), strict=True):
        if result.error is not None:
            yield _no(ask, f"the model did not answer: {result.error}")
            continue
        texts = _list_in(result.text)
        if texts is None:
            yield _no(ask, "the reply is no JSON list of strings")
            continue
        kept: list[str] = []
        for text in texts[:number]:
            cleaned, reason = _cleaned(text)
            if cleaned is None:
                yield _no(ask, reason)
            elif any(same_text(cleaned, other) for other in (str(ask.answer), *kept)):
                yield _no(ask, "a distractor says the same as the answer or as another distractor")
            else:
                kept.append(cleaned)
                yield _record(client, ask, "distractor", cleaned, prompt, seed)


def _answer_text(ask: Ask) -> str:
    return ANSWER_PROMPT.format(question=ask.question)


def _distractor_text(ask: Ask, number: int) -> str:
    if ask.answer is None:
        raise ConfigError(f"item {ask.key}: distractors need the right answer")
    return DISTRACTOR_PROMPT.format(question=ask.question, answer=ask.answer, number=number)


def _ask(
    client: GenerationClient, asks: Sequence[Ask], prompts: Sequence[str], seed: int
) -> Iterator[GenerationResult]:
    requests = [
        GenerationRequest(
            ask.key, (Turn(role="user", text=text),), ask.media, max_new_tokens=_MAX_NEW_TOKENS, seed=seed
        )
        for ask, text in zip(asks, prompts, strict=True)
    ]
    for request, result in zip(requests, client.generate(requests), strict=True):
        if result.id != request.id:
            raise ClientError(f"the client answered {result.id} where {request.id} was asked")
        yield result


def _record(
    client: GenerationClient, ask: Ask, kind: Literal["answer", "distractor"], text: str, prompt: str, seed: int
) -> ProposedText:
    # Frames are part of what was asked, but their pixels are known by the asset: the digest is of the words.
    return ProposedText(
        key=ask.key, kind=kind, text=text, model=client.identity, prompt_sha256=digest_of(prompt), seed=seed
    )


def _readable(result: GenerationResult) -> tuple[str | None, str]:
    if result.error is not None:
        return None, f"the model did not answer: {result.error}"
    return _cleaned(result.text)


def _cleaned(text: str) -> tuple[str | None, str]:
    """Return a model's text in one clean line, or why it cannot be shown."""
    flat = " ".join(text.split())
    if not flat:
        return None, "the reply is empty"
    if len(flat) > MAX_TEXT:
        return None, f"the reply has {len(flat)} characters, at most {MAX_TEXT} are taken"
    try:
        return clean_line(flat), ""
    except ValueError as error:
        return None, str(error)


def _list_in(text: str) -> list[str] | None:
    start, end = text.find("["), text.rfind("]")
    if start < 0 or end < start:
        return None
    try:
        found = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        return None
    return found


def _no(ask: Ask, reason: str) -> Refused:
    return Refused(ask.key, reason)
