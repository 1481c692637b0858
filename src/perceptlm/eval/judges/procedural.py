"""The offline judge for procedural data: F1 over the facts an answer states. It is not an LLM judge.

A fact is (slot, value) of one event: what kind of thing, which colour, what it does, which way, how often. Reference
facts come with the Sample, from the event script; facts of an answer are read from its words by
`perceptlm.world.facts`, which inverts the language the world is described in. It judges that language and no other:
prose a person would call right may earn nothing here.

Rules:
1. Events are matched in the order told, so as to match the most facts; facts told too much cost precision.
2. Two values for one slot of one event are both wrong: hedging and listing never pay.
3. A predicted event whose subject is another thing of the reference (the subject of another event, or an event's
   object) matches nothing: swapping who does what to whom earns nothing. A subject that is merely misnamed loses its
   own facts only.
4. A predicted event that denies a true fact ("does not jump") matches nothing. Other denials say nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from perceptlm.config import digest_of
from perceptlm.eval.alignment import best_ordered_total
from perceptlm.eval.judges.protocol import JudgeCall, JudgeIdentity, Verdict
from perceptlm.schema import Fact
from perceptlm.world.facts import facts_in_text
from perceptlm.world.lexicon import OUT_OF_FRAME

JUDGE_NAME = "procedural fact F1, not an LLM judge"
NO_FACTS = "the reference states no facts to judge by"

_DENIAL = "not:"
"""How `facts_in_text` marks a value that a text denies."""


class ProceduralJudge:
    """The judge of this module; it costs nothing, so that verdicts may be had from it one by one (`get`)."""

    identity = JudgeIdentity(
        name=JUDGE_NAME, revision="1", prompt_hash=digest_of(JUDGE_NAME), temperature=0.0, backend="rules"
    )

    def judge(self, calls: Sequence[JudgeCall]) -> list[Verdict]:
        """Return one verdict per call; a reference without facts fails, but for the caption "Out of frame."."""
        return [self.get(call) for call in calls]

    def get(self, call: JudgeCall, /) -> Verdict:
        """Return the verdict on one call."""
        if not call.facts and (call.kind == "answer" or _words(call.reference) != _words(OUT_OF_FRAME)):
            return Verdict(None, reason=NO_FACTS)
        if call.kind == "answer":
            return Verdict(float(judge_answer(call.prediction, call.reference, call.facts)))
        return Verdict(judge_caption(call.prediction, call.reference, call.facts))


@dataclass(frozen=True)
class _Event:
    """What is told of one event: the values affirmed per slot, and the (slot, value) pairs denied."""

    affirmed: dict[str, frozenset[str]]
    denied: frozenset[tuple[str, str]]

    def value(self, slot: str) -> str | None:
        """The one value affirmed for `slot`; None if there is none or more than one."""
        values = self.affirmed.get(slot, frozenset())
        return next(iter(values)) if len(values) == 1 else None


@dataclass(frozen=True)
class FactScore:
    """How the facts of an answer compare with those of the reference."""

    num_matched: int
    num_predicted: int
    num_reference: int

    @property
    def f1(self) -> float:
        """2 x matched / (predicted + reference); 0 when nothing matches."""
        return 2 * self.num_matched / max(1, self.num_predicted + self.num_reference)

    @property
    def exact(self) -> bool:
        """Whether answer and reference state the same facts, at least one."""
        return 0 < self.num_matched == self.num_predicted == self.num_reference


@lru_cache(maxsize=65536)
def read_facts(text: str) -> tuple[Fact, ...]:
    """Return the facts `text` states; remembered, because constant answers are judged against many references."""
    return facts_in_text(text)


def compare_facts(predicted: Iterable[Fact], reference: Iterable[Fact]) -> FactScore:
    """Count facts and matches under the rules of this module; every stated value of a slot counts as one fact."""
    told, true = _events(predicted), _events(reference)
    weights = [[float(_num_matches(event, other, true)) for event in told] for other in true]
    return FactScore(
        num_matched=round(best_ordered_total(weights)),
        num_predicted=sum(len(values) for event in told for values in event.affirmed.values()),
        num_reference=sum(len(values) for event in true for values in event.affirmed.values()),
    )


def judge_caption(text: str, reference: str, facts: Sequence[Fact]) -> float:
    """Return the fact F1 of a caption in [0, 1]; a reference without facts ("Out of frame.") asks for its own words."""
    if not facts:
        return float(_words(text) == _words(reference))
    return compare_facts(read_facts(text), facts).f1


def judge_answer(text: str, reference: str, facts: Sequence[Fact]) -> bool:
    """Return whether an answer is right: fact F1 of 1 on the slots the question asked for.

    The asked slots are those of the reference facts; what else the answer says is neither asked nor punished. When one
    event is asked about, what the answer says of any event counts together, so that naming two values is wrong even in
    two sentences. The reference's own words are always right.
    """
    if _words(text) == _words(reference):
        return True
    asked = {fact.slot for fact in facts}
    stated = [fact for fact in read_facts(text) if fact.slot in asked]
    if len({fact.event for fact in facts}) == 1:
        stated = [fact.model_copy(update={"event": facts[0].event}) for fact in stated]
    return compare_facts(stated, facts).exact


def _events(facts: Iterable[Fact]) -> list[_Event]:
    affirmed: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    denied: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for fact in facts:
        if fact.value.startswith(_DENIAL):
            denied[fact.event].add((fact.slot, fact.value.removeprefix(_DENIAL)))
        else:
            affirmed[fact.event][fact.slot].add(fact.value)
    return [
        _Event({slot: frozenset(values) for slot, values in affirmed[number].items()}, frozenset(denied[number]))
        for number in sorted({*affirmed, *denied})
    ]


def _num_matches(told: _Event, true: _Event, all_true: Sequence[_Event]) -> int:
    denies_the_truth = any(value in true.affirmed.get(slot, ()) for slot, value in told.denied)
    if denies_the_truth or _is_told_of_another_thing(told, true, all_true):
        return 0
    return sum(1 for slot in true.affirmed if told.value(slot) is not None and told.value(slot) == true.value(slot))


def _is_told_of_another_thing(told: _Event, true: _Event, all_true: Sequence[_Event]) -> bool:
    if true.value("kind") is None:
        return False
    others = {event.value(slot) for event in all_true for slot in ("kind", "object")} - {None, true.value("kind")}
    return told.value("kind") in others


def _words(text: str) -> str:
    return " ".join(text.lower().replace('"', " ").split()).rstrip(".")
