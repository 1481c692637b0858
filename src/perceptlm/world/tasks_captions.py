"""Writers of captions: of pictures, of clips, and of the boxed subject (RCap, RTLoc, RDCap).

Every caption carries the facts it states. A caption that would need words that are not unique is not written. Knows
nothing of options and balance.
"""

from __future__ import annotations

from collections.abc import Iterator

from perceptlm.schema import DenseAnswer, Fact, Sample, Segment, SpanAnswer, TextAnswer, TimeSpan
from perceptlm.schema.placeholders import frame_placeholder
from perceptlm.world import prompts
from perceptlm.world.inquiries import is_held_out, place_of
from perceptlm.world.lexicon import OUT_OF_FRAME, with_article
from perceptlm.world.phrases import Pairs, event_clause, idle_clause, place_phrase, sentence
from perceptlm.world.sample_writer import SampleWriter
from perceptlm.world.script import Event
from perceptlm.world.segments import timeline

MAX_TOLD_EVENTS = 6
MAX_PER_CLIP = {"rcap": 3, "rtloc": 3, "rdcap": 2}
"""How many Samples of one region task a clip of a world gives at most."""
_OUT_FACTS = (Fact(slot="action", value="out_of_frame"),)


def image_caption(writer: SampleWriter) -> Iterator[Sample]:
    """Write "A red ball on the left. A striped blue box at the top." from left to right."""
    view, parts, facts = writer.view, [], []
    centres = {thing: view.centre(thing, 0) or (0.0, 0.0) for thing in view.seen}
    for number, thing in enumerate(sorted(view.seen, key=lambda thing: centres[thing])):
        noun = view.refer(thing)
        if noun is None:
            return
        place = place_of(centres[thing])
        parts.append(sentence(with_article(noun.text) + (f" {place_phrase(place)}" if place else "")))
        pairs = noun.facts + ((("place", place),) if place else ())
        facts += [Fact(slot=slot, value=value, event=number) for slot, value in pairs]
    if not parts:
        return
    reply = " ".join(parts)
    yield writer.write(
        task="image_caption", template="image_caption", dimension="what",
        question=prompts.pick(prompts.IMAGE_CAPTION, view.scene.split, writer.rng),
        reply=reply, answer=TextAnswer(text=reply, facts=tuple(facts)),
    )  # fmt: skip


def video_caption(writer: SampleWriter) -> Iterator[Sample]:
    """Write all events of the clip in order: "The red ball enters from the left. Then it jumps twice."."""
    view = writer.view
    events = view.told_events
    if not 1 <= len(events) <= MAX_TOLD_EVENTS:
        return
    parts: list[str] = []
    facts: list[Fact] = []
    told: Pairs = ()
    for number, event in enumerate(events):
        before = events[number - 1] if number else None
        same = before is not None and before.subject == event.subject and before.object is None
        pronoun = told if same and writer.rng.random() < 0.5 else None
        clause = event_clause(view, event, writer.rng, number=number, told_subject=pronoun)
        if clause is None:
            return
        text, claimed = clause
        told = tuple((fact.slot, fact.value) for fact in claimed if fact.slot in ("size", "pattern", "colour", "kind"))
        parts.append(sentence(f"then {text}" if number else text))
        facts += claimed
    reply = " ".join(parts)
    yield writer.write(
        task="video_caption", template="video_caption", dimension="what",
        question=prompts.pick(prompts.VIDEO_CAPTION, view.scene.split, writer.rng),
        reply=reply, answer=TextAnswer(text=reply, facts=tuple(facts)),
        held_out=any(is_held_out(view, event) for event in events),
    )  # fmt: skip


def rcap(writer: SampleWriter, most: int = MAX_PER_CLIP["rcap"]) -> Iterator[Sample]:
    """What does the boxed subject do within a span of frames?"""
    view = writer.view
    for event, span in _some_events(writer, most, repeated=True):
        clause = event_clause(view, event, writer.rng)
        if clause is None:
            continue
        reply = sentence(clause[0])
        prompt = prompts.pick(prompts.RCAP, view.scene.split, writer.rng)
        yield writer.write(
            task="rcap", template="rcap", dimension="what",
            question=prompt.format(start=frame_placeholder(span.start_frame), end=frame_placeholder(span.end_frame)),
            reply=reply, answer=TextAnswer(text=reply, facts=clause[1]),
            subject=event.subject, boxed=True, span=span, held_out=is_held_out(view, event),
        )  # fmt: skip


def rtloc(writer: SampleWriter, most: int = MAX_PER_CLIP["rtloc"]) -> Iterator[Sample]:
    """From which frame to which does the boxed subject do what the caption says?"""
    view = writer.view
    for event, span in _some_events(writer, most, repeated=False):
        clause = event_clause(view, event, writer.rng)
        if clause is None:
            continue
        yield writer.write(
            task="rtloc", template=f"rtloc.{event.action}", dimension="when",
            question=prompts.pick(prompts.RTLOC, view.scene.split, writer.rng).format(caption=clause[0]),
            reply=f"[{frame_placeholder(span.start_frame)}, {frame_placeholder(span.end_frame)}]",
            answer=SpanAnswer(span=span), subject=event.subject, boxed=True, held_out=is_held_out(view, event),
        )  # fmt: skip


def rdcap(writer: SampleWriter, most: int = MAX_PER_CLIP["rdcap"]) -> Iterator[Sample]:
    """All that the boxed subject does, as segments that cover the clip."""
    view = writer.view
    subjects = [thing for thing in view.seen if view.told_events_of(thing) and not view.is_moved(thing)]
    order = writer.rng.permutation(len(subjects))
    written = 0
    for index in order:
        segments = _segments(writer, subjects[int(index)])
        if segments is None or written == most:
            continue
        written += 1
        lines = [
            f"[{frame_placeholder(part.span.start_frame)}, {frame_placeholder(part.span.end_frame)}]: {part.caption}"
            for part in segments
        ]
        events = view.told_events_of(subjects[int(index)])
        yield writer.write(
            task="rdcap", template="rdcap", dimension="when",
            question=prompts.pick(prompts.RDCAP, view.scene.split, writer.rng),
            reply="\n".join(lines), answer=DenseAnswer(segments=segments), subject=subjects[int(index)], boxed=True,
            held_out=any(is_held_out(view, event) for event in events),
        )  # fmt: skip


def _segments(writer: SampleWriter, thing: int) -> tuple[Segment, ...] | None:
    view, found = writer.view, []
    for piece in timeline(view, thing):
        if piece.state == "out":
            found.append(Segment(span=piece.span, caption=OUT_OF_FRAME, facts=_OUT_FACTS))
            continue
        if piece.event is not None:
            clause = event_clause(view, piece.event, writer.rng)
        else:
            clause = idle_clause(view, thing, piece.span.start_frame, writer.rng)
        if clause is None:
            return None
        found.append(Segment(span=piece.span, caption=sentence(clause[0]), facts=clause[1]))
    return tuple(found)


def _some_events(writer: SampleWriter, most: int, *, repeated: bool) -> list[tuple[Event, TimeSpan]]:
    """Return up to `most` visible events at random, in order; without `repeated`, only what its subject does once."""
    view = writer.view
    pairs = [(event, span) for event in view.told_events if (span := view.event_span(event)) is not None]
    if not repeated:
        doings = [(event.subject, event.action) for event in view.scene.events]
        pairs = [(event, span) for event, span in pairs if doings.count((event.subject, event.action)) == 1]
    kept = sorted(int(index) for index in writer.rng.permutation(len(pairs))[:most])
    return [pairs[index] for index in kept]
