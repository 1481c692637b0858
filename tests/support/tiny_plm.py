"""A random Perception Language Model of a few thousand weights, saved as `transformers` reads it."""

from __future__ import annotations

from pathlib import Path

from perceptlm.model import DecoderConfig, PerceptionLM, PLMConfig, VisionConfig
from perceptlm.preprocess.chat_format import IMAGE, VIDEO
from perceptlm.preprocess.processor import Processor, ProcessorConfig
from perceptlm.preprocess.tokenizer import train_tokenizer
from perceptlm.pretrained import LoadedModel


def save_tiny_plm(directory: Path, *, max_tiles: int) -> Path:
    """Write the model with its processor, which cuts images into at most `max_tiles`; return the directory."""
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
    settings = ProcessorConfig(
        layout=config.layout, num_frames=4, max_tiles=max_tiles, resize_backend="tensor", max_tokens=400
    )
    LoadedModel(model.eval(), Processor(settings, tokenizer)).save(directory)
    return directory
