"""A directory that both libraries load: `transformers` and ours see the same tokens and compute the same logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from oracle import transformers

from perceptlm.pretrained import LoadedModel, load


def check_agreement(directory: Path, question: str, width: int, height: int) -> LoadedModel:
    """Ask about a picture of noise, compare tokens, logits and where answers stop; return our model."""
    ours = load(directory)
    theirs = transformers.PerceptionLMForConditionalGeneration.from_pretrained(directory).eval()
    processor = transformers.AutoProcessor.from_pretrained(directory)
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}]
    text = processor.apply_chat_template(messages, add_generation_prompt=True)
    inputs = processor(text=text, images=[image], return_tensors="pt", add_special_tokens=False)
    example = ours.processor.prompt(ours.request(question, images=[image]))
    assert inputs["input_ids"][0].tolist() == example.input_ids.tolist()
    batch = ours.processor.collate([example])
    with torch.no_grad():
        expected = theirs(input_ids=inputs["input_ids"], pixel_values=batch.pictures[None]).logits
        torch.testing.assert_close(ours.model(batch), expected, rtol=0, atol=2e-5)
    assert theirs.generation_config.eos_token_id == list(ours.processor.stop_token_ids)
    return ours
