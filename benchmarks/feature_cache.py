"""Steps per second from a frozen vision encoder's kept features, beside encoding the pixels in every step, in one run.

    python benchmarks/feature_cache.py

The same questions about the same clips with the tiny model in bf16: with an encoder that trains, with one that is
frozen but looks at the pixels each time, and with features kept from the first time. Decoding of video is left out.
Prints medians of repeated, alternating runs and their ratios.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

import numpy as np
import torch
from training_step import step_seconds

from perceptlm.batch import IGNORED_TARGET, Example
from perceptlm.model.plm import PerceptionLM
from perceptlm.model.presets import tiny
from perceptlm.preprocess.configuration import ProcessorConfig
from perceptlm.preprocess.packing import collate
from perceptlm.train.configuration import StageConfig
from perceptlm.train.vision_features import VisionFeatures

NUM_CLIPS, NUM_FRAMES, NUM_REPEATS = 8, 16, 5
TEXT_TOKENS, ANSWER_TOKENS, VOCABULARY, IMAGE_TOKEN = 160, 50, 1024, 5


def make_example(clip: int, pictures: np.ndarray, vision_tokens: int) -> Example:
    """Return an Example of random tokens after its pictures, the last of them learnt."""
    ids = np.random.default_rng(clip).integers(10, VOCABULARY, vision_tokens + TEXT_TOKENS)
    ids[:vision_tokens] = IMAGE_TOKEN
    targets = np.full(len(ids), IGNORED_TARGET, np.int64)
    targets[-ANSWER_TOKENS:] = ids[-ANSWER_TOKENS:]
    branch = (np.arange(len(ids)) >= vision_tokens).astype(np.int64)
    tag = np.where(targets == IGNORED_TARGET, -1, 0)
    return Example((f"{clip}",), ids, targets, np.arange(len(ids)), branch, tag, ("qa",), pictures)


def main() -> None:
    """Measure the three, alternating, and print the ratios."""
    model = PerceptionLM(tiny(VOCABULARY, IMAGE_TOKEN))
    model.initialise(0)
    layout = model.config.layout
    size = (NUM_FRAMES, 3, layout.tile_size, layout.tile_size)
    clips = [np.random.default_rng(clip).integers(0, 256, size).astype(np.uint8) for clip in range(NUM_CLIPS)]
    examples = [make_example(clip, pictures, layout.num_tokens(NUM_FRAMES)) for clip, pictures in enumerate(clips)]
    seen = collate(examples, max_tokens=None, pad_token_id=0, image_token_id=IMAGE_TOKEN)
    stage = StageConfig(name="sft", num_steps=1, learning_rates={"decoder": 1e-3}, tasks={"video_qa": 1})
    features = VisionFeatures(model, stage, ProcessorConfig(layout=layout))
    began = time.perf_counter()
    kept = replace(seen, patches=torch.cat([features.get(clip, pictures) for clip, pictures in enumerate(clips)]))
    print(f"encoding {NUM_CLIPS} clips of {NUM_FRAMES} frames, once: {time.perf_counter() - began:.2f} s")
    cases = {
        "pixels, encoder trained": (seen, False),
        "pixels, encoder frozen": (seen, True),
        "kept features": (kept, True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for repeat in range(NUM_REPEATS + 1):
        for name, (batch, frozen) in cases.items():
            model.vision_encoder.requires_grad_(not frozen)
            spent = step_seconds(model, batch)
            if repeat:  # the first round warms up
                seconds[name].append(spent)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"{name}: {1 / median:.2f} steps/s, {medians['pixels, encoder trained'] / median:.2f} times the first")


if __name__ == "__main__":
    main()
