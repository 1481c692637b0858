"""Proposals from any model: a draft answer, and wrong answers that differ in one detail. Kept apart, with their maker.

The prompts are our own. A proposal carries the model's identity and licence, and the digest of what it was asked, so
that a release can say which words came from where. A model that the project's audit refuses is not asked at all
(docs/data-audit.md). Knows no person: who sees a proposal, and when, is the flow's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from perceptlm.annotate.fgqa.text_rules import clean_line, same_text
from perceptlm.clients.asking import ask_all
from perceptlm.clients.protocol import (
    GenerationClient,
    GenerationRequest,
    MediaInput,
    ModelIdentity,
)
from perceptlm.config import Config, digest_of
from perceptlm.data.audit_rules import ADVICE, faults_of
from perceptlm.data.open_weights import open_weights
from perceptlm.errors import ConfigError
from perceptlm.schema import Origin, Turn

ANSWER_PROMPT = (
    "Answer the question about the video in one short sentence. Say only what can be seen, with the details that the "
    "question asks for. If it cannot be seen, reply with the word UNSEEN.\nQuestion: {question}"
)
DISTRACTOR_PROMPT = (
    "Write {number} wrong answers to a question about a video. The right answer is given. Each wrong answer changes "
    "exactly one detail of the right one, such as an object, a colour, a side, a number or the order; it is about as "
    "long, worded in the same way, and believable for someone who has not seen the video. None may be true as well.\n"
    "Question: {question}\nRight answer: {answer}\n{others}"
    "Reply with a JSON list of {number} strings and nothing else."
)
OTHERS_PROMPT = "These are there already, so write none of them: {others}\n"
MAX_TEXT = 4000
MAX_NEW_TOKENS = 400


@dataclass(frozen=True)
class Ask:
    """What to make proposals for. `answer` is needed for distractors, of which `others` are there already; media are
    sampled by the caller.
    """

    key: str
    question: str
    answer: str | None = None
    media: tuple[MediaInput, ...] = ()
    others: tuple[str, ...] = ()


class ProposedText(Config):
    """One proposal of a model, as it is stored and exported."""

    kind: Literal["answer", "distractor"]
    text: str
    model: ModelIdentity
    prompt_sha256: str


@dataclass(frozen=True)
class Reply:
    """What came of one ask. `refused` says why texts were not taken; `failure`, that the model did not answer at all,
    so that it may be asked again.
    """

    key: str
    prompt_sha256: str
    proposed: tuple[ProposedText, ...] = ()
    refused: tuple[str, ...] = ()
    failure: str | None = None


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


def answer_prompt(ask: Ask) -> str:
    """Return what is asked for a draft answer."""
    return ANSWER_PROMPT.format(question=ask.question)


def distractor_prompt(ask: Ask, number: int) -> str:
    """Return what is asked for distractors; ConfigError without the right answer."""
    if ask.answer is None:
        raise ConfigError(f"item {ask.key}: distractors need the right answer")
    others = OTHERS_PROMPT.format(others=json.dumps(ask.others, ensure_ascii=False)) if ask.others else ""
    return DISTRACTOR_PROMPT.format(question=ask.question, answer=ask.answer, number=number, others=others)


def propose_answers(client: GenerationClient, asks: Iterable[Ask]) -> Generator[Reply, None, None]:
    """Yield for each ask a draft answer, or why there is none, as they come; ConfigError as `check_model` does."""
    check_model(client.identity)

    def read(ask: Ask, text: str) -> tuple[list[str], list[str]]:
        cleaned, reason = _cleaned(text)
        if cleaned is not None and cleaned.strip(" .").upper() == "UNSEEN":
            cleaned, reason = None, "the model says that it cannot be seen"
        return ([], [reason]) if cleaned is None else ([cleaned], [])

    return _replies(client, asks, "answer", answer_prompt, read)


def propose_distractors(
    client: GenerationClient, asks: Iterable[Ask], *, number: int = 4
) -> Generator[Reply, None, None]:
    """Yield for each ask up to `number` distractors, each told once and none the answer, and why others were not
    taken, as they come; ConfigError as `check_model` does.
    """
    check_model(client.identity)

    def read(ask: Ask, text: str) -> tuple[list[str], list[str]]:
        texts = _list_in(text)
        if texts is None:
            return [], ["the reply is no JSON list of strings"]
        if not texts:
            return [], ["the reply is an empty list"]
        kept: list[str] = []
        refused = []
        for found in texts[:number]:
            cleaned, reason = _cleaned(found)
            if cleaned is None:
                refused.append(reason)
            elif any(same_text(cleaned, other) for other in (str(ask.answer), *ask.others, *kept)):
                refused.append("a distractor says the same as the answer or as another distractor")
            else:
                kept.append(cleaned)
        return kept, refused

    return _replies(client, asks, "distractor", lambda ask: distractor_prompt(ask, number), read)


def _replies(
    client: GenerationClient,
    asks: Iterable[Ask],
    kind: Literal["answer", "distractor"],
    prompt: Callable[[Ask], str],
    read: Callable[[Ask, str], tuple[list[str], list[str]]],
) -> Generator[Reply, None, None]:
    def requests() -> Iterator[tuple[Ask, GenerationRequest]]:
        for ask in asks:
            turns = (Turn(role="user", text=prompt(ask)),)
            yield ask, GenerationRequest(ask.key, turns, ask.media, max_new_tokens=MAX_NEW_TOKENS)

    for ask, result in ask_all(client, requests()):
        # Frames are part of what was asked, but their pixels are known by the asset: the digest is of the words.
        digest = digest_of(prompt(ask))
        if result.error is not None:
            yield Reply(ask.key, digest, failure=result.error)
            continue
        texts, refused = read(ask, result.text)
        proposed = [ProposedText(kind=kind, text=text, model=client.identity, prompt_sha256=digest) for text in texts]
        yield Reply(ask.key, digest, tuple(proposed), tuple(refused))


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
