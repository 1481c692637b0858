"""A small random model with a real processor."""

import pytest

from perceptlm.model import DecoderConfig, PerceptionLM, PLMConfig, VisionConfig
from perceptlm.preprocess.processor import Processor, ProcessorConfig
from perceptlm.preprocess.tokenizer import train_tokenizer
from perceptlm.pretrained import LoadedModel


@pytest.fixture(scope="session")
def loaded() -> LoadedModel:
    tokenizer = train_tokenizer(["What does the red circle do? It stops."] * 9, 300)
    vision = VisionConfig(image_size=16, patch_size=4, width=32, num_layers=1, num_heads=2)
    decoder = DecoderConfig(
        vocab_size=tokenizer.vocab_size, width=32, num_layers=2, num_heads=4, num_kv_heads=2, head_dim=8,
        mlp_width=48, max_positions=600, tie_embeddings=False,
    )  # fmt: skip
    image_token_id = tokenizer.special_id("<|image|>")
    config = PLMConfig(vision=vision, decoder=decoder, pooling_ratio=2, image_token_id=image_token_id)
    model = PerceptionLM(config)
    model.initialise(0)
    settings = ProcessorConfig(layout=config.layout, num_frames=4, max_tiles=4, max_tokens=400)
    return LoadedModel(model.eval(), Processor(settings, tokenizer))
