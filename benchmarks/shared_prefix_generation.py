"""Answers per second with shared prefixes, beside every question reading its own pictures (the peer), in one run.

    python benchmarks/shared_prefix_generation.py

Both write the same answers to the same questions about the same clips, with the tiny model (random weights) in bf16
on 16 frames of 16 vision tokens; the peer encodes the pictures once too, but reads them again for every question.
Prints medians of repeated, alternating runs and their ratio.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch
from torch import Tensor

from perceptlm.batch import IGNORED_TARGET, Batch, Example
from perceptlm.model.generation import Branch, Sampling, continue_branches, read_prefixes
from perceptlm.model.plm import PerceptionLM
from perceptlm.model.presets import tiny
from perceptlm.preprocess.packing import collate

NUM_CLIPS, NUM_FRAMES, NUM_QUESTIONS, NUM_REPEATS = 8, 16, 6, 3
SYSTEM_TOKENS, QUESTION_TOKENS, ANSWER_TOKENS, VOCABULARY, IMAGE_TOKEN = 45, 40, 8, 1024, 5
SAMPLING = Sampling(ANSWER_TOKENS)


def make_batch(prompts: list[np.ndarray]) -> Batch:
    """Return one row per prompt; the vision tokens of all prompts are handed over beside it."""
    size = (NUM_FRAMES, 3, 1, 1)  # the vision tokens stand in for them
    examples = []
    for number, ids in enumerate(prompts):
        nothing = np.zeros(len(ids), np.int64)
        places, targets = np.arange(len(ids)), np.full(len(ids), IGNORED_TARGET)
        pictures = np.zeros(size, np.uint8)
        examples.append(Example((str(number),), ids, targets, places, nothing, nothing - 1, (), pictures))
    return collate(examples, max_tokens=None, pad_token_id=0, image_token_id=IMAGE_TOKEN)


def answer_shared(model: PerceptionLM, clips: list[np.ndarray], questions: np.ndarray, seen: list[Tensor]) -> list:
    """Read every clip once, then branch."""
    prefixes = []
    for clip, vision_tokens in zip(clips, seen, strict=True):
        prefixes += read_prefixes(model, make_batch([clip]), vision_tokens=vision_tokens)
    asked = [(clip, question) for clip in range(NUM_CLIPS) for question in range(NUM_QUESTIONS)]
    branches = [Branch(clip, tuple(questions[clip, question].tolist()), SAMPLING) for clip, question in asked]
    return continue_branches(model, prefixes, branches, stop_ids=())


def answer_unshared(model: PerceptionLM, clips: list[np.ndarray], questions: np.ndarray, seen: list[Tensor]) -> list:
    """Read every clip again for every question, in one batch per question of each clip."""
    found: dict[tuple[int, int], object] = {}
    for question in range(NUM_QUESTIONS):
        prompts = [np.concatenate([clip, questions[number, question]]) for number, clip in enumerate(clips)]
        prefixes = read_prefixes(model, make_batch(prompts), vision_tokens=torch.cat(seen))
        branches = [Branch(number, (), SAMPLING) for number in range(NUM_CLIPS)]
        for number, continuation in enumerate(continue_branches(model, prefixes, branches, stop_ids=())):
            found[number, question] = continuation
    return [found[key] for key in sorted(found)]


@torch.no_grad()
def main() -> None:
    """Measure both, alternating, and print the ratio."""
    rng = np.random.default_rng(0)
    model = PerceptionLM(tiny(VOCABULARY, IMAGE_TOKEN))
    model.initialise(0)
    model.eval().to(torch.bfloat16)
    vision = np.full(model.config.layout.num_tokens(NUM_FRAMES), IMAGE_TOKEN)
    system = rng.integers(10, VOCABULARY, SYSTEM_TOKENS)
    clips = [np.concatenate([system, vision]) for _ in range(NUM_CLIPS)]
    questions = rng.integers(10, VOCABULARY, (NUM_CLIPS, NUM_QUESTIONS, QUESTION_TOKENS))
    size = (NUM_CLIPS, NUM_FRAMES, 3, model.config.layout.tile_size, model.config.layout.tile_size)
    seen = [model.encode(torch.from_numpy(clip)) for clip in rng.uniform(-1, 1, size).astype(np.float32)]
    ways = {"shared prefixes": answer_shared, "every question reads its own": answer_unshared}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    answers: dict[str, list] = {}
    for repeat in range(NUM_REPEATS + 1):
        for name, answer in ways.items():
            began = time.perf_counter()
            answers[name] = answer(model, clips, questions, seen)
            if repeat:  # the first round warms up
                seconds[name].append(time.perf_counter() - began)
    num_answers = NUM_CLIPS * NUM_QUESTIONS
    for name, times in seconds.items():
        rates = sorted(num_answers / spent for spent in times)
        print(f"{name}: {statistics.median(rates):.1f} answers/s ({rates[0]:.1f} to {rates[-1]:.1f})")
    one, other = answers.values()
    print(f"answers that agree (bf16): {sum(a == b for a, b in zip(one, other, strict=True))} of {num_answers}")
    medians = [statistics.median(times) for times in seconds.values()]
    print(f"ratio: {medians[1] / medians[0]:.2f}")


if __name__ == "__main__":
    main()
