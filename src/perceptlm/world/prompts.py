"""Instructions of every task: the published PLM-VideoBench wording first, then others that ask for the same.

The published prompts are `schema.benchmark_prompts`. Frame numbers are placeholders of `schema.placeholders`.
Validation and benchmark use the first wording only, training all. Knows no clip.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perceptlm.schema import Split, benchmark_prompts
from perceptlm.schema.placeholders import LAST_FRAME, NUM_FRAMES
from perceptlm.world.phrases import choose

CHOICE_REPLY = "The answer is {option}."
"""How the world answers where there are options: by what the right one says, not by its letter. To find which letter
stands before some words is a skill of its own, which a tiny model does not pick up in minutes (docs/reports/0003)."""

FGQA = (
    benchmark_prompts.FGQA,
    "{question}\n{options}\nOnly give the best option.",
    "Which option is right? {question}\n{options}",
    "Choose one option.\nQuestion: {question}\nOptions:\n{options}",
)
MCQ = (
    "Question: {question}\nOptions:\n{options}\nOnly give the best option.",
    "{question}\n{options}\nAnswer with one option.",
    "{question}\nChoose from:\n{options}",
    "Pick the right answer.\nQuestion: {question}\nOptions:\n{options}",
)
SGQA = (
    benchmark_prompts.SGQA,
    "I wore the camera of this video. {question}",
    "{question}",
    "Answer the camera wearer: {question}",
)
RCAP = (
    benchmark_prompts.RCAP,
    f"What happens in the red rectangle between frames [{{start}}, {{end}}] of these {NUM_FRAMES} frames?",
    "Describe what the subject in the red rectangle does within frames [{start}, {end}].",
    "What is happening to the subject in the region highlighted by the red rectangle within frames [{start}, {end}]?",
)
RTLOC = (
    benchmark_prompts.RTLOC,
    f"When does '{{caption}}' happen in the red rectangle? Give [start, end] as frames from 0 to {LAST_FRAME}.",
    f"Find '{{caption}}' in the region of the red rectangle. Answer [start, end], frames 0 to {LAST_FRAME}.",
    f"From which to which of the {NUM_FRAMES} frames does '{{caption}}' happen? Use the format [start, end].",
)
RDCAP = (
    benchmark_prompts.RDCAP,
    "List all that the subject in the red rectangle does, one line each: [start, end]: [description]. Frames go from "
    f"0 to {LAST_FRAME}.",
    f"Describe the subject in the red rectangle over all {NUM_FRAMES} frames as lines of [start, end]: [description].",
    "Segment the actions of the subject in the red rectangle. Write [start, end]: [description] on each line.",
)
VIDEO_CAPTION = (
    "What happens in the video?",
    "Describe the video.",
    "Tell what the things in the video do, in order.",
    "Give a caption of the events in this video.",
)
IMAGE_CAPTION = (
    "What is in the picture?",
    "Describe the picture.",
    "Name the things in the picture and where they are.",
    "Give a caption of this image.",
)
PLAIN_QUESTION = (
    "{question}",
    "{question} Answer briefly.",
    "Question: {question}",
    "Look closely. {question}",
)


def pick(prompts: Sequence[str], split: Split, rng: np.random.Generator) -> str:
    """Return the published prompt, or in training any of them."""
    chosen = choose(rng, prompts)
    return chosen if split == "train" else prompts[0]
