"""Release rows as Samples: an open question, and one question with two options for each distractor; or the choice.

The pairs are shaped as the converter of PLM-VideoBench's FGQA shapes them: they share a group, and score together. All
Samples of an item follow one another about the same pictures, so that these are looked at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from perceptlm.annotate.export.exported_media import ExportedMedia
from perceptlm.annotate.export.released import ReleasedItem
from perceptlm.annotate.export.segments import Shown
from perceptlm.schema import (
    BoxTrack,
    ChoiceAnswer,
    MediaRef,
    Origin,
    Region,
    Sample,
    Split,
    TextAnswer,
    Turn,
    benchmark_prompts,
)
from perceptlm.seeding import derive_seed

OPEN, PAIR, CHOICE = "released.open", "released.fgqa", "released.mcq"


def open_sample(item: ReleasedItem, shown: Shown, revision: str) -> Sample:
    """Return the question with its answer in words; `revision` is the release's."""
    question, answer = item.question.strip(), item.answer.strip()
    return Sample(
        id=f"released.{item.id}",
        task="image_qa" if shown.media.kind == "image" else "video_qa",
        split="train",
        media=(media_ref(shown),),
        turns=(Turn(role="user", text=question), Turn(role="assistant", text=answer)),
        answer=TextAnswer(text=answer),
        origin=origin_of(item, revision),
        cluster=item.source,
        template=OPEN,
        regions=_regions(shown),
        attributes=attributes_of(item),
    )


def choice_sample(item: ReleasedItem, shown: Shown, revision: str) -> Sample:
    """Return a question with all its options, in the order people saw."""
    question, reply = choice_turns(item)
    options = tuple(option.strip() for option in item.options)
    return Sample(
        id=f"released.{item.id}",
        task="mcq",
        split="train",
        media=(media_ref(shown),),
        turns=(Turn(role="user", text=question), Turn(role="assistant", text=reply)),
        answer=ChoiceAnswer(options=options, index=item.options.index(item.answer)),
        origin=origin_of(item, revision),
        cluster=item.source,
        template=CHOICE,
        regions=_regions(shown),
        attributes=attributes_of(item),
    )


def choice_turns(item: ReleasedItem) -> tuple[str, str]:
    """Return how a choice is asked and answered."""
    options = [option.strip() for option in item.options]
    lines = benchmark_prompts.option_lines(options)
    asked = benchmark_prompts.FGQA.format(question=item.question.strip(), options=lines)
    index = item.options.index(item.answer)
    return asked, f"({benchmark_prompts.LETTERS[index]}) {options[index]}"


def pair_samples(
    item: ReleasedItem, shown: Shown, places: list[int], *, split: Split, revision: str, seed: int
) -> Iterator[Sample]:
    """Yield the question with two options for each distractor in `places`; which comes first is drawn by the seed."""
    for place in places:
        options, index = options_of(item, place, seed)
        prompt = benchmark_prompts.FGQA.format(
            question=item.question.strip(), options=benchmark_prompts.option_lines(options)
        )
        reply = f"({benchmark_prompts.LETTERS[index]}) {options[index]}"
        yield Sample(
            id=f"released.{item.id}_{place}",
            task="fgqa",
            split=split,
            media=(media_ref(shown),),
            turns=(Turn(role="user", text=prompt), Turn(role="assistant", text=reply)),
            answer=ChoiceAnswer(options=options, index=index),
            origin=origin_of(item, revision, place),
            cluster=item.source,
            template=PAIR,
            group=f"released.{item.id}",
            regions=_regions(shown),
            attributes=attributes_of(item),
        )


def options_of(item: ReleasedItem, place: int, seed: int) -> tuple[tuple[str, str], int]:
    """Return the options of a pair in the order shown, and the right one's place."""
    index = derive_seed(seed, "option order", item.id, place) % 2
    right, wrong = item.answer.strip(), item.distractors[place].text.strip()
    return ((right, wrong) if index == 0 else (wrong, right)), index


def origin_of(item: ReleasedItem, revision: str, place: int | None = None) -> Origin:
    """Return the person of a row; where a model wrote the pair's distractor, its licence is carried too."""
    licences = [item.licence]
    written_by = None if place is None else item.distractors[place].written_by
    if written_by is not None and written_by.licence not in licences:
        licences.append(written_by.licence)
    return Origin(kind="person", name=item.author, revision=revision, licence=" AND ".join(licences))


def attributes_of(item: ReleasedItem) -> dict[str, str | int | float | bool]:
    """Return what scores may be broken down by; the whole lineage is in `lineage.jsonl`."""
    lineage = item.lineage
    values: dict[str, str | int | float | bool | None] = {
        "domain": item.domain,
        "question_type": item.question_type,
        "guideline": lineage.guideline,
        "num_annotators": lineage.num_annotators,
        "agreement": lineage.agreement,
        "posterior": lineage.posterior,
        "adjudicated": lineage.adjudicated,
        "audited": lineage.audited,
    }
    return {name: value for name, value in values.items() if value is not None and value != ""}


def media_ref(shown: Shown) -> MediaRef:
    """Return the file, or the clip of it that is shown."""
    start, end = shown.exact_times
    return plain_ref(shown.media).model_copy(update={"start_seconds": start, "end_seconds": end})


def plain_ref(media: ExportedMedia) -> MediaRef:
    """Return the whole file."""
    return MediaRef(
        kind=media.kind,
        path=media.path,
        width=media.width,
        height=media.height,
        num_frames=media.num_frames,
        frames_per_second=media.frames_per_second,
    )


def _regions(shown: Shown) -> tuple[Region, ...]:
    if not shown.boxes:
        return ()
    how = "text" if shown.media.kind == "image" else "outline"
    return (BoxTrack.model_validate({"subject": "subject", "boxes": shown.boxes, "shown_as": how}),)
