"""A directory that `transformers` wrote is loaded as it is, and answers as there; what we save, it loads in turn."""

import numpy as np
import pytest
import torch
from oracle import transformers
from PIL import Image
from tiny_plm import save_tiny_plm

from perceptlm import pretrained

QUESTION = "What does the red circle do?"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """What we save, and what they save after loading it: processor, tokenizer and weights."""
    ours, theirs = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("theirs")
    save_tiny_plm(ours, max_tiles=4)
    transformers.AutoProcessor.from_pretrained(ours).save_pretrained(theirs)
    transformers.AutoModelForImageTextToText.from_pretrained(ours).save_pretrained(theirs)
    return {"ours": ours, "theirs": theirs}


@pytest.mark.parametrize("writer", ["ours", "theirs"])
@torch.no_grad()
def test_both_answer_alike_from_one_directory(saved, writer):
    directory = saved[writer]
    loaded = pretrained.load(directory)
    processor = transformers.AutoProcessor.from_pretrained(directory)
    model = transformers.AutoModelForImageTextToText.from_pretrained(directory, dtype=torch.float32).eval()
    image = np.random.default_rng(0).integers(0, 256, (70, 140, 3), dtype=np.uint8)
    said = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]}]
    text = processor.apply_chat_template(said, add_generation_prompt=True)
    inputs = processor(text=[text], images=[Image.fromarray(image)], return_tensors="pt")
    torch.testing.assert_close(loaded.logits(QUESTION, images=[image]), model(**inputs).logits[0], rtol=0, atol=2e-5)
    new = model.generate(**inputs, max_new_tokens=6, do_sample=False, pad_token_id=0)[0, inputs["input_ids"].shape[1] :]
    answer = processor.decode(new, skip_special_tokens=True)
    assert loaded.generate(QUESTION, images=[image], max_new_tokens=6) == answer


def test_the_weights_they_save_are_the_bytes_we_saved(saved):
    ours, theirs = ((saved[writer] / "model.safetensors").read_bytes() for writer in ("ours", "theirs"))
    assert ours == theirs
