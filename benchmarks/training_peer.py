"""The same training step by us and by `transformers` (the peer): weights, samples, steps. Not a script.

Samples are mixed as in PLM's third stage (recipes/plm_stages.py: shares of images, videos and text alone): an image is
1 to 5 tiles, a video 4, 8 or 16 frames. Texts are drawn as lengths of conversations are spread, log-normally (sigma 1):
medians of 60 tokens asked and 90 answered with an image, 200 and 80 with a video, 120 and 280 alone. Tokens and pixels
are noise; only answers carry loss. Of equal length are samples of as many tiles and as much text, half of it answers.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from perceptlm import seeding
from perceptlm.batch import IGNORED_TARGET, Batch, Example
from perceptlm.model.configuration import PLMConfig
from perceptlm.model.initialise import first_values
from perceptlm.model.plm import PerceptionLM
from perceptlm.model.presets import plm_1b, starter, tiny
from perceptlm.model.weights import hf_config
from perceptlm.model.weights.layouts import transformers_layout
from perceptlm.model.weights.rules import write_tensors
from perceptlm.preprocess.packing import collate_rows, normalise, pack

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from oracle import transformers

IMAGE_TOKEN, PAD_TOKEN = 3, 0
_SLICE_LAYERS, _SLICE_VOCABULARY = 4, 32768
_SIGMA = 1.0
_TEXTS = {"image": (60, 90), "video": (200, 80), "text": (120, 280)}
"""Medians of the tokens before and in the answer."""
_SHARES = {"image": 11.2 / 19.1, "video": 5.4 / 19.1, "text": 2.5 / 19.1}
LEARNING_RATE, MAX_GRAD_NORM = 1e-5, 1.0


@dataclass(frozen=True)
class Size:
    """A shape, and how much of it a step is measured with."""

    config: PLMConfig
    num_mixed: int
    num_equal: int
    equal_tiles: int
    equal_tokens: int


def size(name: str) -> Size:
    """Return the shape `name`; the slice's vocabulary is smaller, so that two models and their moments fit 16 GiB.

    Of the starter's mixed samples the peer takes over 20 GiB for six, most of it logits: four are shown.
    """
    if name == "starter":
        return Size(starter(image_token_id=IMAGE_TOKEN), num_mixed=4, num_equal=2, equal_tiles=2, equal_tokens=1024)
    if name == "plm_1b_slice":
        whole = plm_1b(_SLICE_VOCABULARY, IMAGE_TOKEN)
        decoder = whole.decoder.model_copy(update={"num_layers": _SLICE_LAYERS})
        vision = whole.vision.model_copy(update={"num_layers": _SLICE_LAYERS})
        config = whole.model_copy(update={"decoder": decoder, "vision": vision})
        return Size(config, num_mixed=6, num_equal=2, equal_tiles=2, equal_tokens=1024)
    return Size(tiny(300, IMAGE_TOKEN), num_mixed=4, num_equal=2, equal_tiles=2, equal_tokens=96)


SIZES = ("starter", "plm_1b_slice", "tiny")


def our_model(config: PLMConfig) -> PerceptionLM:
    """Return our model with first values, in fp32."""
    model = PerceptionLM(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(first_values(name, tuple(parameter.shape), config, 0)))
    return model.train()


def peer_model(ours: PerceptionLM, attention: str) -> nn.Module:
    """Return the peer with the same weights; `attention` is what it calls its implementation in the decoder."""
    values = transformers.PerceptionLMConfig(**hf_config.to_json(ours.config))
    values.text_config._attn_implementation = attention
    theirs: nn.Module = transformers.PerceptionLMForConditionalGeneration(values)
    tensors = dict(write_tensors(transformers_layout(ours.config), ours.state_dict()))
    missing, unexpected = theirs.load_state_dict(tensors, strict=False)
    if unexpected or [name for name in missing if name != "lm_head.weight"]:
        raise RuntimeError(f"weights do not fit the peer: {missing}, {unexpected}")
    return theirs.train()


def make_examples(shape: Size, work: str, seed: int) -> list[Example]:
    """Return the samples of one micro-batch."""
    per_tile = shape.config.layout.tokens_per_picture
    random = seeding.generator(seed, "benchmark", work)
    if work == "equal":
        text = shape.equal_tokens - shape.equal_tiles * per_tile
        plan = [(shape.equal_tiles, text - text // 2, text // 2)] * shape.num_equal
    else:
        kinds = random.choice(list(_SHARES), shape.num_mixed, p=list(_SHARES.values()))
        plan = []
        for kind in kinds:
            pictures = {"image": random.integers(1, 6), "video": random.choice([4, 8, 16]), "text": 0}[str(kind)]
            lengths = [max(4, round(m * np.exp(_SIGMA * random.standard_normal()))) for m in _TEXTS[str(kind)]]
            plan.append((int(pictures), *lengths))
    return [_example(shape.config, number, *item, random) for number, item in enumerate(plan)]


def _example(
    config: PLMConfig, number: int, num_pictures: int, asked: int, answered: int, random: np.random.Generator
) -> Example:
    vision = config.layout.num_tokens(num_pictures)
    ids = random.integers(10, min(config.decoder.vocab_size, 30000), vision + asked + answered)
    ids[1 : 1 + vision] = IMAGE_TOKEN
    targets = np.full(len(ids), IGNORED_TARGET, np.int64)
    targets[-answered - 1 : -1] = ids[-answered:]
    side = config.vision.image_size
    return Example(
        (f"sample-{number}",), ids, targets, np.arange(len(ids)), np.zeros(len(ids), np.int64),
        np.where(targets == IGNORED_TARGET, -1, 0), ("qa",),
        random.integers(0, 256, (num_pictures, 3, side, side), dtype=np.uint8),
    )  # fmt: skip


def our_batch(examples: Sequence[Example], row_tokens: int | None) -> Batch:
    """Return the samples in packed rows of `row_tokens`, by default as long as all of them; 0: each its own row."""
    lengths = [example.num_tokens for example in examples]
    rows = [[item] for item in range(len(examples))] if row_tokens == 0 else pack(lengths, row_tokens or sum(lengths))
    filled = [[examples[item] for item in row] for row in rows]
    return collate_rows(filled, pad_token_id=PAD_TOKEN, image_token_id=IMAGE_TOKEN)


def peer_inputs(examples: Sequence[Example]) -> dict[str, Any]:
    """Return the samples as the peer takes them: text padded on the right to the longest, tiles in one row."""
    longest = max(example.num_tokens for example in examples)
    ids = torch.full((len(examples), longest), PAD_TOKEN)
    labels, seen = torch.full_like(ids, IGNORED_TARGET), torch.zeros_like(ids)
    for row, example in enumerate(examples):
        length = example.num_tokens
        ids[row, :length] = torch.from_numpy(example.input_ids)
        # The peer's labels stand where the token is, ours where it is predicted.
        labels[row, 1:length] = torch.from_numpy(example.targets[:-1])
        seen[row, :length] = 1
    pictures = np.concatenate([example.pictures for example in examples])
    shown = {"pixel_values": normalise(pictures)[None]} if len(pictures) else {}
    return {"input_ids": ids, "labels": labels, "attention_mask": seen, "use_cache": False, **shown}


class Contender:
    """A model and its optimiser, which does a step on what it is given and says its mean loss."""

    def __init__(self, model: nn.Module, total_loss: Callable[[Any], Tensor], precision: str = "bf16") -> None:
        self.model = model
        self.total_loss = total_loss
        self.precision = precision
        self.device = next(model.parameters()).device
        self.optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0, fused=True)

    def backward(self, parts: Sequence[Any], num_targets: int) -> float:
        """Add up the gradients of the mean loss over all `parts`; return that."""
        total = 0.0
        for part in parts:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
                loss = self.total_loss(part) / num_targets
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        return total

    def step(self, parts: Sequence[Any], num_targets: int) -> tuple[float, float, float]:
        """Do one update; return its mean loss, its seconds, and the seconds of all threads."""
        began, worked = time.perf_counter(), time.process_time()
        loss = self.backward(parts, num_targets)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), MAX_GRAD_NORM)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return loss, time.perf_counter() - began, time.process_time() - worked


def our_loss(model: PerceptionLM) -> Callable[[Batch], Tensor]:
    """Return the function from a batch to its summed loss."""
    return lambda batch: model.loss(batch.to(model.device)).total


def peer_loss(model: nn.Module) -> Callable[[dict[str, Any]], Tensor]:
    """Return the function from the peer's inputs to its summed loss."""

    def total(inputs: dict[str, Any]) -> Tensor:
        device = next(model.parameters()).device
        moved = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in inputs.items()}
        loss: Tensor = model(**moved).loss
        return loss * int((inputs["labels"] != IGNORED_TARGET).sum())

    return total
