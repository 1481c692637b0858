"""A model as a judge, behind any GenerationClient: a server, or a model in this process.

Every different call is asked once; replies are looked up in a cache before and kept in it as they come. A reply that
cannot be read is asked for again with another seed, each try kept. A call without any reply is a failed verdict; many
of them are an outage, which stops the run with everything kept. This module knows no metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from perceptlm.clients import EachAloneClient, GenerationClient, GenerationRequest, GenerationResult
from perceptlm.errors import ClientError
from perceptlm.eval.benchmarks.plm_videobench.judging import JudgeReply, caption_judge_parse, sgqa_judge_parse
from perceptlm.eval.benchmarks.plm_videobench.profiles import Profile, rules_of
from perceptlm.eval.judges.cache import Reply, ReplyCache, reply_key
from perceptlm.eval.judges.protocol import JudgeCall, JudgeIdentity, Verdict
from perceptlm.eval.judges.wording import Wording
from perceptlm.log import progress
from perceptlm.schema import Turn

MAX_NEW_TOKENS = 256
"""The longest reply, as in lmms-eval."""
MAX_FAILED_IN_A_ROW = 32
"""So many calls in a row without a reply are an outage, whatever their share."""

NO_REPLY = "no reply"


@dataclass
class Usage:
    """What judging took in this process: calls, and tokens as the server counts them."""

    num_asked: int = 0
    num_cached: int = 0
    num_failed: int = 0
    num_prompt_tokens: int = 0
    num_new_tokens: int = 0


class ClientJudge:
    """Judges by asking `client` in the words of `wording`, read as `profile` reads replies. Greedy decoding.

    `cache` keeps replies; without one they are only remembered while a list of calls is judged. More failed calls
    than `max_error_share` of those of one list raise ClientError. `address` is where a client behind a server asks:
    where that states no revision, another address may be another model, and replies of one are not those of the other.
    """

    def __init__(
        self,
        client: GenerationClient,
        wording: Wording,
        profile: Profile,
        *,
        cache: ReplyCache | None = None,
        max_error_share: float = 0.05,
        address: str | None = None,
    ) -> None:
        self._client = client
        self._address = address
        self.wording = wording
        self._profile = profile
        self._cache = cache
        self._max_error_share = max_error_share
        rules = rules_of("sgqa", profile)
        self._max_tries = 1 if rules is None else rules.judge_tries
        self.usage = Usage()

    @cached_property
    def identity(self) -> JudgeIdentity:
        """Which model, in which revision, asked in which words. ClientError if a server has to be asked and is away."""
        model = self._client.identity
        return JudgeIdentity(
            name=model.name,
            revision=model.revision,
            prompt_hash=self.wording.prompt_hash,
            temperature=0.0,
            backend=model.backend,
        )

    def summary(self) -> str:
        """Return one line on what judging took so far."""
        used = self.usage
        kept = (
            ""
            if self._cache is None
            else f"; {self._cache.path} holds {len(self._cache)} in {self._cache.num_bytes} bytes"
        )
        tokens = f"{used.num_prompt_tokens} tokens in, {used.num_new_tokens} out"
        failed = f", {used.num_failed} without reply" if used.num_failed else ""
        return f"judge: {used.num_asked} calls asked{failed} ({tokens}), {used.num_cached} from the cache{kept}"

    def num_cached(self, calls: Iterable[JudgeCall]) -> int:
        """Return how many of the calls have a reply in the cache already."""
        if self._cache is None:
            return 0
        keys = [self._key(self.wording.turns(call), (MAX_NEW_TOKENS, 0.0, 0)) for call in calls]
        kept = self._cache.get_many(keys)
        return sum(key in kept for key in keys)

    def judge(self, calls: Sequence[JudgeCall]) -> list[Verdict]:
        """Return one verdict per call, in order; equal calls are asked about once."""
        verdicts: dict[JudgeCall, Verdict] = {}
        pending = list(dict.fromkeys(calls))
        stopper = _OutageStopper(round(len(pending) * self._max_error_share), len(pending))
        for attempt in range(self._max_tries):
            for call, reply in self._replies(pending, attempt, stopper):
                verdicts[call] = self._verdict(call, reply, attempt + 1)
            pending = [call for call in pending if verdicts[call].reason and verdicts[call].reply is not None]
            if not pending:
                break
        return [verdicts[call] for call in calls]

    def _key(self, turns: Sequence[Turn], limits: tuple[int, float, int]) -> bytes:
        identity = self._client.identity
        return reply_key(identity, turns, limits, address=self._address if identity.revision == "unknown" else None)

    def _replies(
        self, calls: Sequence[JudgeCall], attempt: int, stopper: _OutageStopper
    ) -> Iterator[tuple[JudgeCall, Reply | str]]:
        """Yield each call with its reply, or with why there is none: cached ones first, then as they come."""
        unknown: dict[str, tuple[JudgeCall, bytes]] = {}
        requests = []
        limits = (MAX_NEW_TOKENS, 0.0, attempt)
        conversations = [self.wording.turns(call) for call in calls]
        keys = [self._key(turns, limits) for turns in conversations]
        kept = {} if self._cache is None else self._cache.get_many(keys)
        for call, turns, key in zip(calls, conversations, keys, strict=True):
            if key in kept:
                self.usage.num_cached += 1
                yield call, kept[key]
                continue
            unknown[key.hex()] = (call, key)
            requests.append(GenerationRequest(key.hex(), turns, (), *limits))
        if not requests:
            return
        with progress() as bar:
            task = bar.add_task("judge" if attempt == 0 else "judge again", total=len(requests))
            for result in _answers(self._client, requests):
                bar.advance(task)
                call, key = unknown.pop(result.id)
                yield call, self._kept(key, result, stopper)

    def _kept(self, key: bytes, result: GenerationResult, stopper: _OutageStopper) -> Reply | str:
        self.usage.num_asked += 1
        if result.error is not None or result.finish_reason == "error":
            self.usage.num_failed += 1
            stopper.failed(result.error or "no reason given")
            return result.error or "no reason given"
        stopper.answered()
        self.usage.num_prompt_tokens += result.num_prompt_tokens or 0
        self.usage.num_new_tokens += result.num_new_tokens or 0
        # JSON from a server may hold half of a surrogate pair, which no file can.
        text = result.text.encode("utf-8", "replace").decode("utf-8")
        reply = Reply(text, result.finish_reason, result.num_prompt_tokens, result.num_new_tokens)
        return reply if self._cache is None else self._cache.put(key, reply)

    def _verdict(self, call: JudgeCall, reply: Reply | str, num_tries: int) -> Verdict:
        if isinstance(reply, str):
            return Verdict(None, reason=f"{NO_REPLY}: {reply}", num_tries=num_tries)
        read = self._parse(call, reply.text)
        return Verdict(read.value, reply.text, read.reason, read.by_fallback, num_tries)

    def _parse(self, call: JudgeCall, text: str) -> JudgeReply:
        parse = sgqa_judge_parse if call.kind == "answer" else caption_judge_parse
        return parse(text, self._profile)


class _OutageStopper:
    """Counts calls without a reply, and raises ClientError when they are too many."""

    def __init__(self, max_failed: int, num_calls: int) -> None:
        self._max_failed = max_failed
        self._num_calls = num_calls
        self._num_failed = 0
        self._in_a_row = 0

    def answered(self) -> None:
        self._in_a_row = 0

    def failed(self, error: str) -> None:
        self._num_failed += 1
        self._in_a_row += 1
        if self._num_failed > self._max_failed or self._in_a_row >= MAX_FAILED_IN_A_ROW:
            raise ClientError(
                f"{self._num_failed} of {self._num_calls} calls to the judge got no reply; the last: {error}",
                hint="all replies so far are kept: mend the judge and run the same command again",
            )


def _answers(client: GenerationClient, requests: Sequence[GenerationRequest]) -> Iterator[GenerationResult]:
    """Yield one result per request, as they come where the client can, and make sure that none is lost."""
    left = {request.id for request in requests}
    results: Iterator[GenerationResult]
    if isinstance(client, EachAloneClient):
        results = (result for _, result in client.answer_each((request.id, request) for request in requests))
    else:
        results = client.generate(requests)
    for result in results:
        if result.id not in left:
            raise ClientError(f"{client.identity.name}: an answer to no request")
        left.discard(result.id)
        yield result
    if left:
        raise ClientError(f"{client.identity.name}: no answer to {len(left)} requests")
