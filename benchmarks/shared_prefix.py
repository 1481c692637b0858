"""Questions per second with one shared prefix, beside one Example per question (the peer), in one run.

    python benchmarks/shared_prefix.py

Both do the same training work on the same questions about the same clips with the tiny model in bf16; only the way
they are laid out in a Batch differs. Prints medians of repeated, alternating runs and their ratio.
"""

from __future__ import annotations

import statistics

import numpy as np
from training_step import step_seconds

from perceptlm.batch import IGNORED_TARGET, Example
from perceptlm.model.plm import PerceptionLM
from perceptlm.model.presets import tiny
from perceptlm.preprocess.packing import collate

NUM_CLIPS, NUM_FRAMES, NUM_QUESTIONS, NUM_REPEATS = 8, 8, 5, 5
PREFIX_TOKENS, BRANCH_TOKENS, ANSWER_TOKENS, VOCABULARY, IMAGE_TOKEN = 45, 40, 12, 1024, 5


def make_example(clip: int, questions: range, pictures: np.ndarray, vision_tokens: int) -> Example:
    """Return an Example of random tokens: one prefix with pictures, one branch for each question."""
    rng = np.random.default_rng(clip)
    prefix = PREFIX_TOKENS + vision_tokens
    ids = rng.integers(10, VOCABULARY, prefix + NUM_QUESTIONS * BRANCH_TOKENS)
    ids[PREFIX_TOKENS:prefix] = IMAGE_TOKEN
    starts = [prefix + question * BRANCH_TOKENS for question in questions]
    chosen = [*range(prefix), *(place for start in starts for place in range(start, start + BRANCH_TOKENS))]
    branch = np.zeros(len(chosen), np.int64)
    positions = np.arange(len(chosen))
    targets = np.full(len(chosen), IGNORED_TARGET, np.int64)
    for number in range(len(starts)):
        start = prefix + number * BRANCH_TOKENS
        end = start + BRANCH_TOKENS
        branch[start:end] = number + 1
        positions[start:end] = prefix + np.arange(BRANCH_TOKENS)
        targets[end - ANSWER_TOKENS : end] = ids[chosen][end - ANSWER_TOKENS : end]
    tag = np.where(targets == IGNORED_TARGET, -1, 0)
    return Example((f"{clip}",), ids[chosen], targets, positions, branch, tag, ("qa",), pictures)


def main() -> None:
    """Measure both layouts, alternating, and print the ratio."""
    model = PerceptionLM(tiny(VOCABULARY, IMAGE_TOKEN))
    model.initialise(0)
    layout = model.config.layout
    vision_tokens = layout.num_tokens(NUM_FRAMES)
    size = (NUM_FRAMES, 3, layout.tile_size, layout.tile_size)
    clips = [np.random.default_rng(clip).integers(0, 256, size).astype(np.uint8) for clip in range(NUM_CLIPS)]
    every = range(NUM_QUESTIONS)
    shared = [make_example(clip, every, clips[clip], vision_tokens) for clip in range(NUM_CLIPS)]
    single = [
        make_example(clip, range(question, question + 1), clips[clip], vision_tokens)
        for clip in range(NUM_CLIPS)
        for question in every
    ]
    batches = {
        "shared prefix": collate(shared, max_tokens=None, pad_token_id=0, image_token_id=IMAGE_TOKEN),
        "one Example per question": collate(single, max_tokens=None, pad_token_id=0, image_token_id=IMAGE_TOKEN),
    }
    seconds: dict[str, list[float]] = {name: [] for name in batches}
    for repeat in range(NUM_REPEATS + 1):
        for name, batch in batches.items():
            spent = step_seconds(model, batch)
            if repeat:  # the first round warms up
                seconds[name].append(spent)
    rates = {name: NUM_CLIPS * NUM_QUESTIONS / statistics.median(times) for name, times in seconds.items()}
    for name, rate in rates.items():
        print(f"{name}: {rate:.1f} questions/s")
    print(f"ratio: {rates['shared prefix'] / rates['one Example per question']:.2f}")


if __name__ == "__main__":
    main()
