"""Asks a model for what items need and hands in what came of it, item by item, so that a run may be cut off anywhere.

What a model says is recorded whatever it is: proposals and checks, or why there are none. A model that does not answer
is no refusal: the item is asked again in the next run. Knows the service and a GenerationClient, nothing behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from perceptlm.annotate.asking.needs import AskSettings, Need, NeedyItem, Tally, line_of, model_of
from perceptlm.annotate.asking.service import Service, ServiceRefusal
from perceptlm.annotate.fgqa.groups import BinaryQuestion, binary_group
from perceptlm.annotate.fgqa.proposals import (
    Ask,
    Reply,
    answer_prompt,
    check_model,
    distractor_prompt,
    propose_answers,
    propose_distractors,
)
from perceptlm.annotate.fgqa.text_only import TextOnlyReplies, are_readable, ask_text_only, prompts_of
from perceptlm.clients import GenerationClient, ModelIdentity, needs_media
from perceptlm.config import digest_of
from perceptlm.errors import ClientError

MAX_FAILURES_IN_A_ROW = 20
"""So many items that fail one after the other say that the model's server is down."""
_SKIPPED = (404, 409, 415, 422)
"""Refusals by the service that are about one item, not about who asks."""


def needy_items(service: Service, need: Need, settings: AskSettings) -> list[NeedyItem]:
    """Return the items with a need, at most `settings.limit`."""
    return list(islice(service.needs(need), settings.limit))


def ask_of(need: Need, item: NeedyItem) -> Ask:
    """Return what to ask about an item, without its pictures."""
    if need == "answer_proposals":
        return Ask(item.key, item.question)
    others = tuple(distractor.text for distractor in item.distractors)
    return Ask(item.key, item.question, item.answer, others=others)


def prompt_of(need: Need, item: NeedyItem, settings: AskSettings) -> str:
    """Return what is asked for proposals."""
    ask = ask_of(need, item)
    return answer_prompt(ask) if need == "answer_proposals" else distractor_prompt(ask, settings.num_distractors)


def pairs_of(item: NeedyItem) -> tuple[BinaryQuestion, ...]:
    """Return the answer against each confirmed distractor, in the order of these."""
    texts = [distractor.text for distractor in item.distractors if distractor.is_confirmed]
    return binary_group(item.key, item.question, str(item.answer), texts)


def ask(
    service: Service,
    client: GenerationClient,
    need: Need,
    settings: AskSettings,
    items: Sequence[NeedyItem],
    done: Callable[[], object] = lambda: None,
) -> Tally:
    """Ask a model for what `items` need; `done` is called after each item. ConfigError as `propose` does."""
    if need == "text_only":
        return check_text_only(service, client, settings, items, done)
    return propose(service, client, need, settings, items, done)


def propose(
    service: Service,
    client: GenerationClient,
    need: Need,
    settings: AskSettings,
    items: Sequence[NeedyItem],
    done: Callable[[], object] = lambda: None,
) -> Tally:
    """Ask for proposals that `items` need; `done` is called after each item. ConfigError as `check_model` does."""
    check_model(client.identity)
    run = _Run(service, need, client.identity, done)
    shows = needs_media(client)

    def asks() -> Iterator[Ask]:
        for item in items:
            if run.was_asked(item, digest_of(prompt_of(need, item, settings)), settings):
                continue
            ask = ask_of(need, item)
            try:
                media = service.media(item, num_frames=settings.num_frames, max_side=settings.max_side) if shows else ()
            except ServiceRefusal as error:
                run.skip(error)
                continue
            run.begin(item)
            yield Ask(ask.key, ask.question, ask.answer, media, ask.others)

    if need == "answer_proposals":
        replies = propose_answers(client, asks())
    else:
        replies = propose_distractors(client, asks(), number=settings.num_distractors)
    with closing(replies):  # or a client that is left in the middle would still be asking
        for reply in replies:
            run.take_proposals(reply)
    return run.tally


def check_text_only(
    service: Service,
    client: GenerationClient,
    settings: AskSettings,
    items: Sequence[NeedyItem],
    done: Callable[[], object] = lambda: None,
) -> Tally:
    """Ask a model about the distractors of `items` without showing it anything; `done` is called after each item."""
    run = _Run(service, "text_only", client.identity, done)

    def sets() -> Iterator[tuple[str, Sequence[BinaryQuestion]]]:
        for item in items:
            pairs = pairs_of(item)
            if not run.was_asked(item, digest_of(prompts_of(pairs)), settings):
                run.begin(item)
                yield item.key, pairs

    with closing(ask_text_only(client, sets())) as found:
        for replies in found:
            run.take_text_only(replies)
    return run.tally


@dataclass
class _Run:
    """One need, one model, and the items that it is being asked about."""

    service: Service
    need: Need
    model: ModelIdentity
    done: Callable[[], object]
    tally: Tally = field(default_factory=Tally)
    _asked: dict[str, NeedyItem] = field(default_factory=dict)
    _num_failures_in_a_row: int = 0

    def was_asked(self, item: NeedyItem, prompt_sha256: str, settings: AskSettings) -> bool:
        """Count an item; return whether this model was asked the same before, in vain."""
        self.tally.num_needed += 1
        if settings.again or not item.was_refused(self.model, prompt_sha256):
            return False
        self.tally.num_asked_before += 1
        self.done()
        return True

    def begin(self, item: NeedyItem) -> None:
        """Remember an item until its reply comes."""
        self.tally.num_asked += 1
        self._asked[item.key] = item

    def take_proposals(self, reply: Reply) -> None:
        """Hand in what was proposed, and why the rest was not."""
        item = self._asked.pop(reply.key)
        if reply.failure is not None:
            self._fail(reply.failure)
            return
        entries = [
            {"kind": text.kind, "text": text.text, "model": model_of(text.model), "prompt_sha256": text.prompt_sha256}
            for text in reply.proposed
        ]

        def hand_in() -> None:
            # Proposals first: a refusal alone would keep the model from being asked again.
            if entries:
                self.service.propose(item, entries)
                self.tally.num_met += 1
                self.tally.num_given += len(entries)
            if reply.refused:
                self._refuse(item, list(reply.refused), reply.prompt_sha256, is_of_no_use=not entries)

        self._hand_in(hand_in)

    def take_text_only(self, replies: TextOnlyReplies) -> None:
        """Hand in how often each distractor was told, or that the replies could not be read."""
        item = self._asked.pop(replies.key)
        if replies.failure is not None:
            self._fail(replies.failure)
            return
        digest = digest_of(prompts_of(pairs_of(item)))
        confirmed = [distractor.id for distractor in item.distractors if distractor.is_confirmed]
        body: dict[str, Any] = {
            "about": item.about,
            "counts": [
                {"distractor_id": number, "num_trials": count.num_trials, "num_right": count.num_right}
                for number, count in zip(confirmed, replies.counts, strict=True)
            ],
            "num_unreadable": replies.num_unreadable,
            "model": model_of(self.model),
            "prompt_sha256": digest,
        }

        def hand_in() -> None:
            if not are_readable(replies.counts, replies.num_unreadable):
                reason = "fewer than half of the replies name a letter"
                self._refuse(item, [reason], digest, is_of_no_use=True)
                return
            self.tally.num_given += len(self.service.check_text_only(item, body))
            self.tally.num_met += 1

        self._hand_in(hand_in)

    def skip(self, error: ServiceRefusal) -> None:
        """Leave an item out whose pictures the service does not give; a refusal of all others goes on up."""
        if error.status not in _SKIPPED:
            raise error
        self.tally.num_failed += 1
        self.tally.reasons[line_of(error.message)] += 1
        self.done()

    def _refuse(self, item: NeedyItem, reasons: list[str], prompt_sha256: str, *, is_of_no_use: bool) -> None:
        self.service.refuse(item, self.need, reasons, self.model, prompt_sha256)
        self.tally.num_refused += is_of_no_use
        self.tally.reasons.update(line_of(reason) for reason in reasons)

    def _hand_in(self, work: Callable[[], None]) -> None:
        self._num_failures_in_a_row = 0
        try:
            work()
        except ServiceRefusal as error:
            if error.status not in _SKIPPED:
                raise
            if error.code in ("not_needed", "item_finished"):
                self.tally.num_not_needed += 1
            else:
                self.tally.num_failed += 1
                self.tally.reasons[line_of(error.message)] += 1
        self.done()

    def _fail(self, error: str) -> None:
        reason = line_of(f"the model did not answer: {error}")
        self.tally.num_failed += 1
        self.tally.reasons[reason] += 1
        self._num_failures_in_a_row += 1
        self.done()
        if self._num_failures_in_a_row >= MAX_FAILURES_IN_A_ROW:
            raise ClientError(
                f"{MAX_FAILURES_IN_A_ROW} items failed one after the other, the last one so: {reason}",
                hint="what was handed in stays; run the command again once the model answers",
            )
