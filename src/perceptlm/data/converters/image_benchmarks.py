"""Rows of image benchmarks -> Samples: DocVQA, ChartQA, TextVQA, VQAv2, POPE, RefCOCO, COCO captions.

A Sample says its benchmark in the attribute `benchmark`, by which it is scored, and the part of it in `subset`. Where
people gave several answers the answer has them all; where they disagree, the one shown is what most of them said.
Fields: the data sets' own pages, listed in docs/datasets.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from perceptlm.data.converters.context import Context
from perceptlm.data.converters.image_tables import SUBSET_FIELD
from perceptlm.data.converters.rows import (
    Row,
    RowError,
    attributes_of,
    dialogue,
    fill_path,
    make_boxes,
    plain_text,
    text_of,
)
from perceptlm.schema import BoxTrack, MediaRef, Sample, Task, TextAnswer, Turn, image_prompts
from perceptlm.schema.placeholders import box_placeholder

NUM_PEOPLE = 10
"""How many people answered each question of TextVQA and VQAv2."""
_TRAINING = "train"
_SPLIT_FIELDS = ("data_split", "set_name", "split", SUBSET_FIELD)
"""Where the rows of some set say which split they are of."""


class Asked:
    """What one row asks: a question with all its references, the first of which is shown.

    `key` is None where the row does not name itself, `cluster` where its image is all that ties it to others.
    """

    def __init__(
        self,
        key: str | None,
        question: str,
        references: Sequence[str],
        *,
        regions: tuple[BoxTrack, ...] = (),
        cluster: str | None = None,
        attributes: dict[str, str | int | float | bool] | None = None,
    ) -> None:
        self.key = key
        self.turns: tuple[Turn, ...] = dialogue(question, references[0])
        self.answer = TextAnswer(text=references[0], others=tuple(references[1:]))
        self.regions = regions
        self.cluster = cluster
        self.attributes = attributes or {}


ReadRow = Callable[[Row, MediaRef], Asked]


class ImageBenchmark:
    """What all share: the image, its cluster, the attributes, and no training row in a benchmark."""

    columns = ()
    has_own_keys = True

    def __init__(self, context: Context, benchmark: str, read: ReadRow, task: Task) -> None:
        self._context = context
        self._benchmark = benchmark
        self._read = read
        self._task = task

    def convert(self, row: Row, place: str) -> Sample:
        """Return the question of a row."""
        own_split = next((row[name] for name in _SPLIT_FIELDS if name in row), None)
        if own_split == _TRAINING and self._context.split != _TRAINING:
            raise RowError("row of the training split")
        image = self._context.media.image(fill_path(self._context.video_path, row))
        found = self._read(row, image)
        attributes = attributes_of(row, subset=SUBSET_FIELD) | found.attributes | {"benchmark": self._benchmark}
        return self._context.sample(
            place if found.key is None else found.key,
            (image,),
            task=self._task,
            turns=found.turns,
            answer=found.answer,
            cluster=found.cluster or image.path,
            regions=found.regions,
            attributes=attributes,
        )


def read_docvqa(row: Row, image: MediaRef) -> Asked:
    """`questionId`, `question`, `answers`, perhaps `question_types`, and the document that the page is of."""
    kinds = row.get("question_types")
    told = [kind for kind in kinds if isinstance(kind, str)] if isinstance(kinds, list) else []
    return Asked(
        key_of(row, "questionId"),
        image_prompts.DOCVQA.format(question=text_of(row, "question")),
        texts_of(row, "answers"),
        cluster=text_of(row, "ucsf_document_id") if row.get("ucsf_document_id") else None,
        attributes={"question_type": plain_text(" + ".join(told))} if told else {},
    )


def read_chartqa(row: Row, image: MediaRef) -> Asked:
    """`query`, `label`; rows do not name themselves."""
    label = row.get("label")
    is_number = isinstance(label, int | float) and not isinstance(label, bool)
    reply = str(label) if is_number else text_of(row, "label")
    return Asked(None, image_prompts.CHARTQA.format(question=text_of(row, "query")), (reply,))


def read_textvqa(row: Row, image: MediaRef) -> Asked:
    """`question_id`, `question`, ten `answers`. The question begins with its one capital, as lmms-eval asks it."""
    question = text_of(row, "question").capitalize()
    return Asked(
        key_of(row, "question_id"),
        image_prompts.TEXTVQA.format(question=question),
        most_frequent_first(texts_of(row, "answers", NUM_PEOPLE)),
    )


def read_vqav2(row: Row, image: MediaRef) -> Asked:
    """`question_id`, `question`, ten `answers` of the annotations, `answer_type`, which becomes the subset."""
    return Asked(
        key_of(row, "question_id"),
        image_prompts.VQAV2.format(question=text_of(row, "question")),
        most_frequent_first(texts_of(row, "answers", NUM_PEOPLE)),
        attributes=attributes_of(row, subset="answer_type"),
    )


def read_pope(row: Row, image: MediaRef) -> Asked:
    """`question_id`, `text`, `label`. Its three files use the same ids: the subset is part of a Sample's."""
    label = text_of(row, "label").lower()
    if label not in ("yes", "no"):
        raise RowError("label is neither yes nor no", label)
    subset = row.get(SUBSET_FIELD)
    key = key_of(row, "question_id")
    return Asked(
        f"{subset}.{key}" if isinstance(subset, str) else key,
        image_prompts.POPE.format(question=text_of(row, "text")),
        (label,),
    )


def read_refcoco(row: Row, image: MediaRef) -> Asked:
    """A row of `referring_tables`. The box is a region shown as text, which is the answer; nothing is drawn."""
    expression = text_of(row, "expression")
    try:
        x, y, width, height = (float(side) for side in row.get("bbox") or ())
    except (TypeError, ValueError) as error:
        raise RowError("no valid box", str(row.get("bbox"))[:80]) from error
    box = make_boxes({0: (x, y, x + width, y + height)}, media=image, subject=expression, shown_as="text")
    key = row.get("key")
    return Asked(
        key if isinstance(key, str) else None,
        image_prompts.REFCOCO.format(expression=expression),
        (box_placeholder(0),),
        regions=(box,),
    )


def read_coco_captions(row: Row, image: MediaRef) -> Asked:
    """`id` (or `cocoid`) and `sentences`: texts, or {"raw": text}."""
    told = row.get("sentences")
    raw = [entry.get("raw") if isinstance(entry, dict) else entry for entry in told] if isinstance(told, list) else []
    key = next((name for name in ("id", "cocoid") if name in row), "id")
    return Asked(key_of(row, key), image_prompts.COCO_CAPTIONS, texts_of({"sentences": raw}, "sentences"))


def key_of(row: Row, name: str) -> str:
    """Return a number or a text that names the row."""
    value = row.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return text_of(row, name)


def texts_of(row: Row, name: str, number: int | None = None) -> tuple[str, ...]:
    """Return a list of texts, without blank ones; RowError if there is none.

    With `number` it must hold that many, blank ones included, but not only blank ones, as where answers are secret.
    """
    value = row.get(name)
    entries: list[Any] = value if isinstance(value, list) else list(value) if isinstance(value, tuple) else []
    if any(not isinstance(entry, str) for entry in entries):
        raise RowError(f"'{name}' holds what is no text", str(entries)[:80])
    found = tuple(plain_text(entry.strip()) for entry in entries if number is not None or entry.strip())
    if not any(found):
        raise RowError(f"no text in '{name}'", f"found {type(value).__name__}")
    if number is not None and len(found) != number:
        raise RowError(f"not {number} entries in '{name}'", f"found {len(found)}")
    return found


def most_frequent_first(texts: Sequence[str]) -> tuple[str, ...]:
    """Return `texts` with the most frequent one, the earliest of equals, moved to the front."""
    counts = Counter(texts)
    place = max(range(len(texts)), key=lambda index: (counts[texts[index]], -index))
    return (texts[place], *texts[:place], *texts[place + 1 :])
