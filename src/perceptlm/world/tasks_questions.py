"""Writers of question tasks: open questions, multiple choice, FGQA groups. Balance has already been struck.

A quartet (four inquiries whose truths are each other's wrong options) becomes four multiple-choice Samples with the
same options in the same order, or four FGQA groups of three binary questions in which each pair of values stands in
one order. Knows which texts to write, not which questions to choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from perceptlm.schema import ChoiceAnswer, Sample, Task, TextAnswer, benchmark_prompts
from perceptlm.world import prompts
from perceptlm.world.inquiries import Inquiry
from perceptlm.world.phrases import choose, sentence
from perceptlm.world.sample_writer import SampleWriter

Asked = tuple[SampleWriter, Inquiry]


def open_task(writer: SampleWriter, inquiry: Inquiry) -> Task:
    """Return the task that the open form of a question belongs to."""
    task = inquiry.definition.open_task
    if task == "video_qa" and writer.view.record.media.kind == "image":
        return "image_qa"
    return task


def template_of(task: Task, inquiry: Inquiry) -> str:
    """Return the template's name: task, family, and in open questions what of the text goes with some values."""
    given = "" if task in ("fgqa", "mcq") else inquiry.given
    return ".".join(part for part in (task, inquiry.family, given) if part)


def open_sample(writer: SampleWriter, inquiry: Inquiry) -> Sample:
    """Return the question with a free answer."""
    family, rng = inquiry.definition, writer.rng
    task = open_task(writer, inquiry)
    question = inquiry.question(_wording(inquiry, rng))
    asked = prompts.SGQA if task == "sgqa" else prompts.PLAIN_QUESTION
    said = choose(rng, family.answers).format(value=inquiry.open_words or family.phrase(inquiry.value))
    reply = sentence(said)
    return writer.write(
        task=task,
        template=template_of(task, inquiry),
        dimension=family.dimension,
        question=prompts.pick(asked, writer.view.scene.split, rng).format(question=question),
        reply=reply,
        answer=TextAnswer(text=reply, facts=inquiry.facts),
        subject=inquiry.subject,
        held_out=inquiry.held_out,
    )


def choice_samples(quartet: Sequence[Asked], rng: np.random.Generator) -> list[Sample]:
    """Return one multiple-choice Sample per member of the quartet."""
    order = [int(index) for index in rng.permutation(len(quartet))]
    wording = _wording(quartet[0][1], rng)
    prompt = prompts.pick(prompts.MCQ, quartet[0][0].view.scene.split, rng)
    options = [_option(quartet[index][1]) for index in order]
    return [
        _choice("mcq", writer, inquiry, inquiry.question(wording), prompt, options, order.index(index))
        for index, (writer, inquiry) in enumerate(quartet)
    ]


def fgqa_samples(quartet: Sequence[Asked], rng: np.random.Generator) -> list[Sample]:
    """Return one group of three binary Samples per member: its truth against each other member's."""
    wording = _wording(quartet[0][1], rng)
    groups = [writer.next_id("fgqa") for writer, _ in quartet]
    found: list[list[Sample]] = [[] for _ in quartet]
    for pair in combinations(range(len(quartet)), 2):
        order = pair if rng.random() < 0.5 else pair[::-1]
        prompt = prompts.pick(prompts.FGQA, quartet[0][0].view.scene.split, rng)
        options = [_option(quartet[index][1]) for index in order]
        for index in pair:
            writer, inquiry = quartet[index]
            found[index].append(
                _choice(
                    "fgqa",
                    writer,
                    inquiry,
                    inquiry.question(wording),
                    prompt,
                    options,
                    order.index(index),
                    sample_id=f"{groups[index]}.{len(found[index])}",
                    group=groups[index],
                )
            )
    return [sample for group in found for sample in group]


def _choice(
    task: Task,
    writer: SampleWriter,
    inquiry: Inquiry,
    question: str,
    prompt: str,
    options: Sequence[str],
    right: int,
    sample_id: str | None = None,
    group: str | None = None,
) -> Sample:
    return writer.write(
        task=task,
        template=template_of(task, inquiry),
        dimension=inquiry.definition.dimension,
        question=prompt.format(question=question, options=benchmark_prompts.option_lines(options)),
        reply=prompts.CHOICE_REPLY.format(option=options[right]),
        answer=ChoiceAnswer(options=tuple(options), index=right),
        subject=inquiry.subject,
        held_out=inquiry.held_out,
        sample_id=sample_id,
        group=group,
    )


def _option(inquiry: Inquiry) -> str:
    return inquiry.definition.phrase(inquiry.value)


def _wording(inquiry: Inquiry, rng: np.random.Generator) -> int:
    return choose(rng, range(len(inquiry.definition.questions)))
