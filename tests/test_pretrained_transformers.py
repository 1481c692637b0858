"""A directory that `transformers` wrote is loaded as it is, and answers as there; what we save, it loads in turn."""

import numpy as np
import pytest
import torch
from oracle import transformers
from PIL import Image

from perceptlm import pretrained
from perceptlm.model import DecoderConfig, PerceptionLM, PLMConfig, VisionConfig
from perceptlm.preprocess.chat_format import IMAGE, VIDEO
from perceptlm.preprocess.processor import Processor, ProcessorConfig
from perceptlm.preprocess.tokenizer import train_tokenizer
from perceptlm.pretrained import LoadedModel

QUESTION = "What does the red circle do?"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """What we save, and what they save after loading it: processor, tokenizer and weights."""
    tokenizer = train_tokenizer(["What does the red circle do? It stops."] * 9, 300)
    vision = VisionConfig(image_size=56, patch_size=14, width=32, num_layers=2, num_heads=2)
    decoder = DecoderConfig(
        vocab_size=tokenizer.vocab_size, width=32, num_layers=2, num_heads=4, num_kv_heads=2, head_dim=8,
        mlp_width=48, max_positions=600,
    )  # fmt: skip
    config = PLMConfig(
        vision=vision, decoder=decoder, pooling_ratio=2, image_token_id=tokenizer.special_id(IMAGE),
        video_token_id=tokenizer.special_id(VIDEO),
    )  # fmt: skip
    model = PerceptionLM(config)
    model.initialise(0)
    settings = ProcessorConfig(layout=config.layout, num_frames=4, max_tiles=4, resize_backend="tensor", max_tokens=400)
    ours, theirs = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("theirs")
    LoadedModel(model.eval(), Processor(settings, tokenizer)).save(ours)
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
